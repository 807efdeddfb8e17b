"""What outlasts the runs of `local/deploy.py`: the outputs of the last one that succeeded, and what it stashed."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from local import files


@dataclass(frozen=True)
class Record:
    """The program's exports, and the first and the last value of each Stash (`output`, `input`), by name."""

    outputs: Mapping[str, object]
    stash: Mapping[str, Mapping[str, Any]]


def load(file: Path) -> Record | None:
    """What the last successful run left; None if there was none."""
    try:
        return Record(**json.loads(file.read_text()))
    except FileNotFoundError:
        return None


def save(file: Path, record: Record) -> None:
    """Write it as a whole or not at all, whatever ends this run. Raises LocalError if that can't be done."""
    files.write(file, json.dumps(asdict(record)))
