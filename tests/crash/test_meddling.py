"""Some of the faults in some of the files of a release."""

from __future__ import annotations

from pathlib import Path

from tests.torture import meddling
from tests.torture.lab import Lab, release
from tests.torture.tally import Scale


def test_verify_finds_each_fault_and_nothing_else(tmp_path: Path, filled: Path) -> None:
    faults, runs = meddling.run(Lab(tmp_path / "lab", filled), Scale(points=60))

    assert faults.violations == []
    assert faults.points > 50
    assert runs.violations == []


def test_verify_names_each_of_many_files_with_a_fault_and_no_other(tmp_path: Path, filled: Path) -> None:
    lab = Lab(tmp_path / "lab", filled)
    site = lab.root("root-together")
    release(site, "1.0")

    tally = meddling.together(site, lab.path / "elsewhere", "together")

    assert tally.violations == []
    assert tally.points > 200
