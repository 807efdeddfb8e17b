"""The log at work: every revision of the cluster is written to a file within a fraction of a second.

Three threads. One goes through a watch at some member and appends what it sends. One flushes that to the volume. And
one finds out, in calm as well, up to where the log is complete: it reads the newest revision from a quorum. Every
revision changes some key, and the log takes none but the next: so once it has that revision, it has all. A member that
is cut off sends nothing, and no error either: what it lacks for too long is asked of the next.

A writer that met an error is given up, and another one goes on from what the volume is found to hold. Where that can't
be, because etcd has compacted it or there is too much of it, a new snapshot must come first. Without any error there is
a new file after each snapshot, so that old ones can be removed.
"""

import itertools
import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from backup.epochs import EpochsError
from backup.live import Live, LiveReader
from backup.log_file import Complete, LogError, LogWriter
from backup.metrics import Metrics
from etcd.endpoints import Endpoint
from etcd.errors import EtcdRefusedError, EtcdUnavailableError
from etcd.keys import UnreadableKeyError
from etcd.member import Member, connect_to
from etcd.watch import Change, Compacted, Watch, WatchEndedError

_log = logging.getLogger(__name__)

# Seconds.
FLUSH_INTERVAL = 0.2
COMPLETE_INTERVAL = 0.5

# Seconds between two attempts to go on: more each time if it is for the volume, which is read through for each.
RETRY_INTERVAL = 0.1
_MOST_RETRY_INTERVAL = 5.0

# Seconds that the volume may take to write something, before that is called a problem.
_SLOW_AFTER = 2.0

# Seconds in which a member must say that it is there. One whose node is gone says nothing, and others go on meanwhile.
CONNECT_TIMEOUT = 0.5

# Seconds in which a member must send something of what others know already, or another one is watched.
PROGRESS_TIMEOUT = 1.0
_PROGRESS_INTERVAL = 0.02

# More revisions than these are not caught up with: a watch that is far behind may stall (etcd-io/etcd #22264).
MOST_BEHIND = 5000

# Bytes that may wait for the volume. What is more stays with etcd, which has it anyway.
MOST_PENDING = 4 << 20
_ROOM_INTERVAL = 0.02

# A lease that has ended by the time it is looked up. It is needed for the replay alone, which keeps leases alive.
_ENDED_LEASE_SECONDS = 60

# After which revision of the cluster that runs a new file is to begin: where what the volume has ends, or, if it is to
# be begun anew, after the newest.
BeginsAfter = Callable[[Live, bool], int]


