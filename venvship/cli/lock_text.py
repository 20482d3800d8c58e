"""The lines of `lock`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from venvship.cli import hold_text, style
from venvship.cli.changes import changes
from venvship.cli.fitting import Page, counted, when

if TYPE_CHECKING:
    from venvship.model.explanation import Explanation
    from venvship.operations.lock import LockResult


def lock_lines(result: LockResult, page: Page) -> list[str]:
    """The lines of `lock`."""
    if result.explained is not None:
        return _explanation(result.explained, page)
    pins = f"{counted(result.packages, 'package')} for CPython {result.python}"
    if not result.changed:
        return [
            f"Nothing changed: {result.lockfile} pins {pins}.",
            *hold_text.kept_back_lines(result.kept_back, page),
        ]
    return [
        f"{style.good('Locked:')} {style.strong(result.lockfile)}, {pins}",
        *([] if result.first else changes(result.diff, page.width)),
        *hold_text.kept_back_lines(result.kept_back, page),
        *page.fold("Next: venvship release"),
    ]


def _explanation(found: Explanation, page: Page) -> list[str]:
    """The lines of `lock --explain`: the package, who asks for it, what holds it back."""
    live = (
        "not live" if found.live is None else "live" if found.live == found.version else f"live {found.live}"
    )
    origin = f", from {found.index}" if found.index else ""
    lines = page.hanging(f"{found.package} {found.version}, {live}{origin}")
    chains = [" → ".join((chain.input, *chain.packages)) for chain in found.chains]
    chains = chains or ["the lockfile does not say who asks for it"]
    for chain in chains:
        lines += page.labelled("Via", chain)
    for bound in found.bounds:
        lines += page.labelled("Bound", f"{bound.by} asks for {found.package}{bound.versions}")
    for hold in found.holds:
        held = "at its version" if hold.version is None else f"from {hold.version} and all below it"
        until = f" until {when(hold.until)}" if hold.until is not None else ""
        said = f"held {held}, since {when(hold.since)}{until} by {hold.by}"
        lines += page.labelled("Hold", said + (f": {hold.reason}" if hold.reason else ""))
    if found.below is not None:
        lines += page.labelled("Policy", f"`[update] only`: an unattended upgrade stays below {found.below}")
    if found.group:
        lines += page.labelled("Group", f"moves unattended with {', '.join(found.group)} or not at all")
    if found.cooldown_days:
        days = f"{found.cooldown_days:g} days"
        lines += page.labelled("Cooldown", f"no version is taken that was uploaded in the last {days}")
    return lines
