"""etcd's list of members, and its changes: calls and fields of which some are younger than the stubs.

Source: api/etcdserverpb/rpc.proto of etcd 3.6.
"""

from dataclasses import dataclass
from typing import Any

import grpc  # type: ignore[import-untyped]  # grpcio ships no py.typed
from etcd3 import etcdrpc  # type: ignore[import-untyped]  # python3-etcd3 ships no py.typed
from google.protobuf.unknown_fields import UnknownFieldSet  # type: ignore[import-untyped]

from etcd.member import CALL_TIMEOUT, call

_SERVICE = "/etcdserverpb.Cluster/"

# MemberListRequest{linearizable: true}. The field (number 1, etcd 3.5) is younger than the stubs, which do carry fields
# they don't know. Without it a member answers from memory, with or without a quorum.
LINEARIZABLE_LIST = etcdrpc.MemberListRequest.FromString(b"\x08\x01")

# MemberAddRequest.isLearner (number 2, etcd 3.4), true, as it is on the wire.
_AS_LEARNER = b"\x10\x01"

# The number of Member.isLearner.
_IS_LEARNER = 5


@dataclass(frozen=True)
class Listed:
    """One entry of the list: its ID, the URLs by which the others reach it, and whether it does not vote."""

    id: int
    peer_urls: tuple[str, ...]
    learner: bool


@dataclass(frozen=True)
class MemberList:
    """The list of one cluster, as a quorum of it knows it."""

    cluster: int
    entries: tuple[Listed, ...]


class Membership:
    """The list, asked of and changed by one member. Safe for use by many threads.

    Every method raises EtcdUnavailableError if there is no answer, and EtcdRefusedError if that is no.
    """

    def __init__(self, channel: grpc.Channel) -> None:
        self._promote = channel.unary_unary(
            f"{_SERVICE}MemberPromote",
            # It is one ID, like the request to remove one.
            request_serializer=etcdrpc.MemberRemoveRequest.SerializeToString,
            response_deserializer=etcdrpc.MemberListResponse.FromString,
        )
        self._move_leader = channel.unary_unary(
            "/etcdserverpb.Maintenance/MoveLeader",
            # Likewise one ID.
            request_serializer=etcdrpc.MemberRemoveRequest.SerializeToString,
            response_deserializer=etcdrpc.MemberListResponse.FromString,
        )
        self._cluster = etcdrpc.ClusterStub(channel)

    def list(self, timeout: float = CALL_TIMEOUT) -> MemberList:
        """Return what a quorum says."""
        answer = call(self._cluster.MemberList, LINEARIZABLE_LIST, timeout)
        return MemberList(int(answer.header.cluster_id), tuple(_listed(member) for member in answer.members))

    def add(self, peer_url: str, *, learner: bool) -> None:
        """Add a member. It is refused for one that is there already."""
        request = etcdrpc.MemberAddRequest(peerURLs=[peer_url])
        if learner:
            request.MergeFromString(_AS_LEARNER)
        call(self._cluster.MemberAdd, request)

    def remove(self, entry: int) -> None:
        """Remove a member by its ID."""
        call(self._cluster.MemberRemove, etcdrpc.MemberRemoveRequest(ID=entry))

    def move_leader(self, entry: int) -> None:
        """Have another member lead. It is refused by any but the leader."""
        call(self._move_leader, etcdrpc.MemberRemoveRequest(ID=entry))

    def promote(self, entry: int) -> None:
        """Have a learner vote. It is refused for one that is not in sync."""
        call(self._promote, etcdrpc.MemberRemoveRequest(ID=entry))


def _listed(member: Any) -> Listed:  # noqa: ANN401  # untyped stubs
    learner = any(field.field_number == _IS_LEARNER and field.data for field in UnknownFieldSet(member))
    return Listed(int(member.ID), tuple(member.peerURLs), learner)
