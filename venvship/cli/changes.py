"""The packages that a release changes, in a line or two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from venvship.cli.fitting import Page, counted, join
from venvship.model.spelling import ago

if TYPE_CHECKING:
    from collections.abc import Sequence

    from venvship.model.release import PackageDiff
    from venvship.operations.promote import PromoteResult
    from venvship.operations.release_result import ReleaseResult
    from venvship.operations.reporting.details import PackageDetail

MOST: Final = 12
"""The number of packages that are named; the rest is counted."""


def differences(result: ReleaseResult | PromoteResult, width: int | None) -> list[str]:
    """The packages that a release changes, in a line or two; of a first release all."""
    if result.previous is not None:
        return changes(result.diff, width)
    parts = [f"{c.name} {c.after}" for c in result.diff.added]
    if parts:
        parts[0] = f"{counted(len(parts), 'package')}: {parts[0]}"
    return _in_short(parts, width)


def changes(diff: PackageDiff, width: int | None) -> list[str]:
    """The changed packages in a line or two: `django 5.2.18 → 5.2.19 · new: idna 3.10`."""
    return _in_short(diff.phrases(), width)


def _in_short(parts: Sequence[str], width: int | None) -> list[str]:
    rest = [f"and {len(parts) - MOST} more"] if len(parts) > MOST else []
    return join([*parts[:MOST], *rest], " · ", width)


def detail_lines(details: Sequence[PackageDetail], page: Page, *, all_: bool = False) -> list[str]:
    """Who asks for each package, its age and its changelog, as far as they are known: a line each.

    Args:
        details: Of the packages.
        page: Where they are printed.
        all_: Whether to print also that a package is direct if nothing else is known of it.
    """
    lines = []
    for one in details:
        through = f"through {', '.join(one.through)}" if one.through else ""
        asked = " and ".join(part for part in ("direct" if one.direct else "", through) if part)
        age = f"uploaded {ago(one.uploaded, page.now)}" if one.uploaded is not None else ""
        parts = [part for part in (asked, age, one.changelog or "") if part]
        if parts and (all_ or parts != ["direct"]):
            lines += page.hanging(f"    {one.package}: {', '.join(parts)}")
    return lines
