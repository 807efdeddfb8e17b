from collections.abc import Mapping

import pulumi
import pytest

from ha_counter.delivery import Existing, Load, Push, RegistryLogin, Target
from ha_counter.settings import (
    BackupSettings,
    ClusterSettings,
    ControllerSettings,
    CounterSettings,
    EtcdSettings,
    ImageSettings,
    NfsServerSettings,
    ResourceSettings,
    Settings,
    load_settings,
)
from ha_counter.snapshot_volume import ExistingClaim, NfsExport
from ha_counter.spread import Spread
from tests.infra.stack_config import PROJECT, full_config, with_config


def load(config: Mapping[str, str]) -> Settings:
    return with_config(config, lambda: load_settings(pulumi.Config(PROJECT)))


def faults(config: Mapping[str, str]) -> list[str]:
    """The lines of the message that a config is refused with, but the first."""
    with pytest.raises(pulumi.RunError) as refusal:
        load(config)
    return [line.strip() for line in str(refusal.value).splitlines()[1:]]


def test_the_defaults() -> None:
    assert load(full_config()) == Settings(
        cluster=ClusterSettings(
            context="test-cluster", kubeconfig=None, namespace="ha-counter", spread=Spread.PREFERRED
        ),
        images=ImageSettings(
            targets=(Target.COUNTER, Target.ETCD, Target.CONTROLLER, Target.BACKUP, Target.NFS),
            delivery=Push(registry="registry.example.com", platform=None),
            login=None,
        ),
        etcd=EtcdSettings(
            members=3,
            storage="1Gi",
            storage_class=None,
            resources=ResourceSettings(cpu_request="100m", cpu_limit="1", memory_request="128Mi", memory_limit="1Gi"),
        ),
        controller=ControllerSettings(
            resources=ResourceSettings(cpu_request="20m", cpu_limit="1", memory_request="128Mi", memory_limit="256Mi"),
            log_level="info",
        ),
        counter=CounterSettings(
            replicas=3,
            node_port=30180,
            resources=ResourceSettings(cpu_request="500m", cpu_limit="1", memory_request="512Mi", memory_limit="1Gi"),
            log_level="info",
        ),
        backup=BackupSettings(
            volume=NfsServerSettings(
                storage="5Gi",
                storage_class=None,
                resources=ResourceSettings(
                    cpu_request="40m", cpu_limit="1", memory_request="64Mi", memory_limit="256Mi"
                ),
            ),
            interval=300,
            resources=ResourceSettings(cpu_request="40m", cpu_limit="1", memory_request="128Mi", memory_limit="2Gi"),
            log_level="info",
        ),
    )


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("context", "", "the name of one of the kubeconfig's contexts"),
        ("context", " ", "the name of one of the kubeconfig's contexts"),
        ("kubeconfig", "kubeconfig.yaml", "an absolute path"),
        ("kubeconfig", "./kubeconfig.yaml", "an absolute path"),
        ("namespace", "", "a DNS label"),
        ("namespace", "Counter", "a DNS label"),
        ("namespace", "ha_counter", "a DNS label"),
        ("namespace", "-counter", "a DNS label"),
        ("namespace", "c" * 60, "a DNS label: up to 59"),
        ("spread", "", "preferred or required"),
        ("spread", "Required", "preferred or required"),
        ("spread", "always", "preferred or required"),
        ("imageDelivery", "", "push or load or existing"),
        ("imageDelivery", "pull", "push or load or existing"),
        ("registry", "somebody", "a registry's host"),
        ("registry", "https://registry.example.com", "a registry's host"),
        ("registry", "registry.example.com/", "a registry's host"),
        ("registry", "registry.example.com/Team", "a registry's host"),
        ("registry", "localhost:port", "a registry's host"),
        ("platform", "arm64", "an operating system and an architecture"),
        ("platform", "windows/amd64", "an operating system and an architecture"),
        ("nodePort", "", "a whole number from 30000 to 32767"),
        ("nodePort", "80", "a whole number from 30000 to 32767"),
        ("nodePort", "29999", "a whole number from 30000 to 32767"),
        ("nodePort", "32768", "a whole number from 30000 to 32767"),
        ("nodePort", "30180.0", "a whole number from 30000 to 32767"),
        ("nodePort", "http", "a whole number from 30000 to 32767"),
        ("counterReplicas", "0", "a whole number, 1 or more"),
        ("counterReplicas", "-3", "a whole number, 1 or more"),
        ("counterReplicas", "three", "a whole number, 1 or more"),
        ("counterReplicas", "9" * 5000, "a whole number, 1 or more"),
        ("counterCpuRequest", "half", 'cores like "0.5" or "500m"'),
        ("counterCpuLimit", "1Gi", 'cores like "0.5" or "500m"'),
        ("counterMemoryRequest", "512m", 'bytes like "512Mi" or "1Gi"'),
        ("counterMemoryLimit", "1GB", 'bytes like "512Mi" or "1Gi"'),
        ("counterLogLevel", "", "debug or info or warning or error"),
        ("counterLogLevel", "DEBUG", "debug or info or warning or error"),
        ("etcdMembers", "0", "an odd whole number from 1 to 7"),
        ("etcdMembers", "4", "an odd whole number from 1 to 7"),
        ("etcdMembers", "9", "an odd whole number from 1 to 7"),
        ("etcdMembers", "x", "an odd whole number from 1 to 7"),
        ("etcdStorage", "", 'bytes like "512Mi" or "1Gi"'),
        ("etcdStorage", "0", 'bytes like "512Mi" or "1Gi"'),
        ("etcdStorageClass", "Fast SSD", "the name of a StorageClass"),
        ("etcdCpuRequest", "-1", 'cores like "0.5" or "500m"'),
        ("etcdCpuLimit", "0", 'cores like "0.5" or "500m"'),
        ("etcdMemoryRequest", "some", 'bytes like "512Mi" or "1Gi"'),
        ("etcdMemoryLimit", "", 'bytes like "512Mi" or "1Gi"'),
        ("controllerCpuRequest", "few", 'cores like "0.5" or "500m"'),
        ("controllerCpuLimit", "", 'cores like "0.5" or "500m"'),
        ("controllerMemoryRequest", "0", 'bytes like "512Mi" or "1Gi"'),
        ("controllerMemoryLimit", "256m", 'bytes like "512Mi" or "1Gi"'),
        ("controllerLogLevel", "all", "debug or info or warning or error"),
        ("snapshotVolume", "", "server or export or claim or none"),
        ("snapshotVolume", "nfs", "server or export or claim or none"),
        ("snapshotStorage", "5GB", 'bytes like "512Mi" or "1Gi"'),
        ("snapshotStorageClass", "Fast SSD", "the name of a StorageClass"),
        ("snapshotInterval", "0", "a whole number of seconds, 1 or more"),
        ("snapshotInterval", "5m", "a whole number of seconds, 1 or more"),
        ("backupLogLevel", "loud", "debug or info or warning or error"),
        ("nfsMemoryLimit", "256m", 'bytes like "512Mi" or "1Gi"'),
    ],
)
def test_a_wrong_value_is_refused(key: str, value: str, allowed: str) -> None:
    [fault] = faults(full_config() | {key: value})

    is_what = f"is {value!r}" if value else "is not set"
    assert fault.startswith(f"ha-counter:{key} {is_what}: it must be {allowed}")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("context", "admin@prod/eu:1"),
        ("kubeconfig", "~/.kube/other"),
        ("kubeconfig", "/etc/kubernetes/admin conf"),
        ("namespace", "c" * 59),
        ("registry", "localhost"),
        ("registry", "registry:5000"),
        ("registry", "docker.io/somebody"),
        ("registry", "registry.example.com:443/team/some_thing"),
        ("platform", "linux/arm/v7"),
        ("registryPassword", ""),
        ("nodePort", "30000"),
        ("nodePort", "32767"),
        ("etcdMembers", "1"),
        ("etcdMembers", "7"),
        ("etcdStorageClass", "fast.ssd"),
    ],
)
def test_a_right_value_is_taken(key: str, value: str) -> None:
    load(full_config() | {key: value})


