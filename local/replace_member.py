"""`make replace-member`: say that a member's node or volume is gone for good, so that it is replaced."""

import argparse
import sys

from rich.console import Console

from local import cluster_record, members, stack_config, target
from local.cluster_record import REPLACE, Request, new_request
from local.confirmation import make_sure
from local.errors import LocalError, exit_code
from local.kube import Kube
from local.layout import find
from local.steps import Steps

DECIDE = "taken for gone"
WHOLE = "all members vote"


def replace(kube: Kube, namespace: str, member: int, yes: bool, console: Console) -> None:
    """Ask for it, and wait until all members vote again. Raises LocalError."""
    record = cluster_record.read(kube, namespace)
    if record.size == 0:
        raise LocalError("no members were decided on yet; `make up` waits for them")
    if not 0 <= member < record.size:
        raise LocalError(f"N={member}: there is no such member; there are 0 to {record.size - 1}")
    request, open_request = new_request(REPLACE, member=member), record.open_request
    if open_request is not None:
        if str(open_request) != str(request):
            raise LocalError(f"{open_request} was asked for, and is not done: wait for that first, or withdraw it")
        console.print(f"{request} was asked for already; waiting for it", highlight=False)
        _wait(kube, namespace, open_request, console)
        return
    make_sure(
        f"This takes etcd-{member} for gone for good, with its node and its volume: its pod and its claim are deleted, "
        "and another member comes in its place. If the others are no quorum, a new epoch begins from the newest that "
        "they and backup have, and what only this member has is lost.",
        yes,
        otherwise="nothing was changed",
    )
    cluster_record.ask(kube, namespace, request)
    _wait(kube, namespace, request, console)


def _wait(kube: Kube, namespace: str, request: Request, console: Console) -> None:
    steps = Steps([DECIDE, WHOLE], console)
    with steps.shown():
        with steps.step(DECIDE) as report:
            record = members.wait_until_done(kube, namespace, request, report)
        with steps.step(WHOLE) as report:
            members.wait_until_whole(kube, namespace, record.size, report)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.replace_member", description=__doc__)
    parser.add_argument("--member", type=int, required=True, metavar="N", help="N of pod etcd-N")
    parser.add_argument("--yes", action="store_true", help="don't ask")
    target.add_arguments(parser)
    arguments = parser.parse_args()
    return exit_code(lambda: _run(arguments))


def _run(arguments: argparse.Namespace) -> int:
    where = target.target_of(arguments, find(arguments.cluster))
    config = stack_config.load(arguments.stack, where.overrides)
    kube = Kube(where.context, where.kubeconfig)
    replace(kube, config["namespace"], arguments.member, arguments.yes, Console(stderr=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
