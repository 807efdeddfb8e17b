"""How a member starts: it says what it has, does what the controller tells it, and asks again, until it becomes etcd.
What is done after which answer is decided in `starting`.
"""

import os
import secrets
import time
from typing import NoReturn

from member import asking, command, file_server, peers, probes, volume
from member.addresses import member_name
from member.asking import NoAnswerError
from member.making import MakingError, make
from member.marker import State
from member.saver import Saver
from member.settings import Member
from member.starting import (
    PATIENCE,
    Ask,
    Become,
    Confirm,
    Folder,
    Make,
    Mark,
    Report,
    Save,
    Start,
    Step,
    Wait,
    alone,
    told,
)

# Seconds between two questions.
_PAUSE = 0.2


def launch(member: Member) -> NoReturn:
    """Become etcd: same process, so that signals reach it. Before that asks and waits for as long as it takes.

    Raises OSError if etcd can't be started, or the volume can't be used.
    """
    launcher = _Launcher(member)
    with probes.answered(), file_server.serving(launcher.saver.find):
        become = launcher.until_told()
    _become_etcd(member, become.start, launcher.is_first_start)


class _Launcher:
    """What a member knows while it waits; `is_first_start`: whether this life starts for the first time."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self.saver = Saver(member)
        self._asked_since = time.monotonic()
        self._said = ""
        self.is_first_start = False

    def until_told(self) -> Become:
        """Ask, and do what is told, until that is to become etcd."""
        volume.clear(self._member.data_dir)
        while True:
            for step in self._next_steps():
                if isinstance(step, Become):
                    return step
                if isinstance(step, Ask) or not self._do(step):
                    break
            time.sleep(_PAUSE)

    def _next_steps(self) -> tuple[Step, ...]:
        folder = volume.look(self._member.data_dir)
        try:
            answer = asking.ask(self._member.controller_url, self._report(folder), PATIENCE)
        except NoAnswerError as error:
            self._say(str(error))
            # While its folder is read nobody else may write to it.
            return (Ask(),) if self.saver.is_busy else alone(folder, time.monotonic() - self._asked_since)
        self._asked_since = time.monotonic()
        if self.saver.is_busy and not isinstance(answer, Save):
            return (Ask(),)
        return told(folder, answer, secrets.token_hex(8))

    def _report(self, folder: Folder | None) -> Report:
        member = self._member
        return Report(
            member=member.number,
            pod=member.pod,
            folder=folder,
            file=self.saver.file,
            unusable=self.saver.unusable,
            crashes=volume.crashes(member.data_dir, member.pod),
            full=volume.is_full(member.data_dir),
        )

    def _do(self, step: Step) -> bool:
        """Returns whether what is to follow may be done."""
        match step:
            case Wait():
                self._say(f"waiting: {step.reason}")
            case Save():
                self._save(step)
            case Make():
                return self._make(step)
            case Mark():
                self._mark(step)
            case Confirm():
                return self._confirm(step)
        return True

    def _mark(self, step: Mark) -> None:
        before = volume.look(self._member.data_dir)
        was_made = before is not None and before.marker is not None and before.marker.state is State.MADE
        self.is_first_start = was_made and step.marker.state is State.STARTED
        volume.mark(self._member.data_dir, step.marker)
        self._say(f"life {step.marker.life} of epoch {step.marker.epoch} is {step.marker.state}")

    def _save(self, step: Save) -> None:
        folder = volume.look(self._member.data_dir)
        if folder is not None:
            self._say(f"makes a file of what it has: {step.reason}")
            self.saver.begin(step, folder)

    def _make(self, step: Make) -> bool:
        life = f"life {step.marker.life} of epoch {step.marker.epoch}"
        try:
            make(self._member, step)
        except MakingError as error:
            self._say(f"waiting: the folder for {life} could not be made: {error}")
            return False
        self._say(f"the folder for {life} is made: {type(step.answer).__name__.lower()}")
        return True

    def _confirm(self, step: Confirm) -> bool:
        others = (member_name(number) for number in step.members)
        if peers.list_as(others, self._member.name, step.entry):
            return True
        self._say(f"waiting: not all others that answer know it as {step.entry:x}")
        return False

    def _say(self, text: str) -> None:
        """Each once, however often it is tried."""
        if text != self._said:
            _say(text)
        self._said = text


def _become_etcd(member: Member, start: Start | None, is_first: bool) -> NoReturn:
    cluster = [member_name(number) for number in start.members] if start is not None else []
    arguments = command.start(
        member,
        cluster or [member.name],
        start.token if start is not None else "",
        "existing" if start is not None and start.entry else "new",
        # All folders of a new epoch were just made of one file.
        compares=not is_first,
    )
    volume.note_start(member.data_dir, member.pod)
    why = "nobody answers, and it has been started before" if start is None else f"life {start.life} may start"
    _say(f"{why}: {' '.join(arguments)}")
    os.execv(arguments[0], arguments)


def _say(text: str) -> None:
    print(text, flush=True)  # exec drops what is buffered
