"""The making of a restore file; the etcds are none."""

from pathlib import Path

import pytest

from backup import restore_file
from backup.restore_file import Content, make
from backup.scratch import ScratchError
from etcd import keys
from tests.app.backup.fake_scratch import FakeMember, FakeScratch


class Setting:
    """Scratch etcds, each of which goes on from what the one before it saved.

    Attributes:
        started: From which file each was started, and with which bump.
        saved: Which revision the saved file has; None: that of the etcd.
        tried: What an etcd from the saved file says: its count and its epoch.
    """

    def __init__(self) -> None:
        self.started: list[tuple[Path, int]] = []
        self.scratches: list[FakeScratch] = []
        self.saved: int | None = None
        self.tried = (40, 2)

    def start(self, _folder: Path, snapshot: Path, bump: int = 0) -> FakeScratch:
        self.started.append((snapshot, bump))
        is_first = len(self.started) == 1
        member = FakeMember(42 + bump, 40) if is_first else FakeMember(self.revision(snapshot), self.tried[0])
        member.epoch = lambda: self.tried[1]  # type: ignore[attr-defined]
        self.scratches.append(FakeScratch(member))
        return self.scratches[-1]

    def revision(self, _: Path) -> int:
        return self.saved or self.scratches[0].member.revision


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Setting:
    found = Setting()
    monkeypatch.setattr(restore_file, "Scratch", found.start)
    monkeypatch.setattr(restore_file, "newest_revision", found.revision)
    return found


def test_its_last_transaction_is_the_epoch(setting: Setting, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    assert make(source, 1000, 2, target, tmp_path / "etcd") == Content(1043, 40)
    [request] = setting.scratches[0].member.applied
    assert (request.success[0].request_put.key, request.success[0].request_put.value) == (keys.EPOCH, b"2")
    assert setting.started == [(source, 1000), (target, 0)]
    assert all(scratch.is_closed for scratch in setting.scratches)


def test_a_lease_ends_meanwhile(setting: Setting, tmp_path: Path) -> None:
    setting.saved = 44
    with pytest.raises(ScratchError, match="revision 44 follows 43"):
        make(tmp_path / "source", 0, 2, tmp_path / "target", tmp_path / "etcd")


@pytest.mark.parametrize("tried", [(39, 2), (40, 1)])
def test_it_restores_to_something_else(setting: Setting, tmp_path: Path, tried: tuple[int, int]) -> None:
    setting.tried = tried
    with pytest.raises(ScratchError, match="it restores to"):
        make(tmp_path / "source", 0, 2, tmp_path / "target", tmp_path / "etcd")
    assert all(scratch.is_closed for scratch in setting.scratches)
