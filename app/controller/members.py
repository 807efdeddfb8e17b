"""The members' etcds: what each says of itself, what a quorum of them says, and what they are asked to change."""

import json
import logging
import re
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from urllib.request import Request

from etcd3 import etcdrpc  # type: ignore[import-untyped]  # python3-etcd3 ships no py.typed

from controller.actions import AddEntry, DisarmAlarms, PromoteEntry, PutEpoch, RemoveEntry
from controller.facts import Entry, Quorum, Running
from etcd import keys
from etcd.endpoints import Endpoint
from etcd.errors import EtcdRefusedError, EtcdUnavailableError
from etcd.member import Member, Status, connect_to
from etcd.membership import Listed, Membership
from member import web
from member.addresses import CLIENT_PORT, MOST_MEMBERS, member_name, peer_url

_log = logging.getLogger(__name__)

# Seconds. A member that asks the controller waits for this.
_TIMEOUT = 1.0

# Entries of the log that a member may lack and still be called well.
_MOST_BEHIND = 5000

_PEER_URL = re.compile(peer_url("etcd([0-9]+)"))

EtcdAction = RemoveEntry | AddEntry | PromoteEntry | DisarmAlarms | PutEpoch


@dataclass(frozen=True)
class Look:
    """What was found at one moment: what each member says of itself, and what a quorum says, if one answers."""

    running: Mapping[int, Running]
    quorum: Quorum | None


class Members:
    """Asks all of them at once. For use by one thread."""

    def __init__(self) -> None:
        self._connections: dict[int, Member] = {}
        self._healthy_since: dict[int, float] = {}
        self._threads = ThreadPoolExecutor(9, "members")

    def look(self, numbers: Iterable[int]) -> Look:
        """Return what they say now."""
        asked = list(numbers)
        statuses = {
            number: status
            for number, status in zip(asked, self._threads.map(self._status, asked), strict=True)
            if status is not None
        }
        now = time.time()
        running = {number: Running(status.cluster, status.member, now) for number, status in statuses.items()}
        # One that has started and found no quorum yet serves no clients; the other members it does.
        silent = [number for number in asked if number not in statuses]
        running |= {
            number: found for number, found in zip(silent, self._threads.map(_by_peers, silent), strict=True) if found
        }
        quorums = (self._quorum(number, statuses) for number, status in statuses.items() if status.leader)
        return Look(running, next((quorum for quorum in quorums if quorum is not None), None))

    def act(self, action: EtcdAction, look: Look) -> None:
        """Carry out what was decided, by a member of the quorum. What can't be done is said, and decided anew."""
        if isinstance(action, RemoveEntry):
            self._have_another_lead(action.entry, look)
        for number, running in look.running.items():
            if look.quorum is None or running.cluster != look.quorum.cluster:
                continue
            try:
                self._act(self._connect(number), action)
                return
            except EtcdRefusedError as error:
                _log.info("etcd refuses %s: %s", action, error)
                return
            except EtcdUnavailableError as error:
                # etcd says so, too, while members that were just started are not connected for five seconds.
                _log.debug("%s: %s does not answer: %s", action, member_name(number), error)

    def _have_another_lead(self, entry: int, look: Look) -> None:
        """Let nobody wait for an election when the leader is removed: it takes more than a second."""
        quorum = look.quorum
        if quorum is None or quorum.leader != entry:
            return
        leader = next((number for number, running in look.running.items() if running.entry == entry), None)
        heirs = [one for one in quorum.entries if one.healthy and not one.learner and one.id != entry]
        if leader is None or not heirs:
            return
        # The first member is the last one that anybody would remove.
        heir = min(heirs, key=lambda one: MOST_MEMBERS if one.member is None else one.member)
        try:
            Membership(self._connect(leader).channel).move_leader(heir.id)
        except (EtcdUnavailableError, EtcdRefusedError) as error:
            _log.info("%x does not lead in the place of %x: %s", heir.id, entry, error)

    def close(self) -> None:
        """End all connections."""
        self._threads.shutdown()
        for connection in self._connections.values():
            connection.close()

    def _status(self, number: int) -> Status | None:
        try:
            return self._connect(number).status(_TIMEOUT)
        except (EtcdUnavailableError, EtcdRefusedError):
            self._disconnect(number)
            return None

    def _quorum(self, number: int, statuses: Mapping[int, Status]) -> Quorum | None:
        member = self._connect(number)
        try:
            listed = Membership(member.channel).list(_TIMEOUT)
            corrupt = member.corrupt()
            epoch = _epoch(member)
        except (EtcdUnavailableError, EtcdRefusedError):
            return None
        leader = statuses[number].leader
        return Quorum(
            time.time(), listed.cluster, self._entries(listed.entries, statuses, leader), leader, corrupt, epoch
        )

    def _entries(self, listed: Iterable[Listed], statuses: Mapping[int, Status], leader: int) -> tuple[Entry, ...]:
        now = time.time()
        newest = max((status.index for status in statuses.values()), default=0)
        healthy = {
            status.member
            for status in statuses.values()
            if status.leader == leader and newest - status.index <= _MOST_BEHIND
        }
        self._healthy_since = {entry: self._healthy_since.get(entry, now) for entry in healthy}
        return tuple(
            Entry(one.id, _number(one), one.learner, one.id in healthy, self._healthy_since.get(one.id, now))
            for one in listed
        )

    def _act(self, member: Member, action: EtcdAction) -> None:
        membership = Membership(member.channel)
        match action:
            case RemoveEntry():
                membership.remove(action.entry)
            case AddEntry():
                membership.add(peer_url(member_name(action.member)), learner=action.learner)
            case PromoteEntry():
                membership.promote(action.entry)
            case DisarmAlarms():
                member.disarm_corrupt(action.entry)
            case PutEpoch():
                member.transact(_put_epoch(action), _TIMEOUT)

    def _connect(self, number: int) -> Member:
        connection = self._connections.get(number)
        if connection is None:
            connection = self._connections[number] = connect_to(Endpoint(member_name(number), CLIENT_PORT))
        return connection

    def _disconnect(self, number: int) -> None:
        """Another pod may come in its place, at another address."""
        connection = self._connections.pop(number, None)
        if connection is not None:
            connection.close()


