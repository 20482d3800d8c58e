"""A root whose journal is written: events, the reserve that is given up for them, and the system's log."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from venvship.errors import OperationWarning, SettingsError, VenvshipError
from venvship.model.event import Event, EventName
from venvship.model.log_line import SEVERITIES, log_line
from venvship.model.settings import Settings
from venvship.root import RootLayout
from venvship.system import files, syslog
from venvship.system.journal import Journal
from venvship.system.mutex import Mutex
from venvship.workspace import reserve
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.runtime import Runtime
from venvship.workspace.settings_files import read_kept_settings

T = TypeVar("T")

SETTLING: Final = frozenset(
    {
        EventName.PROMOTED,
        EventName.ROLLING_BACK,
        EventName.ROLLED_BACK,
        EventName.ROLLBACK_FAILED,
        EventName.ABANDONED,
        EventName.OBSERVED,
        EventName.PRUNED,
    }
)
"""Events that end or undo an operation, or make room: on a full disk, the reserve is given up for them."""


class RecordingWorkspace(ReadingWorkspace):
    """One root, open for reading and for recording.

    Args:
        layout: As for `ReadingWorkspace`.
        runtime: As for `ReadingWorkspace`.
        warnings: As for `ReadingWorkspace`.

    Attributes:
        journal: Reads and writes the journal.
    """

    journal: Journal

    def __init__(
        self, layout: RootLayout, runtime: Runtime, warnings: list[OperationWarning] | None = None
    ) -> None:
        super().__init__(layout, runtime, warnings)
        self.journal = Journal(str(layout.journal_file), self.journal_mutex, runtime.clock)

    @property
    def journal_mutex(self) -> Mutex:
        """Held for one append, innermost."""
        return Mutex(str(self.layout.mutex("journal")), "journal")

    def record(
        self,
        event: EventName,
        *,
        release: str | None,
        reason: str = "",
        facts: Mapping[str, Any] | None = None,
        urgent: bool | None = None,
    ) -> Event:
        """Append an event to the journal, durably, then send it to the system's log.

        Crash: the line is whole, missing, or a torn end that the next append sets aside.

        Args:
            event: The event.
            release: The id of the release that it is about; `None` for none.
            reason: The reason, for operators.
            facts: Further keys of the journal's line.
            urgent: Whether the reserve is given up for it on a full disk. By default for `SETTLING`.

        Raises:
            StateError: The journal is damaged.
            BusyError: The journal's mutex could not be had.
            OSError: It could not be written.
        """

        def append() -> Event:
            return self.journal.append(
                event.value, release=release, actor=self.runtime.actor, reason=reason, facts=facts
            )

        settles = urgent or (urgent is None and event in SETTLING)
        written = self.with_reserve(append) if settles else append()
        self.log_to_system(event, release, reason, facts)
        return written

    def record_if_possible(
        self,
        event: EventName,
        *,
        release: str | None,
        reason: str = "",
        facts: Mapping[str, Any] | None = None,
        urgent: bool | None = None,
    ) -> None:
        """Append an event, best effort: a failure becomes a warning, so that a rollback goes on."""
        try:
            self.record(event, release=release, reason=reason, facts=facts, urgent=urgent)
        except (OSError, VenvshipError) as error:
            text = error.strerror if isinstance(error, OSError) else error.message
            self.warn("journal-not-written", f"could not record {event.value!r} in the journal: {text}")
            self.log_to_system(event, release, f"{reason} (not in the journal: {text})".strip(), facts)

    def with_reserve(self, action: Callable[[], T]) -> T:
        """Run an action that needs a little room. If there is none, give up the reserve and run it again.

        Raises:
            OSError: As the action raised it. For "no room", the reserve was gone or not enough.
        """
        try:
            return action()
        except OSError as error:
            if error.errno not in files.FULL_DISK_ERRNOS or not reserve.give_up(self.layout):
                raise
            return action()

    def keep_reserve(self) -> None:
        """Set the reserve aside, if it is missing and there is room; best effort."""
        if self.layout.reserve_file.exists():
            return
        with contextlib.suppress(OSError, VenvshipError), self.journal_mutex.hold(wait=5):
            reserve.keep(self.layout)

    def log_to_system(
        self, event: str, release: str | None, reason: str, facts: Mapping[str, Any] | None = None
    ) -> None:
        """Send one line about an event to the system's log, if the settings want that. It never waits."""
        severity = SEVERITIES.get(event)
        if severity is None or not self.runtime.syslog:
            return
        settings = self._known_settings()
        if settings.syslog:
            line = log_line(
                settings.name,
                event,
                release=release,
                actor=self.runtime.actor,
                reason=reason,
                facts=facts or {},
            )
            syslog.send(self.runtime.syslog, severity, line, self.runtime.clock())

    def _known_settings(self) -> Settings:
        """The settings that this command has read last; only if it has read none, it reads them now."""
        if self.settings_read is not None:
            return self.settings_read
        try:
            return self.settings()
        except SettingsError:  # the command that needs them reports it
            return read_kept_settings(self.layout) or Settings(name=self.layout.path.name)
