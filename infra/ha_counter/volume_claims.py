"""The volumes that a StatefulSet's pods get, each its own."""

import pulumi_kubernetes as k8s


def volume_claim_template(name: str, storage: str, storage_class: str | None) -> k8s.core.v1.PersistentVolumeClaimArgs:
    """What each pod claims.

    Args:
        name: What containers mount it by.
        storage: Its size, as a Kubernetes quantity.
        storage_class: What kind of volume. None: what the cluster takes for the default.
    """
    return k8s.core.v1.PersistentVolumeClaimArgs(
        # The API server adds these two where they are missing, and server-side apply then sees a change.
        api_version="v1",
        kind="PersistentVolumeClaim",
        metadata=k8s.meta.v1.ObjectMetaArgs(name=name),
        spec=k8s.core.v1.PersistentVolumeClaimSpecArgs(
            access_modes=["ReadWriteOnce"],
            storage_class_name=storage_class,
            resources=k8s.core.v1.VolumeResourceRequirementsArgs(requests={"storage": storage}),
        ),
    )
