"""The real Pulumi CLI, used as programs use it, and by `make`. Its stacks lie beside the one that all tests share."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml
from pulumi import automation
from pulumi.automation import CommandError, ConfigValue, EngineEvent, OpType, StepEventMetadata

from chaos.system import System, eventually
from local import pulumi_cli
from local.backup_service import BackupService
from local.kube import Kube
from local.remains import nfs_namespace
from tests.e2e.conftest import CLUSTER
from tests.e2e.system import copy_of_checkout, names, run, uids

pytestmark = pytest.mark.skipif(
    pulumi_cli.path() is None, reason="there is no `pulumi` on PATH; `make pulumi-cli` installs it"
)


@dataclass(frozen=True)
class Project:
    """A user's checkout, and the variables by which their CLI reaches the cluster and a backend of their own."""

    checkout: Path
    environment: dict[str, str]
    system: System

    def configure(self, stack: str, port: int) -> System:
        """Write the file of a small stack with a namespace of its own. Returns what it is to make."""
        counter = System(self.system.layout, port, f"ha-counter-{stack}")
        values = {
            "context": CLUSTER,
            "registry": counter.layout.registry,
            "namespace": counter.namespace,
            "nodePort": str(port),
            "etcdMembers": "1",
            "counterReplicas": "1",
        }
        content = {"config": {f"ha-counter:{key}": value for key, value in values.items()}}
        (self.checkout / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump(content))
        return counter

    def init(self, stack: str, port: int) -> "Deployment":
        """`pulumi stack init` with such a file."""
        counter = self.configure(stack, port)
        command = automation.PulumiCommand(root=None if shutil.which("pulumi") else str(Path.home() / ".pulumi"))
        options = automation.LocalWorkspaceOptions(env_vars=self.environment, pulumi_command=command)
        return Deployment(automation.create_stack(stack, work_dir=str(self.checkout), opts=options), counter)


@dataclass(frozen=True)
class Deployment:
    """A stack of the CLI, and the counter that it makes."""

    stack: automation.Stack
    counter: System

    def configure(self, **values: str) -> None:
        for key, value in values.items():
            self.stack.set_config(key, ConfigValue(value))

    @property
    def nfs(self) -> System:
        """The namespace of its NFS server."""
        return replace(self.counter, namespace=nfs_namespace(self.counter.namespace))

    def objects(self) -> set[str]:
        """What there is of it in the cluster: the names, with the namespace's before those that are in one."""
        return {*_in_namespace(self.counter), *_in_namespace(self.nfs), *self._snapshot_volumes()}

    def _snapshot_volumes(self) -> list[str]:
        """The PersistentVolumes that lead to an NFS server; they are in no namespace."""
        claimed = f'{{.items[?(@.spec.claimRef.namespace=="{self.counter.namespace}")].metadata.name}}'
        return self.counter.kubectl(
            "get", "persistentvolumes", "-l", "app.kubernetes.io/name=snapshots", "-o", f"jsonpath={claimed}"
        ).split()

    def increment(self) -> int:
        content: str = self.counter.get("/increment").json()["content"]
        return int(content.removeprefix("count value = "))

    def remove(self) -> None:
        self.stack.destroy()
        both = [self.counter.namespace, self.nfs.namespace]
        self.counter.kubectl("delete", "namespace", *both, "--ignore-not-found")


def _in_namespace(system: System) -> list[str]:
    """The namespace, and what is in it that is not in all."""
    kinds = "configmaps,persistentvolumeclaims,statefulsets,deployments,services,networkpolicies"
    namespace = system.kubectl("get", "namespace", system.namespace, "--ignore-not-found", "-o", "name").split()
    inside = system.kubectl("get", kinds, "-o", "name").split()
    return [*namespace, *(f"{system.namespace} {name}" for name in inside if name != "configmap/kube-root-ca.crt")]


class Steps:
    """What the CLI does, or would do, to each resource."""

    def __init__(self) -> None:
        self._steps: set[tuple[OpType, str]] = set()
        self._moments: list[tuple[str, str]] = []

    def note(self, event: EngineEvent) -> None:
        if event.resource_pre_event:
            self._steps.add((event.resource_pre_event.metadata.op, _resource(event.resource_pre_event.metadata)))
            self._moments.append(("begun", _resource(event.resource_pre_event.metadata)))
        if event.res_outputs_event:
            self._moments.append(("done", _resource(event.res_outputs_event.metadata)))

    def moments(self, resources: Sequence[str]) -> list[tuple[str, str]]:
        """When something was begun with these, and when it was done, from the first moment to the last."""
        return [moment for moment in self._moments if moment[1] in resources]

    def of(self, kind: OpType) -> set[str]:
        """The types and the names of the resources with which it does this."""
        return {resource for op, resource in self._steps if op == kind}

    def kinds(self) -> set[OpType]:
        return {op for op, _ in self._steps}


def _resource(step: StepEventMetadata) -> str:
    """Its type and its name."""
    return f"{step.type} {step.urn.rpartition('::')[2]}"


