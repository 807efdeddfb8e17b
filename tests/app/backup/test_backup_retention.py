from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from backup.log_file import Header, LogInfo
from backup.manifest import Manifest, Proof
from backup.retention import NEWEST, Removal, Space, to_delete
from tests.app.backup.samples import CLUSTER, NOW, manifest

ROOMY = Space(free=10**9, size=10**9)
FULL = Space(free=0, size=10**9)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def log(after: int, last: int, cluster: int = CLUSTER, size: int = 10) -> LogInfo:
    header = Header(1, cluster, after, "pod", NOW)
    return LogInfo(Path(f"log-{cluster}-{after}-{last}.log"), header, size, last, None, torn=False)


def kept(manifests: Sequence[Manifest], space: Space = ROOMY, in_use: Sequence[str] = ()) -> list[Manifest]:
    gone = set(to_delete(manifests, [], NOW, space, in_use).snapshots)
    return [manifest for manifest in manifests if manifest not in gone]


def kept_logs(manifests: Sequence[Manifest], logs: Sequence[LogInfo], space: Space = ROOMY) -> list[LogInfo]:
    gone = to_delete(manifests, logs, NOW, space).logs
    return [log for log in logs if log not in gone]


def every(step: timedelta, number: int, **changes: object) -> list[Manifest]:
    """The newest first."""
    return [manifest(10_000 - n, age=n * step, **changes) for n in range(number)]  # type: ignore[arg-type]


def test_without_anything_nothing_is_removed() -> None:
    assert to_delete([], [], NOW, FULL) == Removal((), ())


def test_the_newest_stay_however_old_they_are() -> None:
    manifests = every(30 * DAY, NEWEST + 3)
    assert kept(manifests) == manifests[:NEWEST]


def test_then_one_an_hour_for_a_day_and_one_a_day_for_a_week() -> None:
    manifests = every(5 * MINUTE, 12 * 24 * 10)
    ages = [(NOW - found.time) for found in kept(manifests)]
    assert ages[:NEWEST] == [n * 5 * MINUTE for n in range(NEWEST)]
    hourly = [age for age in ages[NEWEST:] if age < DAY]
    daily = [age for age in ages if age >= DAY]
    assert len(hourly) in (23, 24)
    assert {late - early for early, late in pairwise(hourly)} == {HOUR}
    assert len(daily) == 6
    assert {late - early for early, late in pairwise(daily)} == {DAY}


