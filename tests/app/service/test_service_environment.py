import pytest

from service.environment import SettingsError, Variable, check, describe, parse_log_level, parse_name, parse_port

VARIABLES = (
    Variable("NAME", parse_name, "a name"),
    Variable("PORT", parse_port, "a TCP port (80 if not set)", default="80"),
)


def test_a_good_environment() -> None:
    check(VARIABLES, {"NAME": "a"})
    check(VARIABLES, {"NAME": "a", "PORT": "65535"})


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        check(VARIABLES, {"PORT": "x"})
    assert "NAME is not set, but must be a name" in str(caught.value)
    assert "PORT='x' is no number, but must be a TCP port" in str(caught.value)


def test_every_variable_is_described() -> None:
    assert "NAME              a name" in describe(VARIABLES)
    assert "PORT              a TCP port (80 if not set)" in describe(VARIABLES)


@pytest.mark.parametrize("text", ["", "http", "0", "65536", "-1", "\u0663"])
def test_no_port(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no number|out of range"):
        parse_port(text)


def test_levels_are_in_lower_case() -> None:
    assert parse_log_level("info") == "info"
    with pytest.raises(ValueError, match="is no level"):
        parse_log_level("INFO")
