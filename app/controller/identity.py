"""The IDs that etcd gives to a cluster and its first members, which follow from the token and the peers' URLs.

So they are known before any member starts, and nobody has to be asked who might be of another epoch. Source:
computeMemberID and genID in server/etcdserver/api/membership of etcd 3.6; compared with etcd 3.6.16 as it runs.
"""

from collections.abc import Sequence
from hashlib import sha1

from member.addresses import member_name, peer_url


def member_id(token: str, number: int) -> int:
    """Return the ID of a member that the cluster begins with. One that is added later gets another."""
    return _first_bytes(f"{peer_url(member_name(number))}{token}".encode())


def cluster_id(token: str, numbers: Sequence[int]) -> int:
    """Return the ID of the cluster that begins with these members."""
    return _first_bytes(b"".join(identity.to_bytes(8, "big") for identity in sorted(_ids(token, numbers))))


def _ids(token: str, numbers: Sequence[int]) -> list[int]:
    return [member_id(token, number) for number in numbers]


def _first_bytes(content: bytes) -> int:
    return int.from_bytes(sha1(content, usedforsecurity=False).digest()[:8], "big")
