"""What the system's log is told of a change of state: one line, in the words of the journal.

Not every event: those that help to find the cause of something, and `sealed`, whose line has the hash of the
manifest, so that it also stands where the owner of the root cannot change it. That a switch is about to be
made, or that a release was pinned, is in the journal alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final

from venvship.model.event import EventName
from venvship.printable import printable

LONGEST: Final = 800
"""Characters of a line. RFC 3164 allows 1,024 bytes in all; what is cut is in the journal."""


class Severity(IntEnum):
    """How bad it is; the numbers are those of RFC 5424, section 6.2.1."""

    ERROR = 3
    WARNING = 4
    INFO = 6


PRUNE_FAILED: Final = "prune-failed"
"""No event of the journal, since nothing has changed: the slug of the warning. But a disk fills up by it."""

SEVERITIES: Final[Mapping[str, Severity]] = {
    EventName.SEALED: Severity.INFO,
    EventName.FOUND: Severity.WARNING,
    EventName.BUILD_FAILED: Severity.WARNING,
    EventName.REJECTED: Severity.WARNING,
    EventName.ACCEPTED: Severity.INFO,
    EventName.SUPERSEDED: Severity.INFO,
    EventName.PROMOTED: Severity.INFO,
    EventName.LOCKFILE_WRITTEN: Severity.INFO,
    EventName.ROLLED_BACK: Severity.WARNING,
    EventName.ROLLBACK_FAILED: Severity.ERROR,
    EventName.CHECKED: Severity.INFO,
    EventName.RESTARTED: Severity.INFO,
    EventName.ABANDONED: Severity.INFO,
    EventName.OBSERVED: Severity.WARNING,
    EventName.HELD: Severity.WARNING,
    EventName.REFUSED: Severity.WARNING,
    EventName.UNHELD: Severity.INFO,
    EventName.PACKAGE_HELD: Severity.WARNING,
    EventName.PACKAGE_UNHELD: Severity.INFO,
    EventName.SEARCHED: Severity.WARNING,
    EventName.RELOCATED: Severity.INFO,
    EventName.PRUNED: Severity.INFO,
    EventName.TRUST_CHANGED: Severity.WARNING,
    PRUNE_FAILED: Severity.WARNING,
}
"""What the system's log hears of."""


def severity_of(event: str, facts: Mapping[str, Any]) -> Severity | None:
    """How bad an event is; `None` for one that the system's log does not hear of."""
    return Severity.ERROR if facts.get("failed") is True else SEVERITIES.get(event)


def log_line(
    name: str, event: str, *, release: str | None, actor: str, reason: str, facts: Mapping[str, Any]
) -> str:
    """Say an event in a line: `shop: promoted B (was A) by deploy: security fixes`.

    Args:
        name: The application's.
        event: One of `SEVERITIES`.
        release: The release that it is about.
        actor: Who asked.
        reason: Why.
        facts: Of the event; the line has the release that was current before, and the hash of a manifest.
    """
    before, manifest = facts.get("from") or facts.get("expected"), facts.get("manifest_sha256")
    aside = f"(was {before})" if before else f"(manifest sha256:{manifest})" if manifest else ""
    parts = [f"{name}: {event}", release or "", aside, f"by {actor}"]
    line = printable(" ".join(filter(None, parts)) + (f": {reason}" if reason else ""))
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