def _by_peers(number: int) -> Running | None:
    """What a member says to other members: which cluster it is of, and which entry of its own list it is."""
    own_url = peer_url(member_name(number))
    try:
        with web.send(Request(f"{own_url}/members"), _TIMEOUT) as response:
            cluster, listed = int(response.headers["X-Etcd-Cluster-ID"], 16), json.load(response)
        entry = next((int(one["id"]) for one in listed if own_url in one["peerURLs"]), 0)
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return None
    return Running(cluster, entry, time.time())


def _number(listed: Listed) -> int | None:
    """Whose entry it is, by the URL that the others reach it by."""
    found = (_PEER_URL.fullmatch(url) for url in listed.peer_urls)
    return next((int(match[1]) for match in found if match is not None), None)


def _epoch(member: Member) -> int | None:
    found = member.read(etcdrpc.RangeRequest(key=keys.EPOCH)).kvs
    if not found:
        return None
    with suppress(keys.UnreadableKeyError):
        return keys.parse_epoch(found[0].value)
    return None


def _put_epoch(action: PutEpoch) -> etcdrpc.TxnRequest:
    """Put it where it is not there yet, and, if that is wanted, nothing was counted either."""
    compares = [_is_absent(keys.EPOCH)]
    if action.before_counting:
        compares.append(_is_absent(keys.BASE))
    put = etcdrpc.RequestOp(request_put=etcdrpc.PutRequest(key=keys.EPOCH, value=str(action.number).encode()))
    return etcdrpc.TxnRequest(compare=compares, success=[put])


def _is_absent(key: bytes) -> etcdrpc.Compare:
    return etcdrpc.Compare(result=etcdrpc.Compare.EQUAL, target=etcdrpc.Compare.CREATE, key=key, create_revision=0)
