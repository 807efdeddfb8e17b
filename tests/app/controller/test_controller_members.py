"""What is asked of the members' etcds, and what is made of it: they are played by gRPC servers."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any
from urllib.request import Request

import grpc  # type: ignore[import-untyped]  # grpcio ships no py.typed
import pytest
from etcd3 import etcdrpc  # type: ignore[import-untyped]  # python3-etcd3 ships no py.typed

from controller import members as members_module
from controller.actions import AddEntry, DisarmAlarms, PromoteEntry, PutEpoch, RemoveEntry
from controller.facts import Entry, Quorum, Running
from controller.members import EtcdAction, Look, Members
from etcd.channel import to_any_of
from etcd.endpoints import Endpoint
from etcd.errors import EtcdUnavailableError
from etcd.member import Member
from member import web
from tests.app.conftest import Clock
from tests.app.etcd.spoken_to import SpokenTo

CLUSTER = 4711

# A member's ID in etcd is its number and this.
ENTRY = 100

STATUS = "/etcdserverpb.Maintenance/Status"
ALARM = "/etcdserverpb.Maintenance/Alarm"
RANGE = "/etcdserverpb.KV/Range"
TXN = "/etcdserverpb.KV/Txn"
LIST = "/etcdserverpb.Cluster/MemberList"
ADD = "/etcdserverpb.Cluster/MemberAdd"
REMOVE = "/etcdserverpb.Cluster/MemberRemove"
PROMOTE = "/etcdserverpb.Cluster/MemberPromote"
MOVE_LEADER = "/etcdserverpb.Maintenance/MoveLeader"

CORRUPT = 2
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE

Etcds = dict[int, SpokenTo]


def header(**others: int) -> Any:  # noqa: ANN401  # untyped stubs
    return etcdrpc.ResponseHeader(cluster_id=CLUSTER, **others)


def status(member: int, leader: int = ENTRY, index: int = 10_000) -> bytes:
    said = etcdrpc.StatusResponse(header=header(member_id=ENTRY + member), leader=leader, raftIndex=index)
    return bytes(said.SerializeToString())


def listing(*members: int, urls: dict[int, str] | None = None) -> bytes:
    """The list of these members, each by the URL that follows from its number, if there is no other."""
    entries = [
        etcdrpc.Member(ID=ENTRY + member, peerURLs=[(urls or {}).get(member, f"http://etcd{member}:2380")])
        for member in members
    ]
    return bytes(etcdrpc.MemberListResponse(header=header(), members=entries).SerializeToString())


def alarms(*members: int, alarm: int = CORRUPT) -> bytes:
    raised = [etcdrpc.AlarmMember(memberID=member, alarm=alarm) for member in members]
    return bytes(etcdrpc.AlarmResponse(header=header(), alarms=raised).SerializeToString())


def value(*values: bytes) -> bytes:
    pairs = [{"key": b"epoch", "value": value} for value in values]
    return bytes(etcdrpc.RangeResponse(header=header(), kvs=pairs).SerializeToString())


@pytest.fixture
def etcds(monkeypatch: pytest.MonkeyPatch) -> Iterator[Etcds]:
    """Three members that are well. Who is taken out is not reached."""
    with ExitStack() as stack:
        etcds = {
            number: stack.enter_context(
                SpokenTo(
                    {
                        STATUS: status(number),
                        LIST: listing(0, 1, 2),
                        ALARM: alarms(),
                        RANGE: value(b"3"),
                        TXN: b"",
                        ADD: b"",
                        REMOVE: b"",
                        PROMOTE: b"",
                        MOVE_LEADER: b"",
                    }
                )
            )
            for number in range(3)
        }

        def connect_to(endpoint: Endpoint) -> Member:
            found = [etcd for number, etcd in etcds.items() if endpoint == Endpoint(f"etcd{number}", 2379)]
            if not found:
                raise EtcdUnavailableError(f"the name {endpoint.host} can't be resolved")
            return Member(to_any_of([found[0].address]))

        monkeypatch.setattr(members_module, "connect_to", connect_to)
        yield etcds


@pytest.fixture
def members(etcds: Etcds) -> Iterator[Members]:  # noqa: ARG001  # they are there as long
    members = Members()
    yield members
    members.close()


@pytest.fixture
def clock(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr(members_module, "time", SimpleNamespace(time=clock))
    return clock


def healthy(look: Look) -> dict[int | None, bool]:
    assert look.quorum is not None
    return {entry.member: entry.healthy for entry in look.quorum.entries}


def test_all_say_who_they_are_and_a_quorum_what_it_agrees_on(members: Members, clock: Clock) -> None:
    now = clock.now
    assert members.look(range(4)) == Look(
        {number: Running(CLUSTER, ENTRY + number, now) for number in range(3)},
        Quorum(
            at=now,
            cluster=CLUSTER,
            entries=tuple(Entry(ENTRY + n, n, learner=False, healthy=True, healthy_since=now) for n in range(3)),
            leader=ENTRY,
            corrupt=frozenset(),
            epoch=3,
        ),
    )


def test_a_member_without_a_leader_runs_and_is_no_quorum(members: Members, etcds: Etcds) -> None:
    for number, etcd in etcds.items():
        etcd.answers[STATUS] = status(number, leader=0)
    look = members.look(range(3))
    assert (sorted(look.running), look.quorum) == ([0, 1, 2], None)
    assert etcds[0].requests(LIST) == []


@pytest.mark.parametrize("method", [LIST, ALARM, RANGE])
def test_what_one_cant_say_for_a_quorum_the_next_one_says(members: Members, etcds: Etcds, method: str) -> None:
    etcds[0].answers[method] = UNAVAILABLE
    assert members.look(range(3)).quorum is not None
    for etcd in etcds.values():
        etcd.answers[method] = UNAVAILABLE
    look = members.look(range(3))
    assert (sorted(look.running), look.quorum) == ([0, 1, 2], None)


def test_who_is_away_lags_behind_or_follows_another_is_not_well(members: Members, etcds: Etcds) -> None:
    del etcds[2]
    etcds[1].answers[STATUS] = status(1, index=5_000)
    assert healthy(members.look(range(3))) == {0: True, 1: True, 2: False}
    etcds[1].answers[STATUS] = status(1, index=4_999)
    assert healthy(members.look(range(3))) == {0: True, 1: False, 2: False}
    etcds[1].answers[STATUS] = status(1, leader=ENTRY + 1)
    assert healthy(members.look(range(3))) == {0: True, 1: False, 2: False}


def test_since_when_one_is_well_begins_anew_when_it_was_not(members: Members, etcds: Etcds, clock: Clock) -> None:
    def since() -> float:
        quorum = members.look(range(3)).quorum
        assert quorum is not None
        return clock.now - quorum.entries[1].healthy_since

    assert since() == 0
    clock.pass_by(5)
    assert since() == 5
    etcds[1].answers[STATUS] = status(1, leader=0)
    since()
    etcds[1].answers[STATUS] = status(1)
    assert since() == 0


def test_an_entry_is_whose_its_url_says(members: Members, etcds: Etcds) -> None:
    urls = {1: "http://etcd12:2380", 2: "http://etcd2:23800"}
    etcds[0].answers[LIST] = listing(0, 1, 2, urls=urls)
    assert list(healthy(members.look(range(3)))) == [0, 12, None]


def test_whose_data_differ_is_told(members: Members, etcds: Etcds) -> None:
    etcds[0].answers[ALARM] = alarms(ENTRY + 1, 0)
    quorum = members.look(range(3)).quorum
    assert quorum is not None
    assert quorum.corrupt == {ENTRY + 1, 0}


@pytest.mark.parametrize("said", [value(), value(b"many")])
def test_an_epoch_that_is_not_there_or_cant_be_read_is_none(members: Members, etcds: Etcds, said: bytes) -> None:
    etcds[0].answers[RANGE] = said
    quorum = members.look(range(3)).quorum
    assert quorum is not None
    assert quorum.epoch is None


def test_who_came_back_at_another_address_is_found(members: Members, etcds: Etcds) -> None:
    away = etcds.pop(2)
    assert sorted(members.look(range(3)).running) == [0, 1]
    etcds[2] = away
    assert sorted(members.look(range(3)).running) == [0, 1, 2]
    away.answers[STATUS] = UNAVAILABLE
    members.look(range(3))
    with SpokenTo({STATUS: status(2)}) as etcds[2]:
        assert sorted(members.look(range(3)).running) == [0, 1, 2]


# What is changed.


@pytest.mark.parametrize(
    ("action", "method", "request_"),
    [
        (RemoveEntry(101), REMOVE, etcdrpc.MemberRemoveRequest(ID=101)),
        (PromoteEntry(101), PROMOTE, etcdrpc.MemberRemoveRequest(ID=101)),
        (AddEntry(1, learner=False), ADD, etcdrpc.MemberAddRequest(peerURLs=["http://etcd1:2380"])),
    ],
)
def test_one_member_is_asked_for_a_change(
    members: Members,
    etcds: Etcds,
    action: EtcdAction,
    method: str,
    request_: Any,  # noqa: ANN401  # untyped stubs
) -> None:
    members.act(action, members.look(range(3)))
    assert [etcd.requests(method) for etcd in etcds.values()] == [[request_.SerializeToString()], [], []]


def test_one_is_added_as_a_learner(members: Members, etcds: Etcds) -> None:
    members.act(AddEntry(1, learner=True), members.look(range(3)))
    [request] = etcds[0].requests(ADD)
    assert request == etcdrpc.MemberAddRequest(peerURLs=["http://etcd1:2380"]).SerializeToString() + b"\x10\x01"


def test_only_the_alarm_of_an_entry_that_is_gone_is_taken_back(members: Members, etcds: Etcds) -> None:
    look = members.look(range(3))
    etcds[0].answers[ALARM] = alarms(ENTRY + 1, ENTRY + 2)
    etcds[0].asked.clear()
    members.act(DisarmAlarms(ENTRY + 1), look)
    _, disarm = map(etcdrpc.AlarmRequest.FromString, etcds[0].requests(ALARM))
    assert (disarm.action, disarm.memberID, disarm.alarm) == (etcdrpc.AlarmRequest.DEACTIVATE, ENTRY + 1, CORRUPT)


@pytest.mark.parametrize(("before_counting", "absent"), [(False, [b"epoch"]), (True, [b"epoch", b"c/base"])])
def test_the_epoch_is_put_only_where_it_is_not(
    members: Members, etcds: Etcds, before_counting: bool, absent: list[bytes]
) -> None:
    members.act(PutEpoch(4, before_counting), members.look(range(3)))
    [request] = map(etcdrpc.TxnRequest.FromString, etcds[0].requests(TXN))
    never_made = (etcdrpc.Compare.CREATE, etcdrpc.Compare.EQUAL, 0)
    assert [(one.key, (one.target, one.result, one.create_revision)) for one in request.compare] == [
        (key, never_made) for key in absent
    ]
    [put] = request.success
    assert (put.request_put.key, put.request_put.value) == (b"epoch", b"4")
    assert not request.failure


def test_where_one_gives_no_answer_the_next_is_asked(members: Members, etcds: Etcds) -> None:
    etcds[0].answers[REMOVE] = UNAVAILABLE
    members.act(RemoveEntry(101), members.look(range(3)))
    assert [len(etcd.requests(REMOVE)) for etcd in etcds.values()] == [1, 1, 0]


def test_a_no_is_that_of_all(members: Members, etcds: Etcds) -> None:
    etcds[0].answers[PROMOTE] = grpc.StatusCode.FAILED_PRECONDITION
    members.act(PromoteEntry(101), members.look(range(3)))
    assert [len(etcd.requests(PROMOTE)) for etcd in etcds.values()] == [1, 0, 0]


@pytest.mark.parametrize(
    "but", [lambda look: Look(look.running, None), lambda look: Look({0: Running(1, ENTRY, 0.0)}, look.quorum)]
)
def test_who_is_of_no_quorum_is_asked_nothing(members: Members, etcds: Etcds, but: Callable[[Look], Look]) -> None:
    members.act(RemoveEntry(101), but(members.look(range(3))))
    assert [etcd.requests(REMOVE) for etcd in etcds.values()] == [[], [], []]


@pytest.mark.parametrize(("removed", "heirs"), [(0, [1]), (1, [])])
def test_before_the_leader_is_removed_another_one_leads(
    members: Members, etcds: Etcds, removed: int, heirs: list[int]
) -> None:
    look = members.look(range(3))
    members.act(RemoveEntry(ENTRY + removed), look)
    asked = [etcdrpc.MemberRemoveRequest.FromString(request).ID for request in etcds[0].requests(MOVE_LEADER)]
    assert asked == [ENTRY + heir for heir in heirs]
    assert len(etcds[0].requests(REMOVE)) == 1


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ([{"id": 7, "peerURLs": ["http://etcd1:2380"]}, {"id": 8, "peerURLs": ["http://etcd0:2380"]}], (0xABC, 7)),
        ([{"id": 8, "peerURLs": ["http://etcd0:2380"]}], (0xABC, 0)),
        ("nonsense", None),
    ],
)
def test_one_that_has_found_no_quorum_yet_says_to_other_members_who_it_is(
    members: Members,
    etcds: Etcds,
    monkeypatch: pytest.MonkeyPatch,
    listed: object,
    expected: tuple[int, int] | None,
) -> None:
    """It serves no clients before."""
    del etcds[1]

    def send(request: Request, _timeout: float) -> io.BytesIO:
        assert request.full_url == "http://etcd1:2380/members"
        answer = _Answer(json.dumps(listed).encode())
        answer.headers = {"X-Etcd-Cluster-ID": "abc"}
        return answer

    monkeypatch.setattr(web, "send", send)
    running = members.look(range(3)).running
    found = running.get(1)
    assert (None if found is None else (found.cluster, found.entry)) == expected
    assert set(running) >= {0, 2}


class _Answer(io.BytesIO):
    headers: dict[str, str]
