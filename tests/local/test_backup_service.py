import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import backup_service
from local.backup_service import BackupError, BackupService, NoAnswerError
from local.errors import LocalError
from tests.local.fake_backup import NAMESPACE, POD, SELECTOR, FakeBackup, snapshot
from tests.local.in_memory_kube import InMemoryKube


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_service, "POLL_INTERVAL", 0.0)


@pytest.fixture
def kube() -> InMemoryKube:
    return InMemoryKube()


@pytest.fixture
def backup(kube: InMemoryKube) -> Iterator[FakeBackup]:
    fake = FakeBackup()
    with fake.served(kube):
        yield fake


@pytest.fixture
def service(kube: InMemoryKube) -> BackupService:
    return BackupService(kube, NAMESPACE)


def ignore(detail: str) -> None:
    """Nobody looks."""
    del detail


# How it is reached.


def test_without_the_service_it_is_said_what_deploys_it(service: BackupService) -> None:
    with pytest.raises(NoAnswerError, match="namespace ha-counter has no Service etcd-backup: `make up`"):
        service.overview()


@pytest.mark.parametrize("why", ["not ready", "ends"])
def test_a_pod_that_does_not_serve_is_not_asked(
    kube: InMemoryKube, backup: FakeBackup, service: BackupService, why: str
) -> None:
    metadata = {"namespace": NAMESPACE, "name": POD, "labels": SELECTOR}
    ending = {"deletionTimestamp": "2030-01-01T00:00:00Z"} if why == "ends" else {}
    status = {"conditions": [{"type": "Ready", "status": "True" if why == "ends" else "False"}]}
    kube.put({"apiVersion": "v1", "kind": "Pod", "metadata": {**metadata, **ending}, "status": status})

    with pytest.raises(NoAnswerError, match="no pod of etcd-backup is ready"):
        service.overview()

    assert backup.asked == []


@pytest.mark.usefixtures("backup")
def test_a_pod_that_can_not_be_reached_is_told(kube: InMemoryKube, service: BackupService) -> None:
    kube.ports.clear()

    with pytest.raises(NoAnswerError, match="Pod ha-counter/etcd-backup-1: port 8080 can't be reached"):
        service.overview()


def test_one_that_does_not_answer_in_time_is_told(backup: FakeBackup, service: BackupService) -> None:
    backup.hangs.add("GET /snapshots")

    with pytest.raises(NoAnswerError, match=r"\(pod etcd-backup-1\) does not answer GET /snapshots: timed out"):
        service.overview(timeout=0.05)


def test_a_refusal_is_told_in_backup_s_words(backup: FakeBackup, service: BackupService) -> None:
    backup.refuses["POST /snapshots?reason=request"] = 503, {"title": "No snapshot", "description": "disk full"}

    with pytest.raises(BackupError, match="etcd-backup: disk full"):
        service.take("request")


def test_a_refusal_in_other_words_is_told_as_it_is(backup: FakeBackup, service: BackupService) -> None:
    backup.refuses["POST /snapshots?reason=request"] = 502, {"error": "bad"}

    with pytest.raises(BackupError, match="etcd-backup answered 502 Bad Gateway"):
        service.take("request")


# What it is asked for.


def test_a_snapshot_is_taken_and_waited_for(backup: FakeBackup, service: BackupService) -> None:
    taken = service.take("request")
    proven = service.wait_until_proven(taken)

    assert (taken.proven, proven.proven) == ("pending", "yes")
    assert backup.asked == ["POST /snapshots?reason=request", "GET /snapshots", "GET /snapshots"]


def test_a_snapshot_that_does_not_restore_is_an_error(backup: FakeBackup, service: BackupService) -> None:
    backup.proof = "failed: the hash is another"

    with pytest.raises(BackupError, match="snapshot-1 was saved, but is not known to restore: failed: the hash is"):
        service.wait_until_proven(service.take("request"))


def test_a_snapshot_that_is_not_proven_in_time_is_an_error(backup: FakeBackup, service: BackupService) -> None:
    backup.proof = "pending"

    with pytest.raises(BackupError, match="snapshot-1 was saved, but not proven within 0 s"):
        service.wait_until_proven(service.take("request"), timeout=0.0)


def test_a_snapshot_that_is_gone_is_an_error(backup: FakeBackup, service: BackupService) -> None:
    taken = service.take("request")
    backup.snapshots.clear()

    with pytest.raises(BackupError, match="snapshot-1 is not listed any more"):
        service.wait_until_proven(taken)


def test_a_restore_file_is_waited_for_with_progress(backup: FakeBackup, service: BackupService) -> None:
    reports: list[str] = []

    made = service.make_restore_file("latest", reports.append, after_epoch=2)

    assert made.sha256 == backup.made["sha256"]
    assert reports == ["replay, 3 of 9"]
    assert json.loads(backup.bodies[0]) == {"snapshot": "latest", "after_epoch": 2}


def test_a_restore_file_that_can_not_be_made_is_an_error(backup: FakeBackup, service: BackupService) -> None:
    backup.making_fails = "the log has a gap"

    with pytest.raises(BackupError, match="no restore file could be made of snapshot-1: the log has a gap"):
        service.make_restore_file("snapshot-1", ignore)


def test_a_file_is_downloaded(backup: FakeBackup, service: BackupService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_service, "BLOCK", 5)

    assert list(service.download("restore-1")) == [b"a res", b"tore ", b"file"]
    assert backup.asked == ["GET /files/restore-1"]


def test_a_file_is_uploaded_with_progress(backup: FakeBackup, service: BackupService, tmp_path: Path) -> None:
    file = tmp_path / "mine"
    file.write_bytes(b"x" * (3 << 20))
    reports: list[str] = []

    sent = service.upload(file, reports.append)

    assert (sent.reason, sent.proven) == ("upload", "yes")
    assert backup.bodies == [file.read_bytes()]
    assert reports[:3] == ["1 of 3 MiB", "2 of 3 MiB", "3 of 3 MiB"]


def test_what_is_no_snapshot_is_refused_in_backup_s_words(
    backup: FakeBackup, service: BackupService, tmp_path: Path
) -> None:
    backup.refuses["PUT /files"] = 422, {"title": "Not a snapshot", "description": "it has no hash"}
    (tmp_path / "mine").write_bytes(b"x")

    with pytest.raises(BackupError, match="etcd-backup: it has no hash"):
        service.upload(tmp_path / "mine", ignore)


def test_an_answer_of_another_version_is_told(backup: FakeBackup, service: BackupService) -> None:
    backup.refuses["GET /snapshots"] = 200, {"snapshots": []}

    with pytest.raises(LocalError, match="of another version"):
        service.overview()


def test_names_are_not_taken_for_parts_of_an_address(backup: FakeBackup, service: BackupService) -> None:
    with pytest.raises(BackupError, match="etcd-backup: /files/a%20b%3Fc"):
        list(service.download("a b?c"))

    assert backup.asked == ["GET /files/a%20b%3Fc"]


def test_each_snapshot_is_told_as_it_is(backup: FakeBackup, service: BackupService) -> None:
    backup.snapshots = [snapshot("a"), snapshot("b")]

    assert [item.name for item in service.overview().snapshots] == ["a", "b"]
