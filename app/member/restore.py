"""Make a member's folder anew, as the record wants it."""

import subprocess
from pathlib import Path

from member import backup, command, folder
from member.settings import Member, Restoration


class RestoreError(Exception):
    """The new folder could not be made. The text says why."""


def restore(member: Member, restoration: Restoration) -> None:
    """Put a new folder in the place of the member's, which stays untouched until the new one is whole.

    Raises RestoreError.
    """
    try:
        new = folder.begin(member.data_dir)
        if restoration.sha256 is not None:
            _fill(new, member, restoration, restoration.sha256)
        folder.finish(member.data_dir, restoration.epoch)
    except (OSError, backup.BackupError) as error:
        raise RestoreError(str(error)) from error


def _fill(new: Path, member: Member, restoration: Restoration, sha256: str) -> None:
    if not member.backup_url:
        raise RestoreError(f"there is no backup (BACKUP_URL is not set) to give the file {sha256}")
    file = folder.file_beside(member.data_dir)
    backup.fetch(member.backup_url, sha256, file)
    arguments = command.restore(member.name, member.cluster, member.token, restoration.bump, file, new)
    result = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        # What comes before is its log, with times in it: each try would be another reason to wait.
        *_, fault = (result.stderr or result.stdout).splitlines() or ["without a word"]
        raise RestoreError(f"{arguments[0]} failed with {result.returncode}: {fault}")
