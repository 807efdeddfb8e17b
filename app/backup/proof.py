"""Whether a snapshot is what the members had: a scratch etcd was started from it, and now is compared with them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from backup.follower import Follower, ReplayError
from backup.manifest import Manifest
from backup.metrics import ProofOutcome
from backup.scratch import Scratch
from etcd.endpoints import Endpoint
from etcd.errors import EtcdRefusedError, EtcdUnavailableError
from etcd.keys import UnreadableKeyError
from etcd.member import Hash, Member, connect_to


@dataclass(frozen=True)
class Verdict:
    """What was found, and why. An inconclusive one says nothing of the snapshot: another one is to be tried."""

    outcome: ProofOutcome
    detail: str


def compare_with_manifest(scratch: Scratch, manifest: Manifest) -> Verdict | None:
    """What is wrong with what a snapshot became, if something is. Raises EtcdUnavailableError."""
    try:
        count, revision = scratch.member.count()
    except UnreadableKeyError as error:
        return Verdict("failed", str(error))
    if revision != manifest.newest:
        return Verdict("failed", f"it restores to revision {revision}, not {manifest.newest}")
    if count != manifest.count:
        return Verdict("failed", f"it restores to the count {count}, not {manifest.count}")
    return None


def compare_with_members(scratch: Scratch, manifest: Manifest, endpoints: Sequence[Endpoint]) -> Verdict:
    """Whether a majority of the members had the same at the same revision.

    Hashes can be compared only where both have forgotten the same, so the scratch etcd is made to. Raises
    EtcdUnavailableError if the scratch etcd does not answer, or no majority of the members: then nobody knows.
    """
    revision, found, refused, silent = manifest.newest, Counter[Hash](), [], []
    for endpoint in endpoints:
        try:
            found[_hash_of(endpoint, manifest)] += 1
        except EtcdRefusedError as error:
            refused.append(f"{endpoint.host}: {error}")
        except EtcdUnavailableError as error:
            silent.append(f"{endpoint.host}: {error}")
    if len(endpoints) - len(silent) <= len(endpoints) // 2:
        raise EtcdUnavailableError(f"too few members answer for a majority: {'; '.join(silent)}")
    if not found:
        return Verdict("inconclusive", f"no member can tell its hash at revision {revision}: {'; '.join(refused)}")
    most, members = found.most_common(1)[0]
    if members <= len(endpoints) // 2:
        told = ", ".join(f"{one.value:08x} from {one.compacted} on by {number}" for one, number in found.items())
        return Verdict("inconclusive", f"no majority of {len(endpoints)} members has the same: {told}")
    own = hash_from(scratch.member, revision, most.compacted)
    if own.compacted != most.compacted:
        return Verdict("inconclusive", f"it has forgotten all before {own.compacted}, the members {most.compacted}")
    if own != most:
        return Verdict(
            "failed", f"its hash at revision {revision} is {own.value:08x}, {members} members' {most.value:08x}"
        )
    return Verdict("proven", f"{members} of {len(endpoints)} members had the same")


def compare_with_log(follower: Follower, scratch: Scratch, manifest: Manifest) -> str | None:
    """Why the former snapshot and the log do not make the same as a new snapshot, if they don't.

    Raises OSError and EtcdUnavailableError.
    """
    try:
        follower.advance(until=manifest.newest)
    except ReplayError as error:
        return str(error)
    if follower.chain.revision < manifest.newest:
        return follower.chain.gap or f"it ends with revision {follower.chain.revision}"
    own = scratch.member.hash(manifest.newest)
    other = hash_from(follower.scratch.member, manifest.newest, own.compacted)
    if own != other:
        return f"its hash at revision {manifest.newest} is {other.value:08x}, the snapshot's {own.value:08x}"
    return None


def hash_from(member: Member, revision: int, compacted: int) -> Hash:
    """The hash at a revision, of a scratch etcd that is made to forget what others have forgotten."""
    own = member.hash(revision)
    if own.compacted >= compacted:
        return own
    member.compact(compacted)
    return member.hash(revision)


def _hash_of(endpoint: Endpoint, manifest: Manifest) -> Hash:
    """Raises EtcdUnavailableError, and EtcdRefusedError if the member can't know."""
    with connect_to(endpoint) as member:
        cluster = member.status().cluster
        if cluster != manifest.cluster:
            raise EtcdRefusedError(f"it is of cluster {cluster:016x} now, not {manifest.cluster:016x}")
        return member.hash(manifest.newest)
