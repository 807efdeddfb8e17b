"""JSON with a checksum of itself, so that it shows when it is not what was written."""

import hashlib
import json


class SealError(ValueError):
    """The text is not what was written. It says why."""


def seal(content: dict[str, object]) -> str:
    """Return the text, for a file. `content` must be what JSON can hold, and have no `checksum`."""
    return json.dumps({**content, "checksum": _checksum(content)}, indent=2) + "\n"


def unseal(text: str) -> dict[str, object]:
    """Return what was sealed. Raises SealError."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SealError(f"it is no JSON: {error}") from None
    if not isinstance(content, dict):
        raise SealError(f"it is {type(content).__name__}, but must be an object")
    written = content.pop("checksum", None)
    if written is None:
        raise SealError("it has no checksum")
    if written != _checksum(content):
        raise SealError(f"its checksum is {written!r}, but what it says has {_checksum(content)!r}")
    return content


def _checksum(content: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
