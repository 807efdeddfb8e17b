from collections.abc import Sequence
from pathlib import Path

import pytest

from bench import picture, report
from bench.load import Load
from bench.machine import Machine
from bench.rounds import Measurement, Plan
from bench.scaling import SizedMeasurement
from bench.targets import HEALTHZ, INCREMENT, STATIC

MACHINE = Machine("2026-01-01T00:00:00+00:00", "abc", "some processor", 2, 8.0, "6.1", 0.1)


def run(target: str) -> Measurement:
    return Measurement(1, 3, target, Load(10.0, 1000, 0, 1.25, 20.0), None)


@pytest.mark.parametrize("sized", [[], [SizedMeasurement(replicas, run(INCREMENT)) for replicas in (1, 6)]])
def test_what_was_measured_is_drawn(sized: Sequence[SizedMeasurement], tmp_path: Path) -> None:
    runs = [run(target) for target in (INCREMENT, STATIC, HEALTHZ)]
    file = tmp_path / "bench.png"

    picture.draw(report.make(MACHINE, Plan(1, 10, (3,)), runs, sized), file)

    drawn = file.read_bytes()
    assert drawn.startswith(b"\x89PNG")
    assert int.from_bytes(drawn[20:24]) == 440 * (3 if sized else 2)  # its height: a row more with sizes
