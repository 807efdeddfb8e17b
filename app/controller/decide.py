"""The controller's decision: a pure function of the record and the facts. The first row that fits decides."""

from collections.abc import Callable
from dataclasses import replace

from controller.adopting import adopt, all_well, first_quorum, foreign_quorum, note_other_life
from controller.beginning import begin, start_what_is_there, wait_for_a_beginning
from controller.coming_back import come_back, go_on_uncounted, newer_than_the_record
from controller.decision import Case, Decision
from controller.epochs import unwritten
from controller.facts import Facts
from controller.on_purpose import on_purpose, what_is_left_of
from controller.record import Record
from controller.replacing import replace_members
from controller.resizing import resize
from controller.restoring import begin_anew, restore

Row = Callable[[Case], Decision | None]

# About an empty record, each for itself: these say so.
_ROWS_OF_AN_EMPTY_RECORD: tuple[Row, ...] = (on_purpose, adopt, start_what_is_there, begin, wait_for_a_beginning)

_ROWS: tuple[Row, ...] = (
    on_purpose,
    note_other_life,
    # A quorum answers.
    foreign_quorum,
    first_quorum,
    replace_members,
    resize,
    all_well,
    # None does.
    newer_than_the_record,
    begin_anew,
    go_on_uncounted,
    restore,
    come_back,
)


def decide(record: Record, facts: Facts, token: str) -> Decision:
    """Return what is done now. `token` is random, for an epoch that may begin.

    What it says is in this order: the record is written by compare-and-set, and if it was another one meanwhile, all is
    dropped; then the actions are carried out and the answers given.
    """
    rows = _ROWS if record.cluster is not None else _ROWS_OF_AN_EMPTY_RECORD
    cluster = record.cluster if record.cluster is not None else unwritten(facts)
    case = Case(record, facts, token, cluster, facts.answer_of_quorum())
    decision = next(decision for row in rows if (decision := row(case)) is not None)
    left = what_is_left_of(case)
    if not left or decision.row == on_purpose.__name__:
        return decision
    return replace(decision, says=f"{decision.says}; {left}")
