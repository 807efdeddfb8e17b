"""The commands on small programs, and on the real one."""

import io
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from local import deploy, stack_config
from local.errors import LocalError
from local.kube import describe
from local.ownership import DEPTH_LABEL, STACK_LABEL
from local.stack_config import StackConfig
from tests.local.conftest import is_locked
from tests.local.in_memory_kube import InMemoryKube
from tests.local.small_programs import (
    CLUSTER,
    DEPLOYMENT,
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
    afresh,
    config_map,
    error_of,
)

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


# A run that was cut off: an object is there, but its maker did not live to know.


def test_an_object_whose_maker_was_cut_off_is_found_again(write: Write, up: Up, kube: InMemoryKube) -> None:
    config = write(*EVERYTHING)
    up(config)
    whole = names(kube)

    for cut_off_after in whole:
        deploy_anew(kube, cut_off_after, lambda: up(config))
        assert names(kube) == whole


@pytest.mark.parametrize("beginning", ["Namespace ha-counter", "Secret ha-counter-nfs/", "StatefulSet ha-counter/etcd"])
def test_of_the_real_program_it_is_found_again(real: StackConfig, up: Up, kube: InMemoryKube, beginning: str) -> None:
    login = {"ha-counter:registryUser": "me", "ha-counter:registryPassword": "secret"}
    config = replace(real, values={**real.values, **login})
    up(config)
    whole = names(kube)
    cut_off_after = next(name for name in whole if name.startswith(beginning))

    deploy_anew(kube, cut_off_after, lambda: up(config))

    assert names(kube) == whole


def test_what_was_made_before_it_was_cut_off_is_deleted_when_it_is_no_longer_named(
    write: Write, up: Up, kube: InMemoryKube
) -> None:
    kube.cuts_off_after = "ConfigMap app/settings"
    with pytest.raises(ConnectionError):
        up(write(CLUSTER, NAMED))

    up(write(CLUSTER))

    assert names(kube) == ["Namespace app"]


def test_what_was_made_before_it_was_cut_off_goes_down(
    write: Write, up: Up, kube: InMemoryKube, console: Console
) -> None:
    config = write(CLUSTER, NAMED, UNNAMED)
    kube.cuts_off_after = "ConfigMap app/settings"
    with pytest.raises(ConnectionError):
        up(config)

    down(config, console)

    assert kube.objects() == []


def test_a_deletion_that_was_cut_off_goes_on(write: Write, up: Up, kube: InMemoryKube, console: Console) -> None:
    config = write(CLUSTER, SERVICE, NAMED_AFTER_SERVICE)
    up(config)
    kube.delete(kube.find("ConfigMap", "settings"))

    down(config, console)

    assert kube.objects() == []


def names(kube: InMemoryKube) -> list[str]:
    return sorted(describe(item) for item in kube.objects())


def deploy_anew(kube: InMemoryKube, cut_off_after: str, up: Callable[[], object]) -> None:
    """A first run that ends right after an object was stored, and a second one."""
    for item in kube.objects():
        kube.delete(item)
    kube.cuts_off_after = cut_off_after
    with pytest.raises(ConnectionError):
        up()
    kube.cuts_off_after = ""
    up()


# A dry run.


def test_at_first_everything_would_be_made(write: Write, preview: Preview) -> None:
    lines = preview(write(*EVERYTHING))

    assert sorted(re.sub("unnamed-[0-9a-f]{8}:", "unnamed-X:", line) for line in lines[:-1]) == [
        "  ConfigMap app/settings: would be made",
        "  ConfigMap app/unnamed-X: would be made",
        "  Deployment app/web: would be made",
        "  Namespace app: would be made",
        "  Service app/web: would be made",
        "  image registry.example.com/web:test: would be built",
    ]
    assert lines[-1] == "6 would change, 0 would not"


