"""What the system's log is told."""

from __future__ import annotations

from typing import Any

import pytest

from venvship.model.event import EventName
from venvship.model.log_line import LONGEST, SEVERITIES, Severity, log_line

A, B = "20261122T094143Z-3f9a1c2", "20261121T020003Z-a01b22c"


def line(event: str, **changes: Any) -> str:
    known: dict[str, Any] = {"release": A, "actor": "deploy", "reason": "", "facts": {}}
    return log_line("shop", event, **{**known, **changes})


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (line("promoted", facts={"from": None}), f"shop: promoted {A} by deploy"),
        (
            line("promoted", facts={"from": B}, reason="security fixes"),
            f"shop: promoted {A} (was {B}) by deploy: security fixes",
        ),
        (
            line("rolled-back", facts={"from": B}, actor="root (sudo by ann)", reason="checkout is broken"),
            f"shop: rolled-back {A} (was {B}) by root (sudo by ann): checkout is broken",
        ),
        (line("observed", facts={"expected": B}), f"shop: observed {A} (was {B}) by deploy"),
        (
            line("build-failed", release=None, reason="no such package"),
            "shop: build-failed by deploy: no such package",
        ),
        (line("unheld", release=None), "shop: unheld by deploy"),
        (
            line("sealed", facts={"manifest_sha256": "a" * 64, "tree_digest": "b" * 64}, reason="fixes"),
            f"shop: sealed {A} (manifest sha256:{'a' * 64}) by deploy: fixes",
        ),
    ],
)
def test_a_line_says_what_which_release_by_whom_and_why(said: str, expected: str) -> None:
    assert said == expected


def test_a_line_is_one_line_of_printable_characters() -> None:
    said = line("held", reason="first\nsecond\t third\r\n\x1b[31mred\x00 \udcff caf\u00e9")
    assert said == (
        rf"shop: held {A} by deploy: first\nsecond\t third\r\n\x1b[31mred\x00 \udcff caf" "\u00e9"
    )


def test_a_long_reason_is_cut() -> None:
    said = line("held", reason="x" * 5000)
    assert len(said) == LONGEST
    assert said.endswith("x…")


def test_what_is_worse_has_a_worse_severity() -> None:
    assert SEVERITIES[EventName.ROLLBACK_FAILED] is Severity.ERROR
    assert SEVERITIES[EventName.PROMOTED] is Severity.INFO
    warnings = {name for name, severity in SEVERITIES.items() if severity is Severity.WARNING}
    assert warnings == {
        "found",
        "build-failed",
        "rejected",
        "rolled-back",
        "observed",
        "held",
        "refused",
        "package-held",
        "searched",
        "trust-changed",
        "prune-failed",
    }


def test_what_is_about_to_happen_is_not_told() -> None:
    silent = set(EventName) - SEVERITIES.keys()
    assert silent == {"promoting", "rolling-back", "pinned", "unpinned"}
