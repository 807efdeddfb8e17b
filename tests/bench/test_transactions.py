import json
import os
import sys
from collections.abc import Sequence

import pytest

from bench import transactions
from bench.load import Load
from bench.programs import transactions as program
from etcd.endpoints import Endpoint
from local.errors import LocalError
from tests.app.counter.in_memory_etcd import InMemoryEtcd


class ClosableEtcd(InMemoryEtcd):
    def close(self) -> None: ...


@pytest.fixture
def etcd(monkeypatch: pytest.MonkeyPatch) -> ClosableEtcd:
    """What the program reaches inside a pod, with a count in it."""
    etcd = ClosableEtcd()
    etcd.put(b"c/base", b"17")

    def client(endpoints: Sequence[Endpoint]) -> ClosableEtcd:
        assert endpoints == (Endpoint("etcd0", 2379),)
        return etcd

    monkeypatch.setattr(program, "EtcdClient", client)
    settings = {
        "ETCD_ENDPOINTS": "http://etcd0:2379",
        "MY_POD_NAME": "counter-1",
        "MY_POD_NAMESPACE": "ha-counter",
        "MY_NODE_NAME": "node1",
        "MY_POD_IP": "127.0.0.1",
    }
    monkeypatch.setattr(os, "environ", settings)
    monkeypatch.setattr(sys, "argv", ["-c", "0.02"])
    monkeypatch.setattr(program, "SETTLING_SECONDS", 0.0)
    return etcd


def test_what_the_program_prints_is_a_run(etcd: ClosableEtcd, capsys: pytest.CaptureFixture[str]) -> None:
    before = etcd.transactions

    program.main()

    load = transactions.parse(capsys.readouterr().out)
    assert load.answers == etcd.transactions - before - 2  # but those that made and deleted the keys
    assert 0 < load.p50 <= load.p99


def test_what_is_sent_at_first_is_not_measured(
    etcd: ClosableEtcd, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "SETTLING_SECONDS", 0.02)

    program.main()

    load = transactions.parse(capsys.readouterr().out)
    assert 0 < load.answers < etcd.transactions - 2


def test_nothing_of_it_is_left_and_the_count_is_what_it_was(etcd: ClosableEtcd) -> None:
    program.main()

    assert etcd.values == {b"c/base": b"17"}


def test_a_transaction_that_was_refused_is_no_measurement(etcd: ClosableEtcd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "_revision", lambda _: 1)

    with pytest.raises(SystemExit, match="somebody else wrote"):
        program.main()

    assert etcd.values == {b"c/base": b"17"}


def test_a_summary_is_read() -> None:
    summary = {"seconds": 7.9, "transactions": 2000, "p50": 3.5, "p99": 9.25}

    assert transactions.parse(json.dumps(summary)) == Load(7.9, 2000, 0, 3.5, 9.25)


@pytest.mark.parametrize("output", ["", "error: unable to upgrade connection", "[]", '{"seconds": 1}'])
def test_anything_else_is_told(output: str) -> None:
    with pytest.raises(LocalError, match="no summary but this"):
        transactions.parse(output)
