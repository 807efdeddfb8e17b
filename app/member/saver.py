"""The making of a file of the member's folder, in the background: meanwhile the member goes on asking."""

import threading
from pathlib import Path

from member import survivor
from member.making import MakingError
from member.settings import Member
from member.starting import File, Folder, Save
from member.survivor import Made


class Saver:
    """Makes one file at a time, and remembers the last one. For use by one thread, but for `find`."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self._made: Made | None = None
        self._unusable = ""
        self._thread: threading.Thread | None = None

    @property
    def file(self) -> File | None:
        """The file that was made."""
        return self._made.file if self._made is not None else None

    @property
    def unusable(self) -> str:
        """Why none could be made; "" if none was wanted, or it is there."""
        return self._unusable

    @property
    def is_busy(self) -> bool:
        """Whether the folder is being read."""
        return self._thread is not None and self._thread.is_alive()

    def find(self, sha256: str) -> Path | None:
        """Return where the file of this hash lies, if it was made here."""
        made = self._made
        return made.path if made is not None and made.file.sha256 == sha256 else None

    def begin(self, step: Save, folder: Folder) -> None:
        """Have a file made for an epoch, unless that is under way, or the file is there."""
        if self.is_busy or (self.file is not None and self.file.made_for == step.epoch):
            return
        self._made, self._unusable = None, ""
        self._thread = threading.Thread(target=self._make, args=(folder, step.epoch), name="saver", daemon=True)
        self._thread.start()

    def _make(self, folder: Folder, epoch: int) -> None:
        try:
            self._made = survivor.make_file(self._member, folder, epoch)
        except MakingError as error:
            self._unusable = str(error)
