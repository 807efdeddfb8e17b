"""The engine on small programs, with a cluster and a builder in memory."""

import io
import sys
import threading
from collections.abc import Callable
from contextvars import Context
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs
from pulumi.runtime.settings import SETTINGS
from rich.console import Console

from local import builder, deploy, rollout, stack_config
from local.builder import Build, Built, Login
from local.deploy import STACK_LABEL, Engine
from local.errors import LocalError
from local.kube import describe
from local.stack_config import StackConfig
from tests.local.in_memory_kube import InMemoryKube

DIGEST = f"sha256:{'0' * 64}"

CLUSTER = """
import pulumi
import pulumi_docker as docker
import pulumi_kubernetes as k8s

cluster = pulumi.ResourceOptions(provider=k8s.Provider("cluster", context="test", kubeconfig="/kubeconfig"))
namespace = k8s.core.v1.Namespace("namespace", metadata={"name": "app"}, opts=cluster)
inside = {"namespace": namespace.metadata.name}
"""

NAMED = """
named = k8s.core.v1.ConfigMap("named", metadata={"name": "settings", **inside}, data={"key": "value"}, opts=cluster)
"""

UNNAMED = """
unnamed = k8s.core.v1.ConfigMap("unnamed", metadata=inside, data={"key": "value"}, opts=cluster)
"""

SERVICE = """
service = k8s.core.v1.Service(
    "web",
    metadata={"name": "web", **inside},
    spec=k8s.core.v1.ServiceSpecArgs(
        type="NodePort", ports=[k8s.core.v1.ServicePortArgs(port=8080, target_port="http", node_port=30180)]
    ),
    opts=cluster,
)
pulumi.export("nodeport", service.spec.ports[0].node_port)
pulumi.export("address", service.spec.cluster_ip.apply(lambda address: f"http://{address}"))
"""

NAMED_AFTER_SERVICE = NAMED.replace(
    "opts=cluster", "opts=pulumi.ResourceOptions.merge(cluster, pulumi.ResourceOptions(depends_on=[service]))"
)

IMAGE = """
image = docker.Image(
    "image",
    image_name="registry.example.com/web:test",
    build=docker.DockerBuildArgs(context="..", dockerfile="../Dockerfile", target="web"),
)
"""

DEPLOYMENT = """
class Web(pulumi.ComponentResource):
    def __init__(self, name, image, opts):
        super().__init__("test:index:Web", name, None, opts)
        self.deployment = k8s.apps.v1.Deployment(
            "web",
            metadata={"name": "web", **inside},
            spec=k8s.apps.v1.DeploymentSpecArgs(
                replicas=2,
                selector=k8s.meta.v1.LabelSelectorArgs(match_labels={"app": "web"}),
                template=k8s.core.v1.PodTemplateSpecArgs(
                    metadata=k8s.meta.v1.ObjectMetaArgs(labels={"app": "web"}),
                    spec=k8s.core.v1.PodSpecArgs(containers=[k8s.core.v1.ContainerArgs(name="web", image=image)]),
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


web = Web("web", image.repo_digest, cluster)
"""

EVERYTHING = (CLUSTER, NAMED, UNNAMED, SERVICE, IMAGE, DEPLOYMENT)

Write = Callable[..., StackConfig]
Up = Callable[[StackConfig], dict[str, object]]
T = TypeVar("T")


class FakeBuilder:
    """Builds nothing; what it was asked for is there at once."""

    def __init__(self) -> None:
        self.builds: list[Build] = []
        self.tags: list[tuple[str, str]] = []

    def ensure(self, build: Build, _report: Callable[[str], None]) -> Built:
        changed = build not in self.builds
        self.builds.append(build)
        return Built(f"{build.name.rpartition(':')[0]}@{DIGEST}", changed)

    def tag(self, image: str, name: str) -> None:
        self.tags.append((image, name))


@pytest.fixture
def images(monkeypatch: pytest.MonkeyPatch) -> FakeBuilder:
    fake = FakeBuilder()
    monkeypatch.setattr(builder, "ensure", fake.ensure)
    monkeypatch.setattr(builder, "tag", fake.tag)
    return fake


