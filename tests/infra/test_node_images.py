"""Images are copied into nodes by kind or minikube. Here scripts stand in for both."""

from pathlib import Path

import pytest

from ha_counter.node_images import load_command, run

SCRIPT = """#!/bin/sh
echo "$(basename "$0") $*" >> "{log}"
echo "said before the end" >&2
exit {code}
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """What was run."""
    return tmp_path / "log"


def install(program: str, log: Path, monkeypatch: pytest.MonkeyPatch, code: int = 0) -> None:
    """Put a script on PATH that notes how it was called."""
    script = log.parent / program
    script.write_text(SCRIPT.format(log=log, code=code))
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{log.parent}:/usr/bin:/bin")


@pytest.mark.parametrize(
    ("context", "said"),
    [
        ("kind-try", "kind load docker-image ha-counter-etcd:1 --name try"),
        ("minikube", "minikube image load ha-counter-etcd:1 --profile minikube"),
        ("second", "minikube image load ha-counter-etcd:1 --profile second"),
    ],
)
def test_the_context_says_which_program_loads_into_which_cluster(
    context: str, said: str, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for program in ("kind", "minikube"):
        install(program, log, monkeypatch)

    run(load_command("ha-counter-etcd:1", context))

    assert log.read_text().splitlines() == [said]


def test_a_program_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(RuntimeError, match="imageDelivery is 'load', which needs `kind`, and that is not on PATH"):
        run(load_command("ha-counter-etcd:1", "kind-try"))


def test_a_failure_is_told_with_what_was_said(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install("kind", log, monkeypatch, code=3)

    with pytest.raises(RuntimeError, match=r"`kind load .*` failed with exit code 3: said before the end"):
        run(load_command("ha-counter-etcd:1", "kind-try"))
