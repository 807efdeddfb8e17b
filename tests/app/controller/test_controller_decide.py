"""Each row of the decision, and each reason why it says no more and no less."""

import math
from dataclasses import replace
from typing import Any

import pytest

from controller.actions import (
    AddEntry,
    DeleteClaim,
    DeletePod,
    DisarmAlarms,
    MakeFile,
    PromoteEntry,
    PutEpoch,
    RemoveEntry,
    ScalePods,
)
from controller.facts import Backup, Claim, Entry, Scale, Seen
from controller.record import ADOPTED, DONE, HOLDING, Change, Cluster, Kind, Past, Record, Source, Voter, Wish
from member.marker import State
from member.starting import Hold, Join, New, Restore, Save, Start, Wait
from tests.app.controller.cases import (
    CLUSTER,
    LONG_AGO,
    NO_FOLDER,
    NOW,
    OTHER_CLUSTER,
    UNMARKED,
    ask_for,
    asks,
    begun,
    chain,
    cluster_of,
    counting,
    decided,
    entry,
    facts,
    file,
    marked,
    of_kind,
    quorum_of,
    runs,
    silent,
)

ALL_RUN = {member: runs(member) for member in range(3)}
ALL_WELL = quorum_of({0: True, 1: True, 2: True})
ONE_ILL = quorum_of({0: True, 1: True, 2: False})
NONE_ASKS = {member: asks(member, NO_FOLDER) for member in range(3)}
NO_SNAPSHOTS = Backup(NOW - 1)


# Row 2: a quorum answers, the record is empty.


def test_what_runs_is_adopted() -> None:
    decision = decided(None, facts(ALL_RUN, replace(ALL_WELL, epoch=None)))
    cluster = cluster_of(decision)
    assert decision.row == "adopt"
    assert (cluster.epoch.number, cluster.epoch.cluster, cluster.epoch.formed, cluster.size) == (1, CLUSTER, True, 3)
    # They may have counted: none of them must ever start without its data.
    assert [(voter.member, voter.entry, voter.folder) for voter in cluster.voters] == [
        (member, entry(member), ADOPTED) for member in range(3)
    ]
    assert decision.actions == (PutEpoch(1, before_counting=False),)


def test_the_epoch_of_what_is_adopted_is_what_its_key_says() -> None:
    decision = decided(None, facts(ALL_RUN, replace(ALL_WELL, epoch=7)))
    assert cluster_of(decision).epoch.number == 7
    assert decision.actions == ()


def test_an_adopted_member_says_itself_which_life_it_is_in() -> None:
    adopted = cluster_of(decided(None, facts(ALL_RUN, ALL_WELL)))
    decision = decided(adopted, facts(ALL_RUN | {2: asks(2, marked(2, life=5))}, ONE_ILL))
    voter = cluster_of(decision).voter(2)
    assert voter is not None
    assert voter.life == 5
    assert decision.answers == {2: Start(1, 5, "", (), 0)}


def test_an_adopted_member_without_a_marker_gets_one() -> None:
    adopted = cluster_of(decided(None, facts(ALL_RUN, ALL_WELL)))
    decision = decided(adopted, facts(ALL_RUN | {2: asks(2, UNMARKED)}, ONE_ILL))
    assert decision.answers == {2: Start(1, 1, "", (), 0)}


def test_an_adopted_member_that_lost_its_log_is_replaced() -> None:
    adopted = cluster_of(decided(None, facts(ALL_RUN, ALL_WELL)))
    decision = decided(adopted, facts(ALL_RUN | {2: asks(2, marked(2, log=False))}, ONE_ILL))
    assert RemoveEntry(entry(2)) in decision.actions


def test_an_adopted_member_with_the_folder_of_a_removed_life_is_replaced() -> None:
    adopted = cluster_of(decided(None, facts(ALL_RUN, ALL_WELL)))
    noted = decided(adopted, facts(ALL_RUN | {2: runs(2, own=4712)}, ONE_ILL))
    decision = decided(cluster_of(noted), facts(ALL_RUN | {2: asks(2, marked(2))}, ONE_ILL))
    assert RemoveEntry(entry(2)) in decision.actions


def test_entries_of_nobody_are_not_adopted() -> None:
    foreign = (*ALL_WELL.entries, Entry(99, None, False, True))
    decision = decided(None, facts(ALL_RUN, replace(ALL_WELL, entries=foreign)))
    assert decision.record is None
    assert "entries of nobody" in decision.says


# Row 3: a quorum answers that is not the record's epoch.


def test_nothing_is_changed_where_another_cluster_answers() -> None:
    others = {member: runs(member, OTHER_CLUSTER) for member in range(3)}
    decision = decided(counting(), facts(others, replace(ALL_WELL, cluster=OTHER_CLUSTER)))
    assert decision.row == "foreign_quorum"
    assert (decision.record, decision.actions) == (None, ())


# Row 4: the first quorum of an epoch.


def test_the_epoch_is_put_only_after_the_record_says_formed() -> None:
    empty = replace(ALL_WELL, epoch=None)
    cluster = replace(counting(), epoch=replace(counting().epoch, formed=False))
    first = decided(cluster, facts(ALL_RUN, empty))
    assert cluster_of(first).epoch.formed
    assert first.actions == ()
    then = decided(cluster_of(first), facts(ALL_RUN, empty))
    assert then.actions == (PutEpoch(1, before_counting=True),)


# Row 5: replace.


