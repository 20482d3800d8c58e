"""Output that nobody reads or that cannot be written; `scripts/torture` goes through all kinds and places."""

from __future__ import annotations

from pathlib import Path

from tests.torture import dead_outputs
from tests.torture.lab import Lab
from tests.torture.tally import Scale


def test_what_is_printed_never_decides_what_happened(tmp_path: Path, filled: Path) -> None:
    tally = dead_outputs.run(Lab(tmp_path / "lab", filled), Scale(points=13, seed=3), patience=90)
    assert tally.points == 13
    assert tally.violations == []
