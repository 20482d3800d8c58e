"""A short walk of random commands and kills against the model."""

from __future__ import annotations

from pathlib import Path

from tests.torture import model
from tests.torture.lab import Lab
from tests.torture.tally import Scale


def test_commands_and_kills_do_what_the_model_says(tmp_path: Path, filled: Path) -> None:
    tally = model.walk(Lab(tmp_path / "lab", filled), Scale(points=200))
    assert tally.violations == []
    assert tally.points >= 150
