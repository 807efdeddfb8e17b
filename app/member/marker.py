"""The marker in a member's folder: which life of which epoch its data are, and how far that life has come."""

import json
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How far a life has come."""

    MADE = "made"  # etcd never ran on it, so nobody can miss it
    STARTED = "started"  # etcd may have run on it: without its log it must never start again
    HELD = "held"  # it has data, and starts for nobody but the controller


class MarkerError(Exception):
    """The file is no marker. The text says why."""


@dataclass(frozen=True)
class Marker:
    """What the marker says.

    Attributes:
        epoch: Of the cluster that the data belong to.
        life: Which of the member's lives in it.
        state: How far it has come.
        folder: A random name that no other folder has. A life may be given out more than once before its first start:
            the name says which of its folders was let start.
        request: For which request of a person it is held; "" if it is not.
    """

    epoch: int
    life: int
    state: State
    folder: str
    request: str = ""


def to_text(marker: Marker) -> str:
    """Return the file's content."""
    return json.dumps(
        {
            "epoch": marker.epoch,
            "life": marker.life,
            "state": marker.state.value,
            "folder": marker.folder,
            "request": marker.request,
        }
    )


def from_text(text: str) -> Marker:
    """Return what a file's content says. Raises MarkerError."""
    try:
        content = json.loads(text)
        epoch, life, folder, request = (content[key] for key in ("epoch", "life", "folder", "request"))
        state = State(content["state"])
    except (ValueError, KeyError, TypeError) as error:
        raise MarkerError(f"it is no marker: {error!r}") from None
    if not (type(epoch) is int and type(life) is int and isinstance(folder, str) and isinstance(request, str)):
        raise MarkerError(f"it has a value of another type: {text[:200]}")
    return Marker(epoch, life, state, folder, request)
