"""Records of keyed increments fill etcd up to a limit, and no further; all else goes on."""

import uuid

import pytest

from counter import budget
from counter.requests import Counted, Fate
from tests.members.cluster import wait_until
from tests.members.conftest import StartCluster
from tests.members.load import Running, count_of, replicas

# Bytes that the database of a new cluster has not in use by far, and that a thousand records do not fit in.
ROOM = 120_000

PATIENCE = 10.0


@pytest.mark.usefixtures("short_times")
def test_keys_are_refused_when_the_database_is_full(
    start_cluster: StartCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "_BURST", 10.0)  # so that the database is full first
    cluster = start_cluster()
    with replicas(cluster.endpoints, room=ROOM) as running:
        taken = 0
        while taken < 5000 and not is_refused(running[0]):
            taken += 1
        assert 0 < taken < 5000
        # The others look for themselves.
        wait_until(lambda: all(is_refused(replica) for replica in running), "every replica refuses keys")
        counted = count_of(cluster.endpoints)
        for replica in running:
            assert isinstance(replica.replica.increment().result(PATIENCE), Counted)
        assert count_of(cluster.endpoints) == counted + len(running)
        assert ROOM < running[0].etcd.database_size() < 2 * ROOM


def is_refused(running: Running) -> bool:
    """Whether an increment with a new key is."""
    return running.replica.increment(uuid.uuid4().hex).result(PATIENCE) is Fate.NO_ROOM