def test_it_changes_nothing(
    write: Write, up: Up, preview: Preview, kube: InMemoryKube, images: FakeBuilder, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    tag = 'docker.Tag("tag", source_image=image.repo_digest, target_image=image.repo_digest)'
    hooked = f"""
def note(change):
    open({str(log)!r}, "a").write("called")

hooks = pulumi.ResourceHookBinding(before_create=[note], before_update=[note])
pulumi.Stash("hooked", input=image.repo_digest, opts=pulumi.ResourceOptions(hooks=hooks))
"""
    config = write(*EVERYTHING, tag, hooked)

    lines = preview(config)

    assert "  hooked: would be made" in lines
    assert (kube.objects(), kube.applied, images.builds, images.tags) == ([], [], [], [])
    assert not log.exists()
    assert not config.record.exists()

    up(config)
    before = kube.objects(), config.record.read_text()
    lines = preview(write(CLUSTER, NAMED.replace('"value"', '"other"'), IMAGE.replace('"web"', '"more"'), tag, hooked))
    assert any(": would be changed" in line for line in lines)
    assert any(": would be deleted" in line for line in lines)
    assert (kube.objects(), config.record.read_text()) == before
    assert (len(images.builds), len(images.tags), log.read_text()) == (1, 1, "called")


def test_after_up_nothing_would_change(write: Write, up: Up, preview: Preview) -> None:
    config = write(*EVERYTHING)
    up(config)

    lines = preview(config)

    assert {line.rpartition(": ")[2] for line in lines[:-1]} == {"unchanged"}
    assert lines[-1] == "0 would change, 6 would not"


def test_of_the_real_program_nothing_would_change(real: StackConfig, up: Up, preview: Preview) -> None:
    up(real)

    assert preview(real)[-1].startswith("0 would change, ")


def test_fields_that_differ_are_named(write: Write, up: Up, preview: Preview) -> None:
    up(write(CLUSTER, NAMED, IMAGE, DEPLOYMENT))

    lines = preview(write(CLUSTER, NAMED, IMAGE, DEPLOYMENT.replace("replicas=2", "replicas=3")))

    assert "  ConfigMap app/settings: unchanged" in lines
    place = lines.index("  Deployment app/web: would be changed")
    assert lines[place + 1] == "      spec.replicas: 2 -> 3"
    assert lines[-1] == "1 would change, 3 would not"


def test_what_is_no_longer_named_would_be_deleted(write: Write, up: Up, preview: Preview) -> None:
    up(write(CLUSTER, NAMED))

    assert preview(write(CLUSTER)) == [
        "  Namespace app: unchanged",
        "  ConfigMap app/settings: would be deleted",
        "1 would change, 1 would not",
    ]


def test_what_depends_on_an_image_that_is_yet_to_be_built_is_shown(
    write: Write, up: Up, preview: Preview, kube: InMemoryKube
) -> None:
    up(write(CLUSTER, IMAGE, DEPLOYMENT))
    before = kube.objects()

    lines = preview(write(CLUSTER, IMAGE.replace('target="web"', 'target="other"'), DEPLOYMENT))

    assert "  image registry.example.com/web:test: would be built" in lines
    place = lines.index("  Deployment app/web: would be changed")
    assert lines[place + 1].startswith(
        "      spec.template.spec.containers[web].image: registry.example.com/web@sha256:"
    )
    assert lines[place + 1].endswith(" -> (known after `up`)")
    assert kube.objects() == before


def test_what_follows_from_an_unknown_value_is_unknown(write: Write, up: Up, preview: Preview) -> None:
    follows = NAMED.replace('"value"', "image.repo_digest.apply(lambda digest: digest.upper())")
    up(write(CLUSTER, IMAGE, follows))

    lines = preview(write(CLUSTER, IMAGE.replace('target="web"', 'target="other"'), follows))

    assert any(line.startswith("      data.key: ") and line.endswith(" -> (known after `up`)") for line in lines)


def test_secret_values_are_not_shown(write: Write, up: Up, preview: Preview) -> None:
    secret = """
k8s.core.v1.Secret("login", metadata={"name": "login", **inside}, string_data={"password": "first"}, opts=cluster)
"""
    marked = NAMED.replace('"value"', 'pulumi.Output.secret("first")')
    up(write(CLUSTER, secret, marked))

    lines = preview(write(CLUSTER, secret.replace("first", "second"), marked.replace("first", "second")))

    assert "      stringData.password: [secret] -> [secret]" in lines
    assert "      data.key: [secret] -> [secret]" in lines


def test_a_refusal_is_given(write: Write, preview: Preview, kube: InMemoryKube) -> None:
    kube.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "app", "labels": {STACK_LABEL: "test"}}})
    kube.put(config_map("settings"))

    with pytest.raises(LocalError, match="ConfigMap app/settings exists and this engine did not make it"):
        preview(write(CLUSTER, NAMED))


def test_what_the_api_server_would_refuse_is_told(write: Write, up: Up, preview: Preview, kube: InMemoryKube) -> None:
    up(write(CLUSTER))
    kube.refuses["ConfigMap app/settings"] = "data: too long"

    with pytest.raises(LocalError, match="ConfigMap app/settings: data: too long"):
        preview(write(CLUSTER, NAMED))


def test_a_namespace_that_nobody_makes_is_told(write: Write, preview: Preview) -> None:
    with pytest.raises(LocalError, match='namespaces "app" not found'):
        preview(write(CLUSTER.partition("namespace =")[0], NAMED.replace("**inside", '"namespace": "app"')))


def test_what_the_real_program_refuses_is_told(real: StackConfig, up: Up, preview: Preview) -> None:
    up(real)

    with pytest.raises(LocalError, match="ha-counter:etcdStorage is '2Gi': it must stay '1Gi'"):
        preview(replace(real, values={**real.values, "ha-counter:etcdStorage": "2Gi"}))


