import http.client
import socket
from contextlib import closing
from pathlib import Path

import pytest

from member import file_server


def get(port: int, path: str) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.headers["Content-Length"]
        return answer.status, answer.read()


def test_the_file_that_a_member_made_is_served_by_its_hash(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"snapshot" * 100_000)
    with file_server.serving({"one": file}.get, port=0) as port:
        assert get(port, "/files/one") == (200, file.read_bytes())


@pytest.mark.parametrize("path", ["/files/two", "/files/", "/one", "/livez", "/files/../one"])
def test_nothing_else_is(tmp_path: Path, path: str) -> None:
    (tmp_path / "one").touch()
    with file_server.serving({"one": tmp_path / "one"}.get, port=0) as port:
        assert get(port, path)[0] == 404


def test_a_path_on_the_volume_is_none_of_a_file(tmp_path: Path) -> None:
    asked: list[str] = []
    with file_server.serving(asked.append, port=0) as port:
        assert get(port, f"/files/{tmp_path}/secret")[0] == 404
    assert asked == [f"{tmp_path}/secret"]


def test_a_client_that_says_nothing_holds_up_nobody(tmp_path: Path) -> None:
    (tmp_path / "one").touch()
    with (
        file_server.serving({"one": tmp_path / "one"}.get, port=0) as port,
        socket.create_connection(("127.0.0.1", port)),
    ):
        assert get(port, "/files/one")[0] == 200


def test_the_port_is_free_for_etcd_afterwards() -> None:
    with file_server.serving(lambda _: None, port=0) as port:
        get(port, "/files/one")
    with pytest.raises(ConnectionRefusedError):
        get(port, "/files/one")
    with socket.create_server(("0.0.0.0", port)):
        pass


def test_what_is_fetched_is_not_logged(capfd: pytest.CaptureFixture[str]) -> None:
    with file_server.serving(lambda _: None, port=0) as port:
        get(port, "/files/one")
    assert capfd.readouterr() == ("", "")
