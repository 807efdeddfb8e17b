from typing import Any

import pytest
from pulumi.output import Unknown

from tests.infra.program_run import ProgramRun, run_program
from tests.infra.stack_config import full_config

VOLUME = "kubernetes:core/v1:PersistentVolume"
CLAIM = "kubernetes:core/v1:PersistentVolumeClaim"


def export(place: str) -> ProgramRun:
    return run_program(full_config() | {"snapshotVolume": "export", "snapshotExport": place})


def volume(run: ProgramRun) -> dict[str, Any]:
    return dict(run.find(VOLUME, "snapshots").inputs)


def test_it_leads_to_the_address_that_the_server_got(run: ProgramRun) -> None:
    assert volume(run)["spec"]["nfs"] == {"server": "10.0.0.7", "path": "/snapshots"}


def test_or_to_the_export_that_is_configured(with_export: ProgramRun) -> None:
    assert volume(with_export)["spec"]["nfs"] == {"server": "nas.example.com", "path": "/a/b"}


def test_a_dead_server_gives_errors_in_time(run: ProgramRun) -> None:
    options = dict(option.partition("=")[::2] for option in volume(run)["spec"]["mountOptions"])

    assert "soft" in options
    # The wait for an answer grows by `timeo` tenths of a second with each of `retrans` tries.
    waits = [int(options["timeo"]) / 10 * number for number in range(1, int(options["retrans"]) + 1)]
    assert 5 <= sum(waits) <= 10


def test_nobody_else_s_claim_gets_it_and_its_claim_nothing_else(run: ProgramRun) -> None:
    claim = run.find(CLAIM, "snapshots").inputs
    reference = volume(run)["spec"]["claimRef"]

    assert (reference["namespace"], reference["name"]) == (
        claim["metadata"]["namespace"],
        claim["metadata"]["name"],
    )
    assert claim["spec"]["volumeName"] == volume(run)["metadata"]["name"]
    assert claim["spec"]["storageClassName"] == volume(run)["spec"]["storageClassName"] == ""


def test_with_it_nothing_is_deleted_on_the_server(run: ProgramRun) -> None:
    assert volume(run)["spec"]["persistentVolumeReclaimPolicy"] == "Retain"


def test_what_can_not_be_changed_is_named_after_where_it_leads() -> None:
    places = ["nas:/a", "nas:/A", "[fd00::7]:/a", "nas:/snapshots"]
    runs = [export(place) for place in places]

    names = [volume(run)["metadata"]["name"] for run in runs]
    assert len(set(names)) == len(places)
    assert [run.find(CLAIM, "snapshots").inputs["metadata"]["name"] for run in runs] == names
    for name in names:
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-"), name


def test_a_preview_does_not_know_the_address_of_a_server_that_is_yet_to_be_made() -> None:
    preview = volume(run_program(full_config(), preview=True))

    assert isinstance(preview["metadata"]["name"], Unknown)
    assert isinstance(preview["spec"]["nfs"]["server"], Unknown)


@pytest.mark.parametrize("name", ["with_claim", "without_backup"])
def test_there_is_none_for_a_claim_or_for_nothing(name: str, request: pytest.FixtureRequest) -> None:
    run: ProgramRun = request.getfixturevalue(name)

    assert [*run.of_type(VOLUME), *run.of_type(CLAIM)] == []
