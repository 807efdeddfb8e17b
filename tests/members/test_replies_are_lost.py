"""Exact while what etcd replies is lost, again and again."""

import random
import time
from contextlib import ExitStack, closing

import pytest

from tests.members.cluster import Cluster
from tests.members.counting import counting
from tests.members.proxy import Proxy

SEED = 5
TIMES = 20


@pytest.mark.parametrize("with_keys", [False, True], ids=["plain", "keys"])
def test_replies_are_lost(cluster: Cluster, with_keys: bool) -> None:
    chance = random.Random(SEED)
    with ExitStack() as stack:
        proxies = [stack.enter_context(closing(Proxy(member.endpoint))) for member in cluster.members]
        endpoints = [proxy.endpoint for proxy in proxies]
        with counting(cluster, endpoints, with_keys=with_keys) as (_, load):
            for _ in range(TIMES):
                time.sleep(chance.uniform(0.0, 0.2))
                muted = chance.sample(proxies, k=chance.randint(1, len(proxies)))
                for proxy in muted:
                    proxy.mute()
                time.sleep(chance.uniform(0.02, 0.2))
                for proxy in muted:
                    proxy.unmute()
            load.goes_on()
    assert sum(proxy.lost for proxy in proxies) >= TIMES
