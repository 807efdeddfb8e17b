"""`python -m controller` as a whole, without Kubernetes."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from controller.__main__ import main
from controller.settings import VARIABLES

APP = Path(__file__).parents[3] / "app"
COMMAND = [sys.executable, "-m", "controller"]
POD = {"MY_POD_NAME": "etcd-controller-1", "MY_POD_NAMESPACE": "default"}


def environment(**variables: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(APP), "PYTHONUNBUFFERED": "1"} | variables


def run(command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, env=environment(**variables), capture_output=True, text=True, check=False, timeout=60
    )


def get(url: str) -> dict[str, str]:
    with urllib.request.urlopen(url, timeout=5) as response:
        answer: dict[str, str] = json.load(response)
    return answer


def test_help_names_the_variables(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["controller", "--help"])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert all(variable.name in said for variable in VARIABLES)


def test_a_wrong_environment_is_exit_code_2_and_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["controller"])
    monkeypatch.setattr(os, "environ", {"PORT": "x"})
    assert main() == 2
    said = capsys.readouterr().err
    assert "PORT='x'" in said
    assert "MY_POD_NAME" in said


def test_outside_of_a_pod_it_is_exit_code_1_and_one_message() -> None:
    result = run(COMMAND, **POD)
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith("the pod has no account for Kubernetes: ")


# Stands in for Kubernetes: does what is asked of it in the place of all answers.
PROGRAM = """
import sys
from controller import __main__ as main
from controller.surroundings import UnavailableError

class Kubernetes:
    def __init__(self, namespace):
        assert namespace == "default"

    def read(self):
        raise %s

main.KubernetesApi = Kubernetes
sys.exit(main.main())
"""


def test_without_an_answer_of_kubernetes_it_serves_and_says_why_nothing_is_decided(unused_port: int) -> None:
    command = [sys.executable, "-c", PROGRAM % "UnavailableError('no API server')"]
    with subprocess.Popen(
        command, env=environment(**POD, PORT=str(unused_port)), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            lines = {json.loads(process.stdout.readline())["message"] for _ in range(2)}
            assert lines == {"nothing is decided: no API server", f"serving on port {unused_port}"}
            url = f"http://127.0.0.1:{unused_port}"
            assert get(f"{url}/healthz") == {"status": "ok"}
            assert get(f"{url}/decision")["says"] == "nothing is decided: no API server"
            process.send_signal(signal.SIGTERM)
            rest = process.stdout.read()
            assert process.wait(timeout=10) == 0
        finally:
            process.kill()
    assert "Traceback" not in rest


def test_a_pass_that_fails_ends_the_process(unused_port: int) -> None:
    result = run([sys.executable, "-c", PROGRAM % "RuntimeError('by mistake')"], **POD, PORT=str(unused_port))
    assert result.returncode == 1
    assert "'controller' failed" in result.stdout
    assert "by mistake" in result.stdout
