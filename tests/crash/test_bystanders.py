"""Processes that run from a release that prune would remove: one of each kind."""

from __future__ import annotations

from pathlib import Path

from tests.torture import bystanders
from tests.torture.lab import Lab
from tests.torture.tally import Scale


def test_what_a_process_runs_from_is_not_pruned(tmp_path: Path, filled: Path) -> None:
    tally = bystanders.prune(Lab(tmp_path / "lab", filled), Scale())
    assert tally.points >= len(bystanders.WAYS)
    assert tally.violations == []
