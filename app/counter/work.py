"""What the answer to a request waits for."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

_Result_co = TypeVar("_Result_co", covariant=True)


class Work(Protocol[_Result_co]):
    """The part of the standard library's Future that matters here. Safe for use by many threads."""

    def result(self, timeout: float | None = None) -> _Result_co:
        """Wait for the result, at most so many seconds. Raises what the work raised, or TimeoutError."""

    def add_done_callback(self, call: Callable[[Any], object], /) -> None:
        """Have something called with this when the result is there: by the thread that brings it, or at once."""
