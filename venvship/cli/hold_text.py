"""Holds as lines for people: the lines of `hold` and `unhold`, and those in the output of other commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from venvship.cli import style
from venvship.cli.fitting import Page, counted, when
from venvship.model.spelling import ago

if TYPE_CHECKING:
    from venvship.errors import Result
    from venvship.model.hold import Hold
    from venvship.operations.marks import HoldResult
    from venvship.operations.switching.chosen import HoldChange


def hold_change_lines(change: HoldChange, page: Page) -> list[str]:
    """The lines on the hold that a command ended, and on the one that is in force after it."""
    ended = [f"Ended: {described(change.ended, page)}"] if change.ended is not None else []
    lines = [*ended, *([change.held.end] if change.held is not None else [])]
    return [part for line in lines for part in page.hanging(line)]


def hold_plan_lines(change: HoldChange, page: Page) -> list[str]:
    """The lines of a dry run on the hold that would end, and on the one that would be in force afterwards."""
    ended = [f"Would end: {described(change.ended, page)}"] if change.ended is not None else []
    lines = [*ended, *([f"Afterwards: {change.held.end}"] if change.held is not None else [])]
    return [part for line in lines for part in page.hanging(line)]


def after_failure(result: Result | None) -> str:
    """The sentence on the hold of the root after a switch that failed, or that went back; `""` for none."""
    holds: HoldChange | None = getattr(result, "holds", None)
    hold: Hold | None = getattr(result, "held", None) if holds is None else holds.held
    if hold is None:
        return ""
    why = "" if hold.kind == "switch" or not hold.reason else f"{hold.reason[0].upper()}{hold.reason[1:]}. "
    return why + hold.end


def described(hold: Hold, page: Page, *, other: bool = False) -> str:
    """A hold in a line: what is held, since when, by whom and why.

    Args:
        hold: The hold.
        page: Where it is printed.
        other: Whether a hold of an environment is of another one than that of the lockfile in question.
    """
    environment = f"the environment of {hold.release}" if other else "this environment"
    what = environment if hold.scope == "environment" else "unattended releases"
    since = f"since {when(hold.since)} ({ago(hold.since, page.now)}) by {hold.by}"
    return f"{what}, {since}" + (f": {hold.reason}" if hold.reason else "")


def hold_lines(result: HoldResult, page: Page) -> list[str]:
    """The lines of `hold`."""
    held = [style.good("Held.")] if result.held is None else page.fold(result.held.end)
    replaced = (page.hanging(f"Replaced: {described(hold, page)}") for hold in result.ended)
    return [*held, *(line for lines in replaced for line in lines)]


def unhold_lines(result: HoldResult, page: Page) -> list[str]:
    """The lines of `unhold`."""
    own = result.status.lockfile.environment
    lines = [f"Ended: {described(hold, page, other=hold.environment_digest != own)}" for hold in result.ended]
    lines += [
        f"Ended: the pause of `venvship update` until {when(pause.until)}, after "
        f"{counted(pause.count, 'failed attempt')}: {pause.reason}"
        for pause in result.ended_pauses
    ]
    lines = lines or ["Nothing was held."]
    if result.released_again is not None:
        refusals = [hold for hold in result.ended if hold.scope == "environment"]
        bad = result.released_again in {hold.release for hold in refusals}
        lines.append(
            f"The next `venvship update` releases the environment of {result.released_again} again, which "
            f"was {'bad' if bad else 'rolled back'}. Change the lockfile first if that is not wanted."
        )
    elif result.status.lockfile_changed:
        lines.append("The lockfile differs from the live release: the next `venvship update` releases it.")
    if result.status.interrupted:
        lines.append(
            "An operation was interrupted, and may hold the root when it is finished: run "
            "`venvship recover`, then `venvship unhold` again."
        )
    return [part for line in lines for part in page.hanging(line)]
