"""One root, opened for reading: its settings, its history, and the warnings of the command that reads.

All that a read takes. Nothing here takes a mutex or writes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

from venvship.errors import OperationWarning, UntrustedError, VenvshipError
from venvship.model.event import Event
from venvship.model.history import History
from venvship.model.history_fold import fold
from venvship.model.progress import DONE, STARTED, Step
from venvship.model.release import Manifest
from venvship.model.settings import Settings
from venvship.printable import enclosed, lines
from venvship.root import RootLayout
from venvship.system.journal_lines import Reading
from venvship.system.journal_reader import JournalReader, damaged_journal_error, lost_journal_error
from venvship.workspace.interpreter_identity import InterpreterIdentities
from venvship.workspace.place import place_problem
from venvship.workspace.releases import is_known
from venvship.workspace.runtime import Runtime
from venvship.workspace.settings_files import NO_SETTINGS, read_kept_settings, read_settings
from venvship.workspace.trusted import TrustedFiles

if TYPE_CHECKING:
    from venvship.health.context import Context
    from venvship.model.variables import Variables


class KnownHistory(NamedTuple):
    """The part of the history that can be read.

    Attributes:
        history: Folded from `events`.
        events: The journal's events, oldest first; after damage only those before it.
        current: The release that was current at that time; `None` for none, or where the link cannot be read.
        error: Why it is not the whole history; `None` if it is.
        lost: The release that was current and that the journal does not know; `None` if it does.
        torn: Whether its last line is torn.
    """

    history: History
    events: tuple[Event, ...]
    current: str | None
    error: VenvshipError | None = None
    lost: str | None = None
    torn: bool = False

    @property
    def whole(self) -> bool:
        """Whether nothing is missing."""
        return self.error is None


class ReadingWorkspace:
    """One root, open for reading. Opening reads nothing.

    Args:
        layout: The paths of the root.
        runtime: The world.
        warnings: The list that warnings are added to; by default a list of its own.

    Attributes:
        journal: Reads the journal.
        trusted: Asks whose files are, and reads the lockfile.
        identities: Asks interpreters for their identity.
        settings_read: The settings that were read last; `None` before.
    """

    def __init__(
        self, layout: RootLayout, runtime: Runtime, warnings: list[OperationWarning] | None = None
    ) -> None:
        self.trusted = TrustedFiles(layout, runtime.environ, self.warn)
        self.layout = layout._replace(ask=self.trusted.require)
        self.runtime = runtime
        self.warnings = [] if warnings is None else warnings
        self._untrusted: set[str] = set()
        self.journal = JournalReader(str(layout.journal_file))
        self.identities = InterpreterIdentities(runtime.environ, runtime.signals, layout.refuse_foreign_root)
        self.settings_read: Settings | None = None
        self._folded: tuple[Reading, History] | None = None

    @property
    def changed(self) -> bool | None:
        """Whether this command has changed what a later one can see; `None` for one that only reads."""
        return None

    # -- history ------------------------------------------------------------------------------------------

    def history(self) -> History:
        """Read the whole history, for a command that decides on it.

        Raises:
            StateError: The journal is damaged, or does not know the release that is current.
            UntrustedError: Others can write it.
            FormatError: A newer venvship wrote it.
        """
        known = self._read_history()
        self._warn_of_torn(known)
        if known.error is not None:
            raise known.error
        return known.history

    def known_history(
        self, *, unreadable: Literal["refuse", "warn"] = "refuse", warn_of_torn: bool = True
    ) -> KnownHistory:
        """Read as much of the history as is there; damage becomes a warning.

        Args:
            unreadable: How to treat a journal of which nothing can be read. A rollback goes on without it.
            warn_of_torn: Whether to warn of a torn last line. A rollback reads before it has the mutex,
                too, when a line that a promotion is writing looks torn.

        Raises:
            StateError: The journal cannot be read.
            FormatError: A newer venvship wrote it.
        """
        try:
            known = self._read_history()
        except VenvshipError as error:
            if unreadable == "refuse":
                raise
            known = KnownHistory(History(), (), self._current(), error)
        if warn_of_torn:
            self._warn_of_torn(known)
        if isinstance(known.error, UntrustedError):
            self.warn_of(known.error)
        elif known.error is not None:
            hint = f". {known.error.hint}" if known.error.hint else ""
            self.warn("journal-damaged", enclosed("", known.error.message, hint))
        return known

    def _warn_of_torn(self, known: KnownHistory) -> None:
        if known.torn:
            self.warn(
                "journal-torn", "the last line of the journal is torn; it is set aside by the next write"
            )

    def _read_history(self) -> KnownHistory:
        """Read the journal and `current`, so that the one fits the other.

        They are two files, and a switch may come between the two reads. Then they agree at the second try,
        unless a switch is under way, or was made by hand.
        """
        for _ in range(2):
            reading = self.journal.read()
            history = self._fold(reading)
            current = self._current()
            if current == history.expected:
                break
        known = KnownHistory(history, reading.events, current, torn=reading.torn)
        if reading.damage:
            return known._replace(error=damaged_journal_error(reading))
        if current is not None and not is_known(current, history) and self.layout.has_manifest(current):
            # No crash leaves that: a release is journalled as sealed before it can be current. The file was
            # lost, or an older copy of it was put back, and with it went holds, pins and every release since.
            return known._replace(error=lost_journal_error(current), lost=current)
        try:
            if self.journal.status is not None:
                self.trusted.require(str(self.layout.journal_file), self.journal.status)
        except VenvshipError as error:
            return known._replace(error=error)
        return known

    def _current(self) -> str | None:
        try:
            return self.layout.current()
        except VenvshipError:
            return None  # a command that needs the link reports the error

    def _fold(self, reading: Reading) -> History:
        """Fold, unless the journal is unchanged; no function changes a `History` but the fold."""
        if self._folded is None or self._folded[0] is not reading:
            self._folded = (reading, fold(reading.events))
        return self._folded[1]

    # -- releases -----------------------------------------------------------------------------------------

    def manifest(self, release_id: str) -> Manifest:
        """Read a release's manifest, held against its anchor in the journal: see `RootLayout.manifest`.

        Raises:
            ReleaseError: There is none, it is damaged, or it is not the one that was sealed.
            FormatError: A newer venvship wrote it.
        """
        return self.layout.manifest(release_id, self.anchor(release_id))

    def anchor(self, release_id: str) -> str | None:
        """The hash that a release's manifest must have; `None` if the journal has none, or cannot be read.

        Of a damaged journal, the lines before the damage count. A line that has been read is not looked for
        again: a release is sealed once.
        """
        record = self._folded[1].records.get(release_id) if self._folded is not None else None
        if record is None or not record.seq:
            try:
                return self._fold(self.journal.read()).anchor(release_id)
            except VenvshipError:
                return None
        return record.manifest_sha256

    def warn_without_anchor(self, release_id: str) -> None:
        """Warn that a release is used although nothing outside of it vouches for its manifest.

        Of the release that a command acts on, not of every one that it looks at.
        """
        if self.anchor(release_id) is None:
            self.warn(
                "no-anchor",
                f"the journal has no hash of the manifest of {release_id}: an older venvship built it, or "
                "the journal is damaged. A change of the manifest itself would not be noticed",
            )

    def place_problem(self, release_id: str) -> str | None:
        """Why a release cannot be used where it stands: see `place_problem`.

        `None` also if its manifest cannot be read, which is another problem.
        """
        try:
            return place_problem(self.layout, self.manifest(release_id))
        except VenvshipError:
            return None

    # -- settings -----------------------------------------------------------------------------------------

    def settings(self) -> Settings:
        """Read `venvship.toml`.

        Raises:
            SettingsError: It cannot be read, or has a mistake.
            UntrustedError: Others can write it.
        """
        self.settings_read = read_settings(self.layout)
        return self.settings_read

    def settings_or_kept(self) -> Settings:
        """The settings in force; when they are broken or not to be trusted, those of the last promotion.

        For a rollback and a recovery, which have to go on. A warning says so.

        Raises:
            SettingsError: Neither can be read.
            UntrustedError: Others can write the settings, and there are no others that can be read.
        """
        try:
            return self.settings()
        except NO_SETTINGS as error:
            kept = read_kept_settings(self.layout)
            remedy = (
                "the settings of the last promotion were used"
                if kept
                else "and there are none kept to use instead"
            )
            self.warn("settings-kept", enclosed("", error.message, f"; {remedy}"))
            if kept is None:
                raise
            self.settings_read = kept
            return kept

    # -- reporting ----------------------------------------------------------------------------------------

    def begin(self, step: str, text: str = "") -> None:
        """Report that a step begins, and on a terminal what it waits for; `tell` reports its end."""
        facts = {"text": text} if text else {}
        self.runtime.progress(Step(name=step, state=STARTED, facts=facts))

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Report that a step begins, and that it failed if an error ends it; `tell` reports its success."""
        self.begin(name)
        try:
            yield
        except BaseException:
            self.tell(name, "ended early", ok=False)
            raise

    def tell(self, step: str, text: str, *, ok: bool = True, seconds: float = 0.0) -> None:
        """Report the end of a step; the steps of a build report theirs themselves."""
        self.runtime.progress(Step(name=step, state=DONE, facts={"text": text, "ok": ok}, seconds=seconds))

    def end(self, step: str) -> None:
        """Report the end of a step that needs no line."""
        self.runtime.progress(Step(name=step, state=DONE))

    def warn(self, slug: str, message: str) -> None:
        """Add a warning to the result, unless it has the same one."""
        warning = OperationWarning(slug, lines(message))
        if warning not in self.warnings:
            self.warnings.append(warning)

    def warn_of(self, error: VenvshipError) -> None:
        """Add a warning for an error that a command goes on without; of a file that others write, once."""
        if isinstance(error, UntrustedError):
            files = cast(list[dict[str, object]], error.data.get("files", []))
            paths = {str(one["path"]) for one in files}
            if paths and paths <= self._untrusted:
                return
            self._untrusted |= paths
            self.warn(error.slug, f"{error.message}. {error.hint}" if error.hint else error.message)
        else:
            self.warn(error.slug, error.message)

    def variables(self, settings: Settings, *, missing: Literal["refuse", "warn"] = "refuse") -> Variables:
        """Read the variables of hooks, checks and `run`.

        Args:
            settings: The settings that name them.
            missing: How to treat a file of variables that cannot be used. A rollback goes on without it.

        Raises:
            SettingsError: The file cannot be read.
            UntrustedError: Others can write it.
            HostError: The host has nothing left to read it with.
        """
        from venvship.workspace.variables import read_variables

        try:
            return read_variables(self.layout, settings, self.runtime.environ, warn=self.warn)
        except NO_SETTINGS as error:
            if missing == "refuse":
                raise
            self.warn("env-file-unread", f"{error.message}. Hooks and checks ran without its variables")
            settings = settings._replace(env_file=None)
            return read_variables(self.layout, settings, self.runtime.environ, warn=self.warn)

    def context(
        self, release_id: str | None, variables: Variables, *, previous: str | None, event: str
    ) -> Context:
        """The context of a release's checks and hooks; without a release, that of the notify hook."""
        from venvship.health.context import Context

        path = self.layout.path if release_id is None else self.layout.release_path(release_id)
        return Context(
            root=str(self.layout.path),
            release_id=release_id or "",
            release_path=str(path),
            previous_id=previous,
            event=event,
            unattended=self.runtime.unattended,
            environ=self.runtime.environ,
            variables=variables,
            leases=str(self.layout.leases),
            log_dir=str(self.layout.log(release_id or "none")),
            signals=self.runtime.signals,
            usable=release_id is not None and self.place_problem(release_id) is None,
        )
