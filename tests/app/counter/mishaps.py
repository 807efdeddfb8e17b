"""An etcd that does with each transaction what a test has planned."""

from collections import deque
from collections.abc import Callable

from etcd3.etcdrpc import (  # type: ignore[import-untyped]  # python3-etcd3 ships no py.typed
    RangeRequest,
    RangeResponse,
    TxnRequest,
    TxnResponse,
)

from etcd.errors import EtcdRefusedError, EtcdUnavailableError
from tests.app.counter.in_memory_etcd import InMemoryEtcd


class PlannedEtcd(InMemoryEtcd):
    """Each part of `plan` is for one transaction, in order; those after that are just answered.

    "answered": it is applied; "lost": it is applied, but the reply is lost; "late": it is on its way until `arrive`;
    "refused": etcd says no. Or a function, which is called before it is applied and answered.
    """

    def __init__(self) -> None:
        super().__init__()
        self.plan: deque[str | Callable[[], object]] = deque()
        self.refuses_leases = False
        self.before_reading: Callable[[], object] = lambda: None
        self._late: list[TxnRequest] = []

    def transact(self, request: TxnRequest) -> TxnResponse:
        fate = self.plan.popleft() if self.plan else "answered"
        if fate == "refused":
            raise EtcdRefusedError("no")
        if fate == "late":
            self._late.append(request)
            raise EtcdUnavailableError("timed out")
        if callable(fate):
            fate()
        response = super().transact(request)
        if fate == "lost":
            raise EtcdUnavailableError("timed out")
        return response

    def read(self, request: RangeRequest) -> RangeResponse:
        self.before_reading()
        return super().read(request)

    def grant_lease(self, seconds: int) -> int:
        if self.refuses_leases:
            raise EtcdRefusedError("no lease")
        return super().grant_lease(seconds)

    def arrive(self) -> None:
        """Apply what is late."""
        for request in self._late:
            self.apply(request)
        self._late = []
