"""The result of `relocate` as lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from venvship.cli import style
from venvship.cli.fitting import Page, counted, table

if TYPE_CHECKING:
    from venvship.operations.relocate import RelocateResult


def relocate_lines(result: RelocateResult, page: Page) -> list[str]:
    """The lines of `relocate`."""
    if not result.relocated:
        return [] if result.left else ["Nothing to do: every release is usable here."]
    rows = [("  " + one.from_, "→", one.to) for one in result.relocated]
    live = f"{style.good('Live:')} {style.strong(result.current)}" if result.current else "Nothing is live"
    return [
        f"{style.good('Relocated:')} {counted(len(result.relocated), 'release')}",
        *table(rows, page.width),
        live,
        *(line for text in _after_relocation(result) for line in page.fold(text)),
    ]


def _after_relocation(result: RelocateResult) -> list[str]:
    """The steps that `relocate` leaves to the operator."""
    live = any(one.to == result.current for one in result.relocated)
    when_live = ", the one of the live release an hour from now at the earliest" if live else ""
    moved = [
        f"Units, crontabs and scripts that name {old} have to name the new path: "
        "`venvship schedule systemd` prints those that run `venvship update`."
        for old in result.moved_from
    ]
    then = "Next: restart the service, then `venvship check`; `venvship prune` removes the old copies"
    return [*moved, f"{then}{when_live}."]
