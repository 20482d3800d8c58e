"""Some of the faults in some of the files of a release."""

from __future__ import annotations

from pathlib import Path

from tests.torture import meddling
from tests.torture.lab import Lab
from tests.torture.tally import Scale


def test_verify_finds_each_fault_and_nothing_else(tmp_path: Path, filled: Path) -> None:
    faults, runs = meddling.run(Lab(tmp_path / "lab", filled), Scale(points=60))

    assert faults.violations == []
    assert faults.points > 50
    assert runs.violations == []
