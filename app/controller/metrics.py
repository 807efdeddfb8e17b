"""What the controller counts of itself, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, disable_created_metrics

from controller.decision import Decision
from controller.facts import Quorum
from controller.record import Record

_ALL_WELL = "all_well"


class Metrics:
    """The metrics of the controller. Safe for use by many threads."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._epoch = Gauge("controller_epoch", "Epoch of the cluster; 0: none yet.", registry=self.registry)
        self._wanted = Gauge("controller_members_wanted", "Members that there are to be.", registry=self.registry)
        self._voting = Gauge("controller_members_voting", "Members that vote and are well.", registry=self.registry)
        self._quorum = Gauge("controller_has_quorum", "Whether a quorum answers.", registry=self.registry)
        self._well = Gauge("controller_all_well", "Whether there is nothing to be done.", registry=self.registry)
        self._decisions = Counter(
            "controller_decisions", "Passes by what they decided.", ["row"], registry=self.registry
        )
        self._ends = Counter(
            "controller_etcd_ends", "Times that etcd ended by itself, by why.", ["reason"], registry=self.registry
        )

    def decided(self, decision: Decision, record: Record, quorum: Quorum | None) -> None:
        """Note what was decided, and what it is about."""
        cluster = record.cluster
        self._epoch.set(cluster.epoch.number if cluster is not None else 0)
        self._wanted.set(cluster.size if cluster is not None else 0)
        self._quorum.set(quorum is not None)
        voting = (
            [entry for entry in quorum.entries if entry.healthy and not entry.learner] if quorum is not None else []
        )
        self._voting.set(len(voting))
        self._well.set(decision.row == _ALL_WELL and cluster is not None and len(voting) == cluster.size)
        self._decisions.labels(decision.row).inc()

    def ended(self, reason: str) -> None:
        """Note that some member's etcd ended by itself."""
        self._ends.labels(reason).inc()