class Log:
    """The log of the cluster that runs. The attributes may be read by any thread.

    Attributes:
        problem: What keeps it from going on; None if nothing does.
        writer: The file that is being written to.
    """

    def __init__(
        self,
        folder: Path,
        live: LiveReader,
        endpoints: Sequence[Endpoint],
        metrics: Metrics,
        begins_after: BeginsAfter,
    ) -> None:
        """`begins_after` is asked before a file is made. It raises OSError, LogError and EpochsError."""
        self.problem: str | None = None
        self.writer: LogWriter | None = None
        self._written: tuple[int, Complete] | None = None  # of which cluster, and up to where it is complete
        self._folder = folder
        self._live = live
        self._endpoints = itertools.cycle(endpoints)
        self._metrics = metrics
        self._begins_after = begins_after
        self._cluster = 0
        self._must_begin_anew = False
        self._must_change_files = False
        self._watch: Watch | None = None
        self._watched = ""
        self._appended: tuple[LogWriter, int, Complete] | None = None  # the same, until it is written
        self._flushing_since: float | None = None
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=work, name=f"log-{name}", daemon=True)
            for name, work in {"watch": self._follow, "flush": self._flush, "complete": self._complete}.items()
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    @property
    def complete(self) -> Complete | None:
        """Up to where the log on the volume is known to be complete."""
        written = self._written
        return written[1] if written else None

    def complete_of(self, cluster: int) -> Complete | None:
        """Up to where the log of a cluster, written by this process, is known to be complete."""
        written = self._written
        return written[1] if written and written[0] == cluster else None

    def written_to(self, cluster: int) -> int:
        """Up to which revision of a cluster the log was written by this process, at least."""
        complete = self.complete_of(cluster)
        return complete.revision if complete else 0

    def begin_anew(self) -> None:
        """Go on in another file, from the newest revision: what this one has is of no use."""
        self._must_begin_anew = True
        self._end_watch()

    def change_files(self) -> None:
        """Go on in another file, where this one ends."""
        self._must_change_files = True

    def close(self) -> None:
        """Write what is pending, and end."""
        self._stopping.set()
        self._end_watch()
        for thread in self._threads:
            if thread.is_alive():  # else it was not started yet, for want of a volume
                thread.join(PROGRESS_TIMEOUT + FLUSH_INTERVAL)
        # Unless a thread waits for a volume that hangs, which closing would wait for as well.
        if self.writer is not None and not any(thread.is_alive() for thread in self._threads):
            self.writer.close()

    # What is appended

    def _follow(self) -> None:
        wait = RETRY_INTERVAL
        while not self._stopping.wait(wait):
            try:
                self._follow_a_member()
            except WatchEndedError as error:
                self._stumble(f"{self._watched}: {error}")
            except (EtcdUnavailableError, EtcdRefusedError, UnreadableKeyError) as error:
                self._stumble(str(error))
            except (OSError, LogError, EpochsError) as error:
                self._stumble(str(error))
                wait = min(2 * wait, _MOST_RETRY_INTERVAL)
                continue
            wait = RETRY_INTERVAL

    def _follow_a_member(self) -> None:
        live = self._live.latest
        if live is None:
            return  # no quorum has answered yet
        writer = self._writer_for(live)
        endpoint = next(self._endpoints)
        with connect_to(endpoint) as member:
            if member.status(CONNECT_TIMEOUT).cluster != live.cluster:
                raise WatchEndedError(f"{endpoint.host}: it is of another cluster than the quorum")
            self._watched = f"{endpoint.host}:{endpoint.port}"
            self._watch = watch = Watch(member.channel, writer.revision + 1)
            try:
                self._append(watch, member, writer)
            finally:
                self._end_watch()

    def _append(self, watch: Watch, member: Member, writer: LogWriter) -> None:
        known_leases: set[int] = set()
        for part in watch:
            match part:
                case Change(revision, events):
                    if revision <= writer.revision:
                        continue
                    if self._must_change_files:
                        writer = self._change_files(writer)
                        known_leases.clear()
                    self._wait_for_room(writer)
                    for lease in {event.kv.lease for event in events if event.kv.lease} - known_leases:
                        writer.append_lease(lease, member.lease_seconds(lease) or _ENDED_LEASE_SECONDS)
                        known_leases.add(lease)
                    writer.append_revision(revision, events)
                case Compacted():
                    self._must_begin_anew = True

    def _wait_for_room(self, writer: LogWriter) -> None:
        while writer.pending_bytes > MOST_PENDING:
            if writer.given_up or self._stopping.wait(_ROOM_INTERVAL):
                raise OSError(f"{writer.path.name} was given up")

    def _writer_for(self, live: Live) -> LogWriter:
        """The writer to go on with, or a new one."""
        writer = self.writer
        is_usable = writer is not None and not writer.given_up and live.cluster == self._cluster
        if writer and is_usable and not self._must_begin_anew and live.revision - writer.revision <= MOST_BEHIND:
            return writer
        anew, self._must_begin_anew = self._must_begin_anew, False
        try:
            after = self._begins_after(live, anew)
            if writer is not None:
                self.writer = None
                writer.close()
            self._cluster = live.cluster
            self.writer = LogWriter(self._folder, live.cluster, live.epoch, after, secrets.token_hex(4))
        except BaseException:
            self._must_begin_anew |= anew
            raise
        self._must_change_files = False
        _log.info("the log goes on after revision %d in %s", after, self.writer.path.name)
        return self.writer

    def _change_files(self, writer: LogWriter) -> LogWriter:
        """Have another file begin where this one ends, once all of it is written. Raises OSError."""
        writer.flush()
        live = self._live.latest
        assert live is not None, "there is a writer"
        self.writer = LogWriter(self._folder, self._cluster, live.epoch, writer.revision, secrets.token_hex(4))
        self._must_change_files = False
        writer.close()
        return self.writer

    # What is written

    def _flush(self) -> None:
        while not self._stopping.wait(FLUSH_INTERVAL):
            self._flush_now()
        self._flush_now()

    def _flush_now(self) -> None:
        appended, writer = self._appended, self.writer
        if writer is None or writer.given_up:
            return
        self._flushing_since = time.monotonic()
        try:
            writer.flush()
        except OSError as error:
            if writer is self.writer:  # else it was closed meanwhile, and another one goes on
                self._stumble(f"{writer.path.name}: {error}")
                self._end_watch()
            return
        finally:
            self._flushing_since = None
        if appended is None:
            return
        self._appended = None
        if appended[0] is writer:
            self._written = appended[1:]
            if self.problem:
                _log.info("the log is complete again, up to revision %d", appended[2].revision)
            self.problem = None

    # Up to where it is complete

    def _complete(self) -> None:
        while not self._stopping.wait(COMPLETE_INTERVAL):
            try:
                live = self._live.read()
            except (EtcdUnavailableError, EtcdRefusedError, UnreadableKeyError) as error:
                self._stumble(f"no quorum of etcd answers: {error}")
                continue
            self._look_at_volume()
            watch = self._watch
            if watch is None or self._appended is not None:  # nothing more is to wait for a volume that hangs
                continue
            if live.cluster != self._cluster or self._must_begin_anew:
                self._end_watch()
            elif writer := self._gets_all(live, watch):
                writer.append_complete(live.revision, live.asked, live.count)
                self._appended = writer, live.cluster, Complete(live.revision, live.asked, live.count)

    def _look_at_volume(self) -> None:
        since = self._flushing_since
        if since is not None and time.monotonic() - since > _SLOW_AFTER and self.problem is None:
            self._stumble(f"the volume has not taken what was written to it within {_SLOW_AFTER:.0f} s")

    def _gets_all(self, live: Live, watch: Watch) -> LogWriter | None:
        """Wait until the log has what the quorum knows, and return what has. Ends the watch if it does not get on."""
        reached, deadline = 0, time.monotonic() + PROGRESS_TIMEOUT
        while (writer := self.writer) is not None and watch is self._watch:
            if writer.revision >= live.revision:
                return writer
            if writer.pending_bytes > MOST_PENDING:
                return None  # the member may have sent more, which waits for the volume
            if writer.revision > reached:
                reached, deadline = writer.revision, time.monotonic() + PROGRESS_TIMEOUT
            if time.monotonic() > deadline:
                self._stumble(f"{self._watched} does not have revision {live.revision}, which others have")
                watch.close()
                return None
            if self._stopping.wait(_PROGRESS_INTERVAL):
                return None
        return None

    def _end_watch(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.close()

    def _stumble(self, problem: str) -> None:
        if self._stopping.is_set():
            return
        if self.problem is None:
            self._metrics.failed("log")
            _log.warning("the log does not go on: %s", problem)
        self.problem = problem
