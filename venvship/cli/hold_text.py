"""Holds as lines for people: the lines of `hold` and `unhold`, and those in the output of other commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from venvship.cli import style
from venvship.cli.fitting import Page, counted, when
from venvship.model.spelling import ago

if TYPE_CHECKING:
    from collections.abc import Sequence

    from venvship.errors import Result
    from venvship.model.hold import Hold
    from venvship.model.package_hold import HeldBack, KeptBack, PackageHold
    from venvship.operations.marks import HoldResult
    from venvship.operations.release_result import ReleaseResult
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


def package_hold_lines(holds: Sequence[PackageHold], page: Page) -> list[str]:
    """The lines of `status` on packages that are held: one for each set."""
    sets: dict[int, list[PackageHold]] = {}
    for hold in holds:
        sets.setdefault(hold.seq, []).append(hold)
    return [
        line
        for each in sets.values()
        for line in page.labelled("Packages", f"held: {_described_set(each, page)}")
    ]


def _described_set(holds: Sequence[PackageHold], page: Page) -> str:
    """A set of packages that are held together, in a line."""
    first = holds[0]
    names = ", ".join(_versions(hold) for hold in holds)
    until = f" until {when(first.until)}" if first.until is not None else ""
    since = f"since {when(first.since)} ({ago(first.since, page.now)}){until} by {first.by}"
    return f"{names}, {since}" + (f": {first.reason}" if first.reason else "")


def _versions(hold: PackageHold) -> str:
    """What a hold means for its package, in a few words."""
    if hold.version is None:
        return f"{hold.package} at its version"
    return f"{hold.package} {hold.version}" + (f" (stays {hold.before})" if hold.before else "")


def kept_back_lines(kept: Sequence[KeptBack], page: Page) -> list[str]:
    """The lines of `lock` on the packages that an upgrade left as they were."""
    lines = []
    for each in kept:
        stays = f"{each.hold.package} stays {each.version}" if each.version else f"no {each.hold.package}"
        instead = f" instead of {each.offered}" if each.offered else ""
        why = f": {each.hold.reason}" if each.hold.reason else ""
        lines += page.hanging(
            f"Held back: {stays}{instead}, since {when(each.hold.since)} by {each.hold.by}{why}"
        )
    return lines


def held_back_lines(held_back: Sequence[HeldBack], page: Page) -> list[str]:
    """The lines of `update --upgrade` on the changes that failed, and on how to see more of them."""
    if not held_back:
        return []
    from venvship.operations.upgrading.culprits import described  # late: most updates hold nothing back

    lines = [line for one in held_back for line in page.hanging(f"Held back: {described(one)}")]
    names = sorted({held.name for one in held_back for held in one.held})
    again = f"venvship unhold {names[0] if len(names) == 1 else 'PACKAGE'}"
    return [*lines, *page.fold(f"More: venvship status; tried again with a later version, or after {again}")]


def nothing_left_lines(result: ReleaseResult, page: Page) -> list[str]:
    """The lines of a mail where all of an upgrade is held back; none where nothing is new."""
    if not result.held_back:
        return []
    live = f", {result.release.id} stays live" if result.release else ""
    return [f"{result.name}: nothing was upgraded{live}", *held_back_lines(result.held_back, page)]


def upgrade_lines(result: ReleaseResult, page: Page) -> list[str]:
    """The lines on packages that an upgrade has left. A mail has each that failed once: when it is held."""
    new = {held.name for one in result.held_back for held in one.held}
    kept = [
        each
        for each in result.kept_back
        if each.hold.package not in new and not (each.hold.is_searched and page.width is None)
    ]
    return [*kept_back_lines(kept, page), *held_back_lines(result.held_back, page)]


def _package_lines(result: HoldResult, page: Page, *, ends: bool) -> list[str]:
    """The lines of `hold PACKAGE` and `unhold PACKAGE`."""
    name = result.package
    said = "Ended" if ends else "Replaced"
    lines = [f"{said}: {_described_set([hold], page)}" for hold in result.ended_packages]
    held = [hold for hold in result.status.held_packages if hold.package == name]
    if not ends:
        lines = [
            f"Held: {_versions(hold)}. Upgrades leave it alone until `venvship unhold {name}`"
            + (f" or {when(hold.until)}" if hold.until is not None else "")
            + (f", or a version beyond {hold.version} is live." if hold.version is not None else ".")
            for hold in held[-1:]
        ] + lines
    elif not lines:
        lines = [f"{name} was not held."]
    return [part for line in lines for part in page.hanging(line)]


def hold_lines(result: HoldResult, page: Page) -> list[str]:
    """The lines of `hold`."""
    if result.package is not None:
        return _package_lines(result, page, ends=False)
    held = [style.good("Held.")] if result.held is None else page.fold(result.held.end)
    replaced = (page.hanging(f"Replaced: {described(hold, page)}") for hold in result.ended)
    return [*held, *(line for lines in replaced for line in lines)]


def unhold_lines(result: HoldResult, page: Page) -> list[str]:
    """The lines of `unhold`."""
    if result.package is not None:
        return _package_lines(result, page, ends=True)
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
