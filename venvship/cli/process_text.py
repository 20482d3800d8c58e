"""The lines of `ps`: a table of processes for each release, and what could not be seen."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Final

from venvship.cli import style
from venvship.cli.fitting import LEAST_LAST_COLUMN, Page, counted, length, pad, shorten
from venvship.model.spelling import ago

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from venvship.operations.reporting.processes import PsResult, RunningProcess, Unseen

MOST_ROWS: Final = 100
"""Processes of one release that a terminal gets; a pipe and `--json` get all."""

LONGEST_NAME: Final = 24
"""Columns of the name of a user or service on a terminal."""

SEEN_BY: Final = {
    "lease": "lease",
    "program": "program",
    "mapped": "mapped file",
    "arguments": "arguments",
    "directory": "stands in it",
    "open": "open file",
}
"""What shows that a process uses a release, in a word or two."""

STANDING: Final = {
    "current": "current",
    "old": "old",
    "removed": "removed from the disk",
    "new": "never live so far",
    "unknown": "",
}


def ps_lines(result: PsResult, page: Page) -> list[str]:
    """The lines of `ps`."""
    lines = _tables(result.processes, page) if result.processes else page.fold(_none(result))
    return [*lines, *(line for said in _unseen(result.unseen) for line in page.hanging(said))]


def _none(result: PsResult) -> str:
    which = result.release or "a release of this root"
    if result.old and (result.release is None or result.release == result.current):
        which = "a release that is not current"
    return f"No process runs from {which}, as far as can be seen here."


def _tables(processes: Sequence[RunningProcess], page: Page) -> list[str]:
    """A heading for each release, and its processes; all have the same columns."""
    groups = [list(group) for _, group in itertools.groupby(processes, key=lambda one: one.release)]
    shown = groups if page.width is None else [group[:MOST_ROWS] for group in groups]
    head, *rows = _rows([one for group in shown for one in group], page)
    lines = [_heading(groups[0]), *head]
    for group, kept in zip(groups, shown, strict=True):
        if group is not groups[0]:
            lines.append(_heading(group))
        lines += itertools.chain.from_iterable(rows[: len(kept)])
        del rows[: len(kept)]
        if len(group) > len(kept):
            lines += page.fold(f"  and {len(group) - len(kept):,} more, which `venvship ps --json` lists")
    return lines


def _heading(group: Sequence[RunningProcess]) -> str:
    first, count = group[0], counted(len(group), "process")
    if first.release is None:
        return f"{style.attention('unknown release')}, {count}"
    paint = style.good if first.standing == "current" else style.attention
    return f"{style.strong(first.release)}, {paint(STANDING[first.standing])}, {count}"


def _rows(processes: Sequence[RunningProcess], page: Page) -> list[list[str]]:
    """The lines of the heads of the columns, and of each process: one, or two where there is little room."""
    longest = LONGEST_NAME if page.width is not None else None
    services = any(one.unit for one in processes)
    evidence = any(one.seen_by != "lease" for one in processes)
    head = ["PID", "USER", "SINCE", *["SERVICE"] * services, *["SEEN BY"] * evidence]
    cells = [
        [
            str(one.pid),
            shorten(one.user, longest),
            ago(one.since, page.now) if one.since is not None else "-",
            *[shorten(one.unit or "-", longest)] * services,
            *[SEEN_BY[one.seen_by]] * evidence,
        ]
        for one in processes
    ]
    widths = [max(map(length, column)) for column in zip(head, *cells, strict=True)]
    before = sum(widths) + 2 * len(widths) + 2
    room = None if page.width is None else page.width - before
    below = room is not None and room < LEAST_LAST_COLUMN
    lines = []
    for row, command in zip((head, *cells), ("COMMAND", *(one.command for one in processes)), strict=True):
        pid, *others = (pad(cell, width) for cell, width in zip(row, widths, strict=True))
        line = f"  {pid.strip().rjust(widths[0])}  {'  '.join(others)}"
        if row is head:
            lines.append([style.faint(line if below else f"{line}  {command}")])
        elif below and page.width is not None:
            lines.append([line.rstrip(), f"      {shorten(command, page.width - 6)}"])
        else:
            lines.append([f"{line}  {shorten(command, room)}"])
    return lines


def _unseen(unseen: Unseen) -> Iterator[str]:
    """Sentences on what the list may lack."""
    for release_id in unseen.leases:
        yield f"A process that cannot be seen here holds the lease of {release_id}."
    if unseen.hidden:
        hide = "hides" if unseen.hidden == 1 else "hide"
        # Root that sees no more lacks a capability, as in a container.
        remedy = "; root sees them: sudo venvship ps" if os.geteuid() else ""
        yield (
            f"{counted(unseen.hidden, 'process')} of {', '.join(unseen.users)} {hide} what they run from. "
            f"Python processes of a release are listed all the same, by their lease{remedy}"
        )
    if unseen.unlisted:
        yield "/proc leaves out processes of other users (hidepid)."
    if unseen.elsewhere:
        yield "This is a container: processes outside of it are not listed."
