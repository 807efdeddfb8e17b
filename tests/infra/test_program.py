"""The program as a whole: what is registered, under which names, and where."""

import pulumi
import pytest

from local import remains
from tests.infra.program_run import IMAGE, STASH, ProgramRun, Registration, run_program
from tests.infra.stack_config import full_config

PROVIDER = "pulumi:providers:kubernetes"
COMPONENTS = {
    f"ha-counter:index:{component}"
    for component in (
        *("Backup", "Controller", "Counter", "EtcdCluster", "EtcdEndpoints", "Images", "NetworkPolicies"),
        *("NfsServer", "NfsVolume"),
    )
}
NAMESPACE = "kubernetes:core/v1:Namespace"
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
        ("ConfigMap", "etcd-cluster", "etcd-cluster"),
        ("ConfigMap", "etcd-config", "etcd-config"),
        ("Deployment", "counter-deployment", "counter-deployment"),
        ("Deployment", "etcd-backup", "etcd-backup"),
        ("Deployment", "etcd-controller", "etcd-controller"),
        ("Namespace", "namespace", "ha-counter"),
        ("Namespace", "nfs-namespace", "ha-counter-nfs"),
        ("NetworkPolicy", "backup", ""),
        ("NetworkPolicy", "controller", ""),
        ("NetworkPolicy", "counter", ""),
        ("NetworkPolicy", "default-deny", ""),
        ("NetworkPolicy", "etcd", ""),
        ("NetworkPolicy", "nfs", ""),
        ("PersistentVolume", "snapshots", "etcd-snapshots-10-0-0-7"),
        ("PersistentVolumeClaim", "snapshots", "etcd-snapshots-10-0-0-7"),
        ("PodDisruptionBudget", "counter", ""),
        ("PodDisruptionBudget", "etcd", ""),
        ("Role", "etcd-controller", "etcd-controller"),
        ("RoleBinding", "etcd-controller", "etcd-controller"),
        ("Service", "etcd", "etcd"),
        ("Service", "etcd-backup", "etcd-backup"),
        ("Service", "etcd-client", "etcd-client"),
        ("Service", "etcd-controller", "etcd-controller"),
        *(("Service", f"etcd{number}", f"etcd{number}") for number in range(7)),
        ("Service", "nfs-service", "nfs-service"),
        ("Service", "svc-counter", "svc-counter"),
        ("ServiceAccount", "etcd-controller", "etcd-controller"),
        ("StatefulSet", "etcd", "etcd"),
        ("StatefulSet", "nfs", "nfs"),
    ]


def test_the_outputs(run: ProgramRun) -> None:
    assert run.outputs == {
        "nodeport": 30180,
        "namespace": "ha-counter",
        "images": {
            name: f"registry.example.com/ha-counter-{name}@{DIGEST}"
            for name in ("counter", "etcd", "controller", "backup", "nfs")
        },
        "etcdEndpoints": "http://etcd0:2379,http://etcd1:2379,http://etcd2:2379",
        "backupUrl": "http://etcd-backup:8080",
    }


def test_without_backup_all_else_is_the_same(run: ProgramRun, without_backup: ProgramRun) -> None:
    of_backup = {"backup", "etcd-backup", "nfs", "nfs-namespace", "nfs-service", "snapshots"}

    assert kubernetes_objects(without_backup) == [each for each in kubernetes_objects(run) if each[1] not in of_backup]
    assert without_backup.outputs["backupUrl"] == ""


def test_the_node_port_is_an_integer_although_engines_hand_over_floats(run: ProgramRun) -> None:
    assert str(run.outputs["nodeport"]) == "30180"


def test_no_two_resources_share_a_urn(run: ProgramRun) -> None:
    urns = [resource.urn for resource in run.resources]

    assert len(set(urns)) == len(urns)


def test_every_component_declares_itself_finished(run: ProgramRun) -> None:
    components = [resource for resource in run.resources if resource.type in COMPONENTS]

    assert {component.type for component in components} == COMPONENTS
    assert {component.urn for component in components} <= run.finished_components


def test_everything_that_goes_with_the_stack_is_part_of_a_component(run: ProgramRun) -> None:
    components = {resource.urn for resource in run.resources if resource.type in COMPONENTS}
    outside = {resource.type for resource in run.resources if resource.parent not in components}

    assert outside == COMPONENTS | {PROVIDER, STASH, NAMESPACE, "kubernetes:core/v1:ConfigMap"}


