import socket
from collections.abc import Iterator

import pytest

from local import cgroups, layout, registry
from local.errors import LocalError
from local.layout import Layout


@pytest.fixture
def somebody_else(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A program that listens on the port of the first cluster's registry."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        monkeypatch.setattr(layout, "FIRST_REGISTRY_PORT", port)
        yield port


def test_a_port_that_somebody_else_has_is_told(cluster: Layout, somebody_else: int) -> None:
    with pytest.raises(
        LocalError, match=f"^port {somebody_else} of this machine is taken, and the registry of cluster"
    ):
        registry.require_port(cluster)


@pytest.mark.usefixtures("somebody_else")
def test_the_registry_itself_may_have_it(cluster: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "processes", lambda group: {1} if group.endswith("/registry") else set())

    registry.require_port(cluster)


def test_a_free_port_is_right(cluster: Layout, somebody_else: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # taken by nobody else, and nobody listens
        monkeypatch.setattr(layout, "FIRST_REGISTRY_PORT", free.getsockname()[1])
        assert free.getsockname()[1] != somebody_else

        registry.require_port(cluster)
