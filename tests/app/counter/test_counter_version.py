import platform
from importlib.metadata import version
from pathlib import Path

import falcon
import pytest
from falcon.testing import TestClient

from counter.version import Version, find_versions, version_of


def test_the_versions_of_all_that_runs() -> None:
    versions = find_versions()
    assert versions["python"] == platform.python_version()
    assert (versions["falcon"], versions["waitress"]) == (version("falcon"), version("waitress"))
    assert versions["etcd3"] == version("python3-etcd3")


def test_the_answer() -> None:
    app = falcon.App()
    app.add_route("/version", Version({"version": "abc", "python": "3.13"}, pod="pod-1", node="node-1"))
    assert TestClient(app).simulate_get("/version").json == {
        "content": "version = abc",
        "message": "Status OK",
        "node": "node-1",
        "pod": "pod-1",
        "python": "3.13",
        "version": "abc",
    }


@pytest.fixture
def package(tmp_path: Path) -> Path:
    (tmp_path / "a.py").write_text("a = 1\n")
    (tmp_path / "b.py").write_text("b = 2\n")
    return tmp_path


def test_the_same_files_are_the_same_version(package: Path) -> None:
    before = version_of(package)
    (package / "__pycache__").mkdir()
    (package / "a.py").touch()
    assert version_of(package) == before


@pytest.mark.parametrize(
    ("name", "text"), [("a.py", "a = 2\n"), ("c.py", ""), ("a.py", "a = 1\nb.py 6\nb = 2\n")], ids=str
)
def test_other_files_are_another_version(package: Path, name: str, text: str) -> None:
    before = version_of(package)
    (package / name).write_text(text)
    assert version_of(package) != before


def test_a_file_of_another_name_is_another_version(package: Path) -> None:
    before = version_of(package)
    (package / "b.py").rename(package / "c.py")
    assert version_of(package) != before
