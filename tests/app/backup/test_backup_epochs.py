from pathlib import Path

import pytest

from backup.epochs import Epochs, EpochsError
from backup.sealed import seal
from tests.app.backup.samples import CLUSTER


def loaded(folder: Path) -> Epochs:
    epochs = Epochs(folder)
    epochs.load()
    return epochs


def test_a_deployment_begins_as_no_cluster(tmp_path: Path) -> None:
    assert loaded(tmp_path).known() == ()
    assert not loaded(tmp_path).knows(CLUSTER)


def test_what_is_noted_is_known_for_ever(tmp_path: Path) -> None:
    epochs = loaded(tmp_path)
    epochs.note(1, CLUSTER)
    epochs.note(2, 7)
    again = loaded(tmp_path)
    assert again.known() == epochs.known()
    assert [(known.epoch, known.cluster) for known in again.known()] == [(1, CLUSTER), (2, 7)]
    assert again.knows(7)


def test_what_is_known_is_not_written_again(tmp_path: Path) -> None:
    epochs = loaded(tmp_path)
    epochs.note(1, CLUSTER)
    (tmp_path / "epochs.json").unlink()
    epochs.note(1, CLUSTER)
    assert not (tmp_path / "epochs.json").exists()


def test_what_another_process_noted_meanwhile_stays(tmp_path: Path) -> None:
    one, another = loaded(tmp_path), loaded(tmp_path)
    one.note(1, CLUSTER)
    another.note(2, 7)
    another.note(1, CLUSTER)
    assert [known.epoch for known in loaded(tmp_path).known()] == [1, 2]


def test_a_cluster_that_this_never_was_is_named(tmp_path: Path) -> None:
    epochs = loaded(tmp_path)
    epochs.note(1, CLUSTER)
    assert epochs.why_strange("snapshot-1", CLUSTER) is None
    assert epochs.why_strange("snapshot-1", 7) == (
        "snapshot-1: it is of cluster 0000000000000007, which this deployment never was"
    )


@pytest.mark.parametrize(
    "text", ["", "{}", seal({}), seal({"epochs": [7]}), seal({"epochs": [{"epoch": 1, "cluster": 2}]})]
)
def test_a_damaged_history_is_an_error_and_is_not_written_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "epochs.json").write_text(text)
    with pytest.raises(EpochsError, match=r"epochs\.json is damaged"):
        Epochs(tmp_path).load()
    with pytest.raises(EpochsError, match=r"epochs\.json is damaged"):
        Epochs(tmp_path).note(1, CLUSTER)
    assert (tmp_path / "epochs.json").read_text() == text
