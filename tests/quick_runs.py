"""How the Pulumi program and its configuration are gone through hundreds of times in one process."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import pytest
import yaml
from pulumi.runtime import resource
from pulumi.runtime.proto.source_pb2 import StackTrace


@contextmanager
def quick_runs() -> Iterator[None]:
    """With this, nothing is done over and over of which no test sees anything.

    Pulumi does not find out for each resource which lines of code led to it, for an engine to show: that takes a fifth
    of a run, for pytest's own lines are among them. The same YAML is parsed once. The hundreds of thousands of objects
    of which Pulumi's modules consist are not looked through for garbage.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resource, "_get_stack_trace", StackTrace)
        patch.setattr(yaml, "safe_load", _once_for_each_text(yaml.safe_load))
        gc.freeze()
        yield
        gc.unfreeze()


def _once_for_each_text(load: Callable[[Any], Any]) -> Callable[[Any], Any]:
    known: dict[str, Any] = {}

    def load_once(stream: Any) -> Any:  # noqa: ANN401 - a text or a file, and any YAML
        if not isinstance(stream, str):
            return load(stream)
        if stream not in known:
            known[stream] = load(stream)
        return deepcopy(known[stream])

    return load_once
