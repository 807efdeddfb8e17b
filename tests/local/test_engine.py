"""What the engine makes of the resources of small programs."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pulumi.runtime.mocks import MockCallArgs, MockResourceArgs
from rich.console import Console

from local import builder, rollout
from local.builder import Build, Built, Login
from local.engine import Engine
from local.errors import LocalError
from local.outcomes import Outcomes
from local.ownership import DEPTH_LABEL, STACK_LABEL
from tests.local.in_memory_kube import InMemoryKube
from tests.local.small_programs import (
    CLUSTER,
    DEPLOYMENT,
    DIGEST,
    EVERYTHING,
    IMAGE,
    NAMED,
    NAMED_AFTER_SERVICE,
    SERVICE,
    UNNAMED,
    FakeBuilder,
    Preview,
    Up,
    Write,
    config_map,
    error_of,
)

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

    assert kube.find("ConfigMap", "settings")["metadata"]["labels"] == {
        "app": "web",
        STACK_LABEL: "test",
        DEPTH_LABEL: "2",
    }


def test_every_object_tells_how_much_must_be_there_before_it(write: Write, up: Up, kube: InMemoryKube) -> None:
    up(write(CLUSTER, SERVICE, NAMED_AFTER_SERVICE, UNNAMED))

    depths = {item["metadata"]["name"]: item["metadata"]["labels"][DEPTH_LABEL] for item in kube.objects()}
    [unnamed] = set(depths) - {"app", "web", "settings"}
    assert depths == {"app": "1", "web": "2", unnamed: "2", "settings": "3"}


def test_what_depends_on_a_component_depends_on_what_it_is_made_of(write: Write, up: Up, kube: InMemoryKube) -> None:
    after = "opts=pulumi.ResourceOptions.merge(cluster, pulumi.ResourceOptions(depends_on=[web]))"

    up(write(CLUSTER, IMAGE, DEPLOYMENT, NAMED.replace("opts=cluster", after)))

    depths = [
        kube.find(*of)["metadata"]["labels"][DEPTH_LABEL] for of in [("Deployment", "web"), ("ConfigMap", "settings")]
    ]
    assert depths == ["2", "3"]


def test_what_depends_on_an_object_is_made_after_it(write: Write, up: Up, kube: InMemoryKube) -> None:
    up(write(CLUSTER, SERVICE, NAMED_AFTER_SERVICE))

    assert kube.applied == ["Namespace app", "Service app/web", "ConfigMap app/settings"]


def test_numbers_arrive_whole(write: Write, up: Up, kube: InMemoryKube) -> None:
    up(write(CLUSTER, SERVICE, IMAGE, DEPLOYMENT))

    [port] = kube.find("Service", "web")["spec"]["ports"]
    numbers = [port["port"], port["nodePort"], kube.find("Deployment", "web")["spec"]["replicas"]]
    assert [repr(number) for number in numbers] == ["8080", "30180", "2"]


# What it leaves as it is.

SCALED = DEPLOYMENT.replace("parent=self", 'parent=self, ignore_changes=["spec.replicas"]')


def scale(kube: InMemoryKube, replicas: int) -> None:
    kube.patch(kube.find("Deployment", "web"), {"spec": {"replicas": replicas}}, "somebody")


def test_a_field_whose_changes_are_ignored_is_made_as_the_program_has_it(
    write: Write, up: Up, kube: InMemoryKube
) -> None:
    up(write(CLUSTER, IMAGE, SCALED))

    assert kube.find("Deployment", "web")["spec"]["replicas"] == 2


def test_then_it_stays_as_it_is_in_the_cluster_whatever_the_program_has(
    write: Write, up: Up, kube: InMemoryKube
) -> None:
    up(write(CLUSTER, IMAGE, SCALED))
    scale(kube, 5)

    up(
        write(
            CLUSTER, IMAGE, SCALED.replace("replicas=2", "replicas=3").replace('name="web", image', 'name="new", image')
        )
    )

    spec = kube.find("Deployment", "web")["spec"]
    assert (spec["replicas"], spec["template"]["spec"]["containers"][0]["name"]) == (5, "new")


def test_all_others_are_as_the_program_has_them(write: Write, up: Up, kube: InMemoryKube) -> None:
    up(write(CLUSTER, IMAGE, DEPLOYMENT))
    scale(kube, 5)

    up(write(CLUSTER, IMAGE, DEPLOYMENT))

    assert kube.find("Deployment", "web")["spec"]["replicas"] == 2


def test_a_preview_does_not_show_what_is_left_as_it_is(
    write: Write, up: Up, preview: Preview, kube: InMemoryKube
) -> None:
    up(write(CLUSTER, IMAGE, SCALED))
    scale(kube, 5)

    lines = preview(write(CLUSTER, IMAGE, SCALED.replace("replicas=2", "replicas=3")))

    assert [line.strip() for line in lines if "Deployment" in line] == ["Deployment app/web: unchanged"]


def test_an_object_that_is_made_anew_is_as_the_program_has_it(write: Write, up: Up, kube: InMemoryKube) -> None:
    up(write(CLUSTER, IMAGE, SCALED))
    scale(kube, 5)
    live = kube.find("Deployment", "web")
    kube.put({**live, "metadata": {**live["metadata"], "deletionTimestamp": "2030-01-01T00:00:00Z"}})

    up(write(CLUSTER, IMAGE, SCALED))

    assert kube.find("Deployment", "web")["spec"]["replicas"] == 2


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


# What is stashed.

STASH = """
pulumi.export("first", pulumi.Stash("value", input={value!r}).output)
"""


def test_a_stash_keeps_its_first_value(write: Write, up: Up) -> None:
    assert up(write(CLUSTER, STASH.format(value="1"))) == {"first": "1"}
    assert up(write(CLUSTER, STASH.format(value="2"))) == {"first": "1"}


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


def test_images_are_built_one_at_a_time(
    write: Write, up: Up, images: FakeBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They share stages, which the builder then makes once."""
    alone = threading.Lock()
    overlapped: list[bool] = []

    def ensure(build: Build, report: Callable[[str], None]) -> Built:
        overlapped.append(not alone.acquire(blocking=False))
        time.sleep(0.05)  # in which the others could begin
        alone.release()
        return images.ensure(build, report)

    monkeypatch.setattr(builder, "ensure", ensure)
    more = [IMAGE.replace('"image"', f'"image{n}"').replace("web:test", f"web{n}:test") for n in range(3)]

    up(write(CLUSTER, *more))

    assert overlapped == [False] * 3


