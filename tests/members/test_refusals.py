"""What etcd refuses is not done, and what it does not refuse is."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from etcd3.etcdrpc import (  # type: ignore[import-untyped]  # python3-etcd3 ships no py.typed
    Compare,
    PutRequest,
    RangeRequest,
    RequestOp,
    TxnRequest,
)

from counter import transactions
from counter.transactions import Commit, Shard
from etcd.client import EtcdClient
from etcd.errors import CompactedError, EtcdRefusedError, EtcdUnavailableError, LeaseNotFoundError
from etcd.keys import Record, ShardValue
from tests.members.cluster import Cluster, wait_until
from tests.members.conftest import StartCluster
from tests.members.counting import counting
from tests.members.load import patiently

MAX_OPERATIONS = 128


@pytest.fixture
def etcd(cluster: Cluster) -> Iterator[EtcdClient]:
    with closing(EtcdClient(cluster.endpoints)) as client:
        patiently(client.count_members)
        yield client
    cluster.control("del", "--prefix", "test/")


def put(key: str, value: bytes = b"", lease: int = 0) -> RequestOp:
    return RequestOp(request_put=PutRequest(key=f"test/{key}".encode(), value=value, lease=lease))


def is_there(etcd: EtcdClient, key: str) -> bool:
    return bool(etcd.read(RangeRequest(key=f"test/{key}".encode())).kvs)


def test_of_a_transaction_with_a_lease_that_ended_nothing_is_done(etcd: EtcdClient) -> None:
    lease = etcd.grant_lease(60)
    etcd.revoke_lease(lease)
    assert not etcd.keep_alive(lease)
    with pytest.raises(LeaseNotFoundError):
        etcd.transact(TxnRequest(success=[put("before"), put("on the lease", lease=lease), put("after")]))
    assert not is_there(etcd, "before")
    assert not is_there(etcd, "after")


def test_a_lease_that_ended_is_no_matter_to_a_transaction_that_is_refused(etcd: EtcdClient) -> None:
    """A commit that was applied and is sent again must not be taken for one that was not."""
    lease = etcd.grant_lease(60)
    commit = Commit(Shard("refused", ShardValue(0, 0), 1), ShardValue(1, 1))
    etcd.revoke_lease(lease)
    record = [("key", Record(commit.before.id, 1, 0, 1))]
    assert not etcd.transact(transactions.commit(commit, record, None, lease)).succeeded


def test_a_transaction_has_up_to_128_operations(etcd: EtcdClient) -> None:
    puts = [put(f"many/{number}") for number in range(MAX_OPERATIONS + 1)]
    absent = [Compare(key=b"no such key", target=Compare.MOD, mod_revision=0)] * MAX_OPERATIONS
    assert etcd.transact(TxnRequest(compare=absent, success=puts[1:])).succeeded
    with pytest.raises(EtcdRefusedError, match="too many operations"):
        etcd.transact(TxnRequest(success=puts))
    assert not is_there(etcd, "many/0")


def test_a_key_is_put_once_in_a_transaction(etcd: EtcdClient) -> None:
    with pytest.raises(EtcdRefusedError, match="duplicate key"):
        etcd.transact(TxnRequest(success=[put("twice"), put("twice")]))
    assert not is_there(etcd, "twice")


def test_a_revision_that_is_compacted(cluster: Cluster, etcd: EtcdClient) -> None:
    first = etcd.transact(TxnRequest(success=[put("compacted", b"1")])).header.revision
    last = etcd.transact(TxnRequest(success=[put("compacted", b"2")])).header.revision
    assert [pair.value for pair in etcd.read(RangeRequest(key=b"test/compacted", revision=first)).kvs] == [b"1"]
    cluster.control("compaction", str(last))
    with pytest.raises(CompactedError):
        etcd.read(RangeRequest(key=b"test/compacted", revision=first))
    with pytest.raises(CompactedError, match="future"):
        etcd.read(RangeRequest(key=b"test/compacted", revision=last + 1000))


def fill(etcd: EtcdClient) -> None:
    """Put large values until there is no space for more."""
    patiently(etcd.count_members)
    for number in range(20):
        try:
            etcd.transact(TxnRequest(success=[put(f"fill/{number}", bytes(500_000))]))
        except EtcdUnavailableError as error:
            if "space exceeded" in str(error):
                return
    pytest.fail("there is space for more")


def test_the_transaction_that_fills_the_database_is_done_and_yet_answered_with_an_error(
    start_cluster: StartCluster,
) -> None:
    """Why the client does not take "space exceeded" for a refusal."""
    cluster = start_cluster(f"--quota-backend-bytes={2_000_000}", "--backend-batch-limit=1")
    leader = cluster.leader()
    others = [member for member in cluster.members if member is not leader]
    with closing(EtcdClient([leader.endpoint])) as etcd, ThreadPoolExecutor(8) as threads:
        patiently(etcd.count_members)
        for member in others:
            member.pause()

        def put_large(number: int) -> str:
            try:
                etcd.transact(TxnRequest(success=[put(f"fill/{number}", bytes(300_000))]))
            except EtcdUnavailableError as error:
                return str(error)
            return "done"

        # All of them find that there is space, since none of them can be done yet.
        answers = [threads.submit(put_large, number) for number in range(8)]
        time.sleep(0.3)
        for member in others:
            member.resume()
        said = [answer.result() for answer in answers]
        unlucky = [number for number, answer in enumerate(said) if "space exceeded" in answer]
        assert unlucky, said
        assert any(patiently(lambda: is_there(etcd, f"fill/{number}")) for number in unlucky)  # noqa: B023


def test_a_full_database_stops_counting_until_there_is_space(start_cluster: StartCluster) -> None:
    cluster = start_cluster(f"--quota-backend-bytes={4_000_000}")
    with counting(cluster) as (_, load):
        with closing(EtcdClient(cluster.endpoints)) as etcd:
            fill(etcd)
        wait_until(lambda: sum(answer.value is None for answer in load.history.answers) >= 24, "nobody gets a value")
        cluster.control("del", "--prefix", "test/")
        cluster.control("compaction", str(cluster.revision()))
        cluster.control("defrag")
        cluster.control("alarm", "disarm")
        load.goes_on()
