from dataclasses import replace

import pytest

from local import cluster_record
from local.cluster_record import EMPTY, ClusterRecord, Restore
from local.errors import LocalError
from local.kube import Object
from tests.local.in_memory_kube import InMemoryKube

RESTORE = Restore("SNAPSHOT=latest", "snapshot-1", "ab" * 32, 2, 10**9, 11)
METADATA = {"namespace": "app", "name": "etcd-cluster"}
RECORD: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": METADATA}


@pytest.fixture
def kube() -> InMemoryKube:
    fake = InMemoryKube()
    fake.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "app"}}, "tests")
    fake.apply(RECORD, "tests")
    return fake


def data(kube: InMemoryKube) -> dict[str, str]:
    found: dict[str, str] = kube.find("ConfigMap", "etcd-cluster").get("data", {})
    return found


def begin(kube: InMemoryKube, restore: Restore) -> None:
    cluster_record.begin(kube, "app", cluster_record.read(kube, "app"), restore)


def test_as_the_program_makes_it_it_is_of_the_first_epoch(kube: InMemoryKube) -> None:
    assert cluster_record.read(kube, "app") == ClusterRecord(1, None, "2")


def test_without_one_it_is_said_what_makes_it() -> None:
    with pytest.raises(LocalError, match="there is no ConfigMap app/etcd-cluster; `make up`"):
        cluster_record.read(InMemoryKube(), "app")


def test_what_members_need_to_know_is_written_as_text(kube: InMemoryKube) -> None:
    begin(kube, RESTORE)

    written = data(kube)
    assert len(written.pop("token")) == 32
    assert written == {"epoch": "2", "restore": "ab" * 32, "bump": "1000000000"}


def test_without_a_file_there_is_no_bump(kube: InMemoryKube) -> None:
    begin(kube, RESTORE)
    begin(kube, replace(RESTORE, file=EMPTY, epoch=3, bump=None))

    written = data(kube)
    del written["token"]
    assert written == {"epoch": "3", "restore": "empty"}


def test_what_was_begun_is_read_again(kube: InMemoryKube) -> None:
    begin(kube, RESTORE)

    assert cluster_record.read(kube, "app").restore == RESTORE
    assert cluster_record.read(kube, "app").epoch == 2


def test_each_epoch_has_a_token_of_its_own_and_keeps_it(kube: InMemoryKube) -> None:
    begin(kube, RESTORE)
    first = data(kube)["token"]
    begin(kube, RESTORE)
    repeated = data(kube)["token"]
    begin(kube, replace(RESTORE, epoch=3))

    assert repeated == first
    assert data(kube)["token"] != first


def test_of_two_that_begin_at_once_one_is_refused(kube: InMemoryKube) -> None:
    read = cluster_record.read(kube, "app")
    cluster_record.begin(kube, "app", read, RESTORE)

    with pytest.raises(LocalError, match="Conflict"):
        cluster_record.begin(kube, "app", read, replace(RESTORE, file=EMPTY))

    assert data(kube)["restore"] == RESTORE.file


def test_when_it_is_finished_epoch_and_token_stay(kube: InMemoryKube) -> None:
    begin(kube, RESTORE)
    token = data(kube)["token"]

    cluster_record.finish(kube, "app")

    assert data(kube) == {"epoch": "2", "token": token}
    assert cluster_record.read(kube, "app").restore is None


def test_one_that_was_begun_by_hand_is_read_without_what_nobody_noted(kube: InMemoryKube) -> None:
    kube.patch(RECORD, {"data": {"epoch": "4", "restore": "cd" * 32, "bump": "7"}}, "kubectl")

    assert cluster_record.read(kube, "app").restore == Restore("", "a file cdcdcdcdcdcd", "cd" * 32, 4, 7, None)


def test_what_is_noted_of_another_one_does_not_count(kube: InMemoryKube) -> None:
    begin(kube, RESTORE)
    kube.patch(RECORD, {"data": {"restore": "cd" * 32}}, "kubectl")

    found = cluster_record.read(kube, "app").restore
    assert found is not None
    assert (found.file, found.count) == ("cd" * 32, None)


@pytest.mark.parametrize(
    ("wrong", "text"), [({"epoch": "two"}, "`epoch` is 'two'"), ({"restore": "empty"}, "the key `restore`, but no")]
)
def test_a_record_that_can_not_be_right_is_told(kube: InMemoryKube, wrong: dict[str, str], text: str) -> None:
    kube.patch(RECORD, {"data": wrong}, "kubectl")

    with pytest.raises(LocalError, match=text):
        cluster_record.read(kube, "app")
