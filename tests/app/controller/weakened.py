"""The decision and the launcher with one of their parts taken out, each in the place where it is in the real code.

The model must find out every one of them: else it would not see such a fault in the real ones either.
"""

import math
import random
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from controller import adopting, answers, conditions, membership, on_purpose, resizing, restoring
from controller.actions import Action, ScalePods
from controller.conditions import Condition
from controller.decision import Case, Decision
from controller.facts import Facts, Quorum
from controller.record import FROM_NOTHING, Cluster, Request, Voter, Wish
from member import starting
from member.marker import Marker, State
from tests.app.controller.explore import MOST_BYTES, Beginning, beginning, run
from tests.app.controller.world import Faults, ViolationError, World

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Weakened:
    """What is not safe, and where to look for what comes of it.

    Attributes:
        weaken: Takes the part out.
        faults: The most that may go wrong in a schedule.
        breaks: What the rule says that is broken.
        seed: Of schedules among which one that breaks it comes early.
        size: How many members there are.
        wanted: How many are wanted; 0: as many.
        begins: How a schedule finds the deployment.
    """

    weaken: Callable[[Patch], None]
    faults: Faults
    breaks: str
    seed: int = 0
    size: int = 3
    wanted: int = 0
    begins: Beginning = Beginning.RUNS

    def play(self, choices: bytes) -> None:
        """Run one schedule to its end. Raises ViolationError."""
        world = beginning(self.size, self.faults, self.begins)
        world.wanted = self.wanted or self.size
        run(world, iter(choices))

    def find(self, schedules: int) -> tuple[int, bytes] | None:
        """Return which schedule is the first that breaks the rule, and that schedule; None if none does."""
        chance = random.Random(self.seed)
        for number in range(1, schedules + 1):
            choices = chance.randbytes(chance.randint(MOST_BYTES // 10, MOST_BYTES // 2))
            try:
                self.play(choices)
            except ViolationError as violation:
                if re.search(self.breaks, str(violation)):
                    return number, choices
        return None


def _everywhere(patch: Patch, function: Callable[..., Any], weaker: Callable[..., Any]) -> None:
    """Put another function in the place of one, wherever it was imported to."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in ("controller", "member"):
            for attribute, value in list(vars(module).items()):
                if value is function:
                    patch.setattr(module, attribute, weaker)


def starts_are_not_asked_for(patch: Patch) -> None:
    """Nobody writes down that a life is let start."""
    ask = answers._answer_unborn

    def not_noted(cluster: Cluster, *others: Any) -> tuple[Cluster, Any]:  # noqa: ANN401
        return cluster, ask(cluster, *others)[1]

    patch.setattr(answers, "_answer_unborn", not_noted)


def the_marker_comes_after_the_start(patch: Patch) -> None:
    start = starting._start

    def late(*arguments: Any) -> tuple[Any, ...]:  # noqa: ANN401 - those of the function
        steps = start(*arguments)
        return tuple(sorted(steps, key=lambda step: isinstance(step, starting.Mark)))

    patch.setattr(starting, "_start", late)


def acts_before_it_writes(patch: Patch) -> None:
    patch.setattr(World, "writes_first", False)


def one_token_for_all_epochs(patch: Patch) -> None:
    patch.setattr(World, "new_token", lambda _: "token")


def stale_reports_count(patch: Patch) -> None:
    """What was told before another controller answered counts, however long ago it was."""
    patch.setattr(World, "forgets", False)
    patch.setattr("controller.facts.FRESH", math.inf)


def reports_to_another_controller_count(patch: Patch) -> None:
    """However fresh: the other controller may have let start since who had no folder then."""
    patch.setattr(World, "forgets", False)


def silence_is_no_folder(patch: Patch) -> None:
    condition = conditions.condition

    def guessed(*arguments: Any) -> Condition:  # noqa: ANN401 - those of the function
        how = condition(*arguments)
        return Condition.GONE if how is Condition.SILENT else how

    _everywhere(patch, condition, guessed)


def a_change_counts_as_done(patch: Patch) -> None:
    configurations = conditions.configurations

    def last(cluster: Cluster) -> Iterator[tuple[Voter, ...]]:
        yield list(configurations(cluster))[-1]

    _everywhere(patch, configurations, last)


def an_old_hold_counts(patch: Patch) -> None:
    def held(marker: Marker, _request: Request) -> bool:
        return marker.state is State.HELD

    patch.setattr(on_purpose, "is_on_hold", held)
    # What a member said before it was told to start counts, too.
    patch.setattr(World, "drops_answered", False)


def a_member_is_replaced_without_a_hold(patch: Patch) -> None:
    hold = on_purpose._hold

    def only_restores(case: Case, request: Request) -> Decision | None:
        return None if request.wish is Wish.REPLACE else hold(case, request)

    patch.setattr(on_purpose, "_hold", only_restores)


def made_is_started(patch: Patch) -> None:
    def whatever_is_not_held(marker: Marker | None) -> bool:
        return marker is None or marker.state is not State.HELD

    patch.setattr(starting, "_may_start_by_itself", whatever_is_not_held)


def no_hold(patch: Patch) -> None:
    patch.setattr(on_purpose, "_hold", lambda *_: None)


def requests_need_a_quorum(patch: Patch) -> None:
    heed = on_purpose.on_purpose

    def with_a_quorum(case: Case) -> Decision | None:
        return None if case.quorum is None else heed(case)

    _in_rows(patch, on_purpose.on_purpose.__name__, with_a_quorum)


def adopted_lives_never_started(patch: Patch) -> None:
    adopt = adopting.adopt

    def as_new(case: Case) -> Decision | None:
        decision = adopt(case)
        if decision is None or decision.record is None or decision.record.cluster is None:
            return decision
        cluster = decision.record.cluster
        voters = tuple(replace(voter, folder="", life=1) for voter in cluster.voters)
        epoch = replace(
            cluster.epoch, source=replace(cluster.epoch.source, made_of=FROM_NOTHING), founders=cluster.size
        )
        past = tuple(replace(one, life=1) for one in cluster.past)
        cluster = replace(cluster, voters=voters, epoch=epoch, past=past)
        return replace(decision, record=replace(decision.record, cluster=cluster))

    _in_rows(patch, "adopt", as_new)


def the_epoch_rises_while_nobody_started(patch: Patch) -> None:
    out = conditions._is_out

    def or_unborn(cluster: Cluster, facts: Any, voter: Voter, *others: Any) -> bool:  # noqa: ANN401
        return not voter.folder or out(cluster, facts, voter, *others)

    patch.setattr(conditions, "_is_out", or_unborn)


def survivors_run_on(patch: Patch) -> None:
    patch.setattr(restoring, "stop_running", lambda _: ())


def pods_go_before_their_entries(patch: Patch) -> None:
    def at_once(case: Case, cluster: Cluster) -> tuple[Action, ...]:
        scale = case.facts.scale
        if not cluster.scaling or scale is None or scale.replicas == cluster.size:
            return ()
        return (ScalePods(cluster.size, scale.version),)

    patch.setattr(resizing, "pods_to_follow", at_once)


def a_change_begins_before_the_last_is_done(patch: Patch) -> None:
    shown = membership.with_what_is_shown

    def forgotten(*arguments: Any) -> Cluster:  # noqa: ANN401 - those of the function
        return replace(shown(*arguments), change=None)

    _everywhere(patch, shown, forgotten)


def whoever_answers_gives_the_id(patch: Patch) -> None:
    """A member that joins takes its ID from whichever list, and joins without a quorum."""
    start = answers._start

    def at_once(cluster: Cluster, facts: Facts, *others: Any) -> Any:  # noqa: ANN401 - those of the function
        return start(cluster, replace(facts, quorum=_SOME), *others)

    patch.setattr(World, "_is_confirmed", lambda *_: True)
    patch.setattr(answers, "_start", at_once)
    patch.setattr(conditions, "_is_to_join", lambda *_: False)


def a_restored_life_needs_no_log(patch: Patch) -> None:
    """One that was made of a file, and lost its log before it started, begins with nothing."""
    start = answers._start

    def whatever_is_there(*arguments: Any) -> Any:  # noqa: ANN401 - those of the function
        answer = start(*arguments)
        return replace(answer, has_log=False) if isinstance(answer, starting.Start) else answer

    patch.setattr(answers, "_start", whatever_is_there)
    _everywhere(patch, conditions.is_complete, lambda *_: True)


_SOME = Quorum(math.inf, 0, (), 0)


def _in_rows(patch: Patch, name: str, weaker: Callable[[Case], Decision | None]) -> None:
    from controller import decide

    for rows in ("_ROWS", "_ROWS_OF_AN_EMPTY_RECORD"):
        patch.setattr(decide, rows, tuple(weaker if row.__name__ == name else row for row in getattr(decide, rows)))


WEAKENED = {
    "no question before the first start": Weakened(
        starts_are_not_asked_for, Faults(volumes=3, restarts=2), "starts again", begins=Beginning.NEW
    ),
    "the marker after the start": Weakened(
        the_marker_comes_after_the_start,
        Faults(logs=2, restarts=2),
        "starts again|two quorums",
        seed=14,
        begins=Beginning.NEW,
    ),
    "the record after the actions": Weakened(
        acts_before_it_writes,
        Faults(volumes=3, kills=2, restarts=2, twins=1, lost=1),
        "starts again|two quorums|could go on",
        seed=29,
        begins=Beginning.NEW,
    ),
    "one token for all epochs": Weakened(
        one_token_for_all_epochs,
        Faults(volumes=4, outages=3, wishes=2, pauses=3, minorities=2, unanswered=3),
        "starts again|two quorums|told after",
        seed=3,
    ),
    "stale reports": Weakened(
        stale_reports_count,
        Faults(volumes=3, twins=1, restarts=3),
        "could go on|starts again|two changes|two quorums",
        seed=142,
        begins=Beginning.NEW,
    ),
    "reports from before another controller decided": Weakened(
        reports_to_another_controller_count,
        Faults(volumes=3, twins=1, restarts=3),
        "could go on|starts again",
        seed=49,
        begins=Beginning.NEW,
    ),
    "silence is no folder": Weakened(
        silence_is_no_folder, Faults(outages=3, restarts=2, pauses=3), "could go on", seed=3
    ),
    "a change counts as done": Weakened(
        a_change_counts_as_done,
        Faults(volumes=1, restarts=1, kills=1),
        "could go on",
        seed=22,
        wanted=1,
    ),
    "an old hold for a new request": Weakened(
        an_old_hold_counts, Faults(wishes=3, withdrawals=2, outages=4, unanswered=2), "could go on", seed=50
    ),
    "a member is replaced without a hold": Weakened(
        a_member_is_replaced_without_a_hold,
        Faults(volumes=2, outages=3, replacements=2, unanswered=2, pauses=2),
        "could go on",
        seed=1,
    ),
    "one state for made and started": Weakened(
        made_is_started, Faults(volumes=4, unanswered=6, restarts=2, wishes=2), "starts again|could go on", seed=100
    ),
    "no hold": Weakened(no_hold, Faults(wishes=2), "could go on"),
    "a request needs a quorum": Weakened(requests_need_a_quorum, Faults(vaults=1, volumes=4), "no command decides"),
    "adopted lives never started": Weakened(
        adopted_lives_never_started,
        Faults(volumes=5, restarts=3),
        "two quorums|something had been counted|starts again",
        begins=Beginning.OF_BEFORE,
    ),
    "the epoch rises while nobody has started": Weakened(
        the_epoch_rises_while_nobody_started, Faults(volumes=5), "stuck"
    ),
    "a survivor runs on": Weakened(survivors_run_on, Faults(volumes=4, wishes=1), "stuck", seed=7),
    "pods go before their entries": Weakened(pods_go_before_their_entries, Faults(sizes=2), "before its entry"),
    "two changes at once": Weakened(
        a_change_begins_before_the_last_is_done, Faults(volumes=3, sizes=2, lost=3, late=2), "two changes", seed=65
    ),
    "a restored life starts without its log": Weakened(
        a_restored_life_needs_no_log,
        Faults(volumes=3, logs=3, wishes=1, deafness=1),
        "two quorums|was told",
        seed=95,
    ),
    "whoever answers gives the ID": Weakened(
        whoever_answers_gives_the_id, Faults(volumes=2, deafness=2), "starts again", seed=17, size=5
    ),
}
