"""One root, opened for reading: its settings, its history, and the warnings of the command that reads.

All that a read takes. Nothing here takes a mutex or writes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from venvship.errors import OperationWarning, SettingsError, VenvshipError
from venvship.model.history import History
from venvship.model.history_fold import fold
from venvship.model.progress import DONE, STARTED, Step
from venvship.model.settings import Settings
from venvship.root import RootLayout
from venvship.system.journal import Journal, damaged_journal, lost_journal
from venvship.system.journal_lines import Reading
from venvship.system.mutex import Mutex
from venvship.workspace.interpreter_identity import InterpreterIdentities
from venvship.workspace.releases import is_known, resolve_release
from venvship.workspace.runtime import Runtime
from venvship.workspace.settings_files import read_kept_settings, read_settings

if TYPE_CHECKING:
    from venvship.health.context import Context


class ReadingWorkspace:
    """One root, open for reading. Opening reads nothing.

    Args:
        layout: The paths of the root.
        runtime: The world.
        warnings: The list that warnings are added to; by default a list of its own.

    Attributes:
        identities: Asks interpreters for their identity.
        settings_read: The settings that were read last; `None` before.
    """

    def __init__(
        self, layout: RootLayout, runtime: Runtime, warnings: list[OperationWarning] | None = None
    ) -> None:
        self.layout = layout
        self.runtime = runtime
        self.warnings = [] if warnings is None else warnings
        self.journal = Journal(str(layout.journal_file), self.journal_mutex, runtime.clock)
        self.identities = InterpreterIdentities(runtime.environ, runtime.signals)
        self.settings_read: Settings | None = None
        self._folded: tuple[Reading, History] | None = None

    @property
    def journal_mutex(self) -> Mutex:
        """Held for one append, innermost."""
        return Mutex(str(self.layout.mutex("journal")), "journal")

    # -- history ------------------------------------------------------------------------------------------

    def read_journal(self) -> Reading:
        """Read the journal; a torn end becomes a warning."""
        reading = self.journal.read()
        if reading.torn:
            self.warn(
                "journal-torn", "the last line of the journal is torn; it is set aside by the next write"
            )
        return reading

    def history(self) -> History:
        """Fold the journal.

        Raises:
            StateError: It is damaged in the middle, or has lost so much that it does not know what is live:
                nothing should be decided on what is left of it.
        """
        reading = self.read_journal()
        if reading.damage:
            raise damaged_journal(reading)
        history = self.fold(reading)
        lost = self.lost(history)
        if lost:
            raise lost_journal(lost)
        return history

    def lost(self, history: History) -> str:
        """The release that is live and that a journal never heard of; `""` if there is none.

        No crash leaves that: a release is journalled as sealed before it can be live. The file was lost, or
        an older copy of it was put back, and with it went holds, pins and every release since.
        """
        try:
            current = self.layout.current()
        except VenvshipError:
            return ""  # whoever needs the link says what is wrong with it
        if current is None or is_known(current, history) or not self.layout.is_sealed(current):
            return ""
        # It may have been released since the journal was read. Before it was live, the journal had it.
        try:
            known = is_known(current, self.fold(self.journal.read()))
        except VenvshipError:
            known = False
        return "" if known else current

    def fold(self, reading: Reading) -> History:
        """Fold, unless the journal is what it was; nobody changes a `History` but the fold."""
        if self._folded is None or self._folded[0] is not reading:
            self._folded = (reading, fold(reading.events))
        return self._folded[1]

    def history_for_reading(self) -> History:
        """Fold what can be read of the journal; damage becomes a warning."""
        reading = self.read_journal()
        if reading.damage:
            self.warn(
                "journal-damaged", f"the journal is damaged: {reading.damage}; what follows it is not known"
            )
        history = self.fold(reading)
        lost = "" if reading.damage else self.lost(history)
        if lost:
            self.warn("journal-damaged", lost_journal(lost).message)
        return history

    def resolve(self, name: str, history: History) -> str:
        """See `resolve_release`.

        Raises:
            ReleaseError: See `resolve_release`.
            ForeignLinkError: `current` is not ours.
        """
        return resolve_release(self.layout, name, history)

    # -- settings -----------------------------------------------------------------------------------------

    def settings(self) -> Settings:
        """Read `venvship.toml`.

        Raises:
            SettingsError: It cannot be read, or has a mistake.
        """
        self.settings_read = read_settings(self.layout)
        return self.settings_read

    def settings_or_kept(self) -> Settings:
        """The settings in force; when they are broken, those of the last promotion, with a warning.

        For a rollback and a recovery, which have to go on.

        Raises:
            SettingsError: Neither can be read.
        """
        try:
            return self.settings()
        except SettingsError as error:
            kept = read_kept_settings(self.layout)
            what = (
                "the settings of the last promotion were used"
                if kept
                else "and there are none kept to use instead"
            )
            self.warn("settings-kept", f"{error.message}; {what}")
            if kept is None:
                raise
            self.settings_read = kept
            return kept

    # -- reporting ----------------------------------------------------------------------------------------

    def begin(self, step: str) -> None:
        """Tell whoever watches that a step begins, which `tell` will end."""
        self.runtime.progress(Step(name=step, state=STARTED))

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Tell whoever watches that a step begins, and if it does not end well; `tell` says how it ended."""
        self.begin(name)
        try:
            yield
        except BaseException:
            self.tell(name, "ended early", ok=False)
            raise

    def tell(self, step: str, text: str, *, ok: bool = True, seconds: float = 0.0) -> None:
        """Tell whoever watches that a step is over; the steps of a build tell by themselves."""
        self.runtime.progress(Step(name=step, state=DONE, facts={"text": text, "ok": ok}, seconds=seconds))

    def warn(self, slug: str, message: str) -> None:
        """Remember something for the result's warnings; the same thing once."""
        warning = OperationWarning(slug, message)
        if warning not in self.warnings:
            self.warnings.append(warning)

    def context(self, release_id: str | None, *, previous: str | None, event: str) -> Context:
        """The context of a release's checks and hooks; without a release, that of the notify hook."""
        from venvship.health.context import Context

        path = self.layout.release(release_id) if release_id else self.layout.path
        return Context(
            root=str(self.layout.path),
            release_id=release_id or "",
            release_path=str(path),
            previous_id=previous,
            event=event,
            environ=self.runtime.environ,
            log_dir=str(self.layout.log(release_id or "none")),
            signals=self.runtime.signals,
        )
