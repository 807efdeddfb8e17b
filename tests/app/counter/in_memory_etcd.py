"""The part of etcd that the counter uses, in memory."""

from etcd3.etcdrpc import (  # type: ignore[import-untyped]  # python3-etcd3 ships no py.typed
    PutRequest,
    PutResponse,
    RangeRequest,
    RangeResponse,
    ResponseOp,
    TxnRequest,
    TxnResponse,
)

from counter.etcd import EtcdUnavailableError


class InMemoryEtcd:
    """Keys with values and versions. Raises what the client of a real etcd raises, when told to."""

    def __init__(self) -> None:
        self.members = 3
        self.away = False
        self.loses_replies = False
        self.values: dict[bytes, bytes] = {}
        self.transactions = 0
        self._versions: dict[bytes, int] = {}

    def transact(self, request: TxnRequest) -> TxnResponse:
        self._check()
        assert not request.compare, "comparisons are not implemented"
        self.transactions += 1
        response = TxnResponse(succeeded=True)
        for operation in request.success:
            if operation.HasField("request_put"):
                response.responses.append(ResponseOp(response_put=self._put(operation.request_put)))
            else:
                response.responses.append(ResponseOp(response_range=self._range(operation.request_range)))
        if self.loses_replies:
            raise EtcdUnavailableError("the reply was lost")
        return response

    def read(self, request: RangeRequest) -> RangeResponse:
        self._check()
        assert not request.serializable, "a serializable read may be answered from the past"
        return self._range(request)

    def count_members(self) -> int:
        self._check()
        return self.members

    def _check(self) -> None:
        if self.away:
            raise EtcdUnavailableError("connection refused by 192.0.2.1")

    def _put(self, request: PutRequest) -> PutResponse:
        self.values[request.key] = request.value
        self._versions[request.key] = self._versions.get(request.key, 0) + 1
        return PutResponse()

    def _range(self, request: RangeRequest) -> RangeResponse:
        response = RangeResponse()
        if request.key in self.values:
            response.kvs.add(key=request.key, version=self._versions[request.key])
        return response
