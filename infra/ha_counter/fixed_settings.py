"""Settings that a live stack keeps, because another value would cost it its StatefulSet or its data.

Pulumi would replace the StatefulSet for most of them: delete it and make another. So the stack remembers the values
that it was first deployed with, and other ones are refused before anything is changed.

Why a `Stash`: it keeps its first value until the stack is destroyed, it is known in previews, and it fails none of the
ways that the others do. `protect` would also refuse to destroy the stack. The stack's own outputs, read through a
`StackReference`, get the new values from a run that was refused.
"""

from collections.abc import Mapping, Sequence

import pulumi

from ha_counter.settings import NfsServerSettings, Settings

# Why each of them can't be changed.
_REASONS = {
    "context": "a stack stays in its cluster",
    "namespace": "in another one the count would begin anew",
    "etcdStorage": "Kubernetes does not change the volumes of a StatefulSet",
    "etcdStorageClass": "Kubernetes does not change the volumes of a StatefulSet",
    "snapshotStorage": "Kubernetes does not change the volumes of a StatefulSet",
    "snapshotStorageClass": "Kubernetes does not change the volumes of a StatefulSet",
}


def context_of_unchanged(settings: Settings) -> pulumi.Output[str]:
    """The kubeconfig's context to deploy to, for a stack whose settings may be deployed.

    Whatever goes to the cluster needs it, and so waits for this check.

    Raises:
        pulumi.RunError: When the output is resolved, if a live stack would lose what it has. The message names each
            key, its value, the one to keep, and why.
    """
    remembered = {"fixed-settings": _fixed(settings), **_fixed_of_nfs_server(settings)}
    firsts = [pulumi.Stash(name, input=values).output for name, values in remembered.items()]

    def context(firsts: Sequence[Mapping[str, str]]) -> str:
        faults = [
            fault for first, now in zip(firsts, remembered.values(), strict=True) for fault in _changes(first, now)
        ]
        if faults:
            raise pulumi.RunError(
                "\n  ".join(
                    [
                        "A live stack can't be changed like this. Set the old values, or destroy the stack with its "
                        "volumes, and so its count:",
                        *faults,
                    ]
                )
            )
        return settings.cluster.context

    return pulumi.Output.all(*firsts).apply(context)


def _changes(first: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    config = pulumi.Config()
    return [
        f"{config.full_key(key)} is {now[key]!r}: it must stay {first[key]!r}, because {reason}"
        for key, reason in _REASONS.items()
        if key in now and now[key] != first[key]
    ]


def _fixed(settings: Settings) -> dict[str, str]:
    return {
        "context": settings.cluster.context,
        "namespace": settings.cluster.namespace,
        "etcdStorage": settings.etcd.storage,
        "etcdStorageClass": settings.etcd.storage_class or "",
    }


def _fixed_of_nfs_server(settings: Settings) -> dict[str, dict[str, str]]:
    """What is remembered of the server's volume, apart from the rest: a stack may get the server later."""
    if settings.backup is None or not isinstance(settings.backup.volume, NfsServerSettings):
        return {}
    volume = settings.backup.volume
    return {
        "fixed-snapshot-settings": {
            "snapshotStorage": volume.storage,
            "snapshotStorageClass": volume.storage_class or "",
        }
    }
