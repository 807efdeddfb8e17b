"""What a member asks of the others before it joins them: under which ID they list it.

Each member keeps the list of all; etcd serves it to the other members.
"""

import json
from collections.abc import Iterable
from http.client import HTTPException
from typing import Any
from urllib.request import Request

from member import web
from member.addresses import peer_url

# Seconds that a member may stay silent.
TIMEOUT = 1.0

# No member's ID.
_NOT_LISTED = 0


def list_as(cluster: Iterable[str], name: str, entry: int) -> bool:
    """Return whether those of the cluster that answer, at least one, all list member `name` under this ID."""
    listed = {found for other in cluster if other != name for found in _entries_of(other, name)}
    return listed == {entry}


def _entries_of(other: str, name: str) -> list[int]:
    own_url = peer_url(name)
    try:
        return [int(entry["id"]) for entry in _members_of(other) if own_url in entry["peerURLs"]] or [_NOT_LISTED]
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return []  # it does not answer


def _members_of(other: str) -> list[dict[str, Any]]:
    with web.send(Request(f"{peer_url(other)}/members"), TIMEOUT) as response:
        members: list[dict[str, Any]] = json.load(response)
    return members
