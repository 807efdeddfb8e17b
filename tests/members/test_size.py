"""What the counter keeps in etcd does not grow with the count. A longer form: INCREMENTS=200000."""

import os
from contextlib import closing

from tests.members.cluster import wait_until
from tests.members.conftest import StartCluster
from tests.members.load import Load, all_keys, count_of, replicas

INCREMENTS = int(os.environ.get("INCREMENTS", "20000"))

# Clients at each replica. So a batch has 4 increments at most, and there are 5,000 revisions at least; each takes more
# than 100 bytes.
CLIENTS = 4
MAX_BYTES = 400_000

MAX_KEYS = 20


def test_many_increments_leave_few_keys_and_a_small_file(start_cluster: StartCluster) -> None:
    cluster = start_cluster("--auto-compaction-retention=1s")
    with replicas(cluster.endpoints) as running:
        with closing(Load(running, CLIENTS)) as load:
            seconds = 60 + INCREMENTS / 100
            wait_until(lambda: len(load.history.answers) >= INCREMENTS, f"{INCREMENTS} increments", seconds)
            assert len(all_keys(cluster.endpoints)) < MAX_KEYS
        assert max(status.dbSize for member in cluster.members if (status := member.status())) < MAX_BYTES
    load.history.check(0, count_of(cluster.endpoints))