@pytest.mark.parametrize(
    "folder",
    [
        NO_FOLDER,
        marked(2, log=False),
        marked(2, State.HELD, log=False),
        marked(2, epoch=0),
        marked(2, life=0),
        # A life may have been given out twice: only the folder that was let start counts.
        marked(2, folder="another"),
        marked(2, State.MADE, folder="another"),
        UNMARKED,
    ],
)
def test_a_member_whose_data_are_gone_is_removed(folder: object) -> None:
    decision = decided(counting(), facts(ALL_RUN | {2: asks(2, folder)}, ONE_ILL))  # type: ignore[arg-type]
    assert decision.row == "replace_members"
    assert cluster_of(decision).change == Change(Kind.REMOVE, 2, entry(2))
    assert decision.actions == (DisarmAlarms(entry(2)), RemoveEntry(entry(2)))
    assert isinstance(decision.answers[2], Wait)


@pytest.mark.parametrize("state", [State.STARTED, State.HELD])
def test_a_member_that_has_its_data_starts(state: State) -> None:
    decision = decided(counting(), facts(ALL_RUN | {2: asks(2, marked(2, state))}, ONE_ILL))
    assert decision.answers == {2: Start(1, 1, "token-1", (0, 1, 2), 0)}


def test_a_member_that_ended_before_it_wrote_that_it_starts_is_let_start_again() -> None:
    decision = decided(counting(), facts(ALL_RUN | {2: asks(2, marked(2, State.MADE, log=False))}, ONE_ILL))
    assert isinstance(decision.answers[2], Start)


def test_silence_is_no_answer() -> None:
    decision = decided(counting(), facts(ALL_RUN | {2: silent(2)}, ONE_ILL))
    assert (decision.row, decision.record) == ("all_well", None)
    assert "`make replace-member N=...`" in decision.says


def test_what_was_said_long_ago_is_no_answer() -> None:
    seen = asks(2, NO_FOLDER)
    assert seen.heard is not None
    old = replace(seen, heard=replace(seen.heard, at=NOW - 11))
    assert decided(counting(), facts(ALL_RUN | {2: old}, ONE_ILL)).record is None


def test_nobody_is_removed_whom_the_others_need() -> None:
    both = facts(ALL_RUN | {2: asks(2, NO_FOLDER)}, quorum_of({0: True, 1: False, 2: False}))
    assert decided(counting(), both).record is None


def test_a_change_is_carried_out_until_a_quorum_shows_it() -> None:
    cluster = counting(change=Change(Kind.REMOVE, 2, entry(2)))
    decision = decided(cluster, facts(ALL_RUN | {1: asks(1, NO_FOLDER)}, ONE_ILL))
    # And no other one begins.
    assert decision.record is None
    assert RemoveEntry(entry(2)) in decision.actions


def test_a_removal_that_is_shown_is_noted() -> None:
    cluster = counting(change=Change(Kind.REMOVE, 2, entry(2)))
    decision = decided(cluster, facts(ALL_RUN | {2: asks(2, NO_FOLDER)}, quorum_of({0: True, 1: True})))
    assert cluster_of(decision).change is None
    assert [voter.member for voter in cluster_of(decision).voters] == [0, 1]


def test_two_that_are_gone_are_both_removed_before_one_is_added() -> None:
    five = counting(5)
    members = {member: runs(member, five.epoch.cluster) for member in range(3)}
    members |= {3: asks(3, NO_FOLDER), 4: asks(4, NO_FOLDER)}
    healthy = quorum_of({0: True, 1: True, 2: True, 4: False}, cluster=five.epoch.cluster)
    left = replace(five, voters=tuple(voter for voter in five.voters if voter.member != 3))
    decision = decided(left, facts(members, healthy, wanted=5, scale=Scale(5, "1")))
    assert cluster_of(decision).change == Change(Kind.REMOVE, 4, entry(4))


def test_one_that_asks_is_added_as_a_voter_where_the_quorum_does_not_grow() -> None:
    left = replace(counting(), voters=counting().voters[:2])
    decision = decided(left, facts(ALL_RUN | {2: asks(2, NO_FOLDER)}, quorum_of({0: True, 1: True})))
    assert cluster_of(decision).change == Change(Kind.ADD, 2, life=2, learner=False)
    # No other is given that life, whatever becomes of this one.
    assert cluster_of(decision).past_of(2).life == 2
    assert decision.actions == (AddEntry(2, learner=False),)


def test_one_that_does_not_ask_is_not_added() -> None:
    left = replace(counting(), voters=counting().voters[:2])
    assert decided(left, facts(ALL_RUN | {2: silent(2)}, quorum_of({0: True, 1: True}))).record is None


def test_one_that_was_added_joins() -> None:
    left = replace(counting(), voters=counting().voters[:2], change=Change(Kind.ADD, 2, life=2)).with_past(Past(2, 2))
    added = quorum_of({0: True, 1: True})
    added = replace(added, entries=(*added.entries, Entry(77, 2, False, False)))
    noted = decided(left, facts(ALL_RUN | {2: asks(2, marked(2))}, added))
    assert cluster_of(noted).voter(2) == Voter(2, 2, 77, joined=NOW)
    assert noted.answers == {2: Join(1, 2)}
    made = marked(2, State.MADE, log=False, life=2, folder="new")
    let_start = decided(cluster_of(noted), facts(ALL_RUN | {2: asks(2, made)}, added))
    voter = cluster_of(let_start).voter(2)
    assert voter is not None
    assert voter.folder == "new"
    assert let_start.answers == {2: Start(1, 2, "token-1", (0, 1, 2), 77)}


