"""Fields whose changes the program ignores: they stay as they are in the cluster."""

import copy
from collections.abc import Iterable

from local.kube import Object


def keeping(wanted: Object, live: Object, paths: Iterable[str]) -> Object:
    """The wanted object with the live one's values at these paths, like `spec.replicas`."""
    kept = copy.deepcopy(wanted)
    for path in paths:
        *folders, field = path.split(".")
        target, source = kept, live
        for folder in folders:
            target, source = target.setdefault(folder, {}), source.get(folder, {})
        if field in source:
            target[field] = source[field]
        else:
            target.pop(field, None)
    return kept