def test_every_kubernetes_object_goes_to_the_configured_cluster(run: ProgramRun) -> None:
    providers = {resource.urn: resource for resource in run.of_type(PROVIDER)}

    assert {provider.inputs["context"] for provider in providers.values()} == {"test-cluster"}
    assert {
        resource.provider.rpartition("::")[0] for resource in run.resources if resource.type.startswith("kubernetes:")
    } == providers.keys()


def test_the_namespaces_and_the_record_and_nothing_else_are_kept_and_found_again(run: ProgramRun) -> None:
    adopting = [provider.urn for provider in run.of_type(PROVIDER) if "upsertExistingObjects" in provider.inputs]
    of_adopting = {resource.name for resource in run.resources if resource.provider.rpartition("::")[0] in adopting}

    assert of_adopting == {"namespace", "nfs-namespace", "etcd-cluster"}
    assert {resource.name for resource in run.resources if resource.retained} == of_adopting


def test_live_stacks_know_the_providers_by_these_names(run: ProgramRun) -> None:
    """By others, the real engine would replace all that they made."""
    assert {provider.name for provider in run.of_type(PROVIDER)} == {"cluster", "namespace"}


@pytest.mark.parametrize("name", ["namespace", "nfs-namespace"])
def test_a_namespace_tells_whose_it_is(run: ProgramRun, name: str) -> None:
    metadata = run.find(NAMESPACE, name).inputs["metadata"]

    assert metadata["annotations"]["pulumi.com/patchFieldManager"].startswith(remains.OUR_WRITERS)


def test_config_maps_are_changed_in_place(run: ProgramRun) -> None:
    assert run.find(PROVIDER, "cluster").inputs["enableConfigMapMutable"] == "true"


def test_a_configured_kubeconfig_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/from/environment")

    def kubeconfig(config: dict[str, str]) -> str:
        path: str = run_program(config).find(PROVIDER, "cluster").inputs["kubeconfig"]
        return path

    assert kubeconfig(full_config()) == "/from/environment"
    assert kubeconfig(full_config() | {"kubeconfig": "/from/config"}) == "/from/config"


def test_every_object_is_in_a_namespace_and_waits_for_it(run: ProgramRun) -> None:
    namespaces = {each.inputs["metadata"]["name"]: each.urn for each in run.of_type(NAMESPACE)}
    without = {NAMESPACE, "kubernetes:core/v1:PersistentVolume"}
    inside = [r for r in run.resources if r.type.startswith("kubernetes:") and r.type not in without]

    assert namespaces.keys() == {"ha-counter", remains.nfs_namespace("ha-counter")}
    assert [r.urn for r in inside if namespaces[r.inputs["metadata"]["namespace"]] not in r.dependencies] == []


def test_only_the_nfs_server_is_in_its_namespace(run: ProgramRun) -> None:
    namespaces = {r.name: r.inputs.get("metadata", {}).get("namespace") for r in run.resources}

    assert {name for name, namespace in namespaces.items() if namespace == "ha-counter-nfs"} == {"nfs", "nfs-service"}


def test_what_outlives_the_stack_is_called_as_what_removes_it_knows_it(run: ProgramRun) -> None:
    server = run.find("kubernetes:apps/v1:StatefulSet", "nfs").inputs
    [template] = server["spec"]["volumeClaimTemplates"]

    assert f"{template['metadata']['name']}-{server['metadata']['name']}-0" == remains.SNAPSHOTS_VOLUME
    assert run.find("kubernetes:core/v1:ConfigMap", remains.RECORD)


def test_the_nfs_server_is_there_before_all_that_use_it_and_so_goes_after_them(run: ProgramRun) -> None:
    of_server = [
        run.find("kubernetes:apps/v1:StatefulSet", "nfs"),
        run.find("kubernetes:core/v1:Service", "nfs-service"),
    ]

    for type_, name in [
        ("core/v1:PersistentVolume", "snapshots"),
        ("core/v1:PersistentVolumeClaim", "snapshots"),
        ("apps/v1:Deployment", "etcd-backup"),
        ("apps/v1:StatefulSet", "etcd"),
        ("apps/v1:Deployment", "counter-deployment"),
    ]:
        user = run.find(f"kubernetes:{type_}", name)
        assert {resource.urn for resource in of_server} <= run.all_dependencies(user), user.urn


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
