"""One root, opened for a command that writes: mutexes, leases, the journal's appends and the reserve."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

from venvship.errors import OperationWarning, ReleaseError, VenvshipError
from venvship.model.event import Event, EventName, is_visible
from venvship.model.log_line import log_line, severity_of
from venvship.model.settings import Settings
from venvship.root import RootLayout
from venvship.system import files, syslog
from venvship.system.journal import Journal
from venvship.system.leases import LEASE_MODE, lease_shared
from venvship.system.mutex import Mutex
from venvship.workspace import reserve, underway
from venvship.workspace.folders import make_folders, refuse_closed_state
from venvship.workspace.lease_holder import lease_locked
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.runtime import Runtime
from venvship.workspace.service_logs import cut_service_logs
from venvship.workspace.settings_files import NO_SETTINGS, read_kept_settings

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


class Workspace(ReadingWorkspace):
    """One root, open for work. Opening reads nothing and writes nothing.

    Args:
        layout: As for `ReadingWorkspace`.
        runtime: As for `ReadingWorkspace`.
        warnings: As for `ReadingWorkspace`.
        changes: The list that changes are added to; by default a list of its own.

    Attributes:
        journal: Reads and writes the journal.
        changes: What this command has changed, or in a dry run would change, that a later command can see:
            names of events, and words of a command. The result and an error have it as `changed`.
    """

    journal: Journal

    def __init__(
        self,
        layout: RootLayout,
        runtime: Runtime,
        warnings: list[OperationWarning] | None = None,
        changes: list[str] | None = None,
    ) -> None:
        super().__init__(layout, runtime, warnings)
        self.journal = Journal(
            str(layout.journal_file), self.journal_mutex, runtime.clock, self.trusted.require
        )
        self.changes: list[str] = [] if changes is None else changes

    @property
    def changed(self) -> bool:
        """Whether a later command can see a difference."""
        return bool(self.changes)

    def mutex(self, name: str) -> Mutex:
        """The mutex `build`, `switch`, `slots` or `turn-back`; if it is busy, its error names the holder."""
        return Mutex(str(self.layout.mutex(name)), name, lambda: underway.describe(self.layout, name))

    def open_for_writing(self) -> None:
        """Refuse a user who must not write here, make missing folders, and cut logs that services write to.

        Raises:
            RootError: See `RootLayout.require_writable` and `make_folders`.
            UntrustedError: One of the folders is another user's, or others can write it.
        """
        self.layout.require_writable()
        self.trusted.require_folders()  # first: a folder that is made is made in the right place
        refuse_closed_state(self.layout, self.runtime.environ)
        make_folders(self.layout)
        cut_service_logs(self.layout)

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
        urgent: bool = False,
    ) -> Event:
        """Append an event to the journal, durably, then send it to the system's log.

        The tier of the root, where it has one, is a fact of every event.

        Crash: the line is whole, missing, or a torn end that the next append sets aside.

        Args:
            event: The event.
            release: The id of the release that it is about; `None` for none.
            reason: The reason, for operators.
            facts: Further keys of the journal's line.
            urgent: Whether the reserve is given up for it on a full disk, as it is for `SETTLING`.

        Raises:
            StateError: The journal is damaged.
            BusyError: The journal's mutex could not be had.
            OSError: It could not be written.
        """

        def append() -> Event:
            return self.journal.append(
                event.value, release=release, actor=self.runtime.actor, reason=reason, facts=told
            )

        tier = self._known_settings().tier
        told = facts if tier is None else {**(facts or {}), "tier": tier}
        written = self.with_reserve(append) if urgent or event in SETTLING else append()
        self._note_change(event, facts)
        self.log_to_system(event, release, reason, facts)
        return written

    def record_if_possible(
        self,
        event: EventName,
        *,
        release: str | None,
        reason: str = "",
        facts: Mapping[str, Any] | None = None,
        urgent: bool = False,
    ) -> None:
        """Append an event, best effort: a failure becomes a warning, so that a rollback goes on."""
        try:
            self.record(event, release=release, reason=reason, facts=facts, urgent=urgent)
        except (OSError, VenvshipError) as error:
            text = error.strerror if isinstance(error, OSError) else error.message
            self.warn("journal-not-written", f"could not record {event.value!r} in the journal: {text}")
            self._note_change(event, facts)  # it has happened all the same
            self.log_to_system(event, release, f"{reason} (not in the journal: {text})".strip(), facts)

    def _note_change(self, event: EventName, facts: Mapping[str, Any] | None) -> None:
        if is_visible(event, facts or {}):
            self.changes.append(event.value)

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
        severity = severity_of(event, facts or {})
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
        except NO_SETTINGS:  # the command that needs them reports it
            return read_kept_settings(self.layout) or Settings(name=self.layout.path.name)

    def make_lease(self, release_id: str) -> None:
        """Make the lease file of a release, where it is missing.

        Crash: missing, or there; the next promotion of the release makes it.
        """
        path = self.layout.lease(release_id)
        if not path.exists():
            with contextlib.suppress(FileExistsError):
                files.create_file(path, b"", mode=LEASE_MODE)

    @contextlib.contextmanager
    def using(self, release_id: str) -> Iterator[None]:
        """Keep prune away from a release while something is done with it that no other mutex covers.

        Raises:
            ReleaseError: It is being removed at this moment.
            OSError: The lease cannot be made or read.
        """
        self.make_lease(release_id)
        with lease_shared(str(self.layout.lease(release_id))) as lease:
            if lease is None or not self.layout.release_path(release_id).is_dir():
                raise ReleaseError(f"{release_id} is being removed at this moment")
            if lease.blocked:
                self.warn("lease-locked", lease_locked(self.layout, release_id))
            yield
