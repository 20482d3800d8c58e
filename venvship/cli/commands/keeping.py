"""The commands that hold updates and keep releases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from venvship.cli import hold_text, text
from venvship.cli.completion import complete_package, complete_release
from venvship.cli.group import command
from venvship.cli.options import Amount, Call, Until, message_option
from venvship.cli.removals import prune_lines

if TYPE_CHECKING:
    from datetime import datetime

    from venvship.operations.marks import HoldResult, PinResult
    from venvship.operations.prune import PruneResult


@command(
    "hold",
    "Hold and keep",
    text=hold_text.hold_lines,
    example='venvship hold -m "migration tonight" --until 3d',
    exits={0: "held", 11: "another tool makes the lockfile", 12: "not your root"},
)
@click.argument("package", required=False, shell_complete=complete_package)
@message_option
@click.option(
    "--until",
    metavar="TIME",
    type=Until(),
    help="End of the hold: a time with its offset (2026-12-24T08:00Z), a date, or a span (8h, 3d, 2w).",
)
def hold(call: Call, package: str | None, message: str, until: datetime | None) -> HoldResult:
    """Stop unattended releases, or upgrades of a PACKAGE.

    An operator may still release, promote and roll back. Only `venvship unhold` ends this hold, neither a new
    lockfile nor a release.

    With a PACKAGE, only `lock --upgrade` and `update --upgrade` are concerned, and only about it. A name
    holds it at the version of the lockfile. NAME==VERSION passes over that version and all below it, until a
    version beyond it is live.
    """
    return call.open_root().hold(package, message=message, until=until)


@command(
    "unhold",
    "Hold and keep",
    text=hold_text.unhold_lines,
    example="venvship unhold",
    exits={0: "allowed", 12: "not your root", 30: "busy"},
)
@click.argument("package", required=False, shell_complete=complete_package)
def unhold(call: Call, package: str | None) -> HoldResult:
    """Allow unattended releases again, or upgrades of a PACKAGE.

    Ends all holds of the root, the refusals of bad environments, and the pauses of `venvship update`. The
    next update may release again what was bad or rolled back; the output says so. Holds of packages stay.

    With a PACKAGE, all holds of that package end, and nothing else.
    """
    return call.open_root().unhold(package)


@command(
    "pin",
    "Hold and keep",
    text=text.pin_lines,
    example="venvship pin current",
    exits={0: "pinned", 13: "no such release", 30: "busy"},
)
@click.argument("release", shell_complete=complete_release)
def pin(call: Call, release: str) -> PinResult:
    """Protect a RELEASE from prune."""
    return call.open_root().pin(release)


@command(
    "unpin",
    "Hold and keep",
    text=text.pin_lines,
    example="venvship unpin 20261122T0941",
    exits={0: "not pinned", 13: "no such release", 30: "busy"},
)
@click.argument("release", shell_complete=complete_release)
def unpin(call: Call, release: str) -> PinResult:
    """Stop protecting a RELEASE from prune."""
    return call.open_root().unpin(release)


@command(
    "prune",
    "Hold and keep",
    text=prune_lines,
    example="venvship prune --dry-run",
    exits={0: "pruned", 10: "the settings are wrong", 12: "not your root", 30: "busy"},
)
@click.option("--keep", metavar="N", type=click.IntRange(min=2), help="Proven or unchecked releases to keep.")
@click.option("--keep-days", metavar="D", type=Amount(min=0), help="And all that were live within D days.")
@click.option("--damaged", is_flag=True, help="Remove those, too, that `venvship verify` found damaged.")
@click.option("--dry-run", is_flag=True, help="Print the decisions and their reasons; remove nothing.")
def prune(call: Call, keep: int | None, keep_days: float | None, damaged: bool, dry_run: bool) -> PruneResult:
    """Remove old releases, and report the reason for each decision.

    The current, previous and pinned releases always stay, and any that is in use or was live within the hour.
    Store entries that no release has referred to for a week go too.

    A process of another user cannot be looked into, and may use what was live since its start. If it is older
    than a release, it keeps it for 7 days only after it was last live.
    """
    return call.open_root().prune(keep=keep, keep_days=keep_days, damaged=damaged, dry_run=dry_run)
