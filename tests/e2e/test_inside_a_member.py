"""What operators do inside an etcd pod."""

from chaos.system import System


def test_there_is_a_shell(system: System) -> None:
    assert system.kubectl("exec", "etcd-0", "--", "sh", "-c", "echo $((6 * 7))").strip() == "42"


def test_etcdctl_puts_and_any_member_gets(system: System) -> None:
    assert system.kubectl("exec", "etcd-0", "--", "etcdctl", "put", "foo", "bar").strip() == "OK"
    assert system.kubectl("exec", "etcd-2", "--", "etcdctl", "get", "foo").split() == ["foo", "bar"]


def test_dns_knows_the_other_members(system: System) -> None:
    address = system.kubectl("get", "service", "etcd1", "-o", "jsonpath={.spec.clusterIP}")
    assert f"Address: {address}" in system.kubectl("exec", "etcd-0", "--", "nslookup", "etcd1")


def test_etcd_is_the_first_process(system: System) -> None:
    """So it gets SIGTERM itself and hands leadership over."""
    assert system.kubectl("exec", "etcd-0", "--", "cat", "/proc/1/comm").strip() == "etcd"


def test_counters_know_the_members_from_the_config_map(system: System) -> None:
    endpoints = system.kubectl("get", "configmap", "etcd-config", "-o", "jsonpath={.data.endpoints}")
    assert endpoints == "http://etcd0:2379,http://etcd1:2379,http://etcd2:2379"
    seen = system.kubectl("exec", "deploy/counter-deployment", "--", "python", "-c", PRINT_ENDPOINTS)
    assert seen.strip() == endpoints


PRINT_ENDPOINTS = "import os; print(os.environ['ETCD_ENDPOINTS'])"
