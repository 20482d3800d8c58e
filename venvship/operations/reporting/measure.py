"""A root in figures, for monitoring: its status, and counts. A read: it takes no mutex and writes nothing."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from venvship.errors import OperationWarning
from venvship.model.event import Event, EventName
from venvship.model.release import State
from venvship.operations.reporting.report import StatusResult, left_over, status
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.releases import release_ids

OUTCOMES: Final = (
    EventName.PROMOTED,
    EventName.ROLLED_BACK,
    EventName.ROLLBACK_FAILED,
    EventName.REJECTED,
    EventName.SUPERSEDED,
    EventName.BUILD_FAILED,
)
"""The events that end a release, an update, a promotion or a rollback, if it changed anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """The result of `Root.measure`: a root in figures.

    Attributes:
        status: The result of `status`.
        states: How many releases there are in each state.
        debris: How many left-overs there are below `releases/`.
        last_outcome: The last event of those in `OUTCOMES`; `None` before the first.
        journal_damaged: Whether the journal is damaged, or has lost the live release.
        journal_torn: Whether its last line is torn, as a crash leaves it.
        used_bytes: Bytes in use on the root's file system.
        available_bytes: Bytes that the caller may still use there.
        warnings: The warnings of `status`.
    """

    status: StatusResult
    states: Mapping[State, int]
    debris: int
    last_outcome: Event | None
    journal_damaged: bool
    journal_torn: bool
    used_bytes: int
    available_bytes: int
    warnings: tuple[OperationWarning, ...]

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "status": self.status.to_json(),
            "states": {state.value: count for state, count in self.states.items()},
            "debris": self.debris,
            "last_outcome": self.last_outcome.to_json() if self.last_outcome else None,
            "journal_damaged": self.journal_damaged,
            "journal_torn": self.journal_torn,
            "used_bytes": self.used_bytes,
            "available_bytes": self.available_bytes,
        }


def measure(workspace: ReadingWorkspace) -> Measurement:
    """Look at a root and count.

    Whatever is wrong becomes a figure, as it becomes a warning of `status`.

    Arguments and errors: `Root.measure`.
    """
    found = status(workspace)
    known = workspace.known_history()
    history, events = known.history, known.events
    counts = Counter(history.state(name) for name in release_ids(workspace.layout, history))
    slugs = {warning.slug for warning in workspace.warnings}
    room = os.statvfs(workspace.layout.path)
    return Measurement(
        status=found,
        states={state: counts[state] for state in State},
        debris=len(left_over(workspace, history)),
        last_outcome=next((event for event in reversed(events) if event.event in OUTCOMES), None),
        journal_damaged="journal-damaged" in slugs,
        journal_torn="journal-torn" in slugs,
        # The two do not add up to the size: some is kept for the superuser (statvfs(3)).
        used_bytes=(room.f_blocks - room.f_bfree) * room.f_frsize,
        available_bytes=room.f_bavail * room.f_frsize,
        warnings=tuple(workspace.warnings),
    )
