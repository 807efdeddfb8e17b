from pathlib import Path

import pytest

from local import record
from local.record import Record

RECORD = Record(outputs={"nodeport": 30180}, stash={"kept": {"input": "2", "output": "1"}})


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    record.save(tmp_path / "new" / "record.json", RECORD)

    assert record.load(tmp_path / "new" / "record.json") == RECORD


def test_before_the_first_run_there_is_none(tmp_path: Path) -> None:
    assert record.load(tmp_path / "record.json") is None


def test_a_run_that_ends_while_it_writes_leaves_the_one_before(tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    record.save(file, RECORD)

    with pytest.raises(TypeError):
        record.save(file, Record(outputs={"nodeport": object()}, stash={}))

    assert record.load(file) == RECORD