@pytest.mark.parametrize(
    ("resource", "limit", "request_"),
    [
        ("counterCpu", "1", "1001m"),
        ("counterMemory", "1Gi", "1025Mi"),
        ("etcdCpu", "500m", "1"),
        ("etcdMemory", "1G", "1Gi"),
        ("controllerCpu", "10m", "20m"),
        ("controllerMemory", "1Gi", "2Gi"),
        ("backupCpu", "100m", "200m"),
        ("backupMemory", "1Gi", "2Gi"),
        ("nfsCpu", "100m", "200m"),
        ("nfsMemory", "1Gi", "2Gi"),
    ],
)
def test_a_request_above_its_limit_is_refused(resource: str, limit: str, request_: str) -> None:
    config = full_config() | {f"{resource}Limit": limit, f"{resource}Request": request_}

    assert faults(config) == [
        f"ha-counter:{resource}Request is {request_!r}: "
        f"it must be at most ha-counter:{resource}Limit, which is {limit!r}"
    ]


def test_a_request_may_equal_its_limit() -> None:
    load(full_config() | {"counterCpuRequest": "1000m", "counterCpuLimit": "1"})


DIGEST = f"@sha256:{'0' * 64}"
EXISTING = {
    "imageDelivery": "existing",
    "counterImage": "someone/counter:1.0",
    "etcdImage": "someone/etcd:1.0",
    "controllerImage": "someone/controller:1.0",
    "backupImage": "someone/backup:1.0",
    "nfsImage": "someone/nfs:1.0",
}


