"""`recover`: finish or undo an interrupted operation, and take up releases that a lost journal knew."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace

from venvship.errors import BusyError, OperationWarning, RollbackFailedError, RolledBackError
from venvship.model.event import EventName
from venvship.model.hold import Hold
from venvship.model.spelling import readable
from venvship.operations.retention.debris import sweep_debris
from venvship.operations.retention.verifying import verify_release
from venvship.operations.switching.recovery import (
    SUMMARIES,
    RecoverOutcome,
    recover_switch,
    retire_left_up,
    tell_recovered,
)
from venvship.operations.switching.switched import AGAIN
from venvship.system.faults import root_faults
from venvship.workspace.holding import BuildHeld, hold_build, hold_switch
from venvship.workspace.releases import in_doubt
from venvship.workspace.settings_files import NO_SETTINGS
from venvship.workspace.underway import Operation, under_way
from venvship.workspace.way_back import or_go_back
from venvship.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverResult:
    """The result of `Root.recover`.

    Attributes:
        outcome: `"clean"` (nothing to do), `"abandoned"` (never switched), `"promoted"`, `"rolled-back"`,
            `"rollback-failed"`, or `"observed"` (`current` had been switched by hand).
        current: The id of the release that is live now; `None` for nothing.
        debris: The left-overs that were removed.
        changed: Whether a later command can see a difference.
        taken_up: The ids of releases that the journal had lost, and knows again.
        held: The hold of the root that began with it; `None` for none.
        interrupted: The command that had announced itself and is gone; `None` if it is not known.
        warnings: The warnings of the operation.
    """

    outcome: RecoverOutcome
    current: str | None
    debris: tuple[str, ...]
    changed: bool = False
    taken_up: tuple[str, ...] = ()
    held: Hold | None = None
    interrupted: Operation | None = None
    warnings: tuple[OperationWarning, ...] = ()

    @property
    def summary(self) -> str:
        """The outcome as a sentence, in lower case and without its full stop."""
        if self.outcome == "clean" and self.interrupted is not None:
            one = self.interrupted
            who = f"by {one.actor}, process {one.pid}"
            left = "" if self.debris else "; it left nothing behind"
            return (
                f"{one.operation}, since {readable(one.since)} {who}, was interrupted before a switch{left}"
            )
        if self.outcome == "clean" and self.debris:
            return "an operation was interrupted before a switch"
        return SUMMARIES[self.outcome]

    def to_json(self) -> dict[str, object]:
        """The `data` of `recover --json`."""
        return {
            "outcome": self.outcome,
            "changed": self.changed,
            "current": self.current,
            "debris": list(self.debris),
            "taken_up": list(self.taken_up),
            "held": self.held.to_json() if self.held else None,
            "interrupted": self.interrupted.to_json() if self.interrupted else None,
        }


def recover(workspace: Workspace, *, boot: bool = False) -> RecoverResult:
    """Finish or undo an interrupted operation, and report the outcome.

    Arguments and errors: `Root.recover`.
    """
    with root_faults(workspace.layout.path):
        workspace.open_for_writing()
        interrupted = _interrupted(workspace)
        with hold_build(workspace, "recover") as held:
            taken_up = _take_up(held, boot=boot)
            before = workspace.history().root_holds
            recovered = recover_switch(workspace, boot=boot)
            debris = sweep_debris(held)
            if not boot:
                retire_left_up(workspace)
            if under_way(workspace.layout, "switch") is not None:
                _take_down_the_sign(workspace)
            workspace.keep_reserve()
    recovered = replace(recovered, debris=debris)
    if not boot:
        with contextlib.suppress(*NO_SETTINGS):
            tell_recovered(workspace, workspace.settings_or_kept(), recovered)
    holds = workspace.known_history().history.holds(workspace.runtime.clock())
    result = RecoverResult(
        outcome=recovered.outcome,
        current=recovered.current,
        debris=debris,
        taken_up=taken_up,
        held=next((hold for hold in holds if hold != before.get(hold.kind)), None),
        interrupted=interrupted,
    )
    if recovered.switched is not None:
        recovered.switched.raise_if_not_promoted(result=result)
    elif recovered.outcome == "rolled-back":
        raise RolledBackError(
            f"an interrupted promotion was undone; live: {recovered.current or 'nothing'}",
            hint=AGAIN,
        ).carrying(result)
    elif recovered.outcome == "rollback-failed":
        raise RollbackFailedError(
            f"an interrupted rollback was finished, and {recovered.current} does not pass",
            hint=f"look at the service, then `venvship check`{or_go_back(workspace)}",
        ).carrying(result)
    return result


def _interrupted(workspace: Workspace) -> Operation | None:
    """The command that died while it held a mutex; asked before this command announces itself instead."""
    found = (under_way(workspace.layout, mutex) for mutex in ("build", "switch"))
    return next((one for one in found if one is not None and not one.running), None)


def _take_down_the_sign(workspace: Workspace) -> None:
    """Remove the entry of a dead holder of switch.mutex, which only the next holder would replace."""
    with contextlib.suppress(BusyError), hold_switch(workspace, "recover", wait=0):
        pass


def _take_up(held: BuildHeld, *, boot: bool) -> tuple[str, ...]:
    """Journal releases again that the journal does not know, if their files are as they were sealed.

    Only `recover` does this, and not at boot, unless the current release is among them: only a person knows
    that there is no newer backup of the journal. What cannot be known again, such as which of them were
    proven, is not made up; if `current` was not expected, unattended releases are held. Without an intact
    `current` nothing is taken up: then the journal's loss is not the only one.

    Crash: some are taken up, and current last of all, so that the next `recover` takes up the rest.
    """
    workspace = held.workspace
    known = workspace.known_history()
    current = known.lost
    if current is None and (boot or not known.whole):
        return ()
    layout = workspace.layout
    unknown = [name for name in in_doubt(layout, known.history) if layout.has_manifest(name)]
    wanted = unknown if current is None else [current, *unknown]
    intact = [name for name in wanted if verify_release(workspace, name).intact]
    if current is not None and current not in intact:
        return ()
    manifests = [workspace.manifest(name) for name in intact]
    for manifest in sorted(manifests, key=lambda found: (found.id == current, found.created_at)):
        workspace.record(
            EventName.SEALED,
            release=manifest.id,
            reason="taken up from its manifest: the journal had lost it",
            facts=manifest.sealed_facts(),
        )
    return tuple(intact)
