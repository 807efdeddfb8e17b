"""What each value of the config may be."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env

from ha_counter.delivery import DeliveryKind
from ha_counter.members import MOST_MEMBERS
from ha_counter.quantities import byte_count, cpu_cores
from ha_counter.snapshot_volume import IMAGES, SnapshotVolumeKind
from ha_counter.spread import Spread


@dataclass(frozen=True)
class Rule:
    """What a config value may be: in words, to end the sentence "it must be ...", and as a test."""

    allowed: str
    accepts: Callable[[str], bool]


def find_faults(config: pulumi.Config) -> list[str]:
    """Check a whole config.

    Returns:
        A sentence for each fault, with the key, its value and what is allowed. No password is among them.
    """
    return [
        *_unknown_keys(config),
        *_wrong_values(config),
        *_requests_above_limits(config),
        *_wrong_with_others(config),
        *_half_a_login(config),
    ]


def _unknown_keys(config: pulumi.Config) -> Iterator[str]:
    # Pulumi says nothing of a misspelt key, and a program can't ask its Config for all that is set.
    for full_key in {**get_config_env(), **CONFIG.get()}:
        project, _, key = full_key.partition(":")
        if project == config.name and key not in RULES:
            yield f"{full_key} is no key: Pulumi.yaml has the list of them"


def _wrong_values(config: pulumi.Config) -> Iterator[str]:
    for key, rule in RULES.items():
        value = config.get(key)
        if value is None or not rule.accepts(value):
            is_what = f"is {value!r}" if value else "is not set"
            yield f"{config.full_key(key)} {is_what}: it must be {rule.allowed}"


def _requests_above_limits(config: pulumi.Config) -> Iterator[str]:
    for resource, read in _RESOURCES.items():
        request_key, limit_key = f"{resource}Request", f"{resource}Limit"
        try:
            request, limit = config.require(request_key), config.require(limit_key)
            above = read(request) > read(limit)
        except (pulumi.ConfigMissingError, ValueError):
            continue  # One of the two is wrong in itself, which is said already.
        if above:
            yield (
                f"{config.full_key(request_key)} is {request!r}: "
                f"it must be at most {config.full_key(limit_key)}, which is {limit!r}"
            )


def _wrong_with_others(config: pulumi.Config) -> Iterator[str]:
    """What the choice of another key needs, and what it has no use for."""
    for key, (other, choice) in _NEEDED_FOR.items():
        chosen = config.get(other)
        if chosen == choice and not config.get(key) and not _is_for_unwanted_image(key, config):
            yield f"{config.full_key(key)} is not set: {other} {chosen!r} needs it"
    for key, (other, choice) in _ONLY_FOR.items():
        value, chosen = config.get(key), config.get(other) or ""
        if value and chosen != choice and RULES[other].accepts(chosen):
            yield f"{config.full_key(key)} is {value!r}: it must be empty, since {other} is {chosen!r}"


def _is_for_unwanted_image(key: str, config: pulumi.Config) -> bool:
    """Whether it names an image that is not wanted, since the snapshots are kept elsewhere or not at all."""
    kind = config.get("snapshotVolume")
    wanted = IMAGES[SnapshotVolumeKind(kind)] if kind in list(SnapshotVolumeKind) else ()
    return key in {f"{target.value}Image" for targets in IMAGES.values() for target in targets if target not in wanted}


def _half_a_login(config: pulumi.Config) -> Iterator[str]:
    parts = ("registryUser", "registryPassword")
    missing = [key for key in parts if not config.get(key)]
    if len(missing) == 1:
        yield f"{config.full_key(missing[0])} is not set: a login has both, {' and '.join(parts)}"
    if not missing and not config.get("registry"):
        yield f"{config.full_key('registry')} is not set: registryUser is an account there"


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern, re.ASCII)
    return lambda value: compiled.fullmatch(value) is not None


def _reads_as(read: Callable[[str], Decimal]) -> Callable[[str], bool]:
    def accepts(value: str) -> bool:
        try:
            read(value)
        except ValueError:
            return False
        return True

    return accepts


def _is_integer(low: int, high: int | None = None) -> Callable[[str], bool]:
    is_number = _matches(r"\d{1,9}")
    return lambda value: is_number(value) and low <= int(value) and (high is None or int(value) <= high)


_DNS_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"

# A first part without a dot or a port could be a user of Docker Hub: pulumi-docker refuses it, unless it is localhost.
_REGISTRY_HOST = rf"(localhost(:\d+)?|{_DNS_LABEL}(\.{_DNS_LABEL})+(:\d+)?|{_DNS_LABEL}:\d+)"
_REGISTRY_PATH = r"(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*"

# https://github.com/distribution/reference: host and path, then a tag, a digest, or both.
_IMAGE_TAG = r"(:\w[\w.-]{0,127})?"
_IMAGE_DIGEST = r"(@sha256:[0-9a-f]{64})?"
_IMAGE_NAME = rf"({_REGISTRY_HOST}/)?[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*{_REGISTRY_PATH}"

_CPU = Rule('cores like "0.5" or "500m"', _reads_as(cpu_cores))
_BYTES = Rule('bytes like "512Mi" or "1Gi"', _reads_as(byte_count))

# What has a request and a limit, and how the two are read.
_RESOURCES: Mapping[str, Callable[[str], Decimal]] = {
    "counterCpu": cpu_cores,
    "counterMemory": byte_count,
    "etcdCpu": cpu_cores,
    "etcdMemory": byte_count,
    "controllerCpu": cpu_cores,
    "controllerMemory": byte_count,
    "backupCpu": cpu_cores,
    "backupMemory": byte_count,
    "nfsCpu": cpu_cores,
    "nfsMemory": byte_count,
}

_LOG_LEVELS = ("debug", "info", "warning", "error")
_LOG_LEVEL = Rule(" or ".join(_LOG_LEVELS), lambda value: value in _LOG_LEVELS)

_STORAGE_CLASS = Rule(
    'the name of a StorageClass, or "" for the cluster\'s default', _matches(rf"|{_DNS_LABEL}(\.{_DNS_LABEL})*")
)

_IMAGE = Rule(
    'an image reference like "docker.io/NAME/counter:1.0", or ""',
    _matches(rf"|{_IMAGE_NAME}{_IMAGE_TAG}{_IMAGE_DIGEST}"),
)

# Keys that may be left out otherwise, and the choice of another key that can't do without them.
_NEEDED_FOR: Mapping[str, tuple[str, str]] = {
    "registry": ("imageDelivery", DeliveryKind.PUSH),
    "counterImage": ("imageDelivery", DeliveryKind.EXISTING),
    "etcdImage": ("imageDelivery", DeliveryKind.EXISTING),
    "controllerImage": ("imageDelivery", DeliveryKind.EXISTING),
    "backupImage": ("imageDelivery", DeliveryKind.EXISTING),
    "nfsImage": ("imageDelivery", DeliveryKind.EXISTING),
    "snapshotExport": ("snapshotVolume", SnapshotVolumeKind.EXPORT),
    "snapshotClaim": ("snapshotVolume", SnapshotVolumeKind.CLAIM),
}
_ONLY_FOR = {key: choice for key, choice in _NEEDED_FOR.items() if key != "registry"}

RULES: Mapping[str, Rule] = {
    "context": Rule("the name of one of the kubeconfig's contexts", _matches(r"\S+")),
    "kubeconfig": Rule(
        # The program runs in infra/, so a relative path would mean another file than it seems to.
        'an absolute path, or "" for the kubeconfig that kubectl would take',
        _matches(r"|~?/.+"),
    ),
    # Shorter than Kubernetes takes, since the NFS server's namespace has the same name and "-nfs".
    "namespace": Rule("a DNS label: up to 59 of a-z, 0-9 and inner hyphens", _matches(rf"(?=.{{1,59}}$){_DNS_LABEL}")),
    "spread": Rule(" or ".join(Spread), lambda value: value in list(Spread)),
    "imageDelivery": Rule(" or ".join(DeliveryKind), lambda value: value in list(DeliveryKind)),
    "registry": Rule(
        "a registry's host, with a dot or a port unless it is localhost, and a path if it has one, "
        "like localhost:5000 or docker.io/NAME",
        _matches(rf"|{_REGISTRY_HOST}{_REGISTRY_PATH}"),
    ),
    "registryUser": Rule('the name of an account, or ""', _matches(r"[^\s:]*")),
    "registryPassword": Rule("a text", lambda _: True),
    "platform": Rule(
        'an operating system and an architecture like "linux/arm64", or ""', _matches(r"|linux/[a-z0-9]+(/v\d+)?")
    ),
    "counterImage": _IMAGE,
    "etcdImage": _IMAGE,
    "controllerImage": _IMAGE,
    "backupImage": _IMAGE,
    "nfsImage": _IMAGE,
    "nodePort": Rule("a whole number from 30000 to 32767", _is_integer(30000, 32767)),
    "counterReplicas": Rule("a whole number, 1 or more", _is_integer(1)),
    "counterCpuRequest": _CPU,
    "counterCpuLimit": _CPU,
    "counterMemoryRequest": _BYTES,
    "counterMemoryLimit": _BYTES,
    "counterLogLevel": _LOG_LEVEL,
    # An even number of members survives no more losses than one member fewer would.
    "etcdMembers": Rule(
        f"an odd whole number from 1 to {MOST_MEMBERS}",
        lambda value: _is_integer(1, MOST_MEMBERS)(value) and int(value) % 2 == 1,
    ),
    "etcdStorage": _BYTES,
    "etcdStorageClass": _STORAGE_CLASS,
    "etcdCpuRequest": _CPU,
    "etcdCpuLimit": _CPU,
    "etcdMemoryRequest": _BYTES,
    "etcdMemoryLimit": _BYTES,
    "controllerCpuRequest": _CPU,
    "controllerCpuLimit": _CPU,
    "controllerMemoryRequest": _BYTES,
    "controllerMemoryLimit": _BYTES,
    "controllerLogLevel": _LOG_LEVEL,
    "snapshotVolume": Rule(" or ".join(SnapshotVolumeKind), lambda value: value in list(SnapshotVolumeKind)),
    "snapshotStorage": _BYTES,
    "snapshotStorageClass": _STORAGE_CLASS,
    "snapshotExport": Rule(
        'HOST:/PATH, like nas.example.com:/snapshots, or ""',
        _matches(rf"|({_DNS_LABEL}(\.{_DNS_LABEL})*|\[[0-9a-f:.]+\]):/(?!/)[^\s:]*"),
    ),
    "snapshotClaim": Rule(
        'the name of a PersistentVolumeClaim in the namespace, or ""', _matches(rf"|{_DNS_LABEL}(\.{_DNS_LABEL})*")
    ),
    "snapshotInterval": Rule("a whole number of seconds, 1 or more", _is_integer(1)),
    "backupCpuRequest": _CPU,
    "backupCpuLimit": _CPU,
    "backupMemoryRequest": _BYTES,
    "backupMemoryLimit": _BYTES,
    "backupLogLevel": _LOG_LEVEL,
    "nfsCpuRequest": _CPU,
    "nfsCpuLimit": _CPU,
    "nfsMemoryRequest": _BYTES,
    "nfsMemoryLimit": _BYTES,
}