@pytest.mark.parametrize(
    "image",
    [
        "counter",
        "counter:1.0",
        "somebody/counter",
        "docker.io/somebody/ha-counter-counter:1.0",
        "localhost:5000/counter" + DIGEST,
        "registry.example.com/counter:1.0" + DIGEST,
    ],
)
def test_an_existing_image_is_named_by_tag_or_digest(image: str) -> None:
    settings = load(full_config() | EXISTING | {"counterImage": image})

    assert settings.images.delivery == Existing(
        {
            Target.COUNTER: image,
            Target.ETCD: "someone/etcd:1.0",
            Target.CONTROLLER: "someone/controller:1.0",
            Target.BACKUP: "someone/backup:1.0",
            Target.NFS: "someone/nfs:1.0",
        }
    )


@pytest.mark.parametrize("image", ["Counter", "counter:", "counter@sha256:0", "https://example.com/counter", "a b"])
def test_anything_else_names_no_image(image: str) -> None:
    [fault] = faults(full_config() | EXISTING | {"counterImage": image})

    assert fault == (
        f'ha-counter:counterImage is {image!r}: it must be an image reference like "docker.io/NAME/counter:1.0", or ""'
    )


def test_images_are_loaded_into_the_cluster_that_is_deployed_to() -> None:
    settings = load(full_config() | {"imageDelivery": "load", "registry": "", "platform": "linux/arm64"})

    assert settings.images.delivery == Load(context="test-cluster", platform="linux/arm64")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"registry": ""}, ["ha-counter:registry is not set: imageDelivery 'push' needs it"]),
        (
            {"imageDelivery": "existing"},
            [
                "ha-counter:counterImage is not set: imageDelivery 'existing' needs it",
                "ha-counter:etcdImage is not set: imageDelivery 'existing' needs it",
                "ha-counter:controllerImage is not set: imageDelivery 'existing' needs it",
                "ha-counter:backupImage is not set: imageDelivery 'existing' needs it",
                "ha-counter:nfsImage is not set: imageDelivery 'existing' needs it",
            ],
        ),
        (
            {**EXISTING, "snapshotVolume": "export", "snapshotExport": "nas:/path", "backupImage": "", "nfsImage": ""},
            ["ha-counter:backupImage is not set: imageDelivery 'existing' needs it"],
        ),
        (
            {"snapshotVolume": "export"},
            ["ha-counter:snapshotExport is not set: snapshotVolume 'export' needs it"],
        ),
        (
            {"snapshotVolume": "claim", "snapshotExport": "nas:/path"},
            [
                "ha-counter:snapshotClaim is not set: snapshotVolume 'claim' needs it",
                "ha-counter:snapshotExport is 'nas:/path': it must be empty, since snapshotVolume is 'claim'",
            ],
        ),
        (
            {"snapshotClaim": "mine"},
            ["ha-counter:snapshotClaim is 'mine': it must be empty, since snapshotVolume is 'server'"],
        ),
        (
            {"snapshotVolume": "nowhere", "snapshotClaim": "mine"},
            [
                "ha-counter:snapshotVolume is 'nowhere': it must be server or export or claim or none",
            ],
        ),
        (
            {"imageDelivery": "load", "etcdImage": "etcd:1"},
            ["ha-counter:etcdImage is 'etcd:1': it must be empty, since imageDelivery is 'load'"],
        ),
        (
            {"imageDelivery": "load", "controllerImage": "controller:1"},
            ["ha-counter:controllerImage is 'controller:1': it must be empty, since imageDelivery is 'load'"],
        ),
        (
            {**EXISTING, "snapshotVolume": "none", "controllerImage": ""},
            ["ha-counter:controllerImage is not set: imageDelivery 'existing' needs it"],
        ),
        (
            {"counterImage": "counter:1"},
            ["ha-counter:counterImage is 'counter:1': it must be empty, since imageDelivery is 'push'"],
        ),
        (
            {"registryUser": "somebody"},
            ["ha-counter:registryPassword is not set: a login has both, registryUser and registryPassword"],
        ),
        (
            {"registryPassword": "hunter2"},
            ["ha-counter:registryUser is not set: a login has both, registryUser and registryPassword"],
        ),
        (
            {"imageDelivery": "load", "registry": "", "registryUser": "somebody", "registryPassword": "hunter2"},
            ["ha-counter:registry is not set: registryUser is an account there"],
        ),
    ],
)
def test_values_that_do_not_go_together_are_refused(changes: dict[str, str], expected: list[str]) -> None:
    assert faults(full_config() | changes) == expected


