"""Tell the notify hook how it went. Its failure is a warning: what happened has happened."""

from __future__ import annotations

import json
from typing import Any, Final

from venvship.errors import ProgramNotFoundError
from venvship.health.hooks import run_hook
from venvship.model.release import FORMAT, format_time
from venvship.model.settings import Settings
from venvship.operations.workspace import Workspace

EVENTS: Final = {
    "promoted": "released",
    "rolled-back": "rolled-back",
    "rollback-failed": "rollback-failed",
}
"""What a switch's outcome is called in the event that the hook gets."""


def notify(
    workspace: Workspace,
    settings: Settings,
    outcome: str,
    *,
    release: str,
    previous: str | None,
    reason: str = "",
) -> None:
    """Run the notify hook with one JSON object on its standard input.

    Args:
        workspace: The root.
        settings: Whose hook.
        outcome: The switch's outcome; a key of `EVENTS`.
        release: The release that it is about.
        previous: What was current before.
        reason: Why, for people.

    Raises:
        InterruptedByError: A signal came while it ran.
    """
    if settings.hooks.notify is None:
        return
    current = workspace.layout.current()
    event: dict[str, Any] = {
        "format": FORMAT,
        "event": EVENTS.get(outcome, outcome),
        "name": settings.name,
        "root": str(workspace.layout.path),
        "release": release,
        "current": current,
        "previous": previous,
        "reason": reason,
        "actor": workspace.runtime.actor,
        "at": format_time(workspace.runtime.clock()),
    }
    context = workspace.context(release, previous=previous, event=event["event"])
    payload = json.dumps(event, sort_keys=True, ensure_ascii=False).encode() + b"\n"
    try:
        result = run_hook(
            "notify", settings.hooks.notify, context, timeout=settings.hooks.timeout, stdin=payload
        )
    except ProgramNotFoundError as error:
        workspace.warn("notify-failed", f"the notify hook failed: {error.message}")
        return
    if not result.ok:
        workspace.warn("notify-failed", f"the notify hook failed: {result.output}")
