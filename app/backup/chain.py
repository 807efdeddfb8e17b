"""The revisions after a snapshot, merged from all log files of its cluster."""

from collections.abc import Iterator
from pathlib import Path

from backup import log_file
from backup.log_file import Complete, Lease, LogError, Revision


class Chain:
    """All revisions after one, without a gap, from as many files as it takes. For use by one thread.

    Attributes:
        revision: The newest that was given.
        complete: The newest line that says up to where the log was complete, of those that the given revisions cover.
        gap: Why it does not go on, if the files have later revisions: a sentence.
        passed_over: Why files are not used any further, a sentence for each by the file's name.
    """

    def __init__(self, folder: Path, cluster: int, after: int) -> None:
        self._folder = folder
        self._cluster = cluster
        self._after = after
        self._offsets: dict[Path, int] = {}  # how far each file has been used
        self._leases: dict[int, Lease | None] = {}  # None: a revision has had it
        self.revision = after
        self.complete: Complete | None = None
        self.gap: str | None = None
        self.passed_over: dict[str, str] = {}

    def follow(self) -> Iterator[Lease | Revision]:
        """What comes next, as far as the files have it now. Call it again to go on where it ended, or was left.

        A lease is given before the first revision that has it, as far as the files show; the snapshot may have it, too.
        Raises OSError.
        """
        self.gap = None
        # By their first revisions: what comes before a file's is read before it.
        for path in log_file.paths(self._folder, self._cluster):
            if log_file.starts_after(path) > self.revision:
                self.gap = f"{path.name}: it goes on, but no file has revision {self.revision + 1}"
                return
            if path.name not in self.passed_over:
                yield from self._follow_file(path)

    def _follow_file(self, path: Path) -> Iterator[Lease | Revision]:
        """Give what a file has that no other has given."""
        try:
            for record, end in log_file.read(path, self._offsets.get(path, 0)):
                match record:
                    case Lease():
                        self._leases.setdefault(record.id, record)
                    case Complete():
                        self._note_complete(record)
                    case Revision():
                        if record.revision > self.revision + 1:
                            raise LogError(f"{path.name}: revision {record.revision} comes after {self.revision}")
                        leases = self._first_used(record)
                        if record.revision > self.revision:
                            yield from leases
                            self.revision = record.revision
                            yield record
                self._offsets[path] = end
        except FileNotFoundError:  # removed meanwhile
            return
        except LogError as error:
            self.passed_over[path.name] = str(error)

    def _first_used(self, revision: Revision) -> list[Lease]:
        """The leases that no revision before this one had."""
        used = dict.fromkeys(event.kv.lease for event in revision.response.events if event.kv.lease)
        first = [lease for lease in map(self._leases.get, used) if lease]
        self._leases.update(dict.fromkeys(used))
        return first

    def _note_complete(self, line: Complete) -> None:
        covered = self._after <= line.revision <= self.revision
        newest = self.complete
        if covered and (newest is None or (line.revision, line.time) > (newest.revision, newest.time)):
            self.complete = line


def complete_to(folder: Path, cluster: int, after: int) -> Complete | None:
    """Up to where the log was complete, as far as it goes on from `after` without a gap. Raises OSError."""
    chain = Chain(folder, cluster, after)
    for _ in chain.follow():
        pass
    return chain.complete
