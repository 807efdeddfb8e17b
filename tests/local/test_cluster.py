import os
import sys

import pytest

from local import cluster
from local.errors import LocalError


@pytest.fixture
def root_on_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: 0)


@pytest.mark.usefixtures("root_on_linux")
def test_root_on_linux_can_make_a_cluster() -> None:
    cluster.require_linux_root()


@pytest.mark.usefixtures("root_on_linux")
def test_other_systems_are_told_what_to_do_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    with pytest.raises(LocalError, match="needs Linux, this is darwin; use a cluster that you have"):
        cluster.require_linux_root()


@pytest.mark.usefixtures("root_on_linux")
def test_other_users_are_told_what_to_do_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(LocalError, match=r"needs root .* use sudo, or use a cluster that you have"):
        cluster.require_linux_root()
