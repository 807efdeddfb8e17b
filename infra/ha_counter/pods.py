"""What the pods of all workloads have in common."""

from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as k8s

from ha_counter.settings import ResourceSettings

# The user that the Dockerfile gives its images.
_USER = 65532

# Members that lost their volumes wait for whoever leaves its node after so long.
_NODE_LOSS_SECONDS = 30


def pod_spec(
    container: k8s.core.v1.ContainerArgs,
    pull_secrets: Sequence[pulumi.Input[str]],
    grace_seconds: int,
    spread: k8s.core.v1.TopologySpreadConstraintArgs | None = None,
    volumes: Sequence[k8s.core.v1.VolumeArgs] = (),
    tolerations: Sequence[k8s.core.v1.TolerationArgs] = (),
    security: k8s.core.v1.PodSecurityContextArgs | None = None,
    service_account: pulumi.Input[str] | None = None,
) -> k8s.core.v1.PodSpecArgs:
    """A pod of one container.

    Args:
        container: Made with `container_security`.
        pull_secrets: Names of the Secrets that the registry of the image wants, if it wants any.
        grace_seconds: How long the container may take to end after it was asked to.
        spread: How pods of this kind are kept on different nodes. None: there is only one.
        volumes: What the container mounts, besides what a StatefulSet adds.
        tolerations: Which taints of nodes it bears, besides those that every pod does.
        security: None: it keeps Kubernetes' Pod Security Standard `restricted`.
        service_account: The account by which it uses Kubernetes' API. None: it does not.
    """
    return k8s.core.v1.PodSpecArgs(
        containers=[container],
        image_pull_secrets=[k8s.core.v1.LocalObjectReferenceArgs(name=name) for name in pull_secrets] or None,
        topology_spread_constraints=None if spread is None else [spread],
        termination_grace_period_seconds=grace_seconds,
        volumes=[*volumes] or None,
        tolerations=[*tolerations] or None,
        security_context=security or _restricted(),
        service_account_name=service_account,
        automount_service_account_token=service_account is not None,
        # Otherwise every Service of the namespace becomes variables like ETCD_PORT, which programs take for their own.
        enable_service_links=False,
    )


def leaves_a_lost_node() -> list[k8s.core.v1.TolerationArgs]:
    """A pod on a node that is gone is made anew elsewhere after 30 s, and not after Kubernetes' five minutes."""
    return [
        k8s.core.v1.TolerationArgs(
            key=f"node.kubernetes.io/{trouble}",
            operator="Exists",
            effect="NoExecute",
            toleration_seconds=_NODE_LOSS_SECONDS,
        )
        for trouble in ("not-ready", "unreachable")
    ]


def _restricted() -> k8s.core.v1.PodSecurityContextArgs:
    return k8s.core.v1.PodSecurityContextArgs(
        run_as_non_root=True,
        run_as_user=_USER,
        run_as_group=_USER,
        fs_group=_USER,
        # Once is enough, and etcd wants its folder to stay as closed as etcd made it.
        fs_group_change_policy="OnRootMismatch",
        seccomp_profile=k8s.core.v1.SeccompProfileArgs(type="RuntimeDefault"),
    )


def container_security(capabilities: Sequence[str] = ()) -> k8s.core.v1.SecurityContextArgs:
    """No way to more rights than these, and no place to write to but the volumes."""
    return k8s.core.v1.SecurityContextArgs(
        allow_privilege_escalation=False,
        read_only_root_filesystem=True,
        capabilities=k8s.core.v1.CapabilitiesArgs(drop=["ALL"], add=[*capabilities] or None),
    )


def http_readiness(path: str, failure_threshold: int) -> k8s.core.v1.ProbeArgs:
    """Ready while the port `http` answers this path in time, but for so many times in a row."""
    return k8s.core.v1.ProbeArgs(
        http_get=k8s.core.v1.HTTPGetActionArgs(path=path, port="http"),
        period_seconds=3,
        failure_threshold=failure_threshold,
        timeout_seconds=3,
    )


def tcp_liveness() -> k8s.core.v1.ProbeArgs:
    """Alive while the port `http` takes connections. It asks nothing that a restart would not bring back."""
    return k8s.core.v1.ProbeArgs(
        tcp_socket=k8s.core.v1.TCPSocketActionArgs(port="http"),
        period_seconds=10,
        failure_threshold=6,
        timeout_seconds=3,
    )


def resource_requirements(resources: ResourceSettings) -> k8s.core.v1.ResourceRequirementsArgs:
    """What a container gets for sure and at most."""
    return k8s.core.v1.ResourceRequirementsArgs(
        requests={"cpu": resources.cpu_request, "memory": resources.memory_request},
        limits={"cpu": resources.cpu_limit, "memory": resources.memory_limit},
    )


def variable(name: str, value: pulumi.Input[str]) -> k8s.core.v1.EnvVarArgs:
    """An environment variable with a given value."""
    return k8s.core.v1.EnvVarArgs(name=name, value=value)


def variable_from_pod(name: str, field_path: str) -> k8s.core.v1.EnvVarArgs:
    """An environment variable with the value of a field of the pod, from the downward API."""
    return k8s.core.v1.EnvVarArgs(
        name=name,
        value_from=k8s.core.v1.EnvVarSourceArgs(field_ref=k8s.core.v1.ObjectFieldSelectorArgs(field_path=field_path)),
    )


def variable_from_config_map(
    name: str, config_map: pulumi.Input[str], key: str, *, optional: bool = False
) -> k8s.core.v1.EnvVarArgs:
    """An environment variable with what a ConfigMap holds under a key. Optional: not set where it holds nothing."""
    selector = k8s.core.v1.ConfigMapKeySelectorArgs(name=config_map, key=key, optional=optional or None)
    return k8s.core.v1.EnvVarArgs(name=name, value_from=k8s.core.v1.EnvVarSourceArgs(config_map_key_ref=selector))


def variable_from_limit(name: str, limit: str) -> k8s.core.v1.EnvVarArgs:
    """An environment variable with one of the container's own limits, like `limits.cpu`, rounded up."""
    selector = k8s.core.v1.ResourceFieldSelectorArgs(resource=limit, divisor="1")
    return k8s.core.v1.EnvVarArgs(name=name, value_from=k8s.core.v1.EnvVarSourceArgs(resource_field_ref=selector))
