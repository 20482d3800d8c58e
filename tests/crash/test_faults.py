"""A slice of the torture for every run of the tests: kills, signals, errors and full disks at failpoints.

`scripts/torture` goes through all of them; these are spread over each scenario, other ones for each.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.torture import faults, kills
from tests.torture.lab import SCENARIOS, Lab
from tests.torture.tally import Scale, Tally


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, filled: Path) -> Lab:
    return Lab(tmp_path_factory.mktemp("torture") / "lab", filled)


def slice_of(name: str, points: int) -> Scale:
    """Other points for each scenario, the same in every run."""
    return Scale(points=points, seed=sum(name.encode()))


@pytest.mark.parametrize("name", faults.ALL)
@pytest.mark.parametrize("part", [faults.kills, faults.signals, faults.errors, faults.filling])
def test_a_fault_at_a_failpoint_breaks_nothing(
    lab: Lab, part: Callable[[Lab, str, Scale], Tally], name: str
) -> None:
    tally = part(lab, name, slice_of(name, 1))
    assert tally.points == 1
    assert tally.violations == []


@pytest.mark.skipif(bool(kills.reason_to_skip()), reason=kills.reason_to_skip())
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_kill_at_a_system_call_breaks_nothing(lab: Lab, name: str) -> None:
    tally = kills.sweep(lab, name, slice_of(name, 1))
    assert tally.points == 1
    assert tally.violations == []
