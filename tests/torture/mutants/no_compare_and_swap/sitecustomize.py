"""Mutant: a promotion does not ask whether somebody has switched since it began."""

from __future__ import annotations

import contextlib
from typing import Any

with contextlib.suppress(ImportError):
    from venvship.operations import switch

    def compare_and_promote(
        workspace: Any, target: str, *, origin: Any, began_at: int, settings: Any, via: str, reason: str
    ) -> switch.Switched:
        with workspace.holding("switch", via):
            history = workspace.history()
            workspace.require_usable(target)
            return switch.promote(workspace, history, target, settings=settings, via=via, reason=reason)

    switch.compare_and_promote = compare_and_promote