@pytest.fixture
def connections() -> list[tuple[str, Path | None]]:
    """The contexts and kubeconfigs through which the cluster was reached."""
    return []


@pytest.fixture
def kube(connections: list[tuple[str, Path | None]], monkeypatch: pytest.MonkeyPatch) -> InMemoryKube:
    """The cluster that all contexts lead to."""
    fake = InMemoryKube()

    def connect(context: str, kubeconfig: Path | None = None) -> InMemoryKube:
        connections.append((context, kubeconfig))
        return fake

    monkeypatch.setattr(deploy, "Kube", connect)
    return fake


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a program, made of some of the pieces above; returns the configuration to run it with."""

    def write(*pieces: str, stack: str = "test") -> StackConfig:
        folder = tmp_path / "program"
        folder.mkdir(exist_ok=True)
        (folder / "__main__.py").write_text("".join(pieces))
        return StackConfig(folder, stack, {"ha-counter:context": "test", "ha-counter:kubeconfig": "/kubeconfig"})

    return write


@pytest.fixture
def up(kube: InMemoryKube, images: FakeBuilder, console: Console) -> Up:
    """Deploy as a process of its own would, with `kube` and `images`."""
    del kube, images
    return lambda config: afresh(lambda: deploy.up(config, console))


def afresh(call: Callable[[], T]) -> T:
    """Call with nothing of an earlier run: Pulumi keeps what it must remember in context variables."""

    def without_outputs() -> T:
        SETTINGS.outputs = set()  # all contexts share the default, and a failed run leaves some behind
        return call()

    return Context().run(without_outputs)


def error_of(up: Up, config: StackConfig) -> str:
    with pytest.raises(LocalError) as error:
        up(config)
    return str(error.value)


def config_map(name: str, **labels: str) -> dict[str, object]:
    metadata = {"namespace": "app", "name": name, "labels": labels, "resourceVersion": "of old"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"key": "their value"}}


# What is made.


def test_what_the_program_names_is_made(write: Write, up: Up, kube: InMemoryKube) -> None:
    up(write(CLUSTER, NAMED, SERVICE, IMAGE, DEPLOYMENT))

    assert sorted((item["kind"], item["metadata"]["name"]) for item in kube.objects()) == [
        ("ConfigMap", "settings"),
        ("Deployment", "web"),
        ("Namespace", "app"),
        ("Service", "web"),
    ]
    assert kube.find("ConfigMap", "settings")["data"] == {"key": "value"}


def test_two_providers_of_one_cluster_share_a_connection(
    write: Write, up: Up, kube: InMemoryKube, connections: list[tuple[str, Path | None]]
) -> None:
    second = CLUSTER.partition("namespace =")[0].replace('"cluster"', '"second"')
    config = write(CLUSTER, second, NAMED)

    up(config)
    up(write(CLUSTER))

    assert connections == [("test", Path("/kubeconfig"))] * 2
    assert kube.deleted == ["ConfigMap app/settings"]


def test_it_goes_to_the_context_that_the_provider_names(
    write: Write, up: Up, connections: list[tuple[str, Path | None]]
) -> None:
    up(write(CLUSTER))

    assert connections == [("test", Path("/kubeconfig"))]


def test_every_object_carries_the_name_of_its_stack(write: Write, up: Up, kube: InMemoryKube) -> None:
    up(write(*EVERYTHING))

    assert {item["metadata"]["labels"][STACK_LABEL] for item in kube.objects()} == {"test"}


def test_labels_of_the_program_stay(write: Write, up: Up, kube: InMemoryKube) -> None:
    labelled = NAMED.replace('"name": "settings"', '"name": "settings", "labels": {"app": "web"}')

    up(write(CLUSTER, labelled))

    assert kube.find("ConfigMap", "settings")["metadata"]["labels"] == {"app": "web", STACK_LABEL: "test"}


def test_what_depends_on_an_object_is_made_after_it(write: Write, up: Up, kube: InMemoryKube) -> None:
    up(write(CLUSTER, SERVICE, NAMED_AFTER_SERVICE))

    assert kube.applied == ["Namespace app", "Service app/web", "ConfigMap app/settings"]


def test_numbers_arrive_whole(write: Write, up: Up, kube: InMemoryKube) -> None:
    up(write(CLUSTER, SERVICE, IMAGE, DEPLOYMENT))

    [port] = kube.find("Service", "web")["spec"]["ports"]
    numbers = [port["port"], port["nodePort"], kube.find("Deployment", "web")["spec"]["replicas"]]
    assert [repr(number) for number in numbers] == ["8080", "30180", "2"]


# Names that are left to the engine.


def test_a_name_left_to_the_engine_starts_with_the_resource_s(write: Write, up: Up, kube: InMemoryKube) -> None:
    up(write(CLUSTER, UNNAMED))

    [name] = kube.names("ConfigMap")
    assert name.startswith("unnamed-")


def test_it_is_the_same_in_every_run(write: Write, up: Up, kube: InMemoryKube) -> None:
    config = write(CLUSTER, UNNAMED)
    up(config)
    [name] = kube.names("ConfigMap")
    kube.delete(kube.find("ConfigMap", name))

    up(config)

    assert kube.names("ConfigMap") == [name]


def test_it_is_another_in_another_stack(write: Write, up: Up, kube: InMemoryKube) -> None:
    namespace = CLUSTER.replace('metadata={"name": "app"}', 'metadata={"name": pulumi.get_stack()}')

    up(write(namespace, UNNAMED, stack="one"))
    up(write(namespace, UNNAMED, stack="two"))

    assert len(set(kube.names("ConfigMap"))) == 2


def test_two_resources_get_two_names(write: Write, up: Up, kube: InMemoryKube) -> None:
    up(write(CLUSTER, UNNAMED, UNNAMED.replace("unnamed", "another")))

    assert len(set(kube.names("ConfigMap"))) == 2


# What flows from one resource to the next.


def test_the_image_is_built_from_paths_below_the_program_s_folder(
    write: Write, up: Up, images: FakeBuilder, tmp_path: Path
) -> None:
    up(write(CLUSTER, IMAGE))

    assert images.builds == [
        Build("registry.example.com/web:test", tmp_path, tmp_path / "Dockerfile", target="web", push=True)
    ]


def test_an_image_that_is_not_to_be_pushed_is_not(write: Write, up: Up, images: FakeBuilder) -> None:
    up(write(CLUSTER, IMAGE.replace('"image",', '"image", skip_push=True,')))

    assert [build.push for build in images.builds] == [False]


def test_pods_run_the_image_by_its_digest(write: Write, up: Up, kube: InMemoryKube) -> None:
    up(write(CLUSTER, IMAGE, DEPLOYMENT))

    [container] = kube.find("Deployment", "web")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"registry.example.com/web@{DIGEST}"


def test_what_the_cluster_decided_flows_on(write: Write, up: Up, kube: InMemoryKube) -> None:
    address = 'service.spec.cluster_ip.apply(lambda address: f"http://{address}")'

    up(write(CLUSTER, SERVICE, NAMED.replace('"value"', address)))

    assert kube.find("ConfigMap", "settings")["data"] == {"key": "http://10.0.0.10"}


def test_a_name_that_was_left_to_the_engine_flows_on(write: Write, up: Up, kube: InMemoryKube) -> None:
    up(write(CLUSTER, UNNAMED, NAMED.replace('"value"', "unnamed.metadata.name")))

    assert kube.find("ConfigMap", "settings")["data"]["key"].startswith("unnamed-")


def test_a_secret_arrives_as_its_value(write: Write, up: Up, kube: InMemoryKube) -> None:
    up(write(CLUSTER, NAMED.replace('"value"', 'pulumi.Output.secret("hidden")')))

    assert kube.find("ConfigMap", "settings")["data"] == {"key": "hidden"}


# A second run.


def test_a_second_run_changes_nothing(write: Write, up: Up, kube: InMemoryKube, printed: io.StringIO) -> None:
    config = write(*EVERYTHING)
    up(config)
    before = kube.objects()
    assert "6 changed, 0 unchanged" in printed.getvalue()

    up(config)

    assert kube.objects() == before
    assert "0 changed, 6 unchanged" in printed.getvalue()


def test_what_controllers_write_meanwhile_is_no_change(
    write: Write, up: Up, kube: InMemoryKube, printed: io.StringIO
) -> None:
    config = write(*EVERYTHING)
    up(config)
    kube.controllers_write_meanwhile = True

    up(config)

    assert "0 changed, 6 unchanged" in printed.getvalue()


def test_what_changed_in_the_program_changes_in_the_cluster(
    write: Write, up: Up, kube: InMemoryKube, printed: io.StringIO
) -> None:
    up(write(CLUSTER, NAMED, UNNAMED))

    up(write(CLUSTER, NAMED.replace('"value"', '"another value"'), UNNAMED))

    assert kube.find("ConfigMap", "settings")["data"] == {"key": "another value"}
    assert "1 changed, 2 unchanged" in printed.getvalue()


def test_a_run_that_was_cut_off_goes_on(write: Write, up: Up, kube: InMemoryKube) -> None:
    config = write(CLUSTER, NAMED)
    kube.refuses["ConfigMap app/settings"] = "not now"
    error_of(up, config)

    kube.refuses.clear()
    up(config)

    assert kube.names("ConfigMap") == ["settings"]


# What is not the stack's.


@pytest.mark.parametrize(
    ("labels", "whose"), [({}, "this engine did not make it"), ({STACK_LABEL: "other"}, "stack 'other' made it")]
)
def test_an_object_that_is_not_the_stack_s_is_refused_and_left_alone(
    write: Write, up: Up, kube: InMemoryKube, labels: dict[str, str], whose: str
) -> None:
    theirs = config_map("settings", **labels)
    kube.put(theirs)
    before = kube.find("ConfigMap", "settings")

    error = error_of(up, write(CLUSTER, NAMED))

    assert error == f"ConfigMap app/settings exists and {whose}: delete it, or deploy to another namespace"
    assert kube.find("ConfigMap", "settings") == before


def test_a_namespace_that_is_not_the_stack_s_is_refused(write: Write, up: Up, kube: InMemoryKube) -> None:
    kube.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "app"}})

    assert error_of(up, write(CLUSTER)).startswith("Namespace app exists")


def test_an_object_that_is_no_longer_named_is_deleted(write: Write, up: Up, kube: InMemoryKube) -> None:
    up(write(CLUSTER, NAMED, SERVICE))

    up(write(CLUSTER, SERVICE))

    assert kube.deleted == ["ConfigMap app/settings"]
    assert kube.names("ConfigMap") == []


def test_a_run_that_fails_deletes_nothing(write: Write, up: Up, kube: InMemoryKube) -> None:
    up(write(CLUSTER, NAMED))
    kube.refuses["Service app/web"] = "no"

    error_of(up, write(CLUSTER, SERVICE))

    assert kube.deleted == []


def test_a_label_that_a_controller_copied_makes_nothing_the_stack_s(write: Write, up: Up, kube: InMemoryKube) -> None:
    endpoints = config_map("copied", **{STACK_LABEL: "test"})
    kube.put({**endpoints, "kind": "Endpoints"})

    up(write(CLUSTER))

    assert kube.names("Endpoints") == ["copied"]


def test_objects_of_other_stacks_are_left_alone(write: Write, up: Up, kube: InMemoryKube) -> None:
    up(write(CLUSTER.replace('"app"', '"other"'), NAMED, stack="other"))

    up(write(CLUSTER))

    assert kube.names("ConfigMap") == ["settings"]


# The way down.


def down(config: StackConfig, console: Console) -> None:
    afresh(lambda: deploy.down(config, console))


def test_down_deletes_the_last_made_first_and_the_namespace_last(
    write: Write, up: Up, kube: InMemoryKube, console: Console
) -> None:
    config = write(CLUSTER, SERVICE, NAMED_AFTER_SERVICE)
    up(config)

    down(config, console)

    assert kube.deleted == ["ConfigMap app/settings", "Service app/web", "Namespace app"]
    assert kube.objects() == []


def test_of_what_was_made_in_the_same_second_workloads_go_first_and_the_namespace_last(
    write: Write, up: Up, kube: InMemoryKube, console: Console
) -> None:
    kube.seconds_between_creations = 0
    config = write(*EVERYTHING)
    up(config)

    down(config, console)

    assert kube.deleted[0] == "Deployment app/web"
    assert kube.deleted[-1] == "Namespace app"


def test_down_leaves_alone_what_is_not_the_stack_s(write: Write, up: Up, kube: InMemoryKube, console: Console) -> None:
    config = write(CLUSTER, NAMED)
    up(config)
    kube.put(config_map("theirs"))
    kube.put(config_map("other", **{STACK_LABEL: "other"}))
    kube.put(config_map("copied", **{STACK_LABEL: "test"}))

    down(config, console)

    assert kube.names("ConfigMap") == ["theirs", "other", "copied"]


def test_down_needs_no_run_of_the_program(write: Write, up: Up, kube: InMemoryKube, console: Console) -> None:
    up(write(CLUSTER, NAMED))

    down(write("raise AssertionError"), console)

    assert kube.objects() == []


def test_down_reaches_the_cluster_by_the_configuration(
    write: Write, kube: InMemoryKube, connections: list[tuple[str, Path | None]], console: Console
) -> None:
    del kube

    down(write(), console)

    assert connections == [("test", Path("/kubeconfig"))]


def test_an_object_that_does_not_go_is_told(
    write: Write, up: Up, kube: InMemoryKube, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.kube.DELETE_TIMEOUT", 0.0)
    monkeypatch.setattr("local.kube.POLL_INTERVAL", 0.0)
    config = write(CLUSTER, NAMED)
    up(config)
    kube.never_goes.add("ConfigMap app/settings")

    with pytest.raises(LocalError, match="ConfigMap app/settings: still there"):
        down(config, console)


RETAINED = NAMED.replace(
    "opts=cluster", "opts=pulumi.ResourceOptions.merge(cluster, pulumi.ResourceOptions(retain_on_delete=True))"
)


def test_what_is_to_be_retained_outlives_the_stack_and_is_found_again(
    write: Write, up: Up, kube: InMemoryKube, console: Console
) -> None:
    config = write(CLUSTER, RETAINED, SERVICE)
    up(config)

    down(config, console)
    assert kube.names("Service") == []
    assert kube.names("ConfigMap") == ["settings"]

    up(config)
    assert kube.names("Service") == ["web"]


def test_what_is_to_be_retained_stays_when_the_program_no_longer_names_it(
    write: Write, up: Up, kube: InMemoryKube
) -> None:
    up(write(CLUSTER, RETAINED))

    up(write(CLUSTER))

    assert kube.names("ConfigMap") == ["settings"]


# What is stashed.

STASH = """
pulumi.export("first", pulumi.Stash("value", input={value!r}).output)
"""


def test_a_stash_keeps_its_first_value(write: Write, up: Up) -> None:
    assert up(write(CLUSTER, STASH.format(value="1"))) == {"first": "1"}
    assert up(write(CLUSTER, STASH.format(value="2"))) == {"first": "1"}


def test_after_down_it_is_forgotten(write: Write, up: Up, console: Console) -> None:
    config = write(CLUSTER, STASH.format(value="1"))
    up(config)
    down(config, console)

    assert up(write(CLUSTER, STASH.format(value="2"))) == {"first": "2"}


HOOKED = """
def note(change):
    if change.new_inputs["input"] == "bad":
        raise RuntimeError("it is bad")
    with open({log!r}, "a") as log:
        log.write(change.new_inputs["input"] + " ")