def test_one_that_joins_waits_for_a_quorum() -> None:
    """Who was cut off may still list the life before, and etcd takes its ID from whoever answers."""
    voter = Voter(2, 2, 77, joined=LONG_AGO)
    cluster = replace(counting(), voters=(*counting().voters[:2], voter), past=(Past(2, 2),))
    made = marked(2, State.MADE, log=False, life=2)
    decision = decided(cluster, facts({0: asks(0, marked(0)), 1: asks(1, marked(1)), 2: asks(2, made)}))
    assert isinstance(decision.answers[0], Start)
    assert isinstance(decision.answers[2], Wait)
    assert decision.record is None


def test_the_next_is_added_when_the_last_votes_or_after_five_minutes() -> None:
    five = counting(5)
    joining = Voter(3, 2, entry(3), folder="new", joined=NOW - 10)
    cluster = replace(five, voters=(*five.voters[:3], joining))
    members = {member: runs(member, five.epoch.cluster) for member in range(3)} | {4: asks(4, NO_FOLDER)}
    healthy = quorum_of({0: True, 1: True, 2: True, 3: False}, cluster=five.epoch.cluster)
    given = facts(members, healthy, wanted=5, scale=Scale(5, "1"))
    assert decided(cluster, given).record is None
    late = replace(cluster, voters=(*five.voters[:3], replace(joining, joined=NOW - 301)))
    assert cluster_of(decided(late, given)).change == Change(Kind.ADD, 4, life=2)


def test_a_corrupt_member_is_replaced_though_it_runs() -> None:
    decision = decided(counting(), facts(ALL_RUN, replace(ALL_WELL, corrupt=frozenset({entry(1)}))))
    assert cluster_of(decision).change == Change(Kind.REMOVE, 1, entry(1))
    assert decision.actions[0] == DisarmAlarms(entry(1))
    removed = quorum_of({0: True, 2: True})
    left = cluster_of(decided(cluster_of(decision), facts(ALL_RUN, removed)))
    # Nobody asks in a pod in which etcd runs.
    assert DeletePod(1, "pod-1") in decided(left, facts(ALL_RUN, removed)).actions


def test_where_nobody_knows_whose_data_are_wrong_nobody_is_replaced() -> None:
    decision = decided(counting(), facts(ALL_RUN, replace(ALL_WELL, corrupt=frozenset({0, entry(1)}))))
    assert decision.record is None
    assert "no majority for either" in decision.says


LOOPS = asks(2, marked(2), crashes=5)


def test_a_crash_loop_is_cured_by_a_new_life() -> None:
    decision = decided(counting(), facts(ALL_RUN | {2: LOOPS}, ONE_ILL))
    assert cluster_of(decision).change == Change(Kind.REMOVE, 2, entry(2))
    assert cluster_of(decision).past_of(2) == Past(2, 1, looped=NOW, looped_life=2)


@pytest.mark.parametrize(
    ("loops", "past", "rolling", "healthy_since"),
    [
        (asks(2, marked(2), crashes=4), Past(2, 1), False, LONG_AGO),
        # A full volume is none: a new life would fill it as well.
        (asks(2, marked(2), crashes=5, full=True), Past(2, 1), False, LONG_AGO),
        (LOOPS, Past(2, 1), True, LONG_AGO),
        (LOOPS, Past(2, 1), False, NOW - 599),
        # Once per member and hour, and never of a life that came of that.
        (LOOPS, Past(2, 1, looped=NOW - 3599), False, LONG_AGO),
        (LOOPS, Past(2, 1, looped=NOW - 9999, looped_life=1), False, LONG_AGO),
    ],
)
def test_what_is_no_crash_loop(loops: Seen, past: Past, rolling: bool, healthy_since: float) -> None:
    entries = tuple(replace(one, healthy_since=healthy_since) for one in ONE_ILL.entries)
    given = facts(ALL_RUN | {2: loops}, replace(ONE_ILL, entries=entries), rolling=rolling)
    decision = decided(counting().with_past(past), given)
    assert decision.record is None
    assert isinstance(decision.answers[2], Start)


def test_an_entry_that_nobody_decided_on_is_removed() -> None:
    late = replace(ALL_WELL, entries=(*ALL_WELL.entries, Entry(88, 3, True, False)))
    decision = decided(counting(), facts(ALL_RUN, late))
    assert cluster_of(decision).change == Change(Kind.REMOVE, 3, 88)


# Row 6: grow and shrink.


def test_growth_has_pods_first() -> None:
    decision = decided(counting(), facts(ALL_RUN, ALL_WELL, wanted=5))
    assert decision.row == "resize"
    assert (cluster_of(decision).size, cluster_of(decision).scaling) == (5, True)
    assert ScalePods(5, "1") in decision.actions


def test_growth_is_by_learners_where_the_quorum_grows() -> None:
    grown = counting(size=3, scaling=True)
    grown = replace(grown, size=5)
    decision = decided(grown, facts(ALL_RUN | {3: asks(3, NO_FOLDER)}, ALL_WELL, wanted=5))
    assert cluster_of(decision).change == Change(Kind.ADD, 3, life=1, learner=True)


def test_a_learner_in_sync_is_promoted() -> None:
    learner = Voter(3, 1, 77, folder="new", learner=True, joined=NOW - 10)
    grown = replace(counting(), size=5, voters=(*counting().voters, learner), past=(Past(3, 1),))
    lags = replace(ALL_WELL, entries=(*ALL_WELL.entries, Entry(77, 3, True, False)))
    in_sync = replace(ALL_WELL, entries=(*ALL_WELL.entries, Entry(77, 3, True, True)))
    members = ALL_RUN | {3: runs(3, own=77)}
    assert of_kind(decided(grown, facts(members, lags, wanted=5)).actions, PromoteEntry) == []
    decision = decided(grown, facts(members, in_sync, wanted=5))
    assert cluster_of(decision).change == Change(Kind.PROMOTE, 3, 77)
    assert decision.actions == (PromoteEntry(77),)


