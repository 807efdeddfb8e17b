import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from member import survivor
from member.making import MakingError
from member.marker import Marker, State
from member.saver import Saver
from member.settings import Member
from member.starting import File, Folder, Save
from member.survivor import Made
from tests.app.counter.until import until

FOLDER = Folder(Marker(1, 1, State.STARTED, "one"), log=True)


class Making:
    """What a file is made by: it takes until it is told to go on."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.epochs: list[int] = []
        self.fault = ""

    def make_file(self, member: Member, _folder: Folder, epoch: int) -> Made:
        self.epochs.append(epoch)
        assert self.go_on.wait(10)
        if self.fault:
            raise MakingError(self.fault)
        return Made(File(f"sha-{epoch}", epoch, f"member {member.number}", 1, 7), Path(f"/file-{epoch}"))


@pytest.fixture
def making(monkeypatch: pytest.MonkeyPatch) -> Making:
    making = Making()
    monkeypatch.setattr(survivor, "make_file", making.make_file)
    return making


@pytest.fixture
def saver(make_member: Callable[..., Member]) -> Saver:
    return Saver(make_member())


def save(saver: Saver, making: Making, epoch: int) -> None:
    """Have a file made, and wait until that is done."""
    making.go_on.set()
    saver.begin(Save(epoch, "why"), FOLDER)
    until(lambda: not saver.is_busy)


def test_at_first_there_is_none(saver: Saver) -> None:
    assert (saver.file, saver.unusable, saver.is_busy, saver.find("sha-2")) == (None, "", False, None)


def test_a_file_is_made_in_the_background(saver: Saver, making: Making) -> None:
    saver.begin(Save(2, "why"), FOLDER)
    assert (saver.file, saver.is_busy) == (None, True)
    making.go_on.set()
    until(lambda: not saver.is_busy)
    assert saver.file == File("sha-2", 2, "member 1", 1, 7)
    assert (saver.find("sha-2"), saver.find("sha-3")) == (Path("/file-2"), None)


def test_it_is_made_once_however_often_it_is_asked_for(saver: Saver, making: Making) -> None:
    for _ in range(3):
        saver.begin(Save(2, "why"), FOLDER)
    save(saver, making, 2)
    save(saver, making, 2)
    assert making.epochs == [2]


def test_another_epoch_has_another_file(saver: Saver, making: Making) -> None:
    save(saver, making, 2)
    save(saver, making, 3)
    assert saver.file is not None
    assert saver.file.made_for == 3
    assert saver.find("sha-2") is None


def test_that_none_can_be_made_is_said_until_one_is(saver: Saver, making: Making) -> None:
    making.fault = "its data are corrupt"
    save(saver, making, 2)
    assert (saver.file, saver.unusable) == (None, "its data are corrupt")
    making.fault = ""
    save(saver, making, 2)
    assert saver.file is not None
    assert saver.unusable == ""
