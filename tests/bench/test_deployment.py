"""What is run beside the counter, as the API server gets it."""

from typing import Any

import pytest

from bench import deployment
from bench.cluster import STACK
from local import stack_config
from local.images import BaseImage

COUNTER_IMAGE = "localhost:5001/ha-counter-counter@sha256:1"


@pytest.fixture
def objects() -> list[dict[str, Any]]:
    """Those of gunicorn and of a program that needs no etcd."""
    static = deployment.Program("bench-static", 30182, BaseImage("ha-counter/bench-static:1", (), {}))
    return deployment.objects(stack_config.load(STACK, {}), [deployment.gunicorn(COUNTER_IMAGE), static])


def of_kind(kind: str, objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item for item in objects if item["kind"] == kind]


def test_gunicorn_serves_the_app_of_the_image_that_is_deployed() -> None:
    image = deployment.gunicorn(COUNTER_IMAGE).image

    assert image.base == COUNTER_IMAGE
    assert all(file.is_file() for file in image.files.values())


def test_another_counter_makes_another_image() -> None:
    names = {deployment.gunicorn(counter).image.name for counter in (COUNTER_IMAGE, f"{COUNTER_IMAGE}2")}

    assert len(names) == 2
    assert all(name.startswith("ha-counter/bench-gunicorn:") for name in names)


def test_each_program_is_of_the_counter_s_size(objects: list[dict[str, Any]]) -> None:
    config = stack_config.load(STACK, {})
    for item in of_kind("Deployment", objects):
        [container] = item["spec"]["template"]["spec"]["containers"]
        assert item["spec"]["replicas"] == int(config["counterReplicas"])
        assert container["resources"]["requests"]["cpu"] == config["counterCpuRequest"]
        assert container["resources"]["limits"]["cpu"] == int(config["counterCpuLimit"])


def test_each_program_has_a_node_port_of_its_own(objects: list[dict[str, Any]]) -> None:
    ports = [service["spec"]["ports"][0]["nodePort"] for service in of_kind("Service", objects)]

    assert ports == [30183, 30182]
    assert int(stack_config.load(STACK, {})["nodePort"]) not in ports


def test_gunicorn_has_the_environment_of_a_replica(objects: list[dict[str, Any]]) -> None:
    [container] = of_kind("Deployment", objects)[0]["spec"]["template"]["spec"]["containers"]

    assert {variable["name"] for variable in container["env"]} >= {
        "ETCD_ENDPOINTS",
        "MY_POD_NAME",
        "MY_POD_NAMESPACE",
        "MY_NODE_NAME",
        "MY_POD_IP",
    }


def test_what_counts_may_reach_etcd(objects: list[dict[str, Any]]) -> None:
    [policy] = [item for item in objects if item["metadata"]["name"] == "bench-programs-to-etcd"]
    [rule] = policy["spec"]["ingress"]
    [expression] = rule["from"][0]["podSelector"]["matchExpressions"]

    assert deployment.gunicorn(COUNTER_IMAGE).name in expression["values"]
    assert "bench-lock-counter" in expression["values"]


def test_a_node_of_two_cores_has_room_for_six_replicas_beside_the_programs() -> None:
    config = stack_config.load(STACK, {})

    def milli(key: str) -> int:
        return int(config[key].removesuffix("m"))

    a_node = (2 + len(deployment.GO_PROGRAMS) + 1) * milli("counterCpuRequest") + milli("etcdCpuRequest")
    assert a_node <= 1900  # the rest is for DNS