def test_entries_go_before_pods_and_the_leader_last() -> None:
    five = counting(5)
    members = {member: runs(member, five.epoch.cluster) for member in range(5)}
    healthy = quorum_of(dict.fromkeys(range(5), True), cluster=five.epoch.cluster, leader=entry(4))
    given = facts(members, healthy, scale=Scale(5, "7"))
    first = decided(five, given)
    assert cluster_of(first).size == 3
    assert of_kind(first.actions, ScalePods) == []
    second = decided(cluster_of(first), given)
    assert cluster_of(second).change == Change(Kind.REMOVE, 3, entry(3))
    assert of_kind(second.actions, ScalePods) == []


def test_pods_go_when_all_entries_are_gone_and_then_their_claims() -> None:
    shrunk = counting(scaling=True)
    given = facts(ALL_RUN | {3: silent(3)}, ALL_WELL, scale=Scale(4, "7"))
    decision = decided(shrunk, given)
    assert of_kind(decision.actions, ScalePods) == [ScalePods(3, "7")]
    assert of_kind(decision.actions, DeleteClaim) == []
    scaled = decided(shrunk, replace(given, scale=Scale(3, "8")))
    assert not cluster_of(scaled).scaling
    gone = replace(given, scale=Scale(3, "8"), members=ALL_RUN | {3: replace(silent(3), pod="")})
    assert decided(cluster_of(scaled), gone).actions == (DeleteClaim(3, "claim-3"),)


def test_what_somebody_scales_by_hand_stays() -> None:
    assert decided(counting(), facts(ALL_RUN, ALL_WELL, scale=Scale(0, "9"))).actions == ()


def test_another_size_waits_for_a_quorum() -> None:
    members = {member: asks(member, marked(member)) for member in range(3)}
    decision = decided(counting(), facts(members, wanted=5))
    assert (decision.row, decision.record) == ("come_back", None)


# Row 7: all else.


def test_all_is_well() -> None:
    decision = decided(counting(), facts(ALL_RUN, ALL_WELL))
    assert (decision.says, decision.record, decision.actions) == ("all is well", None, ())


def test_one_that_never_started_is_told_to_begin_with_the_others() -> None:
    """However late it comes: what it begins with is the beginning of their log."""
    cluster = counting().with_voter(replace(begun().voters[2]))
    decision = decided(cluster, facts(ALL_RUN | {2: asks(2, NO_FOLDER)}, ONE_ILL))
    assert decision.answers == {2: New(1, 1)}


# Rows 8 to 10: none answers, the record is empty.


@pytest.mark.parametrize("folder", [UNMARKED, marked(0)])
def test_what_would_start_by_itself_is_let_start(folder: object) -> None:
    decision = decided(None, facts({0: asks(0, folder), 1: asks(1, NO_FOLDER)}))  # type: ignore[arg-type]
    assert (decision.row, decision.record) == ("start_what_is_there", None)
    assert isinstance(decision.answers[0], Start)
    assert isinstance(decision.answers[1], Wait)


def test_the_first_epoch_begins() -> None:
    decision = decided(None, facts(NONE_ASKS, backup=NO_SNAPSHOTS))
    cluster = cluster_of(decision)
    assert (decision.row, cluster.epoch.number, cluster.epoch.token) == ("begin", 1, "token-2")
    assert not any(voter.folder for voter in cluster.voters)
    assert decision.answers == {member: New(1, 1) for member in range(3)}


def test_the_first_epoch_begins_without_a_backup() -> None:
    assert decided(None, facts(NONE_ASKS, backup=None, has_backup=False)).row == "begin"


def pending(member: int) -> object:
    return replace(silent(member), claim=Claim("claim", bound=False))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"backup": None}, "backup does not answer"),
        ({"backup": replace(NO_SNAPSHOTS, snapshots=True)}, "backup has snapshots"),
        ({"members": NONE_ASKS | {2: asks(2, marked(2, log=False))}}, "etcd-2 has data"),
        ({"members": NONE_ASKS | {2: silent(2)}}, "etcd-2 is silent"),
        ({"members": NONE_ASKS | {2: silent(2, seconds=59)}}, "etcd-2 is silent"),
        ({"members": NONE_ASKS | {1: pending(1), 2: pending(2)}}, "is silent"),
        # Fewer are wanted than there were.
        ({"members": NONE_ASKS | {3: silent(3)}}, "etcd-3 is silent"),
        ({"members": NONE_ASKS | {2: runs(2)}, "wanted": 1}, "etcd-2 has data"),
    ],
)
def test_what_may_be_no_first_start_waits(change: dict[str, object], reason: str) -> None:
    given = replace(facts(NONE_ASKS, backup=NO_SNAPSHOTS), **change)  # type: ignore[arg-type]
    decision = decided(None, given)
    assert (decision.row, decision.record) == ("wait_for_a_beginning", None)
    assert reason in decision.says
    assert all(answer == Wait(decision.says) for answer in decision.answers.values())


def test_a_silent_member_that_never_had_a_volume_can_have_no_data() -> None:
    members = NONE_ASKS | {2: pending(2)}
    decision = decided(None, facts(members, backup=NO_SNAPSHOTS))  # type: ignore[arg-type]
    assert decision.row == "begin"


# Row 11: none answers, and the epoch has counted nothing.


