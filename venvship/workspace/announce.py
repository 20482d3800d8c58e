"""Have the system's log say what happened, after the journal has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from venvship.errors import SettingsError
from venvship.model.log_line import SEVERITIES, log_line
from venvship.model.settings import Settings
from venvship.system import syslog

if TYPE_CHECKING:
    from venvship.workspace.workspace import Workspace


def tell_syslog(
    workspace: Workspace, event: str, release: str | None, reason: str, facts: Mapping[str, Any]
) -> None:
    """Send one line about an event, if the root's settings want that. Nothing depends on it; it never waits.

    Args:
        workspace: The root.
        event: What happened; what is not in `SEVERITIES` is not told.
        release: To which release.
        reason: Why.
        facts: Of the event; see `log_line`.
    """
    runtime = workspace.runtime
    severity = SEVERITIES.get(event)
    if severity is None or not runtime.syslog:
        return
    try:
        settings = workspace.settings()
    except SettingsError:  # whoever needs them says so
        settings = workspace.kept_settings() or Settings(name=workspace.layout.path.name)
    if settings.syslog:
        said = log_line(
            settings.name, event, release=release, actor=runtime.actor, reason=reason, facts=facts
        )
        syslog.send(runtime.syslog, severity, said, runtime.clock())
