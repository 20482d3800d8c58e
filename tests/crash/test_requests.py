"""A service under traffic: a handful of commands; `scripts/torture` goes through a hundred, and kills."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture import requests
from tests.torture.lab import Lab
from tests.torture.managers import NEEDS, reason_to_skip
from tests.torture.requests import Request, Step, judge
from tests.torture.tally import Scale


@pytest.mark.slow
@pytest.mark.parametrize("quiet", [True, False], ids=["commands", "kills"])
@pytest.mark.parametrize("manager", NEEDS)
def test_no_request_fails_while_releases_come_and_go(
    tmp_path: Path, filled: Path, manager: str, quiet: bool
) -> None:
    if reason := reason_to_skip(manager):
        pytest.skip(reason)
    tally = requests.under_traffic(Lab(tmp_path / "lab", filled), manager, Scale(points=4), quiet=quiet)
    assert tally.violations == [], tally.notes
    assert tally.points == 4


FIRST = Step("before", 0, 1, "A", "A")
SWITCH = Step("promote", 10, 20, "A", "B", switched=15)


def asked(at: float, release: str, *, status: int = 200, version: str = "1.0", took: float = 0.1) -> Request:
    """A request of some moment."""
    return Request(at, at + took, "kept", status, version if release else "", release)


@pytest.mark.parametrize(
    ("request_", "found"),
    [
        (asked(5, "A"), []),
        (asked(5, "B"), ["foreign"]),
        (asked(14, "A"), []),
        (asked(16, "A"), ["foreign"]),
        (asked(14, "A", took=3), []),
        (asked(16, "B"), []),
        (asked(21, "B"), []),
        (asked(21, "A"), ["foreign"]),
        (asked(12, "C", version="2.0"), ["unproven"]),
        (asked(12, "", status=502), ["failed"]),
        (asked(21, "", status=0), ["failed"]),
    ],
    ids=[
        "old-before",
        "new-before",
        "old-during",
        "old-after-the-link",
        "old-that-takes-long",
        "new-after-the-link",
        "new-afterwards",
        "old-afterwards",
        "unproven",
        "failed",
        "cut",
    ],
)
def test_each_request_is_held_against_what_was_current(request_: Request, found: list[str]) -> None:
    verdict = judge([request_], [FIRST, SWITCH])
    assert [name for name in ("failed", "unproven", "foreign") if getattr(verdict, name)] == found


def test_a_killed_command_and_the_next_one_may_make_two_switches() -> None:
    killed = Step("rollback, killed", 10, 20, "A", "C", tried=frozenset({"B", "C"}))
    verdict = judge([asked(at, release) for at in (11, 19) for release in "ABC"], [FIRST, killed])
    assert verdict.foreign == []
    assert len(judge([asked(15, "D"), asked(21, "B")], [FIRST, killed]).foreign) == 2


def test_a_request_of_a_killed_server_is_counted_apart() -> None:
    killed = Step("restart", 10, 20, "A", "A", down=(17, 18))
    verdict = judge([asked(17.5, "", status=502), asked(15, "", status=502)], [FIRST, killed])
    assert (verdict.inside, len(verdict.failed)) == (1, 1)


def test_a_line_of_the_customers_is_read() -> None:
    assert Request.of("1.5 2.5 kept 200 1.0 R 12 0\n") == Request(1.5, 2.5, "kept", 200, "1.0", "R")
    assert Request.of("1.5 2.5 asset 200 x\n") == Request(1.5, 2.5, "asset", 200, "", "")
    assert Request.of("1.5 2.5 post 0 EOFError\n").status == 0