def test_a_stash_would_get_another_value(write: Write, up: Up, preview: Preview) -> None:
    hooked = """
hooks = pulumi.ResourceHookBinding(before_update=[lambda change: None])
pulumi.Stash("hooked", input="first", opts=pulumi.ResourceOptions(hooks=hooks))
"""
    up(write(CLUSTER, hooked))

    lines = preview(write(CLUSTER, hooked.replace("first", "second")))

    place = lines.index("  hooked: would be changed")
    assert lines[place + 1] == "      input: first -> second"


NAMED_AFTER_ADDRESS = NAMED.replace('"name": "settings"', '"name": service.spec.cluster_ip')


@pytest.mark.parametrize("before", [(), (CLUSTER,)], ids=["nothing is there", "the namespace is there"])
def test_the_address_of_a_service_that_is_yet_to_be_made_is_unknown(
    write: Write, up: Up, preview: Preview, before: tuple[str, ...]
) -> None:
    """The API server would tell one in a dry run, and another one when it is made."""
    if before:
        up(write(*before))

    assert "  ConfigMap app/(known after `up`): would be made" in preview(write(CLUSTER, SERVICE, NAMED_AFTER_ADDRESS))


def test_the_address_of_a_service_that_is_there_is_known(write: Write, up: Up, preview: Preview) -> None:
    config = write(CLUSTER, SERVICE, NAMED_AFTER_ADDRESS)
    up(config)

    assert "  ConfigMap app/10.0.0.10: unchanged" in preview(config)


def test_a_service_without_an_address_is_known_to_have_none(write: Write, preview: Preview) -> None:
    headless = SERVICE.replace('type="NodePort"', 'cluster_ip="None"')

    assert "  ConfigMap app/None: would be made" in preview(write(CLUSTER, headless, NAMED_AFTER_ADDRESS))


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


def test_what_was_made_in_the_same_second_goes_before_what_it_depends_on(
    write: Write, up: Up, kube: InMemoryKube, console: Console
) -> None:
    kube.seconds_between_creations = 0
    config = write(CLUSTER, SERVICE, NAMED_AFTER_SERVICE)
    up(config)

    down(config, console)

    assert kube.deleted == ["ConfigMap app/settings", "Service app/web", "Namespace app"]


def test_so_does_what_was_there_before_it(write: Write, up: Up, kube: InMemoryKube, console: Console) -> None:
    config = write(CLUSTER, SERVICE, NAMED_AFTER_SERVICE)
    up(config)
    kube.delete(kube.find("Service", "web"))
    up(config)
    kube.deleted.clear()

    down(config, console)

    assert kube.deleted == ["ConfigMap app/settings", "Service app/web", "Namespace app"]


def test_what_is_no_longer_named_goes_in_this_order_too(write: Write, up: Up, kube: InMemoryKube) -> None:
    kube.seconds_between_creations = 0
    up(write(CLUSTER, SERVICE, NAMED_AFTER_SERVICE))

    up(write(CLUSTER))

    assert kube.deleted == ["ConfigMap app/settings", "Service app/web"]


def test_of_what_a_version_before_made_the_last_made_goes_first(
    write: Write, up: Up, kube: InMemoryKube, console: Console
) -> None:
    config = write(CLUSTER, SERVICE, NAMED_AFTER_SERVICE)
    up(config)
    for item in kube.objects():
        del item["metadata"]["labels"][DEPTH_LABEL]
        kube.put(item)

    down(config, console)

    assert kube.deleted == ["ConfigMap app/settings", "Service app/web", "Namespace app"]


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


def test_after_down_what_was_stashed_is_forgotten(write: Write, up: Up, console: Console) -> None:
    stash = 'pulumi.export("first", pulumi.Stash("value", input={!r}).output)'
    config = write(CLUSTER, stash.format("1"))
    up(config)
    down(config, console)

    assert up(write(CLUSTER, stash.format("2"))) == {"first": "2"}


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


def test_a_program_without_outputs_is_deployed_all_the_same(write: Write, up: Up) -> None:
    config = write(CLUSTER)
    up(config)

    assert deploy.output(config) == {}


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


