import pytest

from bench.__main__ import parse


def test_without_options_it_measures_thoroughly() -> None:
    arguments = parse([])

    assert (arguments.rounds, arguments.seconds, arguments.concurrencies) == (3, 8, (1, 3, 50, 200))


def test_concurrencies_come_sorted_and_once() -> None:
    assert parse(["--concurrencies=50,3,50"]).concurrencies == (3, 50)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--rounds=0"], "'0'"),
        (["--seconds=1.5"], "'1.5'"),
        (["--concurrencies=3,x"], "'x'"),
        (["--concurrencies=3,,50"], "''"),
        (["--concurrencies=-1"], "'-1'"),
    ],
)
def test_what_is_no_positive_number_is_named(words: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(words)

    assert f"{named} is not a number of 1 or more" in capsys.readouterr().err
