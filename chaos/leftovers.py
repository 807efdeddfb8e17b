"""What etcd holds when all is over."""

import json
from dataclasses import dataclass

from chaos.system import System, eventually

# A member that takes part in etcd; any will do.
MEMBER = "etcd-0"

BASE = "c/base"
SHARDS = "c/s/"
OWNERS = "o/"


@dataclass(frozen=True)
class MemberHash:
    """A member's hash over all keys and their history, from the revision compacted to up to its latest."""

    member: str
    compacted: int
    revision: int
    hash: int


def wait_until_folded(system: System) -> None:
    """Wait until there is one shard, with its owner, for each replica. Raises LocalError."""
    replicas = len(system.pods("counter"))
    eventually(
        f"{replicas} shards and {replicas} owners",
        lambda: len(_keys(system, SHARDS)) == replicas == len(_keys(system, OWNERS)),
    )


def left_for_good(system: System) -> list[str]:
    """The counter's keys that no lease will delete, but for the base and the shards: there should be none."""
    read = "for prefix in c/ i/ o/ r/; do etcdctl get $prefix --prefix --write-out=fields; done"
    output = _in_member(system, "sh", "-c", f"{read} | grep -E '^\"(Key|Lease)\"'")
    values = [line.partition(" : ")[2].strip('"') for line in output.splitlines()]
    return [
        key
        for key, lease in zip(values[::2], values[1::2], strict=True)
        if lease == "0" and key != BASE and not key.startswith(SHARDS)
    ]


def member_hashes(system: System) -> list[MemberHash]:
    """The members' hashes when all of them have the same revisions. Raises LocalError if they never do."""
    return eventually("members at the same revision", lambda: comparable(parse_hashes(_hashes(system))))


def comparable(hashes: list[MemberHash]) -> list[MemberHash]:
    """The hashes, or none if they are of different revisions."""
    return hashes if len({(member.compacted, member.revision) for member in hashes}) == 1 else []


def parse_hashes(output: str) -> list[MemberHash]:
    """What `etcdctl endpoint hashkv --write-out=json` printed."""
    return [
        MemberHash(
            member["Endpoint"],
            member["HashKV"].get("compact_revision", 0),  # etcdctl leaves zeros out
            member["HashKV"].get("hash_revision", 0),
            member["HashKV"].get("hash", 0),
        )
        for member in json.loads(output)
    ]


def _hashes(system: System) -> str:
    return _in_member(system, "etcdctl", "endpoint", "hashkv", "--cluster", "--write-out=json")


def _keys(system: System, prefix: str) -> list[str]:
    return _in_member(system, "etcdctl", "get", "--prefix", prefix, "--keys-only").split()


def _in_member(system: System, *command: str) -> str:
    return system.kubectl("exec", MEMBER, "--", *command)