def test_what_is_kept_stays_until_it_is_out_of_date() -> None:
    manifests: list[Manifest] = []
    for step in range(12 * 24 * 3):
        now = NOW + step * 5 * MINUTE
        manifests = [*manifests, manifest(step, age=NOW - now)]
        gone = to_delete(manifests, [], now, ROOMY).snapshots
        manifests = [manifest for manifest in manifests if manifest not in gone]
        hours = {f"{found.time:%F %H}" for found in manifests if now - found.time < DAY}
        assert len(hours) >= min(24, 1 + (step + 6) // 12)
        assert len(manifests) <= NEWEST + 25 + 7


def test_the_last_of_an_earlier_epoch_stays() -> None:
    earlier = every(30 * DAY, 3, epoch=1)
    newest = every(30 * DAY, NEWEST, epoch=2, cluster=7)
    assert kept([*newest, *earlier]) == [*newest, earlier[0]]


def test_what_is_not_proven_is_no_state_to_go_back_to() -> None:
    pending = manifest(99, age=40 * DAY, proof=Proof())
    failed = manifest(98, age=2 * HOUR, proof=Proof("failed", "the counts differ", NOW - 59 * MINUTE))
    failed_long_ago = manifest(97, age=2 * HOUR, proof=Proof("failed", "the counts differ", NOW - 61 * MINUTE))
    proven = every(30 * DAY, NEWEST)
    assert kept([pending, failed, failed_long_ago, *proven]) == [pending, failed, *proven]


def restore_file(age: timedelta, epoch: int, cluster: int = 0) -> Manifest:
    return manifest(50, age=age, epoch=epoch, cluster=cluster, reason="restore", proof=Proof("proven", at=NOW - age))


def test_the_newest_restore_file_of_an_epoch_to_come_stays() -> None:
    state = manifest(epoch=2)
    for_next, replaced, just_made = restore_file(2 * HOUR, 3), restore_file(3 * HOUR, 3), restore_file(MINUTE, 2)
    outdated = restore_file(2 * HOUR, 1)
    assert kept([state, for_next, replaced, just_made, outdated]) == [state, for_next, just_made]
    assert kept([state, for_next, replaced], FULL) == [state, for_next]


def test_a_restore_file_counts_as_a_state_only_once_its_cluster_lives() -> None:
    states = every(30 * DAY, NEWEST)
    unused, began = restore_file(MINUTE, 2), restore_file(2 * DAY, 2, cluster=7)
    assert kept([unused, *states]) == [unused, *states]
    assert kept([began, *states]) == [began, states[0]]


def test_an_upload_stays_for_a_day_and_is_no_state() -> None:
    def upload(age: timedelta) -> Manifest:
        return manifest(99, age=age, epoch=9, reason="upload", proof=Proof("proven", at=NOW - age))

    fresh, stale = upload(23 * HOUR), upload(25 * HOUR)
    states = every(30 * DAY, NEWEST)
    assert kept([fresh, stale, *states]) == [fresh, *states]


def test_what_is_in_use_stays() -> None:
    manifests = every(30 * DAY, NEWEST + 1)
    logs = [log(0, 5)]
    used = [manifests[-1].name, logs[0].path.name]
    assert to_delete(manifests, logs, NOW, FULL, used).logs == ()
    assert manifests[-1] in kept(manifests, FULL, used)


def test_logs_stay_that_the_newest_three_need() -> None:
    manifests = [manifest(newest) for newest in (100, 200, 300, 400)]
    before, up_to, across, after = log(0, 199), log(0, 200), log(150, 250), log(400, 500)
    assert kept_logs(manifests, [before, up_to, across, after]) == [up_to, across, after]


def test_logs_of_a_cluster_without_a_proven_snapshot_stay() -> None:
    first = log(0, 5, cluster=7)
    assert kept_logs([manifest(100), manifest(1, cluster=7, proof=Proof())], [first]) == [first]


def test_restored_clusters_logs_are_compared_in_their_own_revisions() -> None:
    began = manifest(100, bump=1000, revision=100)
    assert kept_logs([began], [log(100, 200), log(1100, 1200)]) == [log(1100, 1200)]


def test_a_volume_that_fills_loses_the_oldest_first_and_no_more_than_it_must() -> None:
    manifests = every(MINUTE, 6, size=100)
    needed = kept(manifests, Space(free=0, size=1000))
    assert needed == manifests[:3]  # 300 of 1000 are free now, with 200 it was too few
    assert kept(manifests, Space(free=250, size=1000)) == manifests


def test_a_full_volume_keeps_two_and_their_log_and_the_last_of_each_cluster() -> None:
    manifests = [manifest(newest, size=100) for newest in (400, 300, 200)]
    earlier = [manifest(newest, epoch=1, cluster=7, age=DAY) for newest in (20, 10)]
    newest = [manifest(state.newest, epoch=2, age=n * MINUTE) for n, state in enumerate(manifests)]
    assert kept([*newest, *earlier], FULL) == [*newest[:2], earlier[0]]
    logs = [log(200, 299), log(250, 310), log(300, 400), log(20, 30, cluster=7)]
    assert kept_logs([*newest, *earlier], logs, FULL) == logs[1:]


PROOFS = st.sampled_from([Proof(), Proof("proven", at=NOW), Proof("failed", "why", NOW - DAY)])
MANIFESTS = st.lists(
    st.builds(
        lambda newest, hours, epoch, lived, reason, proof: manifest(
            newest, age=timedelta(hours=hours), epoch=epoch, cluster=epoch * lived, reason=reason, proof=proof
        ),
        st.integers(1, 100),
        st.integers(0, 400),
        st.integers(1, 3),
        st.booleans(),
        st.sampled_from(["schedule", "restore", "upload"]),
        PROOFS,
    ),
    max_size=30,
    unique_by=lambda manifest: manifest.name,
)


@settings(max_examples=100, deadline=None)
@given(manifests=MANIFESTS, free=st.integers(0, 300), logs=st.lists(st.tuples(st.integers(0, 90), st.integers(0, 30))))
def test_whatever_there_is_one_can_go_back_to_the_newest_of_each_cluster(
    manifests: list[Manifest], free: int, logs: list[tuple[int, int]]
) -> None:
    infos = [log(after, after + length, cluster=1) for after, length in logs]
    removal = to_delete(manifests, infos, NOW, Space(free, 1000))
    states = [manifest for manifest in manifests if manifest.proven and manifest.lived]
    left = [state for state in states if state not in removal.snapshots]
    for cluster in {state.cluster for state in states}:
        newest = max(state.newest for state in states if state.cluster == cluster)
        assert newest in [state.newest for state in left if state.cluster == cluster]
        if cluster == 1:
            assert not [log for log in removal.logs if log.last >= newest]
    assert len(left) >= min(2, len(states))
    assert not [manifest for manifest in removal.snapshots if manifest.proof.state == "pending"]
