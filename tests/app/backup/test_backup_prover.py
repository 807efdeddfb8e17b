"""Which snapshots are tried, what follows from that, and what is said of the log; the etcds are none."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from backup import proof as proof_module
from backup import prover as prover_module
from backup import restore_file
from backup.errors import BadSnapshotError, UnknownSnapshotError
from backup.follower import ReplayError
from backup.live import Live
from backup.log_file import LogWriter, paths
from backup.manifest import Manifest, Proof
from backup.metrics import Metrics
from backup.proof import Verdict
from backup.prover import MOST_TRIES, Prover
from backup.scratch import ScratchError
from backup.vault import Vault
from etcd.errors import EtcdUnavailableError
from tests.app.backup.fake_scratch import FakeMember, FakeScratch
from tests.app.backup.samples import CLUSTER, NOW, PROVEN, put, save, write_log

PENDING = Proof("pending")


class FakeLog:
    """Attributes: where it was written to, and how often it was begun anew."""

    def __init__(self) -> None:
        self.written = 0
        self.begun = 0

    def written_to(self, _: int) -> int:
        return self.written

    def begin_anew(self) -> None:
        self.begun += 1


class Setting:
    """A prover, and all that it works with.

    Attributes:
        verdict: What comparing with the members gives.
        broken: Snapshots from which no etcd starts, by their revision.
        scratches: Those that were started.
    """

    def __init__(self, folder: Path) -> None:
        self.volume = folder / "volume"
        self.volume.mkdir()
        self.vault = Vault(self.volume)
        self.vault.load()
        self.vault.note(Live(datetime.now(UTC), 1, 0, CLUSTER, 100, 90))
        self.log = FakeLog()
        self.wanted: list[str] = []
        self.verdict: Verdict | Exception = Verdict("proven", "they had the same")
        self.broken: set[int] = set()
        self.scratches: list[FakeScratch] = []
        self.prover = Prover(self.vault, folder / "scratch", [], Metrics(), self.log, self.wanted.append)

    def start(self, _: Path, snapshot: Path, bump: int = 0) -> FakeScratch:
        revision = int(snapshot.read_bytes())
        if revision in self.broken:
            raise ScratchError("etcd ended with exit code 1")
        scratch = FakeScratch(FakeMember(revision + bump, counted=40))
        self.scratches.append(scratch)
        return scratch

    def compare(self, *_: object) -> Verdict:
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict

    def save(self, newest: int, proof: Proof = PENDING, time: datetime = NOW) -> str:
        return save(self.vault.catalog, b"%d" % newest, newest=newest, proof=proof, time=time).name

    def look(self, name: str) -> Proof:
        manifest = self.vault.catalog.find(name)
        assert manifest is not None
        return manifest.proof

    def running(self) -> int:
        return sum(not scratch.is_closed for scratch in self.scratches)


@pytest.fixture
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setting:
    found = Setting(tmp_path)
    monkeypatch.setattr(prover_module, "Scratch", found.start)
    monkeypatch.setattr(proof_module, "compare_with_members", found.compare)
    return found


def test_a_good_one_is_proven_and_followed(setting: Setting) -> None:
    name = setting.save(42)
    setting.prover.prove_pending()
    assert setting.look(name).state == "proven"
    assert setting.look(name).detail == "they had the same; no log leads to it"
    assert setting.prover.base is not None
    assert setting.prover.base.name == name
    assert setting.running() == 1
    setting.prover.close()
    assert setting.running() == 0


def test_what_a_killed_backup_has_left_is_removed_or_else_not_in_the_way(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may still be written to."""
    (tmp_path / "left" / "0").mkdir(parents=True)

    def begin() -> None:
        Prover(setting.vault, tmp_path / "left", [], Metrics(), setting.log, setting.wanted.append)

    with monkeypatch.context() as patch:
        patch.setattr("backup.prover.shutil.rmtree", lambda *_, **__: None)
        begin()
    assert (tmp_path / "left" / "0").exists()
    begin()
    assert not (tmp_path / "left" / "0").exists()


def test_one_that_the_members_had_not_fails_and_another_is_wanted_but_not_at_once_again(setting: Setting) -> None:
    setting.verdict = Verdict("failed", "its hash is another")
    names = [setting.save(42), setting.save(43)]
    for _ in names:
        setting.prover.prove_pending()
    assert {setting.look(name).state for name in names} == {"failed"}
    assert setting.wanted == ["schedule"]
    assert setting.prover.base is None
    assert setting.running() == 0


def test_one_without_a_verdict_is_tried_some_times(setting: Setting) -> None:
    setting.verdict = Verdict("inconclusive", "it was compacted")
    name = setting.save(42)
    for _ in range(MOST_TRIES - 1):
        setting.prover.prove_pending()
    assert setting.look(name).state == "pending"
    setting.prover.prove_pending()
    assert setting.look(name) == replace(setting.look(name), state="failed", detail="it was compacted")
    assert setting.wanted == ["schedule"]
    assert setting.running() == 0


