"""Labels that tell the objects of one workload from all others.

The keys are those that Kubernetes recommends:
https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/
"""


def selector(workload: str) -> dict[str, str]:
    """Labels that select the pods of a workload.

    A workload's selector can't be changed later, so it holds the one label that never will.
    """
    return {"app.kubernetes.io/name": workload}


def labels(workload: str, component: str) -> dict[str, str]:
    """All labels of an object that belongs to a workload.

    Args:
        workload: What runs, like `etcd`.
        component: The part it plays, like `database`.
    """
    return {
        **selector(workload),
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/part-of": "ha-counter",
    }
