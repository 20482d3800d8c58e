"""What every operation works with: one root, its journal, its mutexes, and the world it is run in."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeVar

from venvship.errors import (
    AmbiguousReleaseError,
    NoSuchReleaseError,
    ReleaseError,
    SettingsError,
    VenvshipError,
)
from venvship.model.history import Event, EventName, History, fold
from venvship.model.progress import DONE, STARTED, Step
from venvship.model.release import Manifest, Package, State
from venvship.model.settings import Settings, decode_settings, parse_settings
from venvship.root import RootLayout
from venvship.system import files
from venvship.system.journal import Journal, damaged_journal, lost_journal
from venvship.system.journal_lines import Reading
from venvship.system.mutex import Mutex, lease_shared
from venvship.system.signals import Signals
from venvship.workspace import announce, reserve, underway
from venvship.workspace.interpreter_kind import InterpreterKinds, NotAskedError, kind

if TYPE_CHECKING:
    from venvship.health.context import Context

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
"""What ends or undoes something, or makes room: on a full disk, the reserve is given up for it."""

LEASE_MODE: Final = 0o444
"""Reading is enough to share a flock, so anybody who may run a release can say so."""


class Runtime(NamedTuple):
    """What an operation takes from the world. Passed in, so that nothing below asks for it.

    Attributes:
        clock: The time; aware.
        token: Seven random hexadecimal digits at each call.
        environ: The environment that children start from.
        signals: Which signals have come.
        actor: Who asks, for the journal.
        unattended: Whether nobody is there: `update`, not a person.
        wait: Seconds to wait for a mutex.
        progress: Told about every step of a build.
        syslog: The socket of the system's log; empty: nobody is told.
    """

    clock: Callable[[], datetime]
    token: Callable[[], str]
    environ: Mapping[str, str]
    signals: Signals
    actor: str
    unattended: bool = False
    wait: float = 0.0
    progress: Callable[[Step], None] = lambda _step: None
    syslog: str = ""


class Notice(NamedTuple):
    """Something that people should know and that fails nothing."""

    slug: str
    message: str


class ReleaseView(NamedTuple):
    """A release as commands report it.

    Attributes:
        problem: Why it cannot be used; `None` if it can.
    """

    id: str
    path: str
    state: State
    created_at: datetime | None
    lockfile_sha256: str
    environment_digest: str
    tree_digest: str
    python: str
    packages: int
    current: bool
    previous: bool
    pinned: bool
    problem: str | None
    message: str


class Workspace:
    """One root, open for work. Opening reads nothing and writes nothing.

    Args:
        layout: Where things are.
        runtime: The world.
        warnings: Where to note what people should know about what is done; by default a list of its own.

    Attributes:
        journal: Reads and writes the journal.
        kinds: Asks interpreters what they are.
    """

    def __init__(self, layout: RootLayout, runtime: Runtime, warnings: list[Notice] | None = None) -> None:
        self.layout = layout
        self.runtime = runtime
        self.warnings = [] if warnings is None else warnings
        self.journal = Journal(str(layout.journal_file), self.journal_mutex, runtime.clock)
        self.kinds = InterpreterKinds(runtime.environ, str(layout.path), runtime.signals)
        self._folded: tuple[Sequence[Event], History] | None = None

    # -- collaborators ------------------------------------------------------------------------------------

    @property
    def journal_mutex(self) -> Mutex:
        """Held for one append, innermost."""
        return Mutex(str(self.layout.mutex("journal")), "journal")

    def mutex(self, name: str) -> Mutex:
        """The mutex `build`, `switch` or `turn-back`; a busy one says who has it."""
        return Mutex(str(self.layout.mutex(name)), name, lambda: underway.describe(self.layout, name))

    @contextlib.contextmanager
    def holding(self, name: str, operation: str, *, wait: float | None = None) -> Iterator[None]:
        """Hold a mutex and say so in `state/operation.json`.

        Raises:
            BusyError: Somebody else has it.
            InterruptedByError: A signal came while waiting.
            RootError: The mutex cannot be had at all.
        """
        seconds = self.runtime.wait if wait is None else wait
        with (
            self.mutex(name).hold(wait=seconds, interrupted=self.runtime.signals.raise_if_received),
            underway.announced(self, name, operation),
        ):
            yield

    # -- what is so ---------------------------------------------------------------------------------------

    def open_for_writing(self) -> None:
        """Refuse whoever must not write here, then make the folders that are missing.

        Raises:
            RootError: See `RootLayout.require_writable` and `RootLayout.prepare`.
        """
        self.layout.require_writable()
        self.layout.prepare()

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
        if current is None or self._is_known(current, history) or not self.layout.is_sealed(current):
            return ""
        # It may have been released since the journal was read. Before it was live, the journal had it.
        try:
            known = self._is_known(current, self.fold(self.journal.read()))
        except VenvshipError:
            known = False
        return "" if known else current

    def fold(self, reading: Reading) -> History:
        """Fold, unless the journal is what it was; nobody changes a `History` but the fold.

        It knows all releases that are there or that a link names, and may have forgotten others.
        """
        if self._folded is None or self._folded[0] is not reading.events:
            self._folded = (reading.events, reading.history())
        if not self._knows_what_is_there(self._folded[1]):
            self._folded = (reading.events, fold(reading.events))
        return self._folded[1]

    def _knows_what_is_there(self, history: History) -> bool:
        """Whether a history is whole enough: a person may have put back what was pruned long ago."""
        if history.whole:
            return True
        try:
            unknown = self.layout.sealed(but=history.records)
            named = [self.layout.current(), self.layout.previous()]
        except VenvshipError:
            return False  # whoever needs it says what is wrong with it
        return history.knows([*unknown, *named])

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

    def settings(self) -> Settings:
        """Read `venvship.toml`.

        Raises:
            SettingsError: It cannot be read, or says something wrong.
        """
        path = self.layout.settings_file
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise SettingsError(f"cannot read {path}: {error.strerror}") from error
        return self._parse_settings(raw, str(path))

    def settings_or_kept(self) -> Settings:
        """The settings in force; when they are broken, those of the last promotion, with a warning.

        For what has to go on: a rollback, a recovery.

        Raises:
            SettingsError: Neither can be read.
        """
        try:
            return self.settings()
        except SettingsError as error:
            kept = self.kept_settings()
            what = (
                "the settings of the last promotion were used"
                if kept
                else "and there are none kept to use instead"
            )
            self.warn("settings-kept", f"{error.message}; {what}")
            if kept is None:
                raise
            return kept

    def kept_settings(self) -> Settings | None:
        """The settings of the last promotion; `None` if there are none, or they cannot be read."""
        path = self.layout.kept_settings_file
        try:
            return self._parse_settings(path.read_bytes(), str(path))
        except (OSError, SettingsError):
            return None

    def _parse_settings(self, raw: bytes, path: str) -> Settings:
        text = decode_settings(raw, path=path)
        return parse_settings(text, path=path, folder_name=self.layout.path.name)

    def releases(self, history: History) -> list[str]:
        """The ids of all releases, newest first in the journal's order.

        A directory is a release when it has a manifest and the journal has its `sealed` line. One with only
        the manifest is what a crash between the two left: debris.
        """
        known = [name for name in self.layout.sealed() if self._is_known(name, history)]
        return sorted(known, key=lambda name: history.records[name].seq, reverse=True)

    def debris(self, history: History) -> list[str]:
        """Directories under `releases/` that are no release; never what is live, whatever it lacks."""
        unknown = [name for name in self.layout.sealed() if not self._is_known(name, history)]
        try:
            current = self.layout.current()
        except VenvshipError:
            current = None
        return sorted(name for name in [*self.layout.debris(), *unknown] if name != current)

    @staticmethod
    def _is_known(name: str, history: History) -> bool:
        record = history.records.get(name)
        return record is not None and record.seq > 0 and not record.pruned

    def resolve(self, name: str, history: History) -> str:
        """Turn `RELEASE` of the command line into an id.

        Args:
            name: An id, a unique prefix of one, `current`, `previous`, or `@{N}`.
            history: The folded journal.

        Raises:
            NoSuchReleaseError: Nothing has this name.
            AmbiguousReleaseError: Several have this prefix.
            ForeignLinkError: `current` is not ours.
        """
        found = self._special(name, history)
        existing = self.releases(history)
        if found is None:
            matches = [release_id for release_id in existing if name and release_id.startswith(name)]
            if len(matches) > 1:
                raise AmbiguousReleaseError(
                    f"{name!r} is the start of {len(matches)} releases: {', '.join(sorted(matches)[:4])}",
                    hint="give more of the id",
                    matches=sorted(matches),
                )
            found = matches[0] if matches else None
        if found is None or found not in existing:
            raise NoSuchReleaseError(
                f"no release {name!r}" + (f": {found} is gone" if found else ""),
                hint="`venvship list` shows the releases there are",
            )
        return found

    def _special(self, name: str, history: History) -> str | None:
        if name == "current":
            current = self.layout.current()
            if current is None:
                raise NoSuchReleaseError(
                    "nothing is current yet", hint="make a first release: venvship release"
                )
            return current
        if name == "previous":
            previous = self.layout.previous()
            if previous is None:
                raise NoSuchReleaseError("there is no previous release")
            return previous
        if name.startswith("@{") and name.endswith("}") and name[2:-1].isdecimal():
            ago = int(name[2:-1])
            if not history.knows_switch(ago):
                history = fold(self.journal.read().events)
            found = self.layout.current() if name == "@{0}" else history.was_current(ago)
            if found is None:
                raise NoSuchReleaseError(f"{name}: there were not so many switches")
            return found
        return None

    def problem(self, release_id: str) -> str | None:
        """The first problem that a quick look finds with a release; `None` for none. Reads no contents."""
        from venvship.workspace.quick_look import quick_problem

        return quick_problem(self.layout, release_id) or self.interpreter_problem(release_id)

    def interpreter_problem(self, release_id: str) -> str | None:
        """Why the interpreter of a release cannot be reached; `None` if it is there."""
        python = self.layout.release(release_id) / "bin" / "python"
        try:
            os.stat(python)
        except OSError as error:
            missing = isinstance(error, FileNotFoundError | NotADirectoryError)
            what = "is gone" if missing else f"cannot be reached: {error.strerror}"
        else:
            return None
        try:
            path = self.layout.manifest(release_id).python.get("path", "?")
        except VenvshipError as error:
            return error.message
        return f"its interpreter {path} {what}"

    def require_usable(
        self,
        release_id: str,
        *,
        in_doubt: Literal["refuse", "warn"] = "refuse",
    ) -> Manifest:
        """Refuse a release that could not run.

        Args:
            release_id: The release.
            in_doubt: What to do where its interpreter is there and cannot be asked at this moment, on a host
                that has no process or no time left for that. A rollback goes on.

        Raises:
            ReleaseError: A file is missing or changed, or its interpreter is gone or of another kind.
        """
        problem = self.problem(release_id)
        if problem:
            raise ReleaseError(
                f"{release_id} cannot be used: {problem}",
                hint=f"venvship verify {release_id} lists what is damaged",
                release=release_id,
            )
        manifest = self.layout.manifest(release_id)
        try:
            problem = self._wrong_kind(manifest)
        except NotAskedError as error:
            problem = str(error)
            if in_doubt == "warn":
                self.warn("interpreter-not-asked", f"{release_id}: {problem}; it is taken to be the same")
                problem = None
        if problem:
            raise ReleaseError(f"{release_id} cannot be used: {problem}", release=release_id)
        return manifest

    def _wrong_kind(self, manifest: Manifest) -> str | None:
        """What the interpreter at the recorded path is now, if it is of another kind than it was."""
        path = manifest.python.get("path", "")
        wanted = kind(manifest.python.get("version"), manifest.python.get("magic"))
        found = self.kinds.ask(path)
        return None if found == wanted else f"its interpreter {path} is {found} now, and was {wanted}"

    # -- saying it ----------------------------------------------------------------------------------------

    def view(self, release_id: str, history: History) -> ReleaseView:
        """Describe a release, however damaged it is."""
        return self.views([release_id], history)[0]

    def views(
        self, release_ids: Sequence[str], history: History, *, current: str | None = None
    ) -> tuple[ReleaseView, ...]:
        """Describe releases as they are at one instant: a switch meanwhile could show two as current.

        Args:
            release_ids: Which.
            history: The folded journal.
            current: What is current, if the caller has looked already.
        """
        try:
            current = current or self.layout.current()
        except VenvshipError:
            current = None
        previous = self.layout.previous()
        return tuple(self._view(name, history, current=current, previous=previous) for name in release_ids)

    def _view(
        self, release_id: str, history: History, *, current: str | None, previous: str | None
    ) -> ReleaseView:
        record = history.records.get(release_id)
        problem: str | None = None
        manifest: Manifest | None = None
        try:
            manifest = self.layout.manifest(release_id)
            problem = self.interpreter_problem(release_id)
        except VenvshipError as error:
            problem = error.message
        return ReleaseView(
            id=release_id,
            path=str(self.layout.release(release_id)),
            state=history.state(release_id),
            created_at=manifest.created_at if manifest else None,
            lockfile_sha256=manifest.lockfile_sha256 if manifest else "",
            environment_digest=manifest.environment_digest if manifest else "",
            tree_digest=manifest.tree_digest if manifest else "",
            python=manifest.python.get("full_version", "") if manifest else "",
            packages=len(manifest.packages) if manifest else 0,
            current=release_id == current,
            previous=release_id == previous,
            pinned=bool(record and record.pinned),
            problem=problem,
            message=manifest.message if manifest else "",
        )

    def packages(self, release_id: str) -> tuple[Package, ...]:
        """What a release consists of, for people; nothing where its manifest is damaged."""
        try:
            return self.layout.manifest(release_id).packages
        except VenvshipError:
            return ()

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
        notice = Notice(slug, message)
        if notice not in self.warnings:
            self.warnings.append(notice)

    # -- writing it ---------------------------------------------------------------------------------------

    def record(
        self,
        event: EventName,
        *,
        release: str | None,
        reason: str = "",
        facts: Mapping[str, Any] | None = None,
        urgent: bool | None = None,
    ) -> Event:
        """Append to the journal, durably; then tell the system's log.

        Args:
            event: What happened.
            release: To which release.
            reason: Why.
            facts: What else is to be remembered.
            urgent: Whether the reserve is given up for it on a full disk; otherwise that is for `SETTLING`.

        Raises:
            StateError: The journal is damaged.
            OSError: It could not be written.
        """

        def append() -> Event:
            return self.journal.append(
                event.value, release=release, actor=self.runtime.actor, reason=reason, facts=facts
            )

        settles = urgent or (urgent is None and event in SETTLING)
        written = self.with_reserve(append) if settles else append()
        announce.tell_syslog(self, event, release, reason, facts or {})
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
        """Append to the journal if that works, and warn if not: going back must not depend on it."""
        try:
            self.record(event, release=release, reason=reason, facts=facts, urgent=urgent)
        except (OSError, VenvshipError) as error:
            text = error.strerror if isinstance(error, OSError) else error.message
            self.warn("journal-not-written", f"could not record {event.value!r} in the journal: {text}")
            announce.tell_syslog(
                self, event, release, f"{reason} (not in the journal: {text})".strip(), facts or {}
            )

    def with_reserve(self, action: Callable[[], T]) -> T:
        """Do something that needs a little room; if there is none, give up the reserve and do it again.

        Raises:
            OSError: As the action raised it; no room, if the reserve was gone or was not enough.
        """
        try:
            return action()
        except OSError as error:
            if error.errno not in files.FULL_DISK_ERRNOS or not reserve.give_up(self.layout):
                raise
            return action()

    def keep_reserve(self) -> None:
        """Set the reserve aside, if it is missing and there is room. Nothing depends on it now."""
        if self.layout.reserve_file.exists():
            return
        with contextlib.suppress(OSError, VenvshipError), self.journal_mutex.hold(wait=5):
            reserve.keep(self.layout)

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
        with lease_shared(str(self.layout.lease(release_id))) as shared:
            if not shared or not self.layout.release(release_id).is_dir():
                raise ReleaseError(f"{release_id} is being removed at this moment")
            yield

    def context(self, release_id: str | None, *, previous: str | None, event: str) -> Context:
        """What the checks and hooks of a release are run with; without one, what the notify hook is."""
        path = self.layout.release(release_id) if release_id else self.layout.path
        from venvship.health.context import Context

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
