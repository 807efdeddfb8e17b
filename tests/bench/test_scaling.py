import pytest

from bench import scaling
from bench.load import Load
from bench.rounds import Measurement, Plan
from bench.scaling import SizedMeasurement
from bench.targets import Target

INCREMENT = Target("/increment", 30180, "/increment", counts=True)


def test_each_round_measures_every_size_once_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    replicas = 3

    def scale(wanted: int) -> None:
        nonlocal replicas
        replicas = wanted

    def measure_once(target: Target, address: str, number: int, concurrency: int, seconds: int) -> Measurement:
        assert (target, address, concurrency, seconds) == (INCREMENT, "10.0.0.1", 50, 7)
        return Measurement(number, concurrency, target.name, Load(7.0, 100 * replicas, 0, 1.0, 2.0), None)

    monkeypatch.setattr(scaling, "measure_once", measure_once)
    reported: list[SizedMeasurement] = []
    plan = Plan(rounds=2, seconds=7, concurrencies=(3,))

    runs = scaling.measure(plan, INCREMENT, "10.0.0.1", scale, reported.append)

    assert reported == runs
    assert len(runs) == scaling.runs(plan) == 8
    assert [(run.measurement.round, run.replicas) for run in runs] == [
        *((1, replicas) for replicas in (1, 2, 3, 6)),
        *((2, replicas) for replicas in (6, 3, 2, 1)),
    ]
    assert all(run.measurement.load.answers == 100 * run.replicas for run in runs)
