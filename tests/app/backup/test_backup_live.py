from types import SimpleNamespace
from typing import Any, cast

import pytest
from etcd3.etcdrpc import RangeRequest  # type: ignore[import-untyped]
from etcd3.etcdrpc.kv_pb2 import KeyValue  # type: ignore[import-untyped]

from backup.live import LiveReader
from etcd import keys
from etcd.client import EtcdClient
from etcd.errors import EtcdUnavailableError


class FakeEtcd:
    """Has these keys; what was asked for is kept."""

    def __init__(self, *pairs: KeyValue) -> None:
        self.pairs = list(pairs)
        self.cluster = 7
        self.asked: list[bytes] = []
        self.is_away = False

    def read(self, request: RangeRequest) -> Any:  # noqa: ANN401  # as etcd's own
        if self.is_away:
            raise EtcdUnavailableError("no leader")
        self.asked.append(request.key)
        end = request.range_end or request.key + b"\0"
        found = [pair for pair in self.pairs if request.key <= pair.key < end]
        return SimpleNamespace(header=SimpleNamespace(cluster_id=self.cluster, revision=42), kvs=found)


def reader(etcd: FakeEtcd) -> LiveReader:
    return LiveReader(cast(EtcdClient, etcd))


def test_a_cluster_that_was_never_restored() -> None:
    live = reader(FakeEtcd(KeyValue(key=b"c/base", value=b"5"), KeyValue(key=b"c/s/a", value=b"3 1"))).read()
    assert (live.count, live.revision, live.cluster, live.epoch, live.epoch_revision) == (8, 42, 7, 1, 0)


def test_a_restored_one_says_its_epoch_and_is_asked_for_it_once() -> None:
    etcd = FakeEtcd(KeyValue(key=b"epoch", value=b"3", mod_revision=30))
    found = reader(etcd)
    for _ in range(2):
        live = found.read()
        assert (live.epoch, live.epoch_revision) == (3, 30)
    assert etcd.asked.count(keys.EPOCH) == 1
    etcd.cluster = 8
    etcd.pairs = [KeyValue(key=b"epoch", value=b"4", mod_revision=40)]
    assert found.read().epoch == 4


def test_a_count_that_cannot_be_read() -> None:
    assert reader(FakeEtcd(KeyValue(key=b"c/base", value=b"x"))).read().count is None


def test_the_latest_stays_while_etcd_is_away() -> None:
    etcd = FakeEtcd()
    found = reader(etcd)
    assert found.latest is None
    live = found.read()
    etcd.is_away = True
    with pytest.raises(EtcdUnavailableError):
        found.read()
    assert found.latest is live
