import pytest

from bench import counts, rounds
from bench.counts import Count
from bench.load import Load
from bench.rounds import Measurement, Plan, measure
from bench.targets import RAW_TRANSACTION, Target

TARGETS = [Target("a", 30001, "/static"), Target("b", 30002, "/static"), Target("c", 30003, "/static")]


def run(count: Count | None, failures: int = 0, concurrency: int = 3) -> Measurement:
    return Measurement(1, concurrency, "a", Load(1.0, 10, failures, 1.0, 2.0), count)


def no_transactions(_number: int) -> Load:
    raise AssertionError("no raw transactions are wanted without concurrency 1")


def test_every_target_is_measured_in_every_round_each_time_in_another_order(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def put_load(url: str, connections: int, seconds: int) -> Load:
        asked.append((url, connections, seconds))
        return Load(1.0, 10, 0, 1.0, 2.0)

    monkeypatch.setattr(rounds, "put_load", put_load)
    reported: list[Measurement] = []
    plan = Plan(rounds=3, seconds=7, concurrencies=(3, 50))

    measurements = measure(plan, TARGETS, "10.0.0.1", no_transactions, reported.append)

    assert len(asked) == plan.runs(len(TARGETS)) == 18
    assert asked[0] == ("http://10.0.0.1:30002/static", 3, 7)
    assert reported == measurements
    orders = {(m.round, m.concurrency): "" for m in measurements}
    for m in measurements:
        orders[m.round, m.concurrency] += m.target
    assert list(orders.values()) == ["bca", "bca", "bac", "bac", "abc", "abc"]


def test_with_one_client_each_round_has_raw_transactions_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "put_load", lambda *_: Load(1.0, 10, 0, 1.0, 2.0))
    plan = Plan(rounds=2, seconds=7, concurrencies=(1, 3))

    measurements = measure(plan, TARGETS, "10.0.0.1", lambda number: Load(7.0, number, 0, 0.5, 0.9), lambda _: None)

    assert len(measurements) == plan.runs(len(TARGETS)) == 14
    raw = [run for run in measurements if run.target == RAW_TRANSACTION]
    assert [(run.round, run.concurrency, run.load.answers) for run in raw] == [(1, 1, 1), (2, 1, 2)]


def test_the_count_is_compared_with_what_clients_were_told(monkeypatch: pytest.MonkeyPatch) -> None:
    known = iter([100, 103])
    monkeypatch.setattr(counts, "settled", lambda _server: next(known))

    def put_load(*arguments: object) -> Load:
        arguments[3].write_text("101\n103\n103\n")  # type: ignore[attr-defined]
        return Load(1.0, 3, 0, 1.0, 2.0)

    monkeypatch.setattr(rounds, "put_load", put_load)
    target = Target("a", 30001, "/increment", counts=True)

    [measurement] = measure(Plan(1, 7, (3,)), [target], "10.0.0.1", no_transactions, lambda _: None)

    assert measurement.count == Count(told=3, lost=1, untold=1)
    assert not measurement.is_exact


@pytest.mark.parametrize(
    ("measurement", "exact"),
    [
        (run(None), True),
        (run(Count(told=10, lost=0, untold=3)), True),
        (run(Count(told=10, lost=0, untold=4)), False),
        (run(Count(told=10, lost=0, untold=4), failures=1), True),
        (run(Count(told=10, lost=1, untold=0)), False),
    ],
)
def test_each_connection_and_each_failure_may_leave_one_increment_untold(measurement: Measurement, exact: bool) -> None:
    assert measurement.is_exact == exact
