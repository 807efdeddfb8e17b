"""What a quorum of the members said last: the count, the revision, and which cluster they are."""

from dataclasses import dataclass
from datetime import UTC, datetime

from etcd3 import etcdrpc  # type: ignore[import-untyped]  # python3-etcd3 ships no py.typed

from etcd import counts, keys
from etcd.client import EtcdClient


@dataclass(frozen=True)
class Live:
    """The cluster as it was at a time.

    Attributes:
        asked: When it was asked, in UTC: whatever was answered to anybody before that is in it.
        epoch: How often the deployment was restored, and one more.
        epoch_revision: Which revision wrote that; 0: none, so it is the first epoch, or the restore is not done.
        cluster: etcd's ID of it.
        revision: Its newest.
        count: None: there is a key that can't be read.
    """

    asked: datetime
    epoch: int
    epoch_revision: int
    cluster: int
    revision: int
    count: int | None


class LiveReader:
    """Asks for it. For use by one thread, but for `latest`."""

    def __init__(self, etcd: EtcdClient) -> None:
        self._etcd = etcd
        self.latest: Live | None = None

    def read(self) -> Live:
        """Raises EtcdUnavailableError, EtcdRefusedError and etcd.keys.UnreadableKeyError."""
        asked = datetime.now(UTC)
        totals = self._etcd.read(counts.read_totals())
        epoch, written = self._epoch(totals.header.cluster_id)
        try:
            count = counts.count_in(totals.kvs)
        except keys.UnreadableKeyError:
            count = None
        header = totals.header
        self.latest = Live(asked, epoch, written, int(header.cluster_id), int(header.revision), count)
        return self.latest

    def _epoch(self, cluster: int) -> tuple[int, int]:
        """The epoch and the revision that wrote it. Once it is there it never changes."""
        latest = self.latest
        if latest is not None and latest.cluster == cluster and latest.epoch_revision:
            return latest.epoch, latest.epoch_revision
        found = self._etcd.read(etcdrpc.RangeRequest(key=keys.EPOCH)).kvs
        return (keys.parse_epoch(found[0].value), int(found[0].mod_revision)) if found else (keys.FIRST_EPOCH, 0)
