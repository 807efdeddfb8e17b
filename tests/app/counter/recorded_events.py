"""What happened, in the order in which it did."""

from counter.events import Commit, Events


class RecordedEvents(Events):
    """Keeps a line for each of what counting, folding and etcd's client say."""

    def __init__(self) -> None:
        self.happened: list[str] = []

    def commit_ended(self, commit: Commit) -> None:
        self.happened.append(commit)

    def batch_counted(self, increments: int) -> None:
        self.happened.append(f"counted {increments}")

    def batches_merged(self, batches: int) -> None:
        self.happened.append(f"merged {batches}")

    def doubt_arose(self) -> None:
        self.happened.append("doubt")

    def doubt_resolved(self) -> None:
        self.happened.append("resolved")

    def etcd_call_failed(self, reason: str) -> None:
        self.happened.append(f"etcd: {reason}")

    def etcd_failed_over(self) -> None:
        self.happened.append("failover")
