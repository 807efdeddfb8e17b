"""Exact while what etcd replies is lost, again and again."""

from contextlib import ExitStack, closing

import pytest

from tests.members.cluster import Cluster, wait_until
from tests.members.counting import counting
from tests.members.proxy import LossyProxy

SEED = 5
LOST = 30  # replies


@pytest.mark.parametrize("with_keys", [False, True], ids=["plain", "keys"])
def test_replies_are_lost(cluster: Cluster, with_keys: bool) -> None:
    with ExitStack() as stack:
        proxies = [
            stack.enter_context(closing(LossyProxy(member.endpoint, SEED + number)))
            for number, member in enumerate(cluster.members)
        ]
        endpoints = [proxy.endpoint for proxy in proxies]
        with counting(cluster, endpoints, with_keys=with_keys) as (_, load):
            wait_until(lambda: sum(proxy.lost for proxy in proxies) >= LOST, f"{LOST} replies are lost")
            load.goes_on()
