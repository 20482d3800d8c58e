"""Run the notify hook. Its failure is a warning: the operation itself was completed."""

from __future__ import annotations

import json
from typing import Any, Final

from venvship.errors import ProgramNotFoundError
from venvship.model.settings import Settings
from venvship.model.spelling import FORMAT, format_time
from venvship.workspace.workspace import Workspace

EVENTS: Final = {
    "promoted": "released",
    "rolled-back": "rolled-back",
    "rollback-failed": "rollback-failed",
    "build-failed": "build-failed",
    "rejected": "rejected",
    "held": "held",
    "recovered": "recovered",
    "prune-failed": "prune-failed",
}
"""The event that the hook gets, by the outcome of the operation."""


def notify(
    workspace: Workspace,
    settings: Settings,
    outcome: str,
    *,
    release: str | None,
    previous: str | None,
    reason: str = "",
) -> None:
    """Run the notify hook with one JSON object on its standard input.

    Args:
        workspace: The root.
        settings: The settings with the hook.
        outcome: A key of `EVENTS`.
        release: The release in question, if there is one.
        previous: The release that was current before.
        reason: The reason, for people.

    Raises:
        InterruptedByError: A signal came while it ran.
    """
    if settings.hooks.notify is None:
        return
    from venvship.health.hooks import run_hook

    current = workspace.layout.current()
    event: dict[str, Any] = {
        "format": FORMAT,
        "event": EVENTS[outcome],
        "name": settings.name,
        "root": str(workspace.layout.path),
        "release": release,
        "current": current,
        "previous": previous,
        "reason": reason,
        "actor": workspace.runtime.actor,
        "at": format_time(workspace.runtime.clock()),
    }
    context = workspace.context(release or current, previous=previous, event=event["event"])
    # A byte of a check's output that is not UTF-8 is a lone surrogate here, and an escape in JSON.
    payload = json.dumps(event, sort_keys=True, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"
    try:
        result = run_hook(
            "notify", settings.hooks.notify, context, timeout=settings.hooks.timeout, stdin=payload
        )
    except ProgramNotFoundError as error:
        workspace.warn("notify-failed", f"the notify hook failed: {error.message}")
        return
    if not result.ok:
        workspace.warn("notify-failed", f"the notify hook failed: {result.output}")
