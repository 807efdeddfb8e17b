"""A scratch etcd, or a member, that is none: it numbers transactions and knows hashes, and takes no time."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from etcd3.etcdrpc import TxnRequest  # type: ignore[import-untyped]

from etcd.errors import EtcdRefusedError
from etcd.member import Hash, Status


class FakeMember:
    """See etcd.member.Member.

    Attributes:
        revision: Its newest.
        counted: The count.
        hashes: What its hash at a revision is; an exception is raised.
        compacted: What it has forgotten.
        granted: The leases that were granted.
        applied: The transactions.
        skips: The next transaction gets a revision that is so much too high.
    """

    def __init__(self, revision: int = 0, counted: int = 0, cluster: int = 0) -> None:
        self.revision = revision
        self.counted = counted
        self.cluster = cluster
        self.hashes: dict[int, int | Exception] = {}
        self.compacted = 0
        self.granted: dict[int, int] = {}
        self.applied: list[TxnRequest] = []
        self.skips = 0

    def __enter__(self) -> "FakeMember":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def transact(self, request: TxnRequest) -> Any:  # noqa: ANN401  # as etcd's own
        for operation in request.success:
            lease = operation.request_put.lease
            if lease and lease not in self.granted:
                raise EtcdRefusedError("requested lease not found")
        self.applied.append(request)
        self.revision += 1 + self.skips
        return SimpleNamespace(header=SimpleNamespace(revision=self.revision))

    def grant_lease(self, lease: int, seconds: int) -> None:
        if lease in self.granted:
            raise EtcdRefusedError("etcdserver: lease already exists")
        if seconds < 1:
            raise EtcdRefusedError("etcdserver: too short")
        self.granted[lease] = seconds

    def count(self) -> tuple[int, int]:
        return self.counted, self.revision

    def status(self) -> Status:
        return Status(1, self.cluster, 1, self.revision, "3.6.16")

    def compact(self, revision: int) -> None:
        self.compacted = revision

    def hash(self, revision: int) -> Hash:
        found = self.hashes.get(revision, revision)
        if isinstance(found, Exception):
            raise found
        return Hash(found, self.compacted)


class FakeScratch:
    """See backup.scratch.Scratch."""

    def __init__(self, member: FakeMember) -> None:
        self.member = member
        self.is_closed = False

    def save(self, target: Path) -> None:
        target.write_bytes(b"saved")

    def close(self) -> None:
        self.is_closed = True
