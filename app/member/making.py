"""Make a member's folder anew, as the controller says: empty, or of a file that backup or another member serves."""

import subprocess
from pathlib import Path

from member import backup, command, volume
from member.addresses import PEER_PORT, member_name
from member.backup import BackupError
from member.settings import Member
from member.starting import File, Join, Make, Restore


class MakingError(Exception):
    """The new folder could not be made. The text says why."""


def make(member: Member, step: Make) -> None:
    """Put a new folder in the place of the member's, which stays untouched until the new one is whole.

    Raises MakingError.
    """
    answer = step.answer
    try:
        new = volume.begin(member.data_dir)
        if isinstance(answer, Restore):
            _fill(new, member, answer)
        volume.finish(member.data_dir, step.marker, joins=isinstance(answer, Join))
    except (OSError, BackupError) as error:
        raise MakingError(str(error)) from error


def _fill(new: Path, member: Member, answer: Restore) -> None:
    file = volume.file_beside(member.data_dir)
    backup.fetch(_url_of(answer.file, member), answer.file.sha256, file)
    cluster = [member_name(number) for number in answer.members]
    run(*command.restore(member.name, cluster, answer.token, answer.bump, file, new))


def _url_of(file: File, member: Member) -> str:
    """Where the file is served: by the member of whose folder it was made, or else by backup."""
    kind, _, number = file.made_of.partition(" ")
    if kind == "member":
        return f"http://{member_name(int(number))}:{PEER_PORT}"
    if not member.backup_url:
        raise MakingError(f"there is no backup (BACKUP_URL is not set) to give the file {file.sha256}")
    return member.backup_url


def run(*arguments: str) -> str:
    """Return what a program prints. Raises MakingError if it fails."""
    result = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        # What comes before is its log, with times in it: each try would be another reason to wait.
        *_, fault = (result.stderr or result.stdout).splitlines() or ["without a word"]
        raise MakingError(f"{arguments[0]} failed with {result.returncode}: {fault}")
    return result.stdout