def test_a_life_is_let_start_by_the_record() -> None:
    decision = decided(begun(), facts(NONE_ASKS | {0: asks(0, marked(0, State.MADE, log=False))}))
    assert decision.row == "go_on_uncounted"
    assert [voter.folder for voter in cluster_of(decision).voters] == ["folder-0", "", ""]
    assert decision.answers == {0: Start(1, 1, "token-1", (0, 1, 2), 0), 1: New(1, 1), 2: New(1, 1)}


def test_the_epoch_does_not_rise_because_nobody_started_yet() -> None:
    assert decided(begun(), facts(NONE_ASKS)).record is None


def test_one_that_was_let_start_and_is_gone_does_not_start_again() -> None:
    cluster = begun().with_voter(counting().voters[0])
    decision = decided(cluster, facts(NONE_ASKS))
    assert isinstance(decision.answers[0], Wait)
    assert decision.answers[1] == New(1, 1)


def test_where_going_on_cant_reach_a_quorum_the_epoch_begins_anew() -> None:
    cluster = replace(counting(), epoch=replace(counting().epoch, formed=False))
    decision = decided(cluster, facts(NONE_ASKS, backup=NO_SNAPSHOTS))
    assert decision.row == "begin_anew"
    assert (cluster_of(decision).epoch.number, cluster_of(decision).epoch.source) == (2, Source("nothing"))


def restored(**others: Any) -> Cluster:  # noqa: ANN401
    source = Source("chain", "sha-chain", 1, 100)
    cluster = begun()
    return replace(cluster, epoch=replace(cluster.epoch, number=2, source=source, bump=10), **others)


def test_members_are_restored_from_the_same_file() -> None:
    backup = chain(files=(file(),))
    decision = decided(restored(), facts(NONE_ASKS, backup=backup))
    assert decision.row == "go_on_uncounted"
    assert decision.answers[1] == Restore(2, 1, "token-1", (0, 1, 2), file(), 10)


def test_a_restored_folder_that_lost_its_log_is_made_again_and_never_starts() -> None:
    made = {0: asks(0, marked(0, State.MADE, log=False, epoch=2))}
    backup = chain(files=(file(),))
    again = decided(restored(), facts(NONE_ASKS | made, backup=backup))
    assert again.record is None
    assert isinstance(again.answers[0], Restore)
    let_start = restored(voters=(counting().voters[0], *begun().voters[1:]))
    gone = decided(let_start, facts(NONE_ASKS | made, backup=backup))
    assert isinstance(gone.answers[0], Wait)


def test_where_the_file_is_gone_it_is_restored_anew() -> None:
    decision = decided(restored(), facts(NONE_ASKS, backup=chain(files=(file(made_for=3),))))
    assert decision.row == "go_on_uncounted"  # its bytes are those that the epoch begins with
    other = replace(file(made_for=3), sha256="sha-other")
    decision = decided(restored(), facts(NONE_ASKS, backup=chain(files=(other,))))
    assert (decision.row, cluster_of(decision).epoch.number) == ("restore", 3)


def test_a_folder_that_lost_its_log_needs_the_file_again() -> None:
    made = {member: asks(member, marked(member, State.MADE, epoch=2)) for member in range(3)}
    other = chain(files=(replace(file(made_for=3), sha256="sha-other"),))
    # Those that are whole need no file any more.
    assert decided(restored(), facts(made, backup=other)).row == "go_on_uncounted"
    lost = {member: asks(member, marked(member, State.MADE, log=False, epoch=2)) for member in range(3)}
    assert decided(restored(), facts(lost, backup=other)).row == "restore"


@pytest.mark.parametrize("folder", [NO_FOLDER, marked(2), marked(2, State.MADE, log=False, epoch=2)])
def test_one_that_would_begin_with_a_file_that_is_gone_is_replaced(folder: object) -> None:
    cluster = replace(restored(), voters=(*counting().voters[:2], begun().voters[2]))
    given = facts(ALL_RUN | {2: asks(2, folder)}, replace(ONE_ILL, epoch=2))  # type: ignore[arg-type]
    decision = decided(replace(cluster, epoch=replace(cluster.epoch, formed=True)), given)
    assert cluster_of(decision).change == Change(Kind.REMOVE, 2, entry(2))


def test_where_backup_is_silent_the_file_is_not_gone() -> None:
    decision = decided(restored(), facts(NONE_ASKS, backup=None))
    assert (decision.row, decision.record) == ("go_on_uncounted", None)
    assert "the file made of chain, which nobody serves now; if nobody does, `make restore` decides" in decision.says
    assert all(isinstance(answer, Wait) for answer in decision.answers.values())


def test_a_survivor_restores_last() -> None:
    source = Source("member 2", "sha-member 2", 1, 100)
    cluster = replace(begun(), epoch=replace(begun().epoch, number=2, source=source))
    serves = asks(2, marked(2), file=file("member 2"))
    first = decided(cluster, facts(NONE_ASKS | {2: serves}))
    assert isinstance(first.answers[0], Restore)
    assert isinstance(first.answers[2], Wait)
    made = {member: asks(member, marked(member, State.MADE, epoch=2)) for member in range(2)}
    assert isinstance(decided(cluster, facts(made | {2: serves})).answers[2], Restore)


# Rows 12 and 13: none answers or can.


def test_all_are_gone() -> None:
    waits = decided(counting(), facts(NONE_ASKS))
    assert waits.actions == (MakeFile("chain", 2),)
    assert waits.record is None
    decision = decided(counting(), facts(NONE_ASKS, backup=chain(files=(file(),))))
    cluster = cluster_of(decision)
    assert decision.row == "restore"
    assert (cluster.epoch.number, cluster.epoch.token, cluster.epoch.bump) == (2, "token-2", 10**9)
    assert cluster.epoch.source == Source("chain", "sha-chain", 1, 100)
    assert [(voter.life, voter.folder) for voter in cluster.voters] == [(2, "")] * 3
    assert cluster.epoch.cluster != CLUSTER