hooks = pulumi.ResourceHookBinding(before_create=[note], before_update=[note])
hooked = pulumi.Stash("hooked", input={value!r}, opts=pulumi.ResourceOptions(hooks=hooks))
pulumi.export("last", hooked.input)
"""


def test_the_program_is_called_before_a_stash_changes(write: Write, up: Up, tmp_path: Path) -> None:
    log = tmp_path / "log"

    outputs = [up(write(CLUSTER, HOOKED.format(log=str(log), value=value))) for value in ("1", "1", "2", "2")]

    assert log.read_text() == "1 2 "
    assert outputs == [{"last": "1"}, {"last": "1"}, {"last": "2"}, {"last": "2"}]


def test_what_it_objects_to_fails_the_run(write: Write, up: Up, tmp_path: Path) -> None:
    log = tmp_path / "log"
    up(write(CLUSTER, HOOKED.format(log=str(log), value="1")))

    assert error_of(up, write(CLUSTER, HOOKED.format(log=str(log), value="bad"))) == "hooked: it is bad"

    up(write(CLUSTER, HOOKED.format(log=str(log), value="2")))
    assert log.read_text() == "1 2 "


def test_an_image_is_tagged(write: Write, up: Up, images: FakeBuilder) -> None:
    tag = 'docker.Tag("tag", source_image=image.repo_digest, target_image="web:1")'

    up(write(CLUSTER, IMAGE, tag))

    assert images.tags == [(f"registry.example.com/web@{DIGEST}", "web:1")]


def test_an_image_is_built_for_the_platform_and_pushed_with_the_login(
    write: Write, up: Up, images: FakeBuilder
) -> None:
    login = "    registry=docker.RegistryArgs(server='r', username='me', password=pulumi.Output.secret('secret')),\n)\n"
    image = IMAGE.replace('target="web"', 'target="web", platform="linux/arm64"').removesuffix(")\n") + login

    up(write(CLUSTER, image))

    [build] = images.builds
    assert (build.platform, build.login) == ("linux/arm64", Login("me", "secret"))


def test_a_run_that_failed_leaves_no_stash(write: Write, up: Up) -> None:
    with pytest.raises(ZeroDivisionError):
        up(write(CLUSTER, STASH.format(value="1"), "1 / 0"))

    assert up(write(CLUSTER, STASH.format(value="2"))) == {"first": "2"}


# What fails.


def test_what_depends_on_a_failure_is_not_made(write: Write, up: Up, kube: InMemoryKube) -> None:
    kube.refuses["ConfigMap app/settings"] = "not today"
    dependent = SERVICE.replace('"name": "web"', '"name": named.metadata.name')

    error = error_of(up, write(CLUSTER, NAMED, dependent))

    assert error == "ConfigMap app/settings: not today"
    assert kube.applied == ["Namespace app", "ConfigMap app/settings"]


def test_after_a_failure_nothing_is_begun_and_the_first_one_is_told(console: Console) -> None:
    engine = Engine("test", console, {})

    for type_ in ("first:index:Type", "second:index:Type", "docker:index/image:Image"):
        with pytest.raises(LocalError, match="first:index:Type"):
            engine.new_resource(MockResourceArgs(type_, "name", {}, custom=True))


def test_of_two_failures_at_once_the_first_is_told(write: Write, up: Up, monkeypatch: pytest.MonkeyPatch) -> None:
    first_has_failed = threading.Event()

    class Watched(Engine):
        def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
            try:
                return super().new_resource(args)
            except LocalError:
                first_has_failed.set()
                raise

    def fail(build: Build, _report: Callable[[str], None]) -> Built:
        if build.target == "second":
            first_has_failed.wait(timeout=5)
        raise LocalError(f"the {build.target} one")

    monkeypatch.setattr(deploy, "Engine", Watched)
    monkeypatch.setattr(builder, "ensure", fail)
    images = (
        IMAGE.replace('"image"', f'"{name}"').replace('target="web"', f'target="{name}"')
        for name in ("first", "second")
    )

    assert error_of(up, write(CLUSTER, *images)) == "the first one"


def test_a_workload_that_does_not_become_ready_fails_the_run(
    write: Write, up: Up, kube: InMemoryKube, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(_kube: InMemoryKube, item: dict[str, object], _report: object) -> None:
        if item["kind"] == "Deployment":
            raise LocalError("0 of 2 pods ready")

    monkeypatch.setattr(rollout, "wait", wait)

    assert error_of(up, write(CLUSTER, IMAGE, DEPLOYMENT)) == "0 of 2 pods ready"
    assert kube.names("Deployment") == ["web"]


def test_what_the_program_objects_to_is_told_in_its_words(write: Write, up: Up) -> None:
    assert error_of(up, write(CLUSTER, 'raise pulumi.RunError("the config is wrong")')) == "the config is wrong"


def test_a_bug_in_the_program_keeps_its_own_exception(write: Write, up: Up) -> None:
    with pytest.raises(ZeroDivisionError):
        up(write(CLUSTER, "1 / 0"))


def test_a_bug_in_an_apply_keeps_its_own_exception(write: Write, up: Up) -> None:
    with pytest.raises(ZeroDivisionError):
        up(write(CLUSTER, "namespace.metadata.apply(lambda metadata: 1 / 0)"))


def test_a_resource_that_the_engine_does_not_know_is_named(write: Write, up: Up) -> None:
    unknown = 'pulumi.CustomResource("random:index/randomId:RandomId", "salt", {})'

    error = error_of(up, write(CLUSTER, unknown))

    assert error == "resource salt: this engine can't make a random:index/randomId:RandomId; use the Pulumi CLI"


def test_an_object_without_a_provider_is_named(write: Write, up: Up) -> None:
    assert "ConfigMap app/settings" in error_of(up, write(CLUSTER, NAMED.replace("opts=cluster", "")))


def test_an_object_without_a_namespace_is_named(write: Write, up: Up) -> None:
    assert "ConfigMap settings" in error_of(up, write(CLUSTER, NAMED.replace(", **inside", "")))


def test_a_function_of_a_provider_is_named(console: Console) -> None:
    with pytest.raises(LocalError, match="function aws:index/getRegion:getRegion"):
        Engine("test", console, {}).call(MockCallArgs("aws:index/getRegion:getRegion", {}, ""))


# Outputs.


def test_the_outputs_of_a_run(write: Write, up: Up) -> None:
    outputs = up(write(CLUSTER, SERVICE))

    assert outputs == {"nodeport": 30180, "address": "http://10.0.0.10"}
    assert str(outputs["nodeport"]) == "30180"


def test_numbers_leave_whole(write: Write, up: Up) -> None:
    thing = """
