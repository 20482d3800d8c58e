"""What a person's choice of a release means for the switch hold, beyond what `promoted` records itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple

from venvship.errors import SupersededError
from venvship.model.event import EventName
from venvship.model.history import History
from venvship.model.hold import Hold, HoldKind
from venvship.workspace.holding import hold_switch
from venvship.workspace.workspace import Workspace


class HoldChange(NamedTuple):
    """The hold of the root after a command.

    Attributes:
        held: The hold that is in force now; `None` for none.
        ended: The switch hold that the command ended; `None` for none.
    """

    held: Hold | None = None
    ended: Hold | None = None

    def to_json(self) -> dict[str, object]:
        """The keys of `data` in the JSON output."""
        return {
            "held": self.held.to_json() if self.held else None,
            "ended_hold": self.ended.to_json() if self.ended else None,
        }


NO_HOLDS: Final = HoldChange()


def hold_change(workspace: Workspace, before: History, after: History) -> HoldChange:
    """Compare the holds of the root before a command with those after it."""
    now = workspace.runtime.clock()
    ended = before.root_holds.get(HoldKind.SWITCH)
    if HoldKind.SWITCH in after.root_holds:
        ended = None
    return HoldChange(held=next(iter(after.holds(now)), None), ended=ended)


def is_choice(workspace: Workspace, history: History, own_environment: str) -> bool:
    """Whether the choice of the release that is live begins or ends a switch hold; see `choose_current`."""
    record = history.records.get(history.expected or "")
    is_own = record is not None and record.environment_digest == own_environment
    return not workspace.runtime.unattended and is_own == (HoldKind.SWITCH in history.root_holds)


def planned_change(
    workspace: Workspace, history: History, *, chosen: str, own: str, switches: bool, message: str
) -> HoldChange:
    """How a person's choice would change the holds of the root, for a dry run; notes if it changes anything.

    Args:
        workspace: The root.
        history: As it is.
        chosen: The environment of the release that would be live.
        own: The environment of the root's own lockfile; `""` if it cannot be told.
        switches: Whether `current` would be switched; otherwise the release is live already.
        message: The person's reason.
    """
    if switches or is_choice(workspace, history, own):
        workspace.changes.append("planned")
    if workspace.runtime.unattended:
        return hold_change(workspace, history, history)
    holds = dict(history.root_holds)
    if switches:
        holds.pop(HoldKind.BAD_IN_A_ROW, None)
    if chosen == own:
        holds.pop(HoldKind.SWITCH, None)
    elif switches or HoldKind.SWITCH not in holds:
        holds[HoldKind.SWITCH] = Hold(
            kind=HoldKind.SWITCH,
            by=workspace.runtime.actor,
            reason=message or "chosen by hand",
            since=workspace.runtime.clock(),
        )
    return hold_change(workspace, history, replace(history, root_holds=holds))


def choose_current(
    workspace: Workspace, history: History, *, via: str, own_environment: str, message: str
) -> HoldChange:
    """Record that a person chose the release that is live already.

    The choice of the own lockfile's environment ends a switch hold; of another one, it begins one. Nothing is
    written if that changes nothing.

    Args:
        workspace: The root.
        history: That on which the command has decided.
        via: The command.
        own_environment: The environment of the root's own lockfile; `""` if it cannot be told.
        message: The person's reason.

    Raises:
        BusyError: Another command is switching.
        SupersededError: Another command has switched meanwhile, so that this is another choice.
        StateError: The journal is damaged.
        OSError: It could not be written.
    """
    current = history.expected
    if not is_choice(workspace, history, own_environment):
        return hold_change(workspace, history, history)
    with hold_switch(workspace, via):
        fresh = workspace.history()
        if fresh.switch_seq != history.switch_seq:
            raise SupersededError(
                f"another command has switched meanwhile: live is {fresh.expected or 'nothing'}",
                hint="look at `venvship status`",
            )
        if HoldKind.SWITCH in history.root_holds:
            workspace.record(
                EventName.UNHELD,
                release=current,
                reason=message or "the root's own lockfile was released",
                facts={"kind": HoldKind.SWITCH.value},
            )
        else:
            workspace.record(
                EventName.HELD,
                release=current,
                reason=message or f"{current} was chosen by hand",
                facts={"kind": HoldKind.SWITCH.value, "lockfile_environment": own_environment},
            )
    return hold_change(workspace, history, workspace.history())
