"""`handover`: which slot runs what, and bring up what `current` says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from venvship.errors import NoServiceError, NotServedError, OperationWarning
from venvship.model.settings import Settings
from venvship.model.settings_service import SLOTS
from venvship.operations.service.folder import planned_folder
from venvship.operations.service.retiring import retire
from venvship.operations.switching.recovery import recover_switch, tell_recovered
from venvship.operations.switching.serving import ServeOutcome, serve_current
from venvship.system.faults import root_faults
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.slots import UNKNOWN, Slots, started_slots, warn_of_orphans
from venvship.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotView:
    """One slot.

    Attributes:
        name: `"a"` or `"b"`.
        release: The release that it runs, or ran last; `None` for none of this root.
        answers: Whether something accepts connections on its socket; `None` if that cannot be told, as
            where this user may not connect.
        live: Whether `live.sock` leads to it.
        started: Whether venvship has started it, and not stopped it since.
        pid: The process that listens on its socket; `None` if none is known.
    """

    name: str
    release: str | None
    answers: bool | None
    live: bool
    started: bool
    pid: int | None

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "slot": self.name,
            "release": self.release,
            "answers": self.answers,
            "live": self.live,
            "started": self.started,
            "pid": self.pid,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverResult:
    """The result of `Root.handover_status` and `Root.handover_ensure`.

    Attributes:
        outcome: `"looked"`; or after `ensure` `"unchanged"`, `"led"` if `live.sock` led elsewhere, or
            `"started"`.
        release: The release that `current` names; `None` for none.
        slots: Both slots, as they are after it.
        folder: The folder of their links and sockets.
        changed: Whether a slot was started, `live.sock` moved, or an interrupted operation was settled.
        warnings: The warnings of the operation.
    """

    outcome: Literal["looked", "unchanged", "led", "started"]
    release: str | None
    slots: tuple[SlotView, ...]
    folder: str
    changed: bool = False
    warnings: tuple[OperationWarning, ...] = ()

    @property
    def live(self) -> SlotView | None:
        """The slot that customers are led to."""
        return next((slot for slot in self.slots if slot.live), None)

    def to_json(self) -> dict[str, object]:
        """The `data` of `handover --json`."""
        return {
            "outcome": self.outcome,
            "changed": self.changed,
            "release": self.release,
            "live": self.live.name if self.live else None,
            "slots": [slot.to_json() for slot in self.slots],
            "socket_dir": self.folder,
        }


def handover_status(workspace: ReadingWorkspace) -> HandoverResult:
    """Look at both slots; nothing is asked but whether something accepts connections.

    Arguments and errors: `Root.handover_status`.
    """
    settings = workspace.settings()
    _require_service(workspace, settings)
    result = _result(workspace, planned_folder(workspace.layout, settings.service), "looked")
    live = result.live
    if result.release is not None and (live is None or live.release != result.release or not live.answers):
        raise NotServedError(
            f"{result.release} is live, and no slot that customers are led to answers for it",
            hint="venvship handover ensure",
            release=result.release,
        ).carrying(result, shown=True)
    return result


def handover_ensure(workspace: Workspace, *, boot: bool = False) -> HandoverResult:
    """Have what `current` names answer from a slot, and lead customers there: after a boot, or by hand.

    Crash: as for `operations.service.slots`; the next call goes on.

    Arguments and errors: `Root.handover_ensure`.
    """
    with root_faults(workspace.layout.path):
        workspace.open_for_writing()
        recovered = recover_switch(workspace, boot=boot)
        settings = workspace.settings_or_kept()
        _require_service(workspace, settings)
        slots = planned_folder(workspace.layout, settings.service)
        if not boot:  # also of a recovery whose release does not answer now
            tell_recovered(workspace, settings, recovered)
        outcome: ServeOutcome = "unchanged"
        if workspace.layout.current() is not None:
            outcome = serve_current(workspace, settings, operation="handover")
            retire(workspace, settings)
        return _result(workspace, slots, outcome)


def _require_service(workspace: ReadingWorkspace, settings: Settings) -> None:
    if not settings.service.is_on:
        warn_of_orphans(workspace)
        raise NoServiceError(
            "the settings have no service, so the application is started and stopped by others",
            hint="set start, stop and health of [service] in venvship.toml; `venvship service systemd` "
            "prints what goes with them",
        )


def _result(
    workspace: ReadingWorkspace, slots: Slots, outcome: Literal["looked", "unchanged", "led", "started"]
) -> HandoverResult:
    live, started = slots.live(), started_slots(workspace.layout)
    views = []
    for slot in SLOTS:
        peer = slots.peer(slot)
        views.append(
            SlotView(
                name=slot,
                release=slots.release(slot),
                answers=None if peer == UNKNOWN else peer is not None,
                live=slot == live,
                started=slot in started,
                pid=peer if peer is not None and peer > 0 else None,
            )
        )
    return HandoverResult(
        outcome=outcome,
        release=workspace.layout.current(),
        slots=tuple(views),
        folder=slots.folder,
    )
