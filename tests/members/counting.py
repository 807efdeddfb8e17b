"""Three replicas under load, whose history is checked at the end."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from etcd.endpoints import Endpoint
from tests.members.cluster import Cluster
from tests.members.load import Load, Running, count_of, kept_keys, replicas


@contextmanager
def counting(
    cluster: Cluster, endpoints: Sequence[Endpoint] = (), *, with_keys: bool = False
) -> Iterator[tuple[list[Running], Load]]:
    """Three replicas that count before, during and after the block, exactly, and leave nothing behind.

    They reach the members at other endpoints, if any are given.
    """
    before = count_of(cluster.endpoints)
    with replicas(endpoints or cluster.endpoints) as running, closing(Load(running, with_keys=with_keys)) as load:
        load.goes_on()
        yield running, load
        load.goes_on()
    after = count_of(cluster.endpoints)
    load.history.check(before, after)
    if with_keys:
        assert all(answer.value is not None for answer in load.history.answers), "a key has got no value"
    left = kept_keys(cluster.endpoints)
    assert left == {b"c/base"}, f"keys are left: {left}"
