"""What follows a switch that has its outcome: old releases go, and the notify hook hears of it.

No mutex is held here, so that neither a long removal nor a slow hook keeps anybody from switching. Whatever
goes wrong is a warning: what happened has happened.
"""

from __future__ import annotations

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
    prune_after(workspace, settings)
    notify(
        workspace,
        settings,
        switched.outcome,
        release=switched.target,
        previous=switched.origin,
        reason=switched.trial.cause,
    )
