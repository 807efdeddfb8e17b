"""Request IDs: what ties an answer to the lines about it in the logs, here and at the client's."""

import re
import secrets
from contextvars import ContextVar
from itertools import count

# Of the request that is being worked at, for the log.
current_request_id: ContextVar[str | None] = ContextVar("current_request_id", default=None)

_acceptable = re.compile(r"[A-Za-z0-9_.:-]{1,64}").fullmatch


class RequestIds:
    """Gives every request an ID: the client's own, if it has a usable one. Safe for use by many threads."""

    def __init__(self) -> None:
        # Random once instead of for each request: that is enough to be nobody else's, and costs a tenth.
        self._prefix = secrets.token_hex(8)
        self._numbers = count(1)

    def id_for(self, given: str | None) -> str:
        """Return what the client gave if it is 1 to 64 letters, digits, dots, colons, dashes or underscores; else a
        new ID."""
        if given is not None and _acceptable(given):
            return given
        return f"{self._prefix}-{next(self._numbers)}"
