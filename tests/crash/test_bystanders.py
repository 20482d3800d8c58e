"""Processes that run from a release that prune would remove: every sign that one gives, and some programs."""

from __future__ import annotations

from pathlib import Path

from tests.torture import bystanders
from tests.torture.lab import Lab
from tests.torture.tally import Scale


def test_what_a_process_runs_from_is_not_pruned(tmp_path: Path, filled: Path) -> None:
    tally = bystanders.prune(Lab(tmp_path / "lab", filled), Scale())
    assert tally.points >= len(bystanders.WAYS)
    assert tally.violations == []


def test_programs_as_services_run_them_go_on_and_their_releases_stay(tmp_path: Path, filled: Path) -> None:
    """A daemon that has closed its descriptors, an ELF program, a shell of `run`, and others by chance."""
    tally = bystanders.rounds(Lab(tmp_path / "lab", filled), Scale(points=3, seed=5))
    assert tally.points == 3
    assert tally.violations == []
