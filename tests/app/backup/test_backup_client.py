import io

import pytest

from backup.client import Client, RequestError
from tests.app.backup.fake_core import CONTENT, RESTORE_FILE, BrokenFile, FakeCore


@pytest.fixture
def client(port: int) -> Client:
    return Client(port)


def test_each_request_reaches_what_it_is_for(client: Client, core: FakeCore) -> None:
    assert client.overview() == core.overview().to_json()
    assert client.take()["name"] == "snapshot-2"
    assert core.taken == ["request"]
    job = client.begin_restore_file("latest")
    assert core.asked_for == ["latest"]
    assert client.restore_job(job)["file"] == RESTORE_FILE.to_json()
    assert client.upload(io.BytesIO(b"snapshot"))["name"] == "snapshot-uploaded"
    assert core.uploaded == b"snapshot"


def test_a_download(client: Client) -> None:
    target = io.BytesIO()
    client.download(RESTORE_FILE.sha256, target)
    assert target.getvalue() == CONTENT


def test_a_download_of_other_bytes_is_an_error(client: Client, core: FakeCore) -> None:
    core.files[RESTORE_FILE.sha256] = io.BytesIO(CONTENT[::-1])
    with pytest.raises(RequestError, match="is of no use"):
        client.download(RESTORE_FILE.sha256, io.BytesIO())


def test_a_download_that_breaks_off_is_an_error(client: Client, core: FakeCore) -> None:
    core.files[RESTORE_FILE.sha256] = BrokenFile(CONTENT)
    with pytest.raises(RequestError, match=r"broke off|is of no use"):
        client.download(RESTORE_FILE.sha256, io.BytesIO())


def test_a_refusal_is_told_in_backups_words(client: Client, core: FakeCore) -> None:
    core.failure = OSError("no quorum of etcd answers")
    with pytest.raises(RequestError, match="no quorum of etcd answers"):
        client.take()
    with pytest.raises(RequestError, match="it has no hash at its end"):
        client.upload(io.BytesIO(b"something else"))


def test_nobody_there_is_an_error_that_says_so(unused_port: int) -> None:
    with pytest.raises(RequestError, match=f"does not answer at http://127.0.0.1:{unused_port}: .*refused"):
        Client(unused_port).overview()


def test_a_proxy_of_the_environment_is_not_asked(
    port: int, core: FakeCore, monkeypatch: pytest.MonkeyPatch, unused_port: int
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{unused_port}")
    monkeypatch.delenv("no_proxy", raising=False)
    assert Client(port).overview() == core.overview().to_json()


def test_an_upload_is_not_held_in_memory(client: Client, core: FakeCore) -> None:
    """It is read part by part, while it is sent."""
    reads: list[int | None] = []

    class Source(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            reads.append(size)
            return super().read(size)

    client.upload(Source(b"snapshot" + bytes(1_000_000)))
    assert len(core.uploaded) == 1_000_008
    assert all(size is not None and 0 < size <= 1_000_000 for size in reads)
