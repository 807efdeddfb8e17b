"""How a new epoch is written down: a token of its own, and a new life for every member."""

from dataclasses import replace

from controller import identity
from controller.decision import Case
from controller.facts import Facts
from controller.record import (
    ADOPTED,
    FIRST_EPOCH,
    FROM_BEFORE,
    FROM_NOTHING,
    UNKNOWN_LIFE,
    Cluster,
    Epoch,
    Past,
    Source,
    Voter,
)
from member.marker import Marker
from member.starting import File

# By how much revisions rise with each epoch, so that none is used for two things.
BUMP = 1_000_000_000


def following(case: Case, file: File | None) -> Cluster:
    """Return the record's part where the next epoch begins with a file, or with nothing."""
    cluster, number = case.cluster, next_number(case)
    lives = {member: cluster.past_of(member) for member in range(cluster.size)}
    begun = replace(
        _beginning(number, case.token, file, lives),
        before=(*cluster.before, (cluster.epoch.number, cluster.epoch.cluster)),
        discarded=cluster.discarded,
    )
    others = [past for past in cluster.past if past.member >= cluster.size]
    return replace(begun, past=(*begun.past, *others))


def next_number(case: Case) -> int:
    """Return the next epoch's number: above all that anybody knows of, whatever the record says."""
    return max(case.cluster.epoch.number, newest_known(case.facts)) + 1


def first(number: int, token: str, size: int) -> Cluster:
    """Return the record's part where the first epoch begins, with nothing."""
    return _beginning(number, token, None, {member: Past(member, UNKNOWN_LIFE) for member in range(size)})


def unwritten(facts: Facts) -> Cluster:
    """Return what an empty record has to be taken for, by what others know: every member may have been let start.

    Its epoch is the newest that anybody knows of, and its members are all that there are, however many are wanted.
    """
    members = facts.who_may_have_data()
    lives = max((marker.life for marker in _markers(facts)), default=UNKNOWN_LIFE)
    return Cluster(
        epoch=Epoch(newest_known(facts), "", 0, Source(FROM_BEFORE), formed=True),
        before=(),
        size=facts.to_begin_with(),
        voters=tuple(Voter(member, UNKNOWN_LIFE, 0, ADOPTED) for member in members),
        past=tuple(Past(member, lives) for member in members),
    )


def newest_known(facts: Facts) -> int:
    """Return the newest epoch that backup or a member's folder is of."""
    backup = facts.answer_of_backup()
    return max([FIRST_EPOCH, backup.epoch if backup is not None else 0, *(one.epoch for one in _markers(facts))])


def _markers(facts: Facts) -> list[Marker]:
    return [report.marker for report in facts.reports() if report.marker is not None]


def _beginning(number: int, token: str, file: File | None, lives: dict[int, Past]) -> Cluster:
    past = tuple(replace(former, life=former.life + 1) for former in lives.values())
    return Cluster(
        scaling=True,
        epoch=Epoch(
            number=number,
            token=token,
            cluster=identity.cluster_id(token, list(lives)),
            source=_source(file),
            founders=len(lives),
            bump=0 if file is None else _bump(number, file),
        ),
        before=(),
        size=len(lives),
        voters=tuple(Voter(one.member, one.life, identity.member_id(token, one.member)) for one in past),
        past=past,
    )


def _bump(number: int, file: File) -> int:
    """By how much the file's revisions rise. A file of one's own may say that it is of any epoch."""
    return BUMP * max(1, number - file.epoch)


def _source(file: File | None) -> Source:
    if file is None:
        return Source(FROM_NOTHING)
    return Source(file.made_of, file.sha256, file.epoch, file.revision)
