from pathlib import Path

import pytest

from local import packages
from local.errors import LocalError
from local.packages import install, missing


@pytest.fixture(autouse=True)
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH. What is needed: a program `runc` and a file `ptp`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("DEBIAN_FRONTEND", raising=False)
    monkeypatch.setattr(packages, "NEEDED", {"runc": "runc", str(tmp_path / "ptp"): "containernetworking-plugins"})
    return folder


def put_program(folder: Path, name: str, script: str = "exit 0") -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_all_is_missing_on_a_bare_machine() -> None:
    assert missing() == ["runc", "containernetworking-plugins"]


def test_nothing_is_missing_where_all_is_there(programs: Path, tmp_path: Path) -> None:
    put_program(programs, "runc")
    (tmp_path / "ptp").touch()

    assert missing() == []


def test_a_program_that_can_not_be_run_is_missing(programs: Path) -> None:
    (programs / "runc").touch(mode=0o644)

    assert "runc" in missing()


def test_where_nothing_is_missing_nothing_is_run(tmp_path: Path) -> None:
    install([], tmp_path / "packages.log")


def test_where_there_is_no_apt_the_packages_are_named(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="missing: runc, iptables; install them with your package manager"):
        install(["runc", "iptables"], tmp_path / "packages.log")


def test_packages_are_installed_without_questions_or_recommendations(programs: Path, tmp_path: Path) -> None:
    (programs / "sh").symlink_to("/bin/sh")
    put_program(programs, "apt-get", f'echo "$DEBIAN_FRONTEND $*" >> {tmp_path}/calls')

    install(["runc", "iptables"], tmp_path / "packages.log")

    assert (tmp_path / "calls").read_text().splitlines() == [
        "noninteractive update",
        "noninteractive install --yes --no-install-recommends runc iptables",
    ]


def test_their_services_are_neither_started_nor_left_to_start(programs: Path, tmp_path: Path) -> None:
    (programs / "sh").symlink_to("/bin/sh")
    for name in ("apt-get", "systemctl"):
        put_program(programs, name, f'echo "{name} $SYSTEMD_OFFLINE $*" >> {tmp_path}/calls')

    install(["runc", "docker.io"], tmp_path / "packages.log")

    *_, installed, disabled = (tmp_path / "calls").read_text().splitlines()
    assert installed.startswith("apt-get 1 install")
    assert disabled == "systemctl 1 disable docker.service docker.socket"


def test_services_of_packages_that_were_there_are_left_alone(programs: Path, tmp_path: Path) -> None:
    (programs / "sh").symlink_to("/bin/sh")
    put_program(programs, "apt-get")
    put_program(programs, "systemctl", f"touch {tmp_path}/called")

    install(["runc"], tmp_path / "packages.log")

    assert not (tmp_path / "called").exists()


def test_a_source_that_does_not_answer_does_not_stop_the_installation(programs: Path, tmp_path: Path) -> None:
    (programs / "sh").symlink_to("/bin/sh")
    put_program(programs, "true")
    put_program(programs, "apt-get", f'echo "$1" >> {tmp_path}/calls; test "$1" = install')

    install(["runc"], tmp_path / "packages.log")

    assert (tmp_path / "calls").read_text().split() == ["update", "install"]


def test_a_failed_installation_names_its_log(programs: Path, tmp_path: Path) -> None:
    (programs / "sh").symlink_to("/bin/sh")
    put_program(programs, "apt-get", "echo no such package; test $1 = update")

    with pytest.raises(LocalError, match=r"packages\.log\):\nno such package"):
        install(["runc"], tmp_path / "packages.log")
