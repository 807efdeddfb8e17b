import pytest

from chaos.__main__ import parse
from chaos.faults import FAULTS


def test_without_options_every_fault_is_put_in() -> None:
    arguments = parse([])

    assert (arguments.increments, arguments.clients, arguments.keyed) == (100_000, 50, 10)
    assert arguments.faults == [fault.name for fault in FAULTS]


def test_faults_can_be_chosen() -> None:
    assert parse(["--faults=node-cut,leader-killed"]).faults == ["node-cut", "leader-killed"]


@pytest.mark.parametrize(
    ("words", "least"), [("--increments=0", 1), ("--clients=many", 1), ("--clients=-1", 1), ("--keyed=-1", 0)]
)
def test_what_is_no_such_number_is_named(words: str, least: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse([words])

    assert f"{words.partition('=')[2]!r} is not a number of {least} or more" in capsys.readouterr().err