thing = k8s.apiextensions.CustomResource(
    "thing", api_version="example.com/v1", kind="Thing", metadata=inside, spec={"size": 3}, opts=cluster
)
pulumi.export("thing", thing.spec)
"""

    assert repr(up(write(CLUSTER, thing))["thing"]) == "{'size': 3}"


def test_they_are_remembered(write: Write, up: Up) -> None:
    config = write(CLUSTER, SERVICE)

    outputs = up(config)

    assert deploy.output(config) == outputs


def test_before_the_first_run_there_are_none(write: Write) -> None:
    with pytest.raises(LocalError, match="stack 'test' is not deployed to 'test'"):
        deploy.output(write(CLUSTER))


def test_after_down_there_are_none(write: Write, up: Up, console: Console) -> None:
    config = write(CLUSTER, SERVICE)
    up(config)

    down(config, console)

    with pytest.raises(LocalError, match="is not deployed"):
        deploy.output(config)


def test_each_context_has_its_own(write: Write, up: Up) -> None:
    config = write(CLUSTER, SERVICE)
    up(config)

    with pytest.raises(LocalError, match="is not deployed to 'elsewhere'"):
        deploy.output(StackConfig(config.program, config.stack, {"ha-counter:context": "elsewhere"}))


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("nodeport", "30180\n"),
        ("address", "http://10.0.0.10\n"),
        ("images", '{"web": "web@sha256"}\n'),
        (None, 'nodeport         30180\naddress          http://10.0.0.10\nimages           {"web": "web@sha256"}\n'),
    ],
)
def test_outputs_are_printed_as_the_real_cli_does(
    capsys: pytest.CaptureFixture[str], key: str | None, text: str
) -> None:
    outputs: dict[str, object] = {
        "nodeport": 30180,
        "address": "http://10.0.0.10",
        "images": {"web": "web@sha256"},
    }

    deploy.print_outputs(outputs, key)

    assert capsys.readouterr().out == text


# The command line.


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run the command with these arguments; its exit code."""

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["deploy", *arguments])
        return afresh(deploy.main)

    return run


