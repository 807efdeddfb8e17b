"""What the members' own traffic passes through, so that one member can be cut off from the others."""

import contextlib
import re
import socket
import threading

# Each request of a member to another says who sends it.
_SENDER = re.compile(rb"X-Server-From: ([0-9a-f]+)")


class Switch:
    """Passes connections on to a member's peer port."""

    def __init__(self, peer_port: int) -> None:
        self._peer_port = peer_port
        self._lock = threading.Lock()
        self._cut: set[bytes] | None = set()  # whose connections are; None: everybody's
        self._open: dict[socket.socket, bytes] = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def cut(self, sender: int | None = None) -> None:
        """Break the connections of one member, or of all, and let no new one through."""
        with self._lock:
            self._cut = None if sender is None else {b"%x" % sender}
            for client, who in self._open.items():
                if self._is_cut(who):
                    _shut(client)

    def mend(self) -> None:
        with self._lock:
            self._cut = set()

    def close(self) -> None:
        _shut(self._listener)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            first = client.recv(65536)
            found = _SENDER.search(first)
            who = found[1] if found else b""
            with self._lock:
                if self._is_cut(who):
                    return
                self._open[client] = who
            try:
                with socket.create_connection(("127.0.0.1", self._peer_port)) as member:
                    member.sendall(first)
                    back = threading.Thread(target=_pass, args=(member, client), daemon=True)
                    back.start()
                    _pass(client, member)
                    back.join()
            finally:
                with self._lock:
                    del self._open[client]

    def _is_cut(self, who: bytes) -> bool:
        return self._cut is None or who in self._cut


def _pass(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    _shut(source)
    _shut(target)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
