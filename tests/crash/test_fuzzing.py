"""Some hundreds of inputs for each parser; `scripts/torture` reads more than a million."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.torture import fuzzing
from tests.torture.lab import Lab
from tests.torture.tally import Scale


def test_no_input_of_any_parser_ends_in_anything_but_our_errors(tmp_path: Path, filled: Path) -> None:
    rows = [
        row
        for row in fuzzing.run(Lab(tmp_path / "lab", filled), Scale(points=150, seed=3))
        if not row.skipped
    ]
    assert {f"fuzzing, {name}" for name in fuzzing.TARGETS} <= {row.name for row in rows}
    assert [violation for row in rows for violation in row.violations] == []


@pytest.mark.parametrize("wrong", [b"~=", b"[[", b"99999"])
def test_a_parser_with_a_mistake_is_found(wrong: bytes) -> None:
    def read(data: bytes) -> None:
        if b"==" not in data:
            raise ValueError("nothing is pinned")
        if wrong in data:
            raise KeyError(wrong)

    chance = random.Random(1)
    fuzzer = fuzzing.Fuzzer(read, [b"flask[async]==3.0.1 ~", b"idna==3.7"], chance, (ValueError,))
    found = {problem for _ in range(20_000) if (problem := fuzzer.check(fuzzer.next()))}
    assert found == {f"KeyError: {wrong!r}"}


def test_the_input_that_ended_the_process_is_told(tmp_path: Path) -> None:
    last = fuzzing.Last(str(tmp_path))
    last.note(b"a longer one")
    last.note(b"the last")
    assert fuzzing.last_of(tmp_path) == b"the last"
