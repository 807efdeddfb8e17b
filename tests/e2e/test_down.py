"""`make down` takes everything off this machine but the count."""

from chaos.system import System
from tests.e2e.conftest import CLUSTER
from tests.e2e.host import SHARED, Host, differences, look
from tests.e2e.system import make


def test_down_leaves_the_machine_as_it_was_and_up_goes_on_with_the_count(system: System, host_before: Host) -> None:
    system.get("/increment")
    count = system.count()
    assert {*differences(host_before, look(CLUSTER)), *SHARED} == set(host_before.things)

    make("down", CLUSTER)
    assert differences(host_before, look(CLUSTER)) == {}

    make("up", CLUSTER)
    assert system.count() == count
