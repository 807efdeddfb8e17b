"""Sends etcd one transaction after the other, of the shape that a commit has, and prints how long they took.

It runs inside a pod of the counter, where `counter` can be imported: `python -c "$(cat transactions.py)" SECONDS`.
Its keys are its own, and gone afterwards.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing

from etcd3.etcdrpc import (  # type: ignore[import-untyped]  # python3-etcd3 ships no py.typed
    Compare,
    DeleteRangeRequest,
    PutRequest,
    RangeRequest,
    RequestOp,
    TxnRequest,
    TxnResponse,
)

from counter import settings
from etcd.client import LEADER_INTERVAL, EtcdClient
from etcd.errors import EtcdUnavailableError

# As many as three replicas have shards.
KEYS = (b"bench/transactions/1", b"bench/transactions/2", b"bench/transactions/3")
PREFIX, PREFIX_END = b"bench/transactions/", b"bench/transactions0"

CONNECTING_SECONDS = 10.0

# What is sent before that is not measured: the client may not have found the leader yet, as the replica's own has.
SETTLING_SECONDS = LEADER_INTERVAL + 1


def main() -> None:
    seconds = float(sys.argv[1])
    with closing(EtcdClient(settings.from_environment(os.environ).etcd_endpoints)) as etcd:
        revision = _prepare(etcd)
        try:
            times = list(_transact(etcd, revision, seconds))
        finally:
            etcd.transact(TxnRequest(success=[_delete(key) for key in KEYS]))
    print(json.dumps(_summary(times)))


def _prepare(etcd: EtcdClient) -> int:
    """Make the keys as soon as there is a connection. Returns the revision that they have."""
    deadline = time.monotonic() + CONNECTING_SECONDS
    while True:
        try:
            return _revision(etcd.transact(TxnRequest(success=[_put(key, 0) for key in KEYS])))
        except EtcdUnavailableError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def _transact(etcd: EtcdClient, revision: int, seconds: float) -> Iterator[float]:
    """The milliseconds of each transaction."""
    begin = time.monotonic() + SETTLING_SECONDS
    number = 0
    while (sent := time.monotonic()) < begin + seconds:
        number += 1
        response = etcd.transact(_commit(KEYS[0], revision, number))
        if sent >= begin:
            yield 1e3 * (time.monotonic() - sent)
        if not response.succeeded:
            sys.exit(f"somebody else wrote to {KEYS[0]!r}")
        revision = _revision(response)


def _commit(key: bytes, revision: int, number: int) -> TxnRequest:
    """If the key is still what it was, give it its next value, and read all keys: see counter.transactions.commit."""
    return TxnRequest(
        compare=[Compare(key=key, target=Compare.MOD, result=Compare.EQUAL, mod_revision=revision)],
        success=[_put(key, number), RequestOp(request_range=RangeRequest(key=PREFIX, range_end=PREFIX_END))],
        failure=[RequestOp(request_range=RangeRequest(key=key))],
    )


def _put(key: bytes, number: int) -> RequestOp:
    return RequestOp(request_put=PutRequest(key=key, value=f"{number} {number}".encode()))


def _delete(key: bytes) -> RequestOp:
    return RequestOp(request_delete_range=DeleteRangeRequest(key=key))


def _revision(response: TxnResponse) -> int:
    return int(response.header.revision)


def _summary(times: Sequence[float]) -> dict[str, float]:
    return {
        "seconds": sum(times) / 1e3,
        "transactions": len(times),
        "p50": statistics.median(times),
        "p99": statistics.quantiles(times, n=100, method="inclusive")[98],
    }


if __name__ == "__main__":
    main()
