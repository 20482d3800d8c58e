"""What follows a switch that has its outcome: old releases go, and the notify hook hears of it.

No mutex is held here, so that neither a long removal nor a slow hook keeps anybody from switching. Whatever
goes wrong is a warning: what happened has happened.
"""

from __future__ import annotations

import contextlib

from venvship.model.settings import Settings
from venvship.operations.notify import notify
from venvship.operations.prune import prune_after
from venvship.operations.switch import Switched
from venvship.operations.workspace import Workspace


def after_switch(workspace: Workspace, settings: Settings, switched: Switched) -> None:
    """Prune, then notify.

    Raises:
        InterruptedByError: A signal came; nothing is half done that matters.
    """
    signals = workspace.runtime.signals
    # A signal that ended the trial is still there. Nobody waits for a clean-up then, but the hook is to hear.
    early = signals.pending
    if not early:
        prune_after(workspace, settings)
    with signals.deferred() if early else contextlib.nullcontext():
        _notify(workspace, settings, switched)


def _notify(workspace: Workspace, settings: Settings, switched: Switched) -> None:
    notify(
        workspace,
        settings,
        switched.outcome,
        release=switched.target,
        previous=switched.origin,
        reason=switched.trial.cause,
    )
