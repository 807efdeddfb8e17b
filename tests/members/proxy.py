"""A proxy that loses replies: what was asked for has happened, and nobody is told."""

import contextlib
import itertools
import random
import socket
import threading
import time

from counter.settings import Endpoint


class LossyProxy:
    """Passes connections on to a member. After a while each loses what the member replies, and soon after that breaks.

    How long each lasts is drawn at random from the seed.
    """

    def __init__(self, member: Endpoint, seed: int) -> None:
        self.lost = 0  # replies, roughly
        self._member = member
        self._seed = seed
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint("127.0.0.1", self._listener.getsockname()[1])

    def close(self) -> None:
        """Take no more connections. Those that there are last as long as they would have."""
        self._listener.shutdown(socket.SHUT_RDWR)  # a mere close would not wake the thread that accepts
        self._listener.close()

    def _accept(self) -> None:
        for number in itertools.count():
            try:
                client, _ = self._listener.accept()
                member = socket.create_connection((self._member.host, self._member.port))
            except OSError:
                return
            chance = random.Random(f"{self._seed} {number}")
            threading.Thread(target=self._pass_requests, args=(client, member), daemon=True).start()
            threading.Thread(target=self._pass_replies, args=(member, client, chance), daemon=True).start()

    def _pass_requests(self, client: socket.socket, member: socket.socket) -> None:
        with member, contextlib.suppress(OSError):
            while data := client.recv(65536):
                member.sendall(data)

    def _pass_replies(self, member: socket.socket, client: socket.socket, chance: random.Random) -> None:
        with client, contextlib.suppress(OSError):
            for _ in range(chance.randrange(10, 150)):
                client.sendall(member.recv(65536))
            end = time.monotonic() + chance.uniform(0.02, 0.2)
            while (left := end - time.monotonic()) > 0:
                member.settimeout(left)
                self.lost += bool(member.recv(65536))
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
