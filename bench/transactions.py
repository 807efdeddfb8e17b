"""Raw transactions from inside a pod of the counter, by its own client of etcd: what an increment takes at least."""

import json
from pathlib import Path

from bench.load import Load
from local import binaries
from local.commands import run
from local.errors import LocalError
from local.layout import Layout

PROGRAM = Path(__file__).parent / "programs" / "transactions.py"


def transact(layout: Layout, namespace: str, pod: str, seconds: int) -> Load:
    """Let the pod send one transaction after another for so long. Raises LocalError that says what went wrong there."""
    kubectl = (binaries.folder() / "kubectl", f"--kubeconfig={layout.kubeconfig}", f"--namespace={namespace}")
    return parse(run([*kubectl, "exec", pod, "--", "python", "-c", PROGRAM.read_text(), str(seconds)]))


def parse(output: str) -> Load:
    """The run of which the program in the pod printed this. Raises LocalError if it is not what that prints."""
    try:
        told = json.loads(output)
        return Load(told["seconds"], told["transactions"], failures=0, p50=told["p50"], p99=told["p99"])
    except (ValueError, TypeError, KeyError) as error:
        raise LocalError(f"raw transactions: the pod printed no summary but this:\n{output}") from error