# What a run that was cut off left.

VOLUME = """
volume = k8s.core.v1.PersistentVolume("volume", metadata={"name": "disk"}, spec={"storageClassName": ""}, opts=cluster)
"""


def test_a_volume_whose_claim_is_gone_is_made_anew_because_it_takes_no_other(
    write: Write, up: Up, kube: InMemoryKube
) -> None:
    config = write(CLUSTER, VOLUME)
    up(config)
    kube.put({**kube.find("PersistentVolume", "disk"), "status": {"phase": "Released"}})

    up(config)

    assert kube.deleted == ["PersistentVolume disk"]
    assert "status" not in kube.find("PersistentVolume", "disk")


def test_a_volume_in_use_stays(write: Write, up: Up, kube: InMemoryKube) -> None:
    config = write(CLUSTER, VOLUME)
    up(config)
    kube.put({**kube.find("PersistentVolume", "disk"), "status": {"phase": "Bound"}})

    up(config)

    assert kube.deleted == []


def test_what_is_being_deleted_is_gone_before_it_is_made_anew(write: Write, up: Up, kube: InMemoryKube) -> None:
    config = write(CLUSTER, NAMED)
    up(config)
    leaving = kube.find("ConfigMap", "settings")
    kube.put({**leaving, "metadata": {**leaving["metadata"], "deletionTimestamp": "2000-01-01T00:00:00Z"}})

    up(config)

    assert kube.deleted == ["ConfigMap app/settings"]
    assert "deletionTimestamp" not in kube.find("ConfigMap", "settings")["metadata"]


# What fails.


