"""Which clusters this deployment has been: what is of another one was put into the folder by hand."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from backup import files
from backup.sealed import SealError, seal, unseal


class EpochsError(Exception):
    """The file is not what was written. The text says why, and what to do."""


@dataclass(frozen=True)
class Epoch:
    """A cluster of the deployment. Each restore begins one.

    Attributes:
        epoch: Its number.
        cluster: etcd's ID of it.
        first_seen: When it was noted, in UTC.
    """

    epoch: int
    cluster: int
    first_seen: datetime


class Epochs:
    """The clusters that the deployment has been, kept in a file. For use by one thread, but for `knows` and `known`,
    which are answered from memory.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "epochs.json"
        self._known: tuple[Epoch, ...] = ()

    def load(self) -> None:
        """Raises OSError, and EpochsError if the file is damaged."""
        self._known = _read(self._path)

    def note(self, epoch: int, cluster: int) -> None:
        """Know this cluster from now on. Raises OSError and EpochsError."""
        if any((known.epoch, known.cluster) == (epoch, cluster) for known in self._known):
            return
        # Read anew, so that what another process has noted stays.
        others = [known for known in _read(self._path) if (known.epoch, known.cluster) != (epoch, cluster)]
        noted = (*others, Epoch(epoch, cluster, datetime.now(UTC)))
        files.write_text(self._path, seal({"epochs": [_to_json(known) for known in noted]}))
        self._known = noted

    def knows(self, cluster: int) -> bool:
        return any(known.cluster == cluster for known in self._known)

    def known(self) -> tuple[Epoch, ...]:
        """In the order in which they were noted."""
        return self._known

    def why_strange(self, name: str, cluster: int) -> str | None:
        """A sentence that says why a file of this cluster is passed over, if it is.

        Not for what never was a state of the deployment (`Manifest.lived`).
        """
        if self.knows(cluster):
            return None
        return f"{name}: it is of cluster {cluster:016x}, which this deployment never was"


def _read(path: Path) -> tuple[Epoch, ...]:
    try:
        content = unseal(path.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return ()
    except SealError as error:
        raise _damaged(path, str(error)) from None
    epochs = content.get("epochs")
    if not isinstance(epochs, list):
        raise _damaged(path, f"epochs is {epochs!r}, but must be a list")
    return tuple(_from_json(path, epoch) for epoch in epochs)


def _to_json(epoch: Epoch) -> dict[str, object]:
    return {
        "epoch": epoch.epoch,
        "cluster": f"{epoch.cluster:016x}",
        "first_seen": epoch.first_seen.isoformat(),
    }


def _from_json(path: Path, content: object) -> Epoch:
    try:
        number, cluster, first_seen = (content[key] for key in ("epoch", "cluster", "first_seen"))  # type: ignore[index]
        return Epoch(int(number), int(cluster, 16), datetime.fromisoformat(first_seen))
    except (TypeError, KeyError, ValueError):
        raise _damaged(path, f"it has {content!r} for an epoch") from None


def _damaged(path: Path, why: str) -> EpochsError:
    return EpochsError(
        f"{path.name} is damaged: {why}. Put it back as it was. Without it, "
        "snapshots of clusters before the present one are passed over"
    )