@pytest.mark.parametrize("what", ["up", "down"])
def test_one_run_at_a_time_changes_a_stack(
    command: Callable[..., int], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    lock = stack_config.load("dev", {"context": "test"}).record.with_suffix(".lock")
    locked: list[bool] = []

    def change(*_: object) -> dict[str, object]:
        locked.append(is_locked(lock))
        return {}

    monkeypatch.setattr(deploy, what, change)

    assert command(what, "--config=context=test") == 0
    assert locked == [True]
    assert not is_locked(lock)


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


def test_a_dry_run_prints_what_would_be_done(
    command: Callable[..., int], kube: InMemoryKube, images: FakeBuilder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("up", "--dry-run", "--config=context=test", "--config=registry=registry.example.com") == 0

    assert "  Namespace ha-counter: would be made\n" in capsys.readouterr().out
    assert (kube.objects(), images.builds) == ([], [])


@pytest.mark.parametrize("what", ["down", "output"])
def test_only_up_has_a_dry_run(command: Callable[..., int], what: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command(what, "--dry-run")

    assert "--dry-run goes with `up`" in capsys.readouterr().err


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

    assert set(kube.names("Namespace")) == {"ha-counter", "ha-counter-nfs"}
    assert "etcd" in kube.names("StatefulSet")
    assert {"counter-deployment", "etcd-controller"} <= set(kube.names("Deployment"))
    assert [kube.names(kind) for kind in ("ServiceAccount", "Role", "RoleBinding")] == [["etcd-controller"]] * 3
    assert {"etcd0", "etcd1", "etcd2", "etcd-client", "svc-counter"} <= set(kube.names("Service"))
    assert {"etcd-backup", "nfs-service"} <= set(kube.names("Service"))
    assert {"counter", "etcd", "controller", "backup", "nfs"} == {build.target for build in images.builds}
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


def test_of_it_down_leaves_the_namespaces_and_the_record(
    real: StackConfig, up: Up, kube: InMemoryKube, console: Console
) -> None:
    up(real)

    down(real, console)

    assert names(kube) == ["ConfigMap ha-counter/etcd-cluster", "Namespace ha-counter", "Namespace ha-counter-nfs"]


def test_what_the_record_holds_is_left_to_others(
    real: StackConfig, up: Up, kube: InMemoryKube, console: Console
) -> None:
    up(real)
    kube.put({**kube.find("ConfigMap", "etcd-cluster"), "data": {"epoch": "2"}})

    up(real)
    down(real, console)
    up(real)

    assert kube.find("ConfigMap", "etcd-cluster")["data"] == {"epoch": "2"}


def test_its_nfs_server_goes_after_all_that_use_it(
    real: StackConfig, up: Up, kube: InMemoryKube, console: Console
) -> None:
    kube.seconds_between_creations = 0
    up(real)

    down(real, console)

    of_storage = ("PersistentVolume", "nfs", "etcd-backup", "StatefulSet", "counter-deployment")
    order = [name for name in kube.deleted if any(word in name for word in of_storage) and "Policy" not in name]
    assert order == [
        "Deployment ha-counter/counter-deployment",
        "StatefulSet ha-counter/etcd",
        "Service ha-counter/etcd-backup",
        "Deployment ha-counter/etcd-backup",
        "PersistentVolumeClaim ha-counter/etcd-snapshots-10-0-0-10",
        "PersistentVolume etcd-snapshots-10-0-0-10",
        "Service ha-counter-nfs/nfs-service",
        "StatefulSet ha-counter-nfs/nfs",
    ]


def test_another_address_of_the_nfs_server_makes_another_volume(
    real: StackConfig, up: Up, kube: InMemoryKube, printed: io.StringIO
) -> None:
    up(real)
    service = kube.find("Service", "nfs-service")
    kube.put({**service, "spec": {**service["spec"], "clusterIP": "10.0.0.99"}})

    up(real)

    assert kube.names("PersistentVolume") == kube.names("PersistentVolumeClaim") == ["etcd-snapshots-10-0-0-99"]
    [volume] = kube.find("Deployment", "etcd-backup")["spec"]["template"]["spec"]["volumes"][:1]
    assert volume["persistentVolumeClaim"] == {"claimName": "etcd-snapshots-10-0-0-99"}
    assert "PersistentVolume etcd-snapshots-10-0-0-10: deleted" in printed.getvalue()


def test_what_it_keeps_of_a_live_stack_is_told_and_kept(real: StackConfig, up: Up, kube: InMemoryKube) -> None:
    up(real)
    before = kube.objects()

    error = error_of(up, replace(real, values={**real.values, "ha-counter:etcdStorage": "2Gi"}))

    assert "ha-counter:etcdStorage is '2Gi': it must stay '1Gi'" in error
    assert kube.objects() == before


def test_how_many_members_there_are_it_leaves_to_the_controller(real: StackConfig, up: Up, kube: InMemoryKube) -> None:
    up(real)

    up(replace(real, values={**real.values, "ha-counter:etcdMembers": "5"}))

    assert kube.find("StatefulSet", "etcd")["spec"]["replicas"] == 3


def test_what_it_objects_to_in_its_configuration_is_told(up: Up) -> None:
    error = error_of(up, stack_config.load("dev", {"context": "test", "nodePort": "80"}))

    assert "ha-counter:nodePort is '80'" in error