def test_what_depends_on_a_failure_is_not_made(write: Write, up: Up, kube: InMemoryKube) -> None:
    kube.refuses["ConfigMap app/settings"] = "not today"
    dependent = SERVICE.replace('"name": "web"', '"name": named.metadata.name')

    error = error_of(up, write(CLUSTER, NAMED, dependent))

    assert error == "ConfigMap app/settings: not today"
    assert kube.applied == ["Namespace app", "ConfigMap app/settings"]


def test_after_a_failure_nothing_is_begun_and_the_first_one_is_told(console: Console) -> None:
    engine = Engine("test", Outcomes(console, dry_run=False), {})

    for type_ in ("first:index:Type", "second:index:Type", "docker:index/image:Image"):
        with pytest.raises(LocalError, match="first:index:Type"):
            engine.new_resource(MockResourceArgs(type_, "name", {}, custom=True))


def test_a_workload_that_does_not_become_ready_fails_the_run(
    write: Write, up: Up, kube: InMemoryKube, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(_kube: InMemoryKube, item: dict[str, object], _report: object) -> None:
        if item["kind"] == "Deployment":
            raise LocalError("0 of 2 pods ready")

    monkeypatch.setattr(rollout, "wait", wait)

    assert error_of(up, write(CLUSTER, IMAGE, DEPLOYMENT)) == "0 of 2 pods ready"
    assert kube.names("Deployment") == ["web"]


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
        Engine("test", Outcomes(console, dry_run=False), {}).call(MockCallArgs("aws:index/getRegion:getRegion", {}, ""))


# Names that are there already.


def test_two_resources_of_one_type_and_name_are_refused(write: Write, up: Up, kube: InMemoryKube) -> None:
    error = error_of(up, write(CLUSTER, NAMED, NAMED.replace('"settings"', '"others"')))

    assert error == "two resources of type kubernetes:core/v1:ConfigMap are named 'named'; rename one"
    assert len(kube.names("ConfigMap")) <= 1


def test_two_resources_that_are_one_object_are_refused(write: Write, up: Up, kube: InMemoryKube) -> None:
    after = "opts=pulumi.ResourceOptions.merge(cluster, pulumi.ResourceOptions(depends_on=[named]))"
    second = NAMED.replace('"named"', '"second"').replace('"value"', '"another"').replace("opts=cluster", after)

    error = error_of(up, write(CLUSTER, NAMED, second))

    assert error == "ConfigMap app/settings: two resources are this object, 'named' and 'second'"
    assert kube.find("ConfigMap", "settings")["data"] == {"key": "value"}


# What the program reads.

READ = """
found = k8s.core.v1.ConfigMap.get("found", "app/theirs", opts=cluster)
pulumi.export("found", found.data["key"])
"""


def test_an_object_that_the_program_reads_stays_as_it_is(write: Write, up: Up, kube: InMemoryKube) -> None:
    kube.put(config_map("theirs"))
    before = kube.objects()

    assert up(write(CLUSTER, READ))["found"] == "their value"

    assert kube.objects()[:1] == before
    assert kube.applied == ["Namespace app"]


def test_an_object_that_the_program_reads_and_that_is_not_there_is_told(write: Write, up: Up) -> None:
    assert error_of(up, write(CLUSTER, READ)) == "ConfigMap app/theirs: the program reads it, but there is none"


def test_an_object_of_a_group_is_read_by_its_own_version(write: Write, up: Up, kube: InMemoryKube) -> None:
    workload = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "app"}}
    kube.put({**workload, "spec": {"replicas": 7}})
    read = """
pulumi.export("replicas", k8s.apps.v1.Deployment.get("web", "app/web", opts=cluster).spec.replicas)
"""

    assert up(write(CLUSTER, read)) == {"replicas": 7}


def test_what_the_engine_can_not_read_is_named(write: Write, up: Up) -> None:
    error = error_of(up, write(CLUSTER, 'pulumi.StackReference("organization/other/dev")'))

    assert error.startswith("resource organization/other/dev: this engine can't read a pulumi:pulumi:StackReference")
