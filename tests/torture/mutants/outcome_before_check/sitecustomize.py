"""Mutant: a promotion is journalled as such before its restart hook and live checks have run."""

from __future__ import annotations

import contextlib
from typing import Any

with contextlib.suppress(ImportError):
    from venvship.model.history import EventName
    from venvship.operations import switch

    original = switch.try_and_settle

    def try_and_settle(
        workspace: Any, history: Any, target: str, origin: str | None, **options: Any
    ) -> switch.Switched:
        facts = {"from": origin, "via": options["via"], "unattended": False}
        workspace.record(EventName.PROMOTED, release=target, facts=facts)
        return original(workspace, history, target, origin, **options)

    switch.try_and_settle = try_and_settle
