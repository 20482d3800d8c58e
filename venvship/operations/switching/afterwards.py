"""After an outcome: remove old releases, and run the notify hook.

No mutex is held here, so that neither a long removal nor a slow hook keeps another command from switching.
Any failure is a warning: the operation itself was completed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Final, cast

from venvship.errors import BuildError, HeldError, InterruptedByError, PausedError, RejectedError
from venvship.model.settings import Settings
from venvship.operations.retention.pruning import prune_after
from venvship.operations.switching.notify import HookEvent, notify
from venvship.operations.switching.outgrown import end_outgrown
from venvship.operations.switching.switched import Switched, SwitchOutcome
from venvship.workspace.workspace import Workspace

_EVENTS: Final[Mapping[SwitchOutcome, HookEvent]] = {
    "promoted": "released",
    "rolled-back": "rolled-back",
    "rollback-failed": "rollback-failed",
    "stays": "one-way-stays",
}


def after_switch(workspace: Workspace, settings: Settings, switched: Switched) -> None:
    """End the holds of packages that the release has outgrown, prune, then notify.

    Raises:
        InterruptedByError: A signal cut the clean-up or the hook short. The promoted release stays live, and
            the next command completes the clean-up.
    """
    signals = workspace.runtime.signals
    if switched.outcome == "promoted":
        end_outgrown(workspace, switched.release_id)
    failure: str | None = None
    interrupt: InterruptedByError | None = None
    # A signal that ended the trial is still pending. Skip the clean-up then, but run the hook. Nothing is
    # removed before the new release is known to work.
    if not signals.pending and switched.outcome != "stays":
        try:
            failure = prune_after(workspace, settings)
        except InterruptedByError as error:
            interrupt = error
    with signals.deferred() if signals.pending else contextlib.nullcontext():
        notify(
            workspace,
            settings,
            _EVENTS[switched.outcome],
            release=switched.release_id,
            previous=switched.origin_id,
            reason=switched.trial.reason,
        )
        if failure is not None:
            current = workspace.layout.current()
            notify(workspace, settings, "prune-failed", release=current, reason=failure)
    if interrupt is not None and switched.outcome == "promoted":
        raise interrupt


def after_failure(
    workspace: Workspace, settings: Settings, failure: BuildError | RejectedError | HeldError
) -> None:
    """Run the notify hook for a release that failed before its switch; prune first, if it was built.

    The hook is not run for a pause, for a refusal that was reported before, or in an attended command.

    Raises:
        InterruptedByError: A signal came while the hook ran.
    """
    signals = workspace.runtime.signals
    if isinstance(failure, RejectedError):
        # A rejected release takes up as much room as any other, and a check that rejects every new lockfile
        # would fill the disk. The next command completes a clean-up that a signal cuts short.
        with contextlib.suppress(InterruptedByError):
            prune_after(workspace, settings)
    event: HookEvent = "rejected" if isinstance(failure, RejectedError) else "build-failed"
    if isinstance(failure, HeldError):
        if not workspace.runtime.unattended or failure.told:
            return
        event = "held"
    elif isinstance(failure, PausedError):
        return
    release = cast(str | None, failure.data.get("release"))
    reason = failure.message.splitlines()[0]
    with signals.deferred() if signals.pending else contextlib.nullcontext():
        notify(workspace, settings, event, release=release, reason=reason)
