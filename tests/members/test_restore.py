"""The members are restored from a snapshot while replicas count: they count on, exactly, from what the snapshot has."""

import time
from contextlib import closing

import pytest

from tests.members.cluster import wait_until
from tests.members.conftest import StartCluster
from tests.members.load import Load, count_of, kept_keys, replicas, shards


@pytest.mark.usefixtures("short_times")
def test_a_restore_from_a_snapshot(start_cluster: StartCluster) -> None:
    # Members that start all at once with data would wait 14 s for one another to compare it.
    cluster = start_cluster("--feature-gates=InitialCorruptCheck=false")
    with replicas(cluster.endpoints) as running:
        with closing(Load(running)) as first:
            first.goes_on()
        saved = count_of(cluster.endpoints)
        snapshot = cluster.save_snapshot()
        with closing(Load(running)) as load:
            load.goes_on()
            for member in cluster.members:
                member.kill()
            cluster.restore(snapshot)
            restored = time.monotonic()
            cluster.start()
            load.goes_on()
            wait_until(lambda: len(shards(cluster.endpoints)) == 3, "what the replicas had before is folded")
    first.history.check(0, saved)
    count = count_of(cluster.endpoints)
    # Told since the snapshot, but of a history that is gone: these values are told again.
    lost = load.history.values(until=restored)
    assert lost
    load.history.check(saved, count, since=restored)
    assert kept_keys(cluster.endpoints) == {b"c/base"}
