"""Some checks and hooks that hang, fork, flood or die; `scripts/torture` goes through a hundred."""

from __future__ import annotations

from pathlib import Path

from tests.torture import misbehaving
from tests.torture.lab import Lab
from tests.torture.tally import Scale


def test_a_misbehaving_check_or_hook_is_ended_in_time_with_all_that_it_started(
    tmp_path: Path, filled: Path
) -> None:
    tally = misbehaving.run(Lab(tmp_path / "lab", filled), Scale(points=7, seed=5), margin=60)
    assert tally.points == 7
    assert tally.violations == []