def test_an_old_file_is_not_what_the_chain_is_now() -> None:
    decision = decided(counting(), facts(NONE_ASKS, backup=chain(revision=101, files=(file(),))))
    assert decision.record is None
    assert decision.actions == (MakeFile("chain", 2),)


def test_a_survivor_says_what_it_has_first() -> None:
    backup = chain(files=(file(),))
    survivor = {0: asks(0, NO_FOLDER), 1: asks(1, NO_FOLDER), 2: asks(2, marked(2))}
    waits = decided(counting(), facts(survivor, backup=backup))
    assert waits.record is None
    assert isinstance(waits.answers[2], Save)
    newer = survivor | {2: asks(2, marked(2), file=file("member 2", revision=101))}
    assert cluster_of(decided(counting(), facts(newer, backup=backup))).epoch.source.made_of == "member 2"
    older = survivor | {2: asks(2, marked(2), file=file("member 2", revision=99))}
    assert cluster_of(decided(counting(), facts(older, backup=backup))).epoch.source.made_of == "chain"
    damaged = survivor | {2: asks(2, marked(2), unusable="it is corrupt")}
    assert cluster_of(decided(counting(), facts(damaged, backup=backup))).epoch.source.made_of == "chain"


def test_a_running_survivor_is_stopped() -> None:
    survivor = {0: asks(0, NO_FOLDER), 1: asks(1, NO_FOLDER), 2: runs(2)}
    decision = decided(counting(), facts(survivor, backup=chain(files=(file(),))))
    assert decision.record is None
    assert decision.actions == (DeletePod(2, "pod-2"),)


ONE_SILENT = {0: asks(0, NO_FOLDER), 1: asks(1, NO_FOLDER), 2: silent(2)}


@pytest.mark.parametrize(
    ("seconds", "complete", "last_quorum", "watched", "goes_on"),
    [
        (61.0, NOW - 101, NOW - 100, True, True),
        (59.0, NOW - 101, NOW - 100, True, False),
        (61.0, NOW - 102, NOW - 100, True, False),
        (61.0, NOW - 101, None, True, False),
        # Backup and controller may both have been away when it counted.
        (61.0, NOW - 101, NOW - 100, False, False),
        (math.inf, NOW - 101, NOW - 100, True, True),
    ],
)
def test_a_silent_member_may_have_more_unless_the_log_was_complete(
    seconds: float, complete: float, last_quorum: float | None, watched: bool, goes_on: bool
) -> None:
    given = facts(
        ONE_SILENT | {2: silent(2, seconds)},
        backup=chain(complete=complete, files=(file(),)),
        last_quorum=last_quorum,
        watched=watched,
    )
    decision = decided(counting(), given)
    assert (decision.record is not None) == goes_on
    assert goes_on or "`make replace-member N=...`" in decision.says


REMOVED = replace(counting(), voters=counting().voters[1:])
REMOVED_IS_SILENT = {0: silent(0), 1: asks(1, NO_FOLDER), 2: asks(2, NO_FOLDER)}


@pytest.mark.parametrize(
    ("seen", "goes_on"),
    [
        (silent(0), False),
        # Its pod is just being made anew.
        (replace(silent(0), pod=""), False),
        (asks(0, NO_FOLDER), True),
        (replace(silent(0), claim=None), True),
        (pending(0), True),
        (replace(silent(0), claim=Claim("claim-0", leaving=True)), True),
    ],
)
def test_a_silent_member_that_was_just_removed_may_have_more(seen: object, goes_on: bool) -> None:
    given = facts(REMOVED_IS_SILENT | {0: seen}, backup=chain(files=(file(),)))  # type: ignore[arg-type]
    decision = decided(REMOVED, given)
    assert (decision.record is not None) == goes_on
    assert goes_on or "etcd-0 is silent and may have more; `make replace-member N=...`" in decision.says


def test_a_silent_member_that_has_yet_to_begin_anew_may_have_more() -> None:
    given = facts(REMOVED_IS_SILENT, backup=chain(files=(file(),)))
    added = REMOVED.with_voter(Voter(0, 2, 77, joined=LONG_AGO))
    assert decided(added, given).record is None
    # Of the epoch before.
    restored_once = replace(REMOVED.with_voter(begun().voters[0]), before=((0, OTHER_CLUSTER),))
    assert decided(restored_once, given).record is None
    # It never was anything else.
    assert decided(REMOVED.with_voter(begun().voters[0]), given).record is not None


def test_a_silent_member_that_was_removed_is_not_waited_for_when_somebody_decides() -> None:
    given = facts(REMOVED_IS_SILENT, backup=chain(files=(file(),)))
    assert decided(replace(REMOVED, discarded=((0, "pod-0"),)), given).record is not None
    assert decided(REMOVED, given, ask_for(Wish.CONTINUE)).record is not None
    lone = facts(
        REMOVED_IS_SILENT | {0: replace(silent(0), pod="")}, backup=chain(files=(file(),)), scale=Scale(0, "1")
    )
    assert decided(REMOVED, lone).record is not None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"backup": None}, "backup is silent"),
        ({"backup": NO_SNAPSHOTS}, "no proven snapshot"),
        ({"backup": None, "has_backup": False}, "nothing to restore from"),
    ],
)
def test_a_restore_waits_for_a_source(change: dict[str, object], reason: str) -> None:
    decision = decided(counting(), replace(facts(NONE_ASKS), **change))  # type: ignore[arg-type]
    assert (decision.row, decision.record) == ("restore", None)
    assert reason in decision.says
    assert "`make restore" in decision.says


