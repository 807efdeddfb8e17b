from pathlib import Path

import pytest

from local import binaries
from local.binaries import module_version
from local.errors import LocalError

GO_MOD = """module toolchain

require (
	go.etcd.io/etcd/server/v3 v3.6.16
	k8s-io/kubernetes v7.7.7
	k8s.io/kubernetes v1.34.4
	k8s.io/kubernetes-extras v9.9.9 // indirect
)

replace k8s.io/kubernetes => ../fork v8.8.8
"""


@pytest.fixture(autouse=True)
def toolchain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "go.mod").write_text(GO_MOD)
    monkeypatch.setattr(binaries, "MODULE", tmp_path)


@pytest.mark.parametrize(
    ("module", "version"),
    [
        ("k8s.io/kubernetes", "v1.34.4"),
        ("k8s.io/kubernetes-extras", "v9.9.9"),
        ("go.etcd.io/etcd/server/v3", "v3.6.16"),
    ],
)
def test_the_version_of_a_module_is_the_one_required(module: str, version: str) -> None:
    assert module_version(module) == version


@pytest.mark.parametrize("module", ["k8s.io/kubelet", "k8s_io/kubernetes", "kubernetes"])
def test_a_module_that_is_not_required_is_named(module: str) -> None:
    with pytest.raises(LocalError, match=f"no line that requires {module}"):
        module_version(module)