def test_a_login_is_for_the_registry_s_host() -> None:
    config = {"registry": "registry.example.com:443/team", "registryUser": "me", "registryPassword": "hunter2"}
    login = load(full_config() | config).images.login

    assert login == RegistryLogin(server="registry.example.com:443", user="me", password="hunter2")
    assert "hunter2" not in repr(login)


# Where snapshots are kept.


@pytest.mark.parametrize(
    ("export", "expected"),
    [
        ("nas:/snapshots", NfsExport("nas", "/snapshots")),
        ("nas.example.com:/a/b_C", NfsExport("nas.example.com", "/a/b_C")),
        ("10.0.0.7:/", NfsExport("10.0.0.7", "/")),
        ("[fd00::7]:/snapshots", NfsExport("fd00::7", "/snapshots")),
    ],
)
def test_an_export_is_a_host_and_a_path(export: str, expected: NfsExport) -> None:
    backup = load(full_config() | {"snapshotVolume": "export", "snapshotExport": export}).backup

    assert backup is not None
    assert backup.volume == expected


@pytest.mark.parametrize(
    "export", ["nas", "nas:snapshots", "/snapshots", "nas:/a b", "Nas:/a", "nfs://nas/a", "nas:/a:b"]
)
def test_anything_else_is_no_export(export: str) -> None:
    [fault] = faults(full_config() | {"snapshotVolume": "export", "snapshotExport": export})

    assert fault.startswith(f"ha-counter:snapshotExport is {export!r}: it must be HOST:/PATH")


def test_a_claim_is_named() -> None:
    backup = load(full_config() | {"snapshotVolume": "claim", "snapshotClaim": "mine"}).backup

    assert backup is not None
    assert backup.volume == ExistingClaim("mine")


def test_without_snapshots_there_is_no_backup() -> None:
    assert load(full_config() | {"snapshotVolume": "none"}).backup is None


# The images of what there is wherever the snapshots are.
ALWAYS = [Target.COUNTER, Target.ETCD, Target.CONTROLLER]


@pytest.mark.parametrize(
    ("volume", "images"),
    [
        ({"snapshotVolume": "export", "snapshotExport": "nas:/path"}, [*ALWAYS, Target.BACKUP]),
        ({"snapshotVolume": "claim", "snapshotClaim": "mine"}, [*ALWAYS, Target.BACKUP]),
        ({"snapshotVolume": "none"}, ALWAYS),
    ],
)
def test_images_that_nothing_runs_need_not_be_there(volume: dict[str, str], images: list[Target]) -> None:
    others = {f"{target.value}Image": "" for target in Target if target not in images}

    settings = load(full_config() | EXISTING | volume | others)

    assert [*settings.images.targets] == images
    assert isinstance(settings.images.delivery, Existing)
    assert [*settings.images.delivery.references] == images


def test_but_may_be() -> None:
    load(full_config() | EXISTING | {"snapshotVolume": "none"})


def test_a_misspelt_key_is_named() -> None:
    assert faults(full_config() | {"nodeport": "30181"}) == [
        "ha-counter:nodeport is no key: Pulumi.yaml has the list of them"
    ]


def test_a_key_that_is_not_set_is_named() -> None:
    config = full_config()
    del config["context"]

    assert faults(config) == ["ha-counter:context is not set: it must be the name of one of the kubeconfig's contexts"]


def test_all_faults_are_named_at_once() -> None:
    wrong = {"nodePort": "80", "etcdMembers": "2", "counterCpuRequest": "2", "etcdCpuLimit": "no", "registry": ""}
    config = full_config() | wrong

    assert [fault.split()[0] for fault in faults(config)] == [
        "ha-counter:nodePort",
        "ha-counter:etcdMembers",
        "ha-counter:etcdCpuLimit",
        "ha-counter:counterCpuRequest",
        "ha-counter:registry",
    ]