def test_without_a_backup_the_survivors_are_all_there_is() -> None:
    survivor = NONE_ASKS | {2: asks(2, marked(2), file=file("member 2"))}
    decision = decided(counting(), facts(survivor, backup=None, has_backup=False))
    assert cluster_of(decision).epoch.source.made_of == "member 2"


def test_voters_count_before_and_after_a_change_that_nobody_has_seen_done() -> None:
    """While 1 grows to 3, its one member restarts: half of two would look lost."""
    learner = Voter(1, 1, 77, folder="new", learner=True, joined=LONG_AGO)
    one = replace(counting(1), size=3, voters=(*counting(1).voters, learner), past=(Past(0, 1), Past(1, 1)))
    promoting = replace(one, change=Change(Kind.PROMOTE, 1, 77))
    members = {0: asks(0, marked(0)), 1: asks(1, NO_FOLDER)}
    assert decided(promoting, facts(members, backup=chain(files=(file(),)))).row == "come_back"


# Row 14: none answers, and there may be one again.


def test_members_with_data_start() -> None:
    decision = decided(counting(), facts({0: asks(0, marked(0)), 1: asks(1, marked(1)), 2: silent(2)}))
    assert (decision.row, decision.record) == ("come_back", None)
    assert all(isinstance(answer, Start) for answer in decision.answers.values())


def test_who_is_missed_is_named() -> None:
    decision = decided(counting(), facts({0: asks(0, NO_FOLDER), 1: asks(1, marked(1)), 2: silent(2, 42)}))
    assert isinstance(decision.answers[1], Start)
    assert "etcd-2 is missed, for 42 s; the data of etcd-0 are gone" in decision.says
    assert "`make replace-member N=...`" in decision.says


# Before all rows.


def test_one_that_runs_as_another_epoch_is_stopped() -> None:
    decision = decided(counting(), facts(ALL_RUN | {2: runs(2, OTHER_CLUSTER)}, ONE_ILL))
    assert decision.actions == (DeletePod(2, "pod-2"),)


@pytest.mark.parametrize("ahead", [marked(2, epoch=2), marked(2, life=2)])
def test_a_folder_that_is_ahead_of_the_record_waits(ahead: object) -> None:
    with_quorum = decided(counting(), facts(ALL_RUN | {2: asks(2, ahead)}, ONE_ILL))  # type: ignore[arg-type]
    assert with_quorum.record is None
    assert isinstance(with_quorum.answers[2], Wait)
    alone = decided(counting(), facts(NONE_ASKS | {2: asks(2, ahead)}))  # type: ignore[arg-type]
    assert (alone.row, alone.record) == ("newer_than_the_record", None)


def test_one_that_started_and_that_the_record_never_let_start_is_ahead_of_it() -> None:
    assert decided(begun(), facts(NONE_ASKS | {0: asks(0, marked(0))})).row == "newer_than_the_record"


# Row 1: on purpose.


def held(member: int, request: str = "request-1") -> object:
    return asks(member, marked(member, State.HELD, request=request))


def test_first_all_are_put_on_hold() -> None:
    request = ask_for(Wish.EMPTY)
    decision = decided(counting(), facts(ALL_RUN | {2: asks(2, marked(2))}, ONE_ILL), request)
    assert decision.record == Record(counting(), request, ("request-1", HOLDING), "me")
    assert decision.actions == (DeletePod(0, "pod-0"), DeletePod(1, "pod-1"))
    assert decision.answers == {2: Hold("request-1", 1, 1)}


def test_the_epoch_rises_when_the_others_cant_be_a_quorum() -> None:
    members = {0: held(0), 1: held(1), 2: silent(2)}
    decision = decided(counting(), facts(members), ask_for(Wish.EMPTY))  # type: ignore[arg-type]
    assert cluster_of(decision).epoch.number == 2
    assert decision.record is not None
    assert decision.record.step == ("request-1", DONE)
    # It stays in the record, and is done.
    again = decided(cluster_of(decision), facts(members), ask_for(Wish.EMPTY), step=("request-1", DONE))  # type: ignore[arg-type]
    assert again.row == "go_on_uncounted"


def test_two_that_are_silent_could_go_on() -> None:
    members = {0: held(0), 1: silent(1), 2: silent(2)}
    decision = decided(counting(), facts(members), ask_for(Wish.EMPTY))  # type: ignore[arg-type]
    assert cluster_of(decision) == counting()
    assert "etcd-1, etcd-2" in decision.says


def test_an_old_hold_is_not_for_this_request() -> None:
    members = {member: held(member, "request-0") for member in range(3)}
    decision = decided(counting(), facts(members), ask_for(Wish.EMPTY))  # type: ignore[arg-type]
    assert cluster_of(decision) == counting()
    assert decision.answers == {member: Hold("request-1", 1, 1) for member in range(3)}


def test_a_request_that_was_withdrawn_lets_them_start() -> None:
    members = {member: held(member) for member in range(3)}
    decision = decided(counting(), facts(members))  # type: ignore[arg-type]
    assert all(isinstance(answer, Start) for answer in decision.answers.values())


ALL_HELD = {member: held(member) for member in range(3)}


def test_a_snapshot_that_was_named() -> None:
    request = ask_for(Wish.SNAPSHOT, "one")
    waits = decided(counting(), facts(ALL_HELD), request)  # type: ignore[arg-type]
    assert waits.record is None
    assert waits.actions == (MakeFile("snapshot one", 2),)
    backup = chain(files=(file("snapshot one", revision=5),))
    decision = decided(counting(), facts(ALL_HELD, backup=backup), request)  # type: ignore[arg-type]
    assert cluster_of(decision).epoch.source.revision == 5


