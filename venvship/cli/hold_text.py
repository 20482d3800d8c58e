"""Holds as lines for people: the lines of `hold` and `unhold`, and those in the output of other commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from venvship.cli import style
from venvship.cli.fitting import Page, when
from venvship.model.spelling import ago

if TYPE_CHECKING:
    from venvship.model.hold import Hold
    from venvship.operations.marks import HoldResult
    from venvship.operations.switching.chosen import HoldChange


def hold_change_lines(change: HoldChange, page: Page) -> list[str]:
    """The lines on the hold that a command ended, and on the one that is in force after it."""
    ended = [f"Ended: {described(change.ended, page)}"] if change.ended is not None else []
    lines = [*ended, *([change.held.end] if change.held is not None else [])]
    return [part for line in lines for part in page.fold(line)]


def described(hold: Hold, page: Page) -> str:
    """A hold in a line: what is held, since when, by whom and why."""
    what = "this lockfile" if hold.scope == "environment" else "unattended releases"
    since = f"since {when(hold.since)} ({ago(hold.since, page.now)}) by {hold.by}"
    return f"{what}, {since}" + (f": {hold.reason}" if hold.reason else "")


def hold_lines(result: HoldResult, page: Page) -> list[str]:
    """The lines of `hold`."""
    held = [style.good("Held.")] if result.held is None else page.fold(result.held.end)
    return [*held, *(f"Replaced: {described(hold, page)}" for hold in result.ended)]


def unhold_lines(result: HoldResult, page: Page) -> list[str]:
    """The lines of `unhold`."""
    lines = [f"Ended: {described(hold, page)}" for hold in result.ended] or ["Nothing was held."]
    if result.released_again is not None:
        lines.append(
            f"The next `venvship update` releases the environment of {result.released_again} again, which "
            "was bad. Change the lockfile first if that is not wanted."
        )
    elif result.status.lockfile_changed:
        lines.append("The lockfile differs from the live release: the next `venvship update` releases it.")
    return [part for line in lines for part in page.fold(line)]
