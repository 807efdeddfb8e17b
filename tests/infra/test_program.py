"""The program as a whole: what is registered, under which names, and where."""

import pulumi
import pytest

from local.remains import OUR_WRITERS
from tests.infra.program_run import IMAGE, STASH, ProgramRun, Registration, run_program
from tests.infra.stack_config import full_config

PROVIDER = "pulumi:providers:kubernetes"
COMPONENTS = {f"ha-counter:index:{component}" for component in ("Counter", "EtcdCluster", "Images", "NetworkPolicies")}
DIGEST = "sha256:" + "0" * 64


def kubernetes_objects(run: ProgramRun) -> list[tuple[str, str, str | None]]:
    """Kind, logical name and fixed name of every object, in alphabetical order."""
    return sorted(
        (resource.type.rpartition(":")[2], resource.name, resource.inputs["metadata"].get("name") or "")
        for resource in run.resources
        if resource.type.startswith("kubernetes:")
    )


def test_only_names_of_the_interface_are_fixed(run: ProgramRun) -> None:
    assert kubernetes_objects(run) == [
        ("ConfigMap", "etcd-config", "etcd-config"),
        ("Deployment", "counter-deployment", "counter-deployment"),
        ("Namespace", "namespace", "ha-counter"),
        ("NetworkPolicy", "counter", ""),
        ("NetworkPolicy", "default-deny", ""),
        ("NetworkPolicy", "etcd", ""),
        ("PodDisruptionBudget", "counter", ""),
        ("PodDisruptionBudget", "etcd", ""),
        ("Service", "etcd", "etcd"),
        ("Service", "etcd-client", "etcd-client"),
        ("Service", "etcd0", "etcd0"),
        ("Service", "etcd1", "etcd1"),
        ("Service", "etcd2", "etcd2"),
        ("Service", "svc-counter", "svc-counter"),
        ("StatefulSet", "etcd", "etcd"),
    ]


def test_the_outputs(run: ProgramRun) -> None:
    assert run.outputs == {
        "nodeport": 30180,
        "namespace": "ha-counter",
        "images": {
            "counter": f"registry.example.com/ha-counter-counter@{DIGEST}",
            "etcd": f"registry.example.com/ha-counter-etcd@{DIGEST}",
        },
        "etcdEndpoints": "http://etcd0:2379,http://etcd1:2379,http://etcd2:2379",
    }


def test_the_node_port_is_an_integer_although_engines_hand_over_floats(run: ProgramRun) -> None:
    assert str(run.outputs["nodeport"]) == "30180"


def test_no_two_resources_share_a_urn(run: ProgramRun) -> None:
    urns = [resource.urn for resource in run.resources]

    assert len(set(urns)) == len(urns)


def test_every_component_declares_itself_finished(run: ProgramRun) -> None:
    components = [resource for resource in run.resources if resource.type in COMPONENTS]

    assert {component.type for component in components} == COMPONENTS
    assert {component.urn for component in components} <= run.finished_components


def test_everything_but_the_namespace_is_part_of_a_component(run: ProgramRun) -> None:
    components = {resource.urn for resource in run.resources if resource.type in COMPONENTS}
    outside = {resource.type for resource in run.resources if resource.parent not in components}

    assert outside == COMPONENTS | {PROVIDER, STASH, "kubernetes:core/v1:Namespace"}


def test_every_kubernetes_object_goes_to_the_configured_cluster(run: ProgramRun) -> None:
    providers = {resource.urn: resource for resource in run.of_type(PROVIDER)}

    assert {provider.inputs["context"] for provider in providers.values()} == {"test-cluster"}
    assert {
        resource.provider.rpartition("::")[0] for resource in run.resources if resource.type.startswith("kubernetes:")
    } == providers.keys()


def test_the_namespace_and_nothing_else_is_kept_and_found_again(run: ProgramRun) -> None:
    adopting = [provider.urn for provider in run.of_type(PROVIDER) if "upsertExistingObjects" in provider.inputs]
    of_adopting = [resource.type for resource in run.resources if resource.provider.rpartition("::")[0] in adopting]

    assert of_adopting == ["kubernetes:core/v1:Namespace"]
    assert [resource.type for resource in run.resources if resource.retained] == ["kubernetes:core/v1:Namespace"]


def test_the_namespace_tells_whose_it_is(run: ProgramRun) -> None:
    metadata = run.find("kubernetes:core/v1:Namespace", "namespace").inputs["metadata"]

    assert metadata["annotations"]["pulumi.com/patchFieldManager"].startswith(OUR_WRITERS)


def test_config_maps_are_changed_in_place(run: ProgramRun) -> None:
    assert run.find(PROVIDER, "cluster").inputs["enableConfigMapMutable"] == "true"


def test_a_configured_kubeconfig_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/from/environment")

    def kubeconfig(config: dict[str, str]) -> str:
        path: str = run_program(config).find(PROVIDER, "cluster").inputs["kubeconfig"]
        return path

    assert kubeconfig(full_config()) == "/from/environment"
    assert kubeconfig(full_config() | {"kubeconfig": "/from/config"}) == "/from/config"


def test_every_object_is_in_the_namespace_and_waits_for_it(run: ProgramRun) -> None:
    namespace = run.find("kubernetes:core/v1:Namespace", "namespace")
    others = [r for r in run.resources if r.type.startswith("kubernetes:") and r is not namespace]

    assert {resource.inputs["metadata"]["namespace"] for resource in others} == {"ha-counter"}
    assert [resource.urn for resource in others if namespace.urn not in resource.dependencies] == []


def test_every_object_says_what_it_belongs_to(run: ProgramRun) -> None:
    for resource in run.resources:
        if resource.type.startswith("kubernetes:") and not resource.type.endswith(":Namespace"):
            assert resource.inputs["metadata"]["labels"].keys() == {
                "app.kubernetes.io/name",
                "app.kubernetes.io/component",
                "app.kubernetes.io/part-of",
            }, resource.urn


def test_a_preview_declares_the_same_resources(run: ProgramRun) -> None:
    preview = run_program(full_config(), preview=True)

    assert {resource.urn for resource in preview.resources} == {resource.urn for resource in run.resources}
    assert "repoDigest" not in preview.of_type(IMAGE)[0].inputs


def test_a_wrong_config_is_refused_before_anything_is_registered() -> None:
    registered: list[Registration] = []

    with pytest.raises(pulumi.RunError, match="nodePort"):
        run_program(full_config() | {"nodePort": "80"}, registrations=registered)

    assert registered == []