@pytest.fixture(scope="module")
def project(system: System, tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("project")
    (folder / "backend").mkdir()
    backend = {"PULUMI_BACKEND_URL": f"file://{folder}/backend", "PULUMI_CONFIG_PASSPHRASE": "of the user"}
    return Project(copy_of_checkout(folder), {**system.layout.environment, **backend}, system)


@pytest.fixture(scope="module")
def deployed(project: Project) -> Iterator[Deployment]:
    """A stack that is up. Tests leave it as they found it."""
    deployment = project.init("cli", 30281)
    try:
        deployment.stack.up()
        yield deployment
    finally:
        deployment.remove()


@pytest.fixture
def fresh(project: Project) -> Iterator[Deployment]:
    """A stack that was never deployed."""
    deployment = project.init("cli-fresh", 30282)
    try:
        yield deployment
    finally:
        deployment.remove()
        deployment.stack.workspace.remove_stack(deployment.stack.name)


def test_a_preview_lists_what_would_be_made_and_makes_nothing(fresh: Deployment) -> None:
    steps = Steps()
    fresh.stack.preview(on_event=steps.note)

    assert steps.of(OpType.CREATE) >= {
        "docker:index/image:Image counter",
        "docker:index/image:Image nfs",
        "kubernetes:core/v1:Namespace namespace",
        "kubernetes:core/v1:Namespace nfs-namespace",
        "kubernetes:core/v1:PersistentVolume snapshots",
        "kubernetes:core/v1:ConfigMap etcd-cluster",
        "kubernetes:apps/v1:StatefulSet etcd",
        "kubernetes:apps/v1:Deployment etcd-backup",
        "kubernetes:rbac.authorization.k8s.io/v1:Role etcd-controller",
        "kubernetes:apps/v1:Deployment etcd-controller",
        "kubernetes:apps/v1:Deployment counter-deployment",
    }
    assert steps.kinds() == {OpType.CREATE}
    assert fresh.objects() == set()


def test_up_makes_a_counter_that_counts_at_the_port_that_it_puts_out(deployed: Deployment) -> None:
    assert deployed.stack.outputs()["nodeport"].value == deployed.counter.port
    assert deployed.increment() == deployed.increment() - 1


def test_a_second_up_changes_nothing(deployed: Deployment) -> None:
    before = uids([*deployed.counter.pods("counter"), *deployed.counter.pods("etcd")])

    steps = Steps()
    deployed.stack.up(on_event=steps.note)

    assert steps.kinds() == {OpType.SAME}
    assert uids([*deployed.counter.pods("counter"), *deployed.counter.pods("etcd")]) == before


def test_another_setting_changes_what_it_is_about_and_nothing_else(deployed: Deployment) -> None:
    before = names([*deployed.counter.pods("counter"), *deployed.counter.pods("etcd")])
    deployed.configure(counterReplicas="2")
    try:
        steps = Steps()
        deployed.stack.up(on_event=steps.note)

        assert steps.of(OpType.UPDATE) == {"kubernetes:apps/v1:Deployment counter-deployment"}
        assert steps.kinds() == {OpType.UPDATE, OpType.SAME}
        assert len(deployed.counter.ready_pods("counter")) == 2
        assert names([*deployed.counter.pods("counter"), *deployed.counter.pods("etcd")]) > before
    finally:
        deployed.configure(counterReplicas="1")
        deployed.stack.up()


def test_a_wrong_config_is_told_as_the_other_engine_tells_it_and_nothing_is_made(
    fresh: Deployment, project: Project
) -> None:
    fresh.configure(nodePort="80", counterReplicas="0")

    with pytest.raises(CommandError) as refused:
        fresh.stack.up()

    told = subprocess.run(
        [sys.executable, "-m", "local.deploy", "up", f"--stack={fresh.stack.name}"],
        cwd=project.checkout,
        env={**os.environ, **project.environment},
        capture_output=True,
        text=True,
    ).stderr
    message = [line.strip() for line in told.splitlines()]
    assert [line.split()[0] for line in message[1:]] == ["ha-counter:nodePort", "ha-counter:counterReplicas"]
    assert "\n".join(message) in "\n".join(line.strip() for line in str(refused.value).splitlines())
    assert fresh.objects() == set()


def test_another_value_of_a_setting_that_a_live_stack_keeps_is_refused(deployed: Deployment) -> None:
    before = uids(deployed.counter.pods("etcd"))
    deployed.configure(etcdStorage="2Gi")
    try:
        with pytest.raises(CommandError, match="ha-counter:etcdStorage is '2Gi': it must stay '1Gi', because"):
            deployed.stack.up()
    finally:
        deployed.configure(etcdStorage="1Gi")

    assert uids(deployed.counter.pods("etcd")) == before
    assert set(deployed.stack.preview().change_summary) <= {OpType.SAME, OpType.UPDATE}


def test_a_first_up_that_failed_binds_only_until_it_is_destroyed(fresh: Deployment) -> None:
    fresh.configure(context="mistyped")
    with pytest.raises(CommandError, match='context "mistyped" does not exist'):
        fresh.stack.up()

    fresh.configure(context=CLUSTER)
    with pytest.raises(CommandError, match=f"context is '{CLUSTER}': it must stay 'mistyped'"):
        fresh.stack.preview()

    fresh.stack.destroy()
    assert set(fresh.stack.preview().change_summary) == {OpType.CREATE}


def test_an_object_of_somebody_else_s_is_not_taken_over(fresh: Deployment) -> None:
    kubectl = fresh.counter.kubectl
    kubectl("create", "namespace", fresh.counter.namespace)
    kubectl("create", "configmap", "etcd-config", "--from-literal=endpoints=of-somebody-else")

    with pytest.raises(CommandError, match=r'configmaps "etcd-config" already exists'):
        fresh.stack.up()
    fresh.stack.destroy()

    assert kubectl("get", "configmap", "etcd-config", "-o", "jsonpath={.data.endpoints}") == "of-somebody-else"


def test_what_the_record_of_epochs_holds_is_kept(deployed: Deployment) -> None:
    deployed.counter.kubectl("patch", "configmap", "etcd-cluster", "--type=merge", '--patch={"data": {"epoch": "1"}}')

    steps = Steps()
    deployed.stack.up(refresh=True, on_event=steps.note)

    assert "kubernetes:core/v1:ConfigMap etcd-cluster" in steps.of(OpType.SAME) - steps.of(OpType.UPDATE)
    assert _epoch(deployed) == "1"


def test_destroy_leaves_the_volumes_and_up_goes_on_with_the_count(deployed: Deployment) -> None:
    counted, epoch = deployed.increment(), _epoch(deployed)

    steps = Steps()
    deployed.stack.destroy(on_event=steps.note)
    assert steps.moments(_EACH_BEFORE_WHAT_IT_NEEDS) == [
        (moment, resource) for resource in _EACH_BEFORE_WHAT_IT_NEEDS for moment in ("begun", "done")
    ]
    counter, nfs = deployed.counter.namespace, deployed.nfs.namespace
    assert deployed.objects() == {
        f"namespace/{counter}",
        f"{counter} persistentvolumeclaim/data-etcd-0",
        f"{counter} configmap/etcd-cluster",
        f"namespace/{nfs}",
        f"{nfs} persistentvolumeclaim/data-nfs-0",
    }

    deployed.stack.up()
    assert deployed.increment() == counted + 1
    assert _epoch(deployed) == epoch
    backup = BackupService(Kube(CLUSTER, deployed.counter.layout.kubeconfig), counter)
    assert ("stop", counted) in {(snapshot.reason, snapshot.count) for snapshot in backup.overview().snapshots}


# A member that ends has backup save a last snapshot, and a pod can let go of its volume as long as the server serves.
_EACH_BEFORE_WHAT_IT_NEEDS = [
    "kubernetes:apps/v1:Deployment counter-deployment",
    "kubernetes:apps/v1:StatefulSet etcd",
    "kubernetes:core/v1:Service etcd-backup",
    "kubernetes:apps/v1:Deployment etcd-backup",
    "kubernetes:core/v1:PersistentVolumeClaim snapshots",
    "kubernetes:core/v1:PersistentVolume snapshots",
    "kubernetes:core/v1:Service nfs-service",
    "kubernetes:apps/v1:StatefulSet nfs",
]


def _epoch(deployed: Deployment) -> str:
    return deployed.counter.kubectl("get", "configmap", "etcd-cluster", "-o", "jsonpath={.data.epoch}")


def test_make_goes_on_where_a_run_was_killed(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed while it waits for etcd, which is in the cluster then, but not yet in the CLI's state."""
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    counter = project.configure("cli-killed", 30283)
    environment = {**project.system.layout.environment, "XDG_STATE_HOME": str(tmp_path / "state")}
    target = [f"CONTEXT={CLUSTER}", "STACK=cli-killed", "ENGINE=pulumi"]
    try:
        _start_and_kill(
            ["make", "up", *target],
            project.checkout,
            environment,
            once=lambda: counter.kubectl("get", "statefulset", "etcd", "--ignore-not-found", "-o", "name"),
        )

        printed = run(["make", "up", *target], project.checkout, **environment)
        assert "StatefulSet ha-counter-cli-killed/etcd: deleted" in printed
        assert counter.get("/increment").json()["content"] == "count value = 1"

        assert "unchanged" in run(["make", "up", *target], project.checkout, **environment)
    finally:
        run(["make", "destroy", *target, "YES=1"], project.checkout, **environment)


def _start_and_kill(command: list[str], folder: Path, environment: dict[str, str], once: Callable[[], object]) -> None:
    """Start a command, and end it with all that it started, without a warning, once something holds."""
    process = subprocess.Popen(
        command, cwd=folder, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        eventually("the moment to kill", once)
    finally:
        # Not by the process group: the CLI gives each of its plugins one of its own.
        for pid in [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]:
            with suppress(ProcessLookupError):
                if os.getsid(pid) == process.pid:
                    os.kill(pid, signal.SIGKILL)
        process.wait()
