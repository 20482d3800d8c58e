"""The text of `bisect`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from venvship.cli import style
from venvship.cli.fitting import Page

if TYPE_CHECKING:
    from venvship.model.release import PackageChange
    from venvship.operations.bisect import BisectResult


def bisect_lines(result: BisectResult, _page: Page) -> list[str]:
    """The lines of `bisect`."""
    lines = []
    for one in result.culprits:
        together = " together" if len(one.changes) > 1 else ""
        head = f"Bad{together}" if one.certain else "Bad, one or more of"
        lines.append(f"{style.bad(head)}: {_phrases(one.changes)}")
        if one.along:
            lines.append(f"  with: {_phrases(one.along)}")
    for title, changes in (
        ("Not tried without these", result.waiting),
        ("Good", result.passed),
        ("Not known", result.untold),
    ):
        if changes:
            lines.append(f"{title}: {_phrases(changes)}")
    return [*lines, f"{result.trials} trials; nothing in the root has changed"]


def _phrases(changes: Iterable[PackageChange]) -> str:
    return ", ".join(_phrase(change) for change in changes)


def _phrase(change: PackageChange) -> str:
    if change.before is None:
        return f"new: {change.name} {change.after}"
    if change.after is None:
        return f"gone: {change.name} {change.before}"
    return f"{change.name} {change.before} → {change.after}"
