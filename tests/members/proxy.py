"""A proxy that can lose replies: what was asked for has happened, and nobody is told."""

import contextlib
import socket
import threading

from etcd.endpoints import Endpoint


class Proxy:
    """Passes connections on to a member. While it is muted, what the member replies is lost."""

    def __init__(self, member: Endpoint) -> None:
        self.lost = 0  # replies, roughly
        self._member = member
        self._lock = threading.Lock()
        self._is_muted = False
        self._deaf: set[socket.socket] = set()  # clients that have lost a reply
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint("127.0.0.1", self._listener.getsockname()[1])

    def mute(self) -> None:
        with self._lock:
            self._is_muted = True

    def unmute(self) -> None:
        """Pass replies on again, on new connections: those that have lost some are broken."""
        with self._lock:
            self._is_muted = False
            for client in self._deaf:
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
            self._deaf.clear()

    def close(self) -> None:
        """Take no more connections. Those that there are last as long as both ends want."""
        self._listener.shutdown(socket.SHUT_RDWR)  # a mere close would not wake the thread that accepts
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                member = socket.create_connection((self._member.host, self._member.port))
                threading.Thread(target=self._pass_requests, args=(client, member), daemon=True).start()
                threading.Thread(target=self._pass_replies, args=(client, member), daemon=True).start()

    def _pass_requests(self, client: socket.socket, member: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                member.sendall(data)
        with contextlib.suppress(OSError):
            member.shutdown(socket.SHUT_RDWR)

    def _pass_replies(self, client: socket.socket, member: socket.socket) -> None:
        with client, member, contextlib.suppress(OSError):
            while (data := member.recv(65536)) and not self._loses_reply_to(client):
                client.sendall(data)
            while member.recv(65536):  # nothing gets through after what was lost
                self.lost += 1

    def _loses_reply_to(self, client: socket.socket) -> bool:
        with self._lock:
            if self._is_muted:
                self.lost += 1
                self._deaf.add(client)
            return self._is_muted
