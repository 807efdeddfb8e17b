"""What differs between an object as it is and as it would be, field by field."""

import json
from collections.abc import Iterator
from typing import Any

from pulumi.runtime.rpc import UNKNOWN

from local.kube import Object

LONGEST_VALUE = 60
KNOWN_LATER = "(known after `up`)"  # what is shown of a value that only a real run can know

_BOOKKEEPING = ("managedFields", "resourceVersion", "generation")
_ABSENT = object()


def content(item: Object) -> Object:
    """What an object says, without the cluster's own book-keeping."""
    metadata = {key: value for key, value in item["metadata"].items() if key not in _BOOKKEEPING}
    return {**{key: value for key, value in item.items() if key != "status"}, "metadata": metadata}


def differences(before: object, after: object, *, secret: bool = False) -> list[str]:
    """`path: old -> new` for each field that differs. Values are cut short, and not shown at all if they are secret."""
    return [f"{path}: {_shown(old, secret)} -> {_shown(new, secret)}" for path, old, new in _changes("", before, after)]


def _changes(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:  # noqa: ANN401 - any JSON value
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            yield from _changes(f"{path}.{key}".lstrip("."), old.get(key, _ABSENT), new.get(key, _ABSENT))
    elif isinstance(old, list) and isinstance(new, list):
        yield from list(_items(path, old, new)) or [(path, old, new)]  # the latter: in another order
    else:
        yield path, old, new


def _items(path: str, old: list[Any], new: list[Any]) -> Iterator[tuple[str, Any, Any]]:
    mine, theirs = _by_name(old), _by_name(new)
    for key in dict.fromkeys([*mine, *theirs]):
        yield from _changes(f"{path}[{key}]", mine.get(key, _ABSENT), theirs.get(key, _ABSENT))


def _by_name(items: list[Any]) -> dict[str, Any]:
    """The items by their names, where all have one of their own, as containers and variables do; else by position."""
    names = [item.get("name") if isinstance(item, dict) else None for item in items]
    keys = names if None not in names and len(set(names)) == len(names) else range(len(items))
    return {str(key): item for key, item in zip(keys, items, strict=True)}


def _shown(value: Any, secret: bool) -> str:  # noqa: ANN401 - any JSON value
    if value is _ABSENT:
        return "(none)"
    if secret:
        return "[secret]"
    text = value if isinstance(value, str) else json.dumps(value)
    text = text.replace(UNKNOWN, KNOWN_LATER)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
