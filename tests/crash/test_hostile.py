"""Some of the state files under some of the commands, and what the part says of a command that gives in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.torture import hostile
from tests.torture.lab import Lab
from tests.torture.tally import Scale
from venvship.workspace import reading


def test_no_command_gives_in_to_a_hostile_file(tmp_path: Path, filled: Path) -> None:
    tally = hostile.run(Lab(tmp_path / "lab", filled), Scale(points=24))
    assert tally.violations == []
    assert tally.points == 24


@pytest.mark.parametrize(
    ("damage", "command", "change"),
    [
        (
            "missing",
            ["release"],
            lambda patch: patch.setattr(reading, "lost_journal", lambda _: None),
        ),
        (
            "flipped",
            ["release"],
            lambda patch: patch.setattr(reading, "damaged_journal", lambda _: KeyError()),
        ),
    ],
)
def test_a_command_that_gives_in_is_seen(
    tmp_path: Path,
    filled: Path,
    *,
    monkeypatch: pytest.MonkeyPatch,
    damage: str,
    command: list[str],
    change: Callable[[pytest.MonkeyPatch], None],
) -> None:
    bench = hostile.prepare(Lab(tmp_path / "lab", filled))
    case = hostile.Case(hostile.JOURNAL, damage)
    assert hostile.one(bench, case, command) == []
    change(monkeypatch)
    assert hostile.one(bench, case, command) != []
