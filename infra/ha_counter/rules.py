"""What each value of the config may be."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

import pulumi

from ha_counter.quantities import byte_count, cpu_cores
from ha_counter.spread import Spread


@dataclass(frozen=True)
class Rule:
    """What a config value may be: in words, to end the sentence "it must be ...", and as a test."""

    allowed: str
    accepts: Callable[[str], bool]


def find_faults(config: pulumi.Config) -> list[str]:
    """Check a whole config.

    Returns:
        A sentence for each fault, with the key, its value and what is allowed.
    """
    return [*_wrong_values(config), *_requests_above_limits(config)]


def _wrong_values(config: pulumi.Config) -> Iterator[str]:
    for key, rule in RULES.items():
        value = config.get(key)
        if value is None:
            yield f"{config.full_key(key)} is not set: it must be {rule.allowed}"
        elif not rule.accepts(value):
            yield f"{config.full_key(key)} is {value!r}: it must be {rule.allowed}"


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

_CPU = Rule('cores like "0.5" or "500m"', _reads_as(cpu_cores))
_BYTES = Rule('bytes like "512Mi" or "1Gi"', _reads_as(byte_count))

# What has a request and a limit, and how the two are read.
_RESOURCES: Mapping[str, Callable[[str], Decimal]] = {
    "counterCpu": cpu_cores,
    "counterMemory": byte_count,
    "etcdCpu": cpu_cores,
    "etcdMemory": byte_count,
}

RULES: Mapping[str, Rule] = {
    "context": Rule("the name of one of the kubeconfig's contexts", _matches(r"\S+")),
    "kubeconfig": Rule(
        # The program runs in infra/, so a relative path would mean another file than it seems to.
        'an absolute path, or "" for the kubeconfig that kubectl would take',
        _matches(r"|~?/.+"),
    ),
    "namespace": Rule("a DNS label: up to 63 of a-z, 0-9 and inner hyphens", _matches(_DNS_LABEL)),
    "spread": Rule(" or ".join(Spread), lambda value: value in list(Spread)),
    "registry": Rule(
        "a registry's host, with a dot or a port unless it is localhost, and a path if it has one, "
        "like localhost:5000 or docker.io/NAME",
        _matches(_REGISTRY_HOST + _REGISTRY_PATH),
    ),
    "nodePort": Rule("a whole number from 30000 to 32767", _is_integer(30000, 32767)),
    "counterReplicas": Rule("a whole number, 1 or more", _is_integer(1)),
    "counterCpuRequest": _CPU,
    "counterCpuLimit": _CPU,
    "counterMemoryRequest": _BYTES,
    "counterMemoryLimit": _BYTES,
    # An even number of members survives no more losses than one member fewer would.
    "etcdMembers": Rule("an odd whole number, 1 or more", lambda value: _is_integer(1)(value) and int(value) % 2 == 1),
    "etcdStorage": _BYTES,
    "etcdStorageClass": Rule(
        'the name of a StorageClass, or "" for the cluster\'s default', _matches(rf"|{_DNS_LABEL}(\.{_DNS_LABEL})*")
    ),
    "etcdCpuRequest": _CPU,
    "etcdCpuLimit": _CPU,
    "etcdMemoryRequest": _BYTES,
    "etcdMemoryLimit": _BYTES,
}
