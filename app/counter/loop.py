"""The loop in which the server works: waits until a connection has something to read, or room for what is to be sent,
and for what other threads want done in it.

Before each wait waitress asks every connection what it waits for, and tells the kernel of all of them: with 200
connections that takes 80 us, twice as long as to serve one. Here the kernel remembers, which takes 6. It is told only
when something comes for a connection that waits for nothing, or not for that, which clients seldom bring about.
"""

from collections import deque
from collections.abc import Callable
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector

from waitress import wasyncore  # type: ignore[import-untyped]  # waitress ships no types
from waitress.trigger import trigger  # type: ignore[import-untyped]

# After so many calls connections get their turn again, so that nobody who sends many requests at once keeps others
# waiting.
_CALLS_AT_ONCE = 100


class Loop(dict[int, wasyncore.dispatcher]):
    """Connections by file number: the map in which waitress keeps them, and from which it takes the closed ones."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = DefaultSelector()
        self._unwatched: dict[int, wasyncore.dispatcher] = {}  # those that wait for nothing
        self._calls: deque[Callable[[], object]] = deque()
        self._is_awake = True
        self._trigger = trigger(self)

    def __setitem__(self, number: int, connection: wasyncore.dispatcher) -> None:
        super().__setitem__(number, connection)
        self._selector.register(number, EVENT_READ, connection)

    def __delitem__(self, number: int) -> None:
        super().__delitem__(number)
        if self._unwatched.pop(number, None) is None:
            self._selector.unregister(number)

    def call_soon(self, call: Callable[[], object]) -> None:
        """Have something done by the loop's thread. May be called by any thread, and by a signal's handler."""
        self._calls.append(call)
        if not self._is_awake:
            self._is_awake = True  # once is enough for all that comes until it is
            self._trigger.pull_trigger()

    def turn(self, seconds: float) -> None:
        """Wait until there is something to do, at most so long, and do it."""
        for number, connection in list(self._unwatched.items()):
            self._watch(number, connection)
        self._is_awake = False  # whoever has a call from now on wakes it; one that came before is seen here
        ready = self._selector.select(0 if self._calls else seconds)
        self._is_awake = True
        for key, events in ready:
            connection = key.data
            if self.get(key.fd) is not connection:  # closed by another one's doing
                continue
            due = events & _wanted(connection)
            if due == EVENT_READ:
                wasyncore.read(connection)
            elif due:
                wasyncore.write(connection)
            else:
                self._watch(key.fd, connection)
        for _ in range(_CALLS_AT_ONCE):
            if not self._calls:
                return
            self._calls.popleft()()

    def wait_for_room(self, number: int) -> None:
        """To be told when a connection could not send all at once."""
        self._watch(number, self[number])

    def _watch(self, number: int, connection: wasyncore.dispatcher) -> None:
        """Have the kernel look out for what the connection waits for now, and for nothing else."""
        wanted = _wanted(connection)
        if number in self._unwatched:
            if wanted:
                del self._unwatched[number]
                self._selector.register(number, wanted, connection)
        elif wanted:
            self._selector.modify(number, wanted, connection)
        else:  # a connection that broke would be told of again and again
            self._selector.unregister(number)
            self._unwatched[number] = connection


def _wanted(connection: wasyncore.dispatcher) -> int:
    if connection.readable():
        return EVENT_READ
    return EVENT_WRITE if connection.writable() else 0
