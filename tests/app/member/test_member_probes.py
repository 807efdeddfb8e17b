import http.client
import socket

import pytest

from member import probes


def ask(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_member_that_waits_lives_and_is_not_ready() -> None:
    with probes.answered(port=0) as port:
        assert ask(port, "/livez") == 200
        assert ask(port, "/readyz") == 503
        assert ask(port, "/metrics") == 503


def test_a_client_that_says_nothing_holds_up_nobody() -> None:
    with probes.answered(port=0) as port, socket.create_connection(("127.0.0.1", port)):
        assert ask(port, "/livez") == 200


def test_the_port_is_free_for_etcd_afterwards() -> None:
    with probes.answered(port=0) as port:
        ask(port, "/livez")
    with pytest.raises(ConnectionRefusedError):
        ask(port, "/livez")
    with socket.create_server(("0.0.0.0", port)):
        pass


def test_probes_are_not_logged(capfd: pytest.CaptureFixture[str]) -> None:
    with probes.answered(port=0) as port:
        ask(port, "/livez")
    assert capfd.readouterr() == ("", "")
