"""Members come back by themselves: launchers, etcds, backup and the controller as they are, without Kubernetes.

Each scenario runs in a process with networks of its own (`healing`), which ends with it.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.members.healing import SCENARIOS

_REPOSITORY = Path(__file__).parents[2]
_ISOLATED = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
_TIMEOUT = 300.0


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_it_heals(scenario: str, programs: Path) -> None:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("this needs root, and iproute2")
    command = [*_ISOLATED, sys.executable, "-m", "tests.members.healing", str(programs), scenario]
    environment = {**os.environ, "PYTHONPATH": f"{_REPOSITORY / 'app'}:{_REPOSITORY}"}
    done = subprocess.run(command, cwd=_REPOSITORY, env=environment, timeout=_TIMEOUT, check=False)
    assert done.returncode == 0
