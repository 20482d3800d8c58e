"""The lines of `lock`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from venvship.cli import hold_text, style
from venvship.cli.changes import changes
from venvship.cli.fitting import Page, counted

if TYPE_CHECKING:
    from venvship.operations.lock import LockResult


def lock_lines(result: LockResult, page: Page) -> list[str]:
    """The lines of `lock`."""
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
