"""Some of the state files under some of the commands."""

from __future__ import annotations

from pathlib import Path

from tests.torture import hostile
from tests.torture.lab import Lab
from tests.torture.tally import Scale


def test_no_command_gives_in_to_a_hostile_file(tmp_path: Path, filled: Path) -> None:
    tally = hostile.run(Lab(tmp_path / "lab", filled), Scale(points=24))
    assert tally.violations == []
    assert tally.points == 24
