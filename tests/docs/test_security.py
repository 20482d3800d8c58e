"""The threat model names a test for each of its lines."""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def test_each_threat_names_tests_that_are_there() -> None:
    text = (REPOSITORY / "docs" / "explanation" / "security.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert len(lines) > 10
    for line in lines:
        named = re.findall(r"`(tests/[^`]+)`", line.rstrip(" |").rpartition("|")[2])
        assert named, line
        for path in named:
            assert (REPOSITORY / path).is_file(), path
