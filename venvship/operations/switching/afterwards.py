"""What follows an outcome: old releases go, and the notify hook hears of it.

No mutex is held here, so that neither a long removal nor a slow hook keeps anybody from switching. Whatever
goes wrong is a warning: what happened has happened.
"""

from __future__ import annotations

import contextlib
from typing import cast

from venvship.errors import BuildError, HeldError, InterruptedByError, PausedError, RejectedError
from venvship.model.settings import Settings
from venvship.operations.retention.pruning import prune_after
from venvship.operations.switching.notify import notify
from venvship.operations.switching.promotion import Switched
from venvship.workspace.workspace import Workspace


def after_switch(workspace: Workspace, settings: Settings, switched: Switched) -> None:
    """Prune, then notify.

    Raises:
        InterruptedByError: A signal came, and what was promoted stays live. The clean-up or the hook was cut
            short, which the next command makes good, or nobody has to.
    """
    signals = workspace.runtime.signals
    failure = ""
    interrupt: InterruptedByError | None = None
    # A signal that ended the trial is still there. Nobody waits for a clean-up then, but the hook is to hear.
    if not signals.pending:
        try:
            failure = prune_after(workspace, settings)
        except InterruptedByError as error:
            interrupt = error
    with signals.deferred() if signals.pending else contextlib.nullcontext():
        _notify(workspace, settings, switched)
        if failure:
            current = workspace.layout.current()
            notify(workspace, settings, "prune-failed", release=current, previous=None, reason=failure)
    if interrupt is not None and switched.outcome == "promoted":
        raise interrupt


def after_failure(
    workspace: Workspace, settings: Settings, failure: BuildError | RejectedError | HeldError
) -> None:
    """Tell the hook of a release that came to nothing before its switch; prune first, if it was built.

    It is not told of a pause, of a refusal that was told before, or of one that a person is reading just now.

    Raises:
        InterruptedByError: A signal came while the hook ran.
    """
    signals = workspace.runtime.signals
    if isinstance(failure, RejectedError):
        # Each of them is whole. A host whose check refuses every new lockfile would fill up with them. The
        # next command makes good what a signal cuts short; why it was refused matters more.
        with contextlib.suppress(InterruptedByError):
            prune_after(workspace, settings)
    if isinstance(failure, HeldError):
        if not workspace.runtime.unattended or failure.told:
            return
        outcome = "held"
    elif isinstance(failure, PausedError):
        return
    else:
        outcome = "rejected" if isinstance(failure, RejectedError) else "build-failed"
    release = cast(str | None, failure.data.get("release"))
    reason = failure.message.splitlines()[0]
    with signals.deferred() if signals.pending else contextlib.nullcontext():
        notify(workspace, settings, outcome, release=release, previous=None, reason=reason)


def _notify(workspace: Workspace, settings: Settings, switched: Switched) -> None:
    notify(
        workspace,
        settings,
        switched.outcome,
        release=switched.release_id,
        previous=switched.origin_id,
        reason=switched.trial.problem or "",
    )
