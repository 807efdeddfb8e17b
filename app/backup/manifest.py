"""What is known of a snapshot, written beside it."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal

from backup.sealed import SealError, seal, unseal

Kind = Literal["snapshot", "restore"]
ProofState = Literal["pending", "proven", "failed"]

NAME = re.compile(r"(snapshot|restore)-E[0-9]{6,}-R[0-9]{20}-[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4}")


class ManifestError(ValueError):
    """The text is no manifest. It says what is wrong."""


@dataclass(frozen=True)
class Proof:
    """Whether the snapshot is known to restore.

    Attributes:
        state: pending until it has been tried.
        detail: Why it failed, or what was found.
        at: When that was found out.
    """

    state: ProofState = "pending"
    detail: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class Manifest:
    """What is known of one file, a snapshot or a restore file.

    Attributes:
        name: That of its files, without their endings.
        time: When it was taken, in UTC.
        reason: Why it was taken: schedule, request, down, stop, epoch, log, restore, upload.
        epoch: That of the cluster.
        cluster: etcd's ID of the cluster that the file is of, or began; 0 while that is not known: nothing was restored
            from it yet, or it is an upload.
        revision: The newest in the file, as the file has it.
        bump: What restoring it adds to its revisions in `cluster`; 0 for snapshots.
        count: What the counter's count is in it.
        size: In bytes.
        sha256: In hex.
        etcd_version: Of the member that it was taken from.
        source: The name of the snapshot that it was made of, if it was.
        proof: Whether it is known to restore.
    """

    name: str
    time: datetime
    reason: str
    epoch: int
    cluster: int
    revision: int
    bump: int
    count: int
    size: int
    sha256: str
    etcd_version: str
    source: str = ""
    proof: Proof = Proof()

    @property
    def newest(self) -> int:
        """Its newest revision as `cluster` numbers them."""
        return self.revision + self.bump

    @property
    def lived(self) -> bool:
        """Whether it is a state that a cluster of this deployment was in: no upload, no restore file without use."""
        return self.cluster != 0 and self.reason != "upload"

    @property
    def proven(self) -> bool:
        return self.proof.state == "proven"

    def to_json(self) -> str:
        content = asdict(self) | {"time": self.time.isoformat(), "cluster": f"{self.cluster:016x}"}
        content["proof"]["at"] = self.proof.at.isoformat() if self.proof.at else None
        return seal(content)

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """Read what `to_json` wrote. Raises ManifestError."""
        try:
            content = unseal(text)
        except SealError as error:
            raise ManifestError(str(error)) from None
        return cls(
            name=_matching(
                content, "name", NAME, "one like snapshot-E000001-R00000000000000000042-20260102T030405Z-9f3c"
            ),
            time=_time(content, "time"),
            reason=_text(content, "reason"),
            epoch=_number(content, "epoch"),
            cluster=int(_matching(content, "cluster", _CLUSTER, "16 hex digits"), 16),
            revision=_number(content, "revision"),
            bump=_number(content, "bump"),
            count=_number(content, "count"),
            size=_number(content, "size"),
            sha256=_matching(content, "sha256", _SHA256, "64 hex digits"),
            etcd_version=_text(content, "etcd_version"),
            source=_text(content, "source"),
            proof=_proof(content.get("proof")),
        )


def by_age(manifest: Manifest) -> tuple[int, int]:
    """Sorts states of a deployment, the oldest first, whenever they were saved."""
    return manifest.epoch, manifest.newest


def new_name(kind: Kind, epoch: int, newest: int, time: datetime) -> str:
    """A name that no other file has. Names sort by epoch and revision."""
    return f"{kind}-E{epoch:06}-R{newest:020}-{time.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def _proof(content: object) -> Proof:
    if not isinstance(content, dict):
        raise ManifestError(f"proof is {content!r}, but must be an object")
    state = content.get("state")
    if state not in ("pending", "proven", "failed"):
        raise ManifestError(f"proof's state is {state!r}, but must be pending, proven or failed")
    at = None if content.get("at") is None else _time(content, "at")
    return Proof(state, _text(content, "detail"), at)


def _text(content: Mapping[str, object], key: str) -> str:
    value = content.get(key)
    if not isinstance(value, str):
        raise ManifestError(f"{key} is {value!r}, but must be a text")
    return value


def _matching(content: Mapping[str, object], key: str, pattern: re.Pattern[str], rule: str) -> str:
    value = _text(content, key)
    if pattern.fullmatch(value) is None:
        raise ManifestError(f"{key} is {value!r}, but must be {rule}")
    return value


def _number(content: Mapping[str, object], key: str) -> int:
    value = content.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ManifestError(f"{key} is {value!r}, but must be a whole number from 0 on")
    return value


def _time(content: Mapping[str, object], key: str) -> datetime:
    value = _text(content, key)
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise ManifestError(f"{key} is {value!r}, but must be a time of ISO 8601 with its offset")
    return time


_CLUSTER = re.compile(r"[0-9a-f]{16}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
