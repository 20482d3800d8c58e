"""Run the notify hook. Its failure is a warning: the operation itself was completed."""

from __future__ import annotations

from typing import Any, Literal

from venvship.model.settings import Settings
from venvship.model.spelling import FORMAT, ascii_json, format_time
from venvship.printable import printable
from venvship.workspace.workspace import Workspace

HookEvent = Literal[
    "released",
    "rolled-back",
    "rollback-failed",
    "one-way-stays",
    "build-failed",
    "rejected",
    "held",
    "held-back",
    "recovered",
    "prune-failed",
]


def notify(
    workspace: Workspace,
    settings: Settings,
    event: HookEvent,
    *,
    release: str | None,
    previous: str | None = None,
    reason: str = "",
) -> None:
    """Run the notify hook with one JSON object on its standard input.

    Args:
        workspace: The root.
        settings: The settings with the hook.
        event: The event that the hook gets.
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
    report: dict[str, Any] = {
        "format": FORMAT,
        "event": event,
        "name": settings.name,
        "root": str(workspace.layout.path),
        "tier": settings.tier,
        "release": release,
        "current": current,
        "previous": previous,
        "one_way": _is_one_way(workspace, release),
        "vulnerabilities": _vulnerabilities(workspace, settings, current),
        # The hook passes these on to people.
        "reason": printable(reason),
        "actor": printable(workspace.runtime.actor),
        "at": format_time(workspace.runtime.clock()),
    }
    variables = workspace.variables(settings, missing="warn")
    context = workspace.context(release or current, variables, previous=previous, event=event)
    payload = f"{ascii_json(dict(sorted(report.items())))}\n".encode()
    seconds = settings.hooks.seconds("notify")
    result = run_hook("notify", settings.hooks.notify, context, timeout=seconds, stdin=payload)
    if not result.ok:
        where = f"; its output is in {context.log_path('notify')}" if result.said else ""
        workspace.warn("notify-failed", f"the notify hook failed: {result.output}{where}")


def _vulnerabilities(
    workspace: Workspace, settings: Settings, current: str | None
) -> dict[str, object] | None:
    """The known vulnerabilities of the live release, as the last audit found them; `None` for none."""
    if not workspace.layout.advisories_file.exists():
        return None
    from venvship.workspace.advised import known_vulnerabilities  # late: most roots were never audited

    known = known_vulnerabilities(workspace, settings.audit, current)
    return known.to_json() if known is not None else None


def _is_one_way(workspace: Workspace, release_id: str | None) -> bool:
    record = workspace.known_history(warn_of_torn=False).history.records.get(release_id or "")
    return record is not None and record.one_way