def test_an_error_is_told_in_one_line(command: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert command("up", "--stack", "nowhere") == 1

    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert "Pulumi.nowhere.yaml" in line


def test_an_unknown_config_key_is_told(command: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert command("output", "--config=colour=red") == 1
    assert "colour" in capsys.readouterr().err


def test_a_config_value_may_hold_an_equals_sign(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("output", "--config", "context=a=b") == 1
    assert "is not deployed to 'a=b'" in capsys.readouterr().err


def test_config_without_a_value_is_told(command: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert command("output", "--config", "context") == 1
    assert "context" in capsys.readouterr().err


def test_an_output_that_there_is_not_is_told(
    command: Callable[..., int], write: Write, up: Up, capsys: pytest.CaptureFixture[str]
) -> None:
    up(write(CLUSTER, SERVICE, stack="dev"))

    assert command("output", "port", "--config=context=test") == 1
    assert "'port'" in capsys.readouterr().err


# The real program.


@pytest.fixture
def real() -> StackConfig:
    """The dev stack's configuration, for another cluster and registry."""
    return stack_config.load("dev", {"context": "test", "registry": "registry.example.com"})


def test_the_real_program_is_made_as_a_whole(
    real: StackConfig, up: Up, kube: InMemoryKube, images: FakeBuilder
) -> None:
    up(real)

    assert kube.names("Namespace")[0] == "ha-counter"
    assert "etcd" in kube.names("StatefulSet")
    assert "counter-deployment" in kube.names("Deployment")
    assert {"etcd0", "etcd1", "etcd2", "etcd-client", "svc-counter"} <= set(kube.names("Service"))
    assert {"counter", "etcd"} <= {build.target for build in images.builds}
    assert len(kube.applied) == len(kube.objects())


def test_its_images_are_built_from_this_repository(real: StackConfig, up: Up, images: FakeBuilder) -> None:
    up(real)

    places = {(build.context, build.dockerfile) for build in images.builds}
    assert places == {(stack_config.PROJECT_FOLDER, stack_config.PROJECT_FOLDER / "Dockerfile")}


def test_its_port_is_the_one_that_the_service_got(real: StackConfig, up: Up, kube: InMemoryKube) -> None:
    outputs = up(real)

    [port] = kube.find("Service", "svc-counter")["spec"]["ports"]
    assert repr(outputs["nodeport"]) == repr(port["nodePort"]) == "30180"


def test_a_second_run_of_it_changes_nothing(
    real: StackConfig, up: Up, kube: InMemoryKube, printed: io.StringIO
) -> None:
    up(real)
    before = kube.objects()

    up(real)

    assert kube.objects() == before
    assert "\n0 changed, " in printed.getvalue()


def test_of_it_down_leaves_the_namespace_alone(real: StackConfig, up: Up, kube: InMemoryKube, console: Console) -> None:
    up(real)

    down(real, console)

    assert [describe(item) for item in kube.objects()] == ["Namespace ha-counter"]


def test_what_it_keeps_of_a_live_stack_is_told_and_kept(real: StackConfig, up: Up, kube: InMemoryKube) -> None:
    up(real)
    before = kube.objects()

    error = error_of(up, replace(real, values={**real.values, "ha-counter:etcdMembers": "5"}))

    assert "ha-counter:etcdMembers is '5': it must stay '3'" in error
    assert kube.objects() == before


def test_what_it_objects_to_in_its_configuration_is_told(up: Up) -> None:
    error = error_of(up, stack_config.load("dev", {"context": "test", "nodePort": "80"}))

    assert "ha-counter:nodePort is '80'" in error