def test_an_etcd_that_does_not_start_is_tried_again(setting: Setting) -> None:
    """It may have been for want of room or time."""
    name = setting.save(42)
    setting.broken.add(42)
    setting.prover.prove_pending()
    assert setting.look(name).state == "pending"
    setting.broken.clear()
    setting.prover.prove_pending()
    assert setting.look(name).state == "proven"


def test_while_too_few_members_answer_nothing_is_judged(setting: Setting) -> None:
    setting.verdict = EtcdUnavailableError("too few members answer")
    name = setting.save(42)
    for _ in range(2 * MOST_TRIES):
        with pytest.raises(EtcdUnavailableError):
            setting.prover.prove_pending()
    assert setting.look(name).state == "pending"
    assert setting.running() == 0


def test_one_that_is_damaged_on_the_volume_fails_at_once(setting: Setting) -> None:
    name = setting.save(42)
    (setting.volume / f"{name}.db").write_bytes(b"43")
    setting.prover.prove_pending()
    assert setting.look(name).state == "failed"
    assert "sha256" in setting.look(name).detail


def test_the_log_that_leads_to_one_is_checked(setting: Setting) -> None:
    first = setting.save(42)
    setting.prover.prove_pending()
    write_log(setting.volume, [43, 44])
    setting.log.written = 44
    second = setting.save(44)
    setting.prover.prove_pending()
    assert setting.look(second).detail.endswith(f"{first} and the log after it make the same")
    assert setting.prover.broken is None
    assert setting.running() == 1


