import pytest

from etcd.channel import resolve
from etcd.endpoints import Endpoint


def test_a_name_is_resolved() -> None:
    assert resolve(Endpoint("127.0.0.1", 2379)) == ["127.0.0.1:2379"]


def test_a_name_that_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr("etcd.channel.socket.getaddrinfo", fail)
    assert resolve(Endpoint("etcd-0", 2379)) == []
