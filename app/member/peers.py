"""What a member without data asks of the others: whether it was ever started among them.

Then there are no data that it could have lost: it is just late, and its cluster counts already. Each member keeps the
list of all, with the client URLs of those that were started once; etcd serves it to the other members.
"""

import json
from collections.abc import Iterable
from http.client import HTTPException
from typing import Any
from urllib.request import Request

from member import command, web
from member.settings import Member

# Seconds that a member may stay silent.
TIMEOUT = 1.0

# No member's ID.
_NOT_LISTED = 0


def say_never_started(member: Member) -> bool:
    """Return whether a quorum of the cluster, in which this one has no part, knows that it was never started.

    One alone may have missed it; of a quorum at least one has not.
    """
    others = [name for name in member.cluster if name != member.name]
    quorum = len(member.cluster) // 2 + 1
    return sum(_knows_as_not_started(other, member.name) for other in others) >= quorum


def _knows_as_not_started(other: str, name: str) -> bool:
    own_url = command.peer_url(name)
    try:
        return any(own_url in entry["peerURLs"] and not entry.get("clientURLs") for entry in _members_of(other))
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        # Whatever it says, it does not say that.
        return False


def _members_of(other: str) -> list[dict[str, Any]]:
    with web.send(Request(f"{command.peer_url(other)}/members"), TIMEOUT) as response:
        members: list[dict[str, Any]] = json.load(response)
    return members


def list_as(cluster: Iterable[str], name: str, entry: int) -> bool:
    """Return whether those of the cluster that answer, at least one, all list member `name` under this ID."""
    listed = {found for other in cluster if other != name for found in _entries_of(other, name)}
    return listed == {entry}


def _entries_of(other: str, name: str) -> list[int]:
    own_url = command.peer_url(name)
    try:
        return [int(entry["id"]) for entry in _members_of(other) if own_url in entry["peerURLs"]] or [_NOT_LISTED]
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return []  # it does not answer