def test_a_log_that_is_late_is_waited_for_and_no_fault(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    setting.save(42)
    setting.prover.prove_pending()
    second = setting.save(44)
    monkeypatch.setattr(prover_module, "_age", lambda _: 5)
    setting.prover.prove_pending()
    assert setting.look(second).state == "pending"
    monkeypatch.setattr(prover_module, "_age", lambda _: 31)
    setting.prover.prove_pending()
    assert setting.look(second).detail.endswith("the log has not come so far")
    assert setting.prover.broken is None


def test_a_log_that_leads_elsewhere_is_broken_until_the_next_is_proven(setting: Setting) -> None:
    first = setting.save(42)
    setting.prover.prove_pending()
    log = write_log(setting.volume, [43])
    setting.log.written = 44
    second = setting.save(44)
    setting.prover.prove_pending()
    assert setting.look(second).state == "proven"  # the members had it
    assert "it ends with revision 43" in setting.look(second).detail
    assert setting.prover.broken == f"the log after {first} is broken: it ends with revision 43"
    assert setting.log.begun == 1
    setting.prover.follow()
    assert log.exists()
    new = write_log(setting.volume, [44, 45, 46], "pod-2")
    setting.save(45)  # was taken before that was known, and may lie before where the log began anew
    setting.prover.prove_pending()
    assert setting.prover.broken is not None
    assert log.exists()
    third = setting.save(46, time=datetime.now(UTC))
    setting.prover.prove_pending()
    assert setting.look(third).detail.endswith(f"the log after {first} is broken: it ends with revision 43")
    assert setting.prover.broken is None
    assert paths(setting.volume) == [new]
    setting.prover.follow()
    assert setting.prover.base is not None
    assert setting.prover.base.name == third


def test_the_newest_is_tried_first_and_older_ones_without_the_log(setting: Setting) -> None:
    """So that a log which began anew meanwhile is mended soonest."""
    write_log(setting.volume, [43])
    setting.log.written = 60
    names = [setting.save(number) for number in (42, 44, 60)]
    for _ in names:
        setting.prover.prove_pending()
    assert {setting.look(name).state for name in names} == {"proven"}
    assert setting.prover.base is not None
    assert setting.prover.base.name == names[-1]
    assert setting.prover.broken is None


def test_a_gap_before_a_new_snapshot_is_no_reason_to_begin_anew_again(setting: Setting) -> None:
    setting.save(42)
    setting.prover.prove_pending()
    write_log(setting.volume, [43])
    new = write_log(setting.volume, [45, 46], "pod-2")
    setting.log.written = 46
    setting.save(46, time=datetime.now(UTC))
    setting.prover.prove_pending()
    assert setting.log.begun == 0
    assert setting.wanted == ["log"]
    assert new.exists()


def test_a_scratch_that_went_astray_is_no_fault_of_the_logs(setting: Setting) -> None:
    setting.save(42)
    setting.prover.prove_pending()
    setting.scratches[-1].member.skips = 1  # as when a lease has ended in it
    write_log(setting.volume, [43, 44])
    setting.prover.follow()
    assert setting.prover.broken is None
    assert setting.prover.base is not None
    assert setting.scratches[-1].member.revision == 44
    assert setting.running() == 1


def unusable(folder: Path, revision: int) -> Path:
    """A log with a revision that no etcd takes: its lease is missing."""
    writer = LogWriter(folder, CLUSTER, 1, revision - 1, "pod-1")
    writer.append_revision(revision, [put(revision, lease=7)])
    writer.flush()
    writer.close()
    return writer.path


def test_a_log_that_can_not_be_replayed_is_broken_and_tried_no_more(setting: Setting) -> None:
    name = setting.save(42)
    setting.prover.prove_pending()
    unusable(setting.volume, 43)
    for _ in range(3):
        setting.prover.follow()
    assert setting.prover.broken is not None
    assert setting.prover.broken.startswith(f"the log after {name} is broken: revision 43")
    assert setting.log.begun == 1
    assert len(setting.scratches) == 2
    assert setting.running() == 0


def test_a_log_that_is_shorter_than_it_was_written_is_broken(setting: Setting) -> None:
    setting.save(42)
    setting.prover.prove_pending()
    write_log(setting.volume, [43])
    setting.log.written = 43
    setting.prover.follow()
    assert setting.prover.broken is None
    setting.log.written = 44
    setting.prover.follow()
    assert setting.prover.broken is not None
    assert "written up to revision 44, but ends with 43" in setting.prover.broken
    assert setting.log.begun == 1


def test_a_log_with_a_gap_needs_another_snapshot_and_goes_on(setting: Setting) -> None:
    setting.save(42)
    setting.prover.prove_pending()
    write_log(setting.volume, [43])
    new = write_log(setting.volume, [45, 46], "pod-2")
    setting.log.written = 46
    for _ in range(3):
        setting.prover.follow()
    assert setting.wanted == ["log"]
    assert setting.log.begun == 0
    setting.save(45, time=datetime.now(UTC))
    setting.prover.prove_pending()
    setting.prover.follow()
    assert setting.prover.broken is None
    assert setting.scratches[-1].member.revision == 46
    assert new.exists()


def make(setting: Setting, monkeypatch: pytest.MonkeyPatch, wanted: str, after_epoch: int = 0) -> Manifest:
    def made(source: Path, _bump: int, _epoch: int, target: Path, _folder: Path) -> object:
        target.write_bytes(source.read_bytes())
        return SimpleNamespace(revision=1000, count=40)

    monkeypatch.setattr(restore_file, "make", made)
    monkeypatch.setattr(prover_module, "newest_revision", lambda _: setting.scratches[-1].member.revision)
    return setting.prover.make_restore_file(wanted, after_epoch, lambda _step, _done, _of: None)


def test_a_restore_file_is_of_the_newest_and_its_log(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    setting.save(42, PROVEN)
    name = setting.save(44, PROVEN)
    write_log(setting.volume, [45, 46])
    file = make(setting, monkeypatch, "latest")
    assert setting.scratches[-1].member.revision == 46
    assert (file.source, file.reason, file.epoch, file.bump) == (name, "restore", 2, 1_000_000_000)
    assert file.cluster == 0
    assert file.proof.state == "proven"


def test_a_restore_file_of_a_named_one(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    name = setting.save(42, PROVEN)
    setting.save(44, PROVEN)
    file = make(setting, monkeypatch, name, after_epoch=4)
    assert (file.source, file.epoch, file.bump) == (name, 5, 4_000_000_000)
    assert (setting.volume / f"{file.name}.db").read_bytes() == b"42"


def test_no_restore_file_of_what_is_not_proven(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    name = setting.save(42)
    for wanted in (name, "latest", "other"):
        with pytest.raises(UnknownSnapshotError):
            make(setting, monkeypatch, wanted)


def test_no_restore_file_when_the_log_is_broken(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    name = setting.save(42)
    setting.prover.prove_pending()
    log = unusable(setting.volume, 43)
    with pytest.raises(ReplayError, match=f"after {name} is broken: .*alone can be restored, by its name"):
        make(setting, monkeypatch, "latest")
    assert make(setting, monkeypatch, name).source == name
    assert log.exists()


def test_no_restore_file_when_a_lease_ends_meanwhile(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    setting.save(42)
    setting.prover.prove_pending()
    monkeypatch.setattr(FakeScratch, "save", lambda scratch, target: _save_later(scratch, target))
    with pytest.raises(ScratchError, match="revision 43 follows 42"):
        make(setting, monkeypatch, "latest")
    assert setting.prover.base is None


def _save_later(scratch: FakeScratch, target: Path) -> None:
    scratch.member.revision += 1
    target.write_bytes(b"saved")


def test_what_was_uploaded_is_tried(setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prover_module, "newest_revision", lambda _: 42)
    monkeypatch.setattr(FakeMember, "epoch", lambda _: 3, raising=False)
    local = tmp_path / "local"
    local.write_bytes(b"42")
    taken = setting.prover.try_upload(local)
    assert (taken.epoch, taken.cluster, taken.revision, taken.count) == (3, 0, 42, 40)
    setting.broken.add(42)
    with pytest.raises(BadSnapshotError, match="can't be restored from it: etcd ended"):
        setting.prover.try_upload(local)
    assert setting.running() == 0
