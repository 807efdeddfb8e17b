"""`make down` takes everything off this machine but the count."""

from tests.e2e.conftest import CLUSTER
from tests.e2e.host import traces
from tests.e2e.system import System, make


def test_down_leaves_nothing_running_and_up_goes_on_with_the_count(system: System) -> None:
    system.get("/increment")
    count = system.count()
    assert set(traces(system.layout)) > {"processes", "control groups", "links", "firewall rules", "sockets"}

    make("down", CLUSTER)
    assert traces(system.layout) == {}

    make("up", CLUSTER)
    assert system.count() == count
