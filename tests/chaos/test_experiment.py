from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from chaos import experiment
from chaos.experiment import Episode, Plan, conduct
from chaos.faults import Fault
from chaos.history import Answer, History
from chaos.system import System
from local.errors import LocalError
from local.layout import Layout

SYSTEM = System(Layout("none", 0), 30180)


class Clients:
    """The clients, who get a hundred values whenever somebody has slept."""

    def __init__(self) -> None:
        self.history = History()
        self.work = True
        self.log: list[str] = []
        self.keyed = -1

    def sleep(self, _: float) -> None:
        for _ in range(100 if self.work else 0):
            value = self.history.told + 1
            self.history.record(Answer(value, value + 0.5, value))

    @contextmanager
    def incrementing(self, _: System, clients: int, *, keyed: int) -> Iterator[History]:
        self.keyed = keyed
        self.log.append(f"{clients} clients")
        yield self.history
        self.log.append("clients left")

    def fault(self, name: str) -> Fault:
        return Fault(name, name.upper(), lambda _: self.log.append(name), most_gap=None)


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Clients:
    made = Clients()
    monkeypatch.setattr("time.sleep", made.sleep)
    monkeypatch.setattr(experiment, "incrementing", made.incrementing)
    monkeypatch.setattr(experiment, "settle", lambda *_: made.log.append("settled"))
    monkeypatch.setattr(System, "wait_until_whole", lambda _: made.log.append("whole"))
    monkeypatch.setattr(System, "count", lambda _: made.history.told)
    return made


def plan(clients: Clients, increments: int, *names: str) -> Plan:
    return Plan(increments, 50, 10, tuple(clients.fault(name) for name in names))


def test_faults_come_one_after_another_and_what_is_in_doubt_is_settled(clients: Clients) -> None:
    done = conduct(SYSTEM, plan(clients, 1, "a", "b"), lambda *_: None)

    assert clients.log == ["whole", "50 clients", "a", "whole", "b", "whole", "clients left", "whole", "settled"]
    assert (done.before, done.after, clients.keyed) == (0, len(done.answers), 10)


def test_every_fault_has_calm_before_it_and_after_it(clients: Clients) -> None:
    done = conduct(SYSTEM, plan(clients, 1, "a", "b"), lambda *_: None)

    assert [episode.calm for episode in done.episodes] == [300, 300]
    assert len(done.answers) == 900
    assert all(episode.began <= episode.ended <= episode.until for episode in done.episodes)


def test_each_fault_is_told_when_it_is_over(clients: Clients) -> None:
    told: list[tuple[str, int]] = []

    def tell(episode: Episode, answers: list[Answer]) -> None:
        told.append((episode.fault.title, len(answers)))

    conduct(SYSTEM, plan(clients, 1, "a", "b"), tell)

    assert told == [("A", 600), ("B", 900)]


def test_clients_go_on_until_there_are_as_many_as_planned(clients: Clients) -> None:
    assert len(conduct(SYSTEM, plan(clients, 5000, "a"), lambda *_: None).answers) == 5000


def test_without_increments_there_is_no_fault(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chaos.system.PATIENCE", 0.0)
    monkeypatch.setattr("chaos.system.eventually.__defaults__", (0.0,))
    clients.work = False

    with pytest.raises(LocalError, match="300 increments in calm"):
        conduct(SYSTEM, plan(clients, 1, "a"), lambda *_: None)

    assert clients.log == ["whole", "50 clients"]
