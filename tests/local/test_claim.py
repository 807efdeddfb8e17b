"""A second run of the end-to-end tests would destroy the cluster of the first."""

import pytest

from tests.e2e.claim import claimed


def test_a_second_run_ends_at_once_and_says_why() -> None:
    with claimed(), pytest.raises(pytest.exit.Exception, match="another run of the end-to-end tests"), claimed():
        pytest.fail("there are two")


def test_one_after_the_other_may_run() -> None:
    for _ in range(2):
        with claimed():
            pass
