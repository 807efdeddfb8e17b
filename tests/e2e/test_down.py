"""`make down` takes everything off this machine but the count and the snapshots."""

import json

from chaos.system import System
from tests.e2e.conftest import CLUSTER
from tests.e2e.host import SHARED, Host, differences, look
from tests.e2e.system import make


def test_down_leaves_the_machine_as_it_was_and_up_goes_on_with_the_count(system: System, host_before: Host) -> None:
    system.get("/increment")
    count = system.count()
    before = snapshots()
    assert {*differences(host_before, look(CLUSTER)), *SHARED} == set(host_before.things)

    make("down", CLUSTER)
    assert differences(host_before, look(CLUSTER)) == {}

    make("up", CLUSTER)
    assert system.count() == count
    [left] = [snapshot for name, snapshot in snapshots().items() if name not in before and snapshot["reason"] == "down"]
    assert (left["count"], left["proven"]) == (count, "yes")
    assert max(before) in snapshots()


def snapshots() -> dict[str, dict[str, object]]:
    listed = json.loads(make("snapshots", CLUSTER, FORMAT="json"))["snapshots"]
    return {snapshot["name"]: snapshot for snapshot in listed}
