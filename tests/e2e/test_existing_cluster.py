"""A cluster that somebody has already, named by CONTEXT: here a second one, of a single node."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from chaos.system import NAMESPACE
from local.layout import Layout, find
from tests.e2e.host import differences, look
from tests.e2e.system import CHECKOUT, copy_of_checkout, run

NAME = "ha-counter-other"
LOCAL = [str(CHECKOUT / ".venv/bin/python"), "-m", "local", "--name", NAME]


@pytest.fixture
def other() -> Iterator[Layout]:
    before = look(NAME)
    run([*LOCAL, "up", "--nodes=1"])
    layout = find(NAME)
    assert layout is not None
    try:
        yield layout
    finally:
        run([*LOCAL, "destroy"])
    assert differences(before, look(NAME)) == {}


@pytest.fixture
def checkout(other: Layout, tmp_path: Path) -> Path:
    """A user's checkout, with a stack of their own."""
    copy = copy_of_checkout(tmp_path)
    (copy / "Pulumi.other.yaml").write_text(f"config:\n  ha-counter:registry: {other.registry}\n")
    return copy


def test_from_make_up_to_curl_and_back(other: Layout, checkout: Path) -> None:
    def make(target: str, *more: str) -> str:
        return run(["make", target, f"CONTEXT={NAME}", "STACK=other", *more], checkout, **other.environment)

    printed = make("up")
    assert "warning: 1 node(s)" in printed
    [url] = re.findall(r"^ *curl (.*)$", printed, re.MULTILINE)
    assert url == f"http://{other.nodes[0].address}:30180/increment"
    assert requests.get(url, timeout=10).json()["content"] == "count value = 1"

    make("down")
    assert _names(f"get pods --namespace {NAMESPACE} --output name") == []
    assert len(_names(f"get pvc --namespace {NAMESPACE} --output name")) == 3

    make("up")
    answer = requests.get(f"http://{other.nodes[0].address}:30180/fetch", timeout=10).json()
    assert answer["content"] == "count value = 1"

    make("destroy", "YES=1")
    assert f"namespace/{NAMESPACE}" not in _names("get namespaces --output name")
    assert _names("get pv --output name") == []


def _names(kubectl: str) -> list[str]:
    return [line for line in run([*LOCAL, "kubectl", *kubectl.split()]).split() if "/" in line]