def test_a_members_folder_that_was_named() -> None:
    request = ask_for(Wish.MEMBER, member=1)
    waits = decided(counting(), facts(ALL_HELD), request)  # type: ignore[arg-type]
    assert isinstance(waits.answers[1], Save)
    assert isinstance(waits.answers[0], Wait)
    saved = ALL_HELD | {1: asks(1, marked(1, State.HELD, request="request-1"), file=file("member 1", revision=7))}
    decision = decided(counting(), facts(saved), request)  # type: ignore[arg-type]
    assert cluster_of(decision).epoch.source.made_of == "member 1"


def test_the_newest_of_all_is_asked_of_all() -> None:
    waits = decided(counting(), facts(ALL_HELD), ask_for(Wish.CONTINUE))  # type: ignore[arg-type]
    assert waits.record is None
    assert all(isinstance(answer, Save) for answer in waits.answers.values())
    assert MakeFile("chain", 2) in waits.actions


def test_a_request_about_an_empty_record() -> None:
    decision = decided(None, facts(NONE_ASKS, backup=chain(epoch=4)), ask_for(Wish.EMPTY))
    assert cluster_of(decision).epoch.number == 5


def test_where_no_record_tells_who_votes_each_may_be_a_quorum() -> None:
    """Of five pods, two may never have had an entry: then two of the others are a quorum."""
    request = ask_for(Wish.EMPTY)
    members = {member: asks(member, NO_FOLDER) for member in range(5)}
    loose = decided(None, facts(members | {0: asks(0, marked(0))}, wanted=5), request)
    assert loose.answers[0] == Hold("request-1", 1, 1)
    assert cluster_of(decided(None, facts(members | {0: held(0)}, wanted=5), request)).epoch.number == 2  # type: ignore[arg-type]
    away = decided(None, facts(members | {0: silent(0)}, wanted=5), request)
    assert "etcd-0; of a node that is gone for good, `kubectl delete`" in away.says


def test_what_runs_is_adopted_before_a_request_is_heard() -> None:
    assert decided(None, facts(ALL_RUN, ALL_WELL), ask_for(Wish.EMPTY)).row == "adopt"


def test_a_member_that_a_person_says_is_gone_is_removed() -> None:
    decision = decided(counting(), facts(ALL_RUN | {2: silent(2)}, ONE_ILL), ask_for(Wish.REPLACE, member=2))
    cluster = cluster_of(decision)
    assert cluster.change == Change(Kind.REMOVE, 2, entry(2))
    assert cluster.discarded == ((2, "pod-2"),)
    assert RemoveEntry(entry(2)) in decision.actions
    # It may have come back meanwhile, and be needed until its entry is gone.
    assert of_kind(decided(cluster, facts(ALL_RUN, ALL_WELL)).actions, DeleteClaim) == []
    # Then its claim and its pod, so that it comes again elsewhere.
    removed = quorum_of({0: True, 1: True})
    left = cluster_of(decided(cluster, facts(ALL_RUN | {2: silent(2)}, removed)))
    assert DeleteClaim(2, "claim-2") in decided(left, facts(ALL_RUN | {2: silent(2)}, removed)).actions
    leaving = replace(silent(2), claim=Claim("claim-2", leaving=True))
    assert DeletePod(2, "pod-2", force=True) in decided(left, facts(ALL_RUN | {2: leaving}, removed)).actions
    new = replace(silent(2), pod="another")
    assert cluster_of(decided(left, facts(ALL_RUN | {2: new}, removed))).discarded == ()


def test_without_a_quorum_the_others_go_on_hold_first() -> None:
    request = ask_for(Wish.REPLACE, member=2)
    members = {0: asks(0, NO_FOLDER), 1: asks(1, marked(1)), 2: silent(2)}
    decision = decided(counting(), facts(members), request)
    assert decision.answers[1] == Hold("request-1", 1, 1)
    on_hold = members | {1: asks(1, marked(1, State.HELD, request="request-1"), file=file("member 1"))}
    restored = decided(counting(), facts(on_hold, backup=chain(files=(file(),))), request)
    assert cluster_of(restored).epoch.number == 2
    assert cluster_of(restored).discarded == ((2, "pod-2"),)


def test_silent_ones_that_could_be_a_quorum_are_not_replaced() -> None:
    request = ask_for(Wish.REPLACE, member=2)
    members = {0: asks(0, NO_FOLDER), 1: silent(1), 2: silent(2)}
    decision = decided(counting(), facts(members), request)
    assert cluster_of(decision) == counting()
    assert "etcd-1, etcd-2" in decision.says


def test_who_is_not_needed_for_a_quorum_is_replaced_when_there_is_one() -> None:
    members = {0: asks(0, marked(0)), 1: asks(1, marked(1)), 2: silent(2)}
    decision = decided(counting(), facts(members), ask_for(Wish.REPLACE, member=2))
    assert (decision.row, decision.record) == ("come_back", None)
    assert "etcd-2 is replaced, as was asked for" in decision.says


def test_one_that_a_person_says_is_gone_gets_no_new_life_in_its_old_place() -> None:
    cluster = counting(discarded=((2, "pod-2"),))
    left = replace(cluster, voters=cluster.voters[:2])
    decision = decided(left, facts(ALL_RUN | {2: asks(2, NO_FOLDER)}, quorum_of({0: True, 1: True})))
    assert decision.record is None
    assert isinstance(decision.answers[2], Wait)
    assert decision.actions == (DeleteClaim(2, "claim-2"),)
