"""A short walk of random commands and kills against the model, and the mutants that it has to find."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture import model
from tests.torture.lab import Lab
from tests.torture.mutated import violations
from tests.torture.tally import Scale


def test_commands_and_kills_do_what_the_model_says(tmp_path: Path) -> None:
    tally = model.walk(Lab(tmp_path / "lab"), Scale(points=300))
    assert tally.violations == []
    assert tally.points >= 150


@pytest.mark.parametrize("mutant", ["outcome_before_check", "rollback_recovers_first"])
def test_the_model_finds_a_mutant(tmp_path: Path, mutant: str) -> None:
    assert violations(mutant, "model", tmp_path / "lab", Scale(points=600, seed=2)) != []
