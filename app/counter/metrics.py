"""What a replica counts of itself, for Prometheus."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)

from counter.events import Commit, Events
from counter.requests import Counted, Fate, Outcome

# All other paths are one route: anybody can make up as many as they like.
_OTHER = "other"

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_BATCH_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_MERGED = (1, 2, 3, 5, 10, 20, 50, 100)

_OUTCOMES: Mapping[type[Counted] | Fate, str] = {
    Counted: "counted",
    Fate.NOT_COUNTED: "not_counted",
    Fate.UNKNOWN: "unknown",
    Fate.VALUE_LOST: "value_lost",
    Fate.NO_ROOM: "no_room",
}
_COMMITS: tuple[Commit, ...] = ("applied", "refused", "ambiguous")


class Metrics(Events):
    """The metrics of one replica. Safe for use by many threads."""

    def __init__(self, routes: Iterable[str], versions: Mapping[str, str]) -> None:
        """`routes` are the paths that are told apart. `versions` are of all that runs here, by name."""
        # A second series for each one: nobody asks when a counter was made.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        Info("counter_build", "What runs here.", registry=registry).info(dict(versions))

        requests = Counter(
            "counter_http_requests", "Requests that were answered.", ["route", "code"], registry=registry
        )
        seconds = Histogram(
            "counter_http_request_duration_seconds",
            "From the end of a request to its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        # To look up the series of labels takes longer than all else here, so it is done in advance.
        self._routes = {route: _Route(route, requests, seconds) for route in (*routes, _OTHER)}

        self._epoch = Gauge("counter_epoch", "Epoch of the count; 0: not known yet.", registry=registry)
        increments = Counter(
            "counter_increments", "Increments, by what clients were told of them.", ["outcome"], registry=registry
        )
        self._increments = {outcome: increments.labels(label) for outcome, label in _OUTCOMES.items()}
        commits = Counter(
            "counter_commits",
            "Attempts to commit a batch; of an ambiguous one etcd did not say whether it was applied.",
            ["outcome"],
            registry=registry,
        )
        self._commits = {commit: commits.labels(commit) for commit in _COMMITS}
        self._batches = Histogram(
            "counter_batch_increments",
            "Increments that were counted by one transaction.",
            buckets=_BATCH_SIZES,
            registry=registry,
        )
        self._merged = Histogram(
            "counter_merged_batches",
            "Batches of different replicas that this one has committed by one transaction.",
            buckets=_MERGED,
            registry=registry,
        )
        self._doubts = Counter(
            "counter_doubts", "Batches of which it was not known whether they are counted.", registry=registry
        )
        self._doubts_resolved = Counter(
            "counter_doubts_resolved", "Batches of which that was found out.", registry=registry
        )
        self._folded_shards = Counter(
            "counter_folded_shards", "Shards of gone replicas that were added to the base.", registry=registry
        )
        self._folded_increments = Counter(
            "counter_folded_increments", "Increments that these shards held.", registry=registry
        )
        self._etcd_failures = Counter(
            "counter_etcd_failures", "Calls that etcd refused or did not answer.", ["reason"], registry=registry
        )
        self._etcd_failovers = Counter(
            "counter_etcd_failovers", "Times that another member of etcd answered than before.", registry=registry
        )
        self._shard_owned = Gauge(
            "counter_shard_owned", "Whether this replica has a shard to count in: 1 or 0.", registry=registry
        )
        self._waiting = Gauge("counter_waiting_increments", "Increments that are in no batch yet.", registry=registry)

    def show(self, owns_shard: Callable[[], bool], waiting: Callable[[], int]) -> None:
        """Ask these two whenever the metrics are read."""
        self._shard_owned.set_function(owns_shard)
        self._waiting.set_function(waiting)

    def request_answered(self, path: str, status: str, seconds: float) -> None:
        """Note a request. `status` is as WSGI has it, like "200 OK"; `seconds` are from its end to the answer."""
        route = self._routes.get(path) or self._routes[_OTHER]
        route.answered(status, seconds)

    def commit_ended(self, commit: Commit) -> None:
        self._commits[commit].inc()

    def batch_counted(self, increments: int) -> None:
        self._batches.observe(increments)

    def batches_merged(self, batches: int) -> None:
        self._merged.observe(batches)

    def doubt_arose(self) -> None:
        self._doubts.inc()

    def doubt_resolved(self) -> None:
        self._doubts_resolved.inc()

    def increment_answered(self, outcome: Outcome) -> None:
        self._increments[outcome if isinstance(outcome, Fate) else Counted].inc()

    def shard_folded(self, increments: int) -> None:
        self._folded_shards.inc()
        self._folded_increments.inc(increments)

    def epoch_entered(self, epoch: int) -> None:
        """Another epoch of the count begins, or the first one that this replica sees."""
        self._epoch.set(epoch)

    def etcd_call_failed(self, reason: str) -> None:
        self._etcd_failures.labels(reason).inc()

    def etcd_failed_over(self) -> None:
        self._etcd_failovers.inc()


class _Route:
    """The series of one route."""

    def __init__(self, route: str, requests: Counter, seconds: Histogram) -> None:
        self._route = route
        self._requests = requests
        self._seconds = seconds.labels(route)
        self._by_status: dict[str, Counter] = {}

    def answered(self, status: str, seconds: float) -> None:
        self._seconds.observe(seconds)
        requests = self._by_status.get(status)
        if requests is None:
            requests = self._by_status[status] = self._requests.labels(self._route, status[:3])
        requests.inc()
