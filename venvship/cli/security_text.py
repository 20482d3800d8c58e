"""The lines of `update --security`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from venvship.cli.fitting import Page
    from venvship.operations.release_result import ReleaseResult

_DESPITE: Final[Mapping[str, str]] = {
    "hold": "the package is held",
    "only": "`[update] only` has a bound",
    "group": "its group in `[update] groups` stays",
    "cooldown": "it is younger than `[lock] cooldown_days`",
}
"""Why an upgrade would have left a package, for `Fix.despite`."""


def fix_lines(result: ReleaseResult, page: Page) -> list[str]:
    """The lines on the vulnerabilities that were fixed, and on the rules that do not hold a fix back."""
    lines = []
    for fix in result.fixes:
        if fix.advisories:
            lines += page.hanging(f"Fixed: {fix.package} {fix.after}: {', '.join(fix.advisories)}")
        if fix.despite:
            why = " and ".join(_DESPITE.get(one, one) for one in fix.despite)
            lines += page.hanging(f"Not held back: {fix.package} {fix.after}, although {why}")
    return lines
