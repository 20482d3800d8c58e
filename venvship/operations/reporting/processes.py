"""The read `ps`: which processes run from which release, and what of that cannot be seen here.

It takes no mutex and writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from venvship.errors import HostError, NoSuchReleaseError, OperationWarning, VenvshipError
from venvship.model import bounds
from venvship.model.history import History
from venvship.model.redaction import OutputRedactor, masked
from venvship.model.spelling import format_time
from venvship.model.variables import NO_VARIABLES
from venvship.operations.reporting.running import Found, Processes, look_at_processes
from venvship.printable import shell_line
from venvship.root import RootLayout
from venvship.system import proc
from venvship.system.accounts import user_name
from venvship.system.flocks import Flocks
from venvship.system.leases import is_leased
from venvship.system.origins import Evidence
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.releases import resolve_release
from venvship.workspace.variables import read_variables

Standing = Literal["current", "old", "removed", "new", "unknown"]
"""How the release of a process stands; see `RunningProcess`."""

_ORDER: Final[tuple[Standing, ...]] = ("current", "old", "removed", "new", "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningProcess:
    """A process that runs from a release, or uses one.

    Attributes:
        pid: Its number.
        release: The id of the release; `None` if nothing tells which one, and its command line names a link
            to a release.
        standing: How that release stands: `current`; `old`, which was live before; `removed`, gone from the
            disk; `new`, never live so far, such as one that is being built; `unknown` for none.
        command: Its command line, redacted, in one text with blanks between the arguments; of a process
            without one, its short name in brackets.
        user: The name of its user, or the number where there is none.
        since: The time of its start, to about a second; `None` if that is hidden.
        unit: The systemd service that it is in; `None` for none.
        seen_by: What shows it: the lease; its program, a mapped file or an argument, which lies in the
            release; its working directory or an open file, so that it only uses it.
    """

    pid: int
    release: str | None
    standing: Standing
    command: str
    user: str
    since: datetime | None
    unit: str | None
    seen_by: Evidence

    def to_json(self) -> dict[str, object]:
        """A process in `data` of `ps --json`."""
        return {
            "pid": self.pid,
            "release": self.release,
            "standing": self.standing,
            "command": self.command,
            "user": self.user,
            "since": format_time(self.since) if self.since else None,
            "unit": self.unit,
            "seen_by": self.seen_by,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """What `ps` could not see. Without any of it, the list of processes is whole.

    Attributes:
        hidden: The number of processes that hide what they run from, and that nothing else tells about.
        users: The names of their users, sorted.
        unlisted: Whether /proc leaves processes out (`hidepid=2`), or could not be read.
        elsewhere: Whether this is a container, so that processes outside of it have no number here.
        leases: Releases whose lease is held by a process that is not in the list.
    """

    hidden: int = 0
    users: tuple[str, ...] = ()
    unlisted: bool = False
    elsewhere: bool = False
    leases: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """`unseen` in `data` of `ps --json`."""
        return {
            "hidden": self.hidden,
            "users": list(self.users),
            "unlisted": self.unlisted,
            "elsewhere": self.elsewhere,
            "leases": list(self.leases),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PsResult:
    """The result of `Root.ps`.

    Attributes:
        processes: Those of the live release first; of a release, the oldest process first.
        current: The id of the live release; `None` for nothing.
        release: The release that was asked for; `None` for all.
        old: Whether only those were asked for that do not run from the live release.
        unseen: What could not be seen.
        warnings: The warnings of the operation.
    """

    processes: tuple[RunningProcess, ...]
    current: str | None
    release: str | None = None
    old: bool = False
    unseen: Unseen = Unseen()
    warnings: tuple[OperationWarning, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The `data` of `ps --json`."""
        return {
            "processes": [process.to_json() for process in self.processes],
            "current": self.current,
            "unseen": self.unseen.to_json(),
        }


def ps(workspace: ReadingWorkspace, name: str | None = None, *, old: bool = False) -> PsResult:
    """List the processes that run from releases of the root.

    Arguments and errors: `Root.ps`.
    """
    layout = workspace.layout
    flocks = Flocks()
    known = workspace.known_history()
    if not proc.lists_processes():
        raise _no_proc(layout, known.current)
    look = look_at_processes(layout, known.current, flocks)
    release = _asked(layout, name, known.history, look) if name is not None else None

    def is_asked_for(release_id: str | None) -> bool:
        return (name is None or release_id == release) and not (old and release_id == known.current)

    found = [one for one in look.found if is_asked_for(one.release)]
    describe = _Description(workspace, known.history, known.current)
    processes = sorted(filter(None, map(describe, found)), key=_place)
    leases = tuple(filter(is_asked_for, look.leases))
    unseen = Unseen(
        hidden=len(look.hidden),
        users=tuple(sorted({user_name(uid) for pid in look.hidden if (uid := proc.owner(pid)) is not None})),
        unlisted=look.unlisted,
        elsewhere=not proc.is_first_namespace(),
        leases=leases,
    )
    return PsResult(
        processes=tuple(processes), current=known.current, release=release, old=old, unseen=unseen
    )


def _no_proc(layout: RootLayout, current: str | None) -> HostError:
    """The error where nothing tells about processes, with the leases, which tell that there are some.

    Not that of the live release: see `held_unseen`.
    """
    names = [name for name in sorted(layout.with_manifest()) if name != current]
    held = [name for name in names if is_leased(str(layout.lease(name)))]
    message = "this system has no /proc that lists processes, so that nothing tells what they run from"
    if held:
        message += f". Processes still run from {', '.join(held)}: their leases are held"
    line = f"ps -axww -o pid,user,command | grep {shell_line([str(layout.path)])}"
    return HostError(message, hint=line, releases=held)


def _asked(layout: RootLayout, name: str, history: History, look: Processes) -> str:
    """Turn `RELEASE` of the command line into an id: also of a release that is removed, or being built.

    Raises:
        ReleaseError: There is none, and no process runs from one.
    """
    try:
        return resolve_release(layout, name, history)
    except NoSuchReleaseError:
        ids = {*look.leases, *(one.release for one in look.found if one.release is not None)}
        matches = [release_id for release_id in ids if name and release_id.startswith(name)]
        if len(matches) != 1:
            raise
        return matches[0]


# -- describing -----------------------------------------------------------------------------------------


class _Description:
    """Describes processes for people and scripts."""

    def __init__(self, workspace: ReadingWorkspace, history: History, current: str | None) -> None:
        self._layout = workspace.layout
        self._history = history
        self._current = current
        self._booted = proc.boot_time()
        self._redact = _redactor(workspace)
        self._users: dict[int, str] = {}

    def __call__(self, found: Found) -> RunningProcess | None:
        """A process; `None` if it is gone by now."""
        uid = proc.owner(found.pid)
        if uid is None:
            return None
        return RunningProcess(
            pid=found.pid,
            release=found.release,
            standing=self._standing(found.release),
            command=self._redact(_command(found)),
            user=self._user(uid),
            since=proc.started_at(found.pid, self._booted),
            unit=_unit(found.pid),
            seen_by=found.seen_by,
        )

    def _standing(self, release_id: str | None) -> Standing:
        if release_id is None:
            return "unknown"
        if not self._layout.release_path(release_id).exists():
            return "removed"
        if release_id == self._current:
            return "current"
        record = self._history.records.get(release_id)
        if record is None:  # being built, or the journal is damaged
            return "old" if self._layout.has_manifest(release_id) else "new"
        return "new" if record.live_first is None else "old"

    def _user(self, uid: int) -> str:
        if uid not in self._users:
            self._users[uid] = user_name(uid)
        return self._users[uid]


def _place(process: RunningProcess) -> tuple[object, ...]:
    """The live release first, then the newest of the old ones; of each, the oldest process first."""
    standing = _ORDER.index(process.standing)
    newest_first = tuple(-ord(letter) for letter in process.release or "")
    return standing, newest_first, process.since or datetime.max.replace(tzinfo=UTC), process.pid


def _command(found: Found) -> str:
    """The command line as ps(1) shows it."""
    return " ".join(found.arguments) or f"[{proc.command_name(found.pid)}]"


def _unit(pid: int) -> str | None:
    """The systemd service that supervises a process, by its name; `None` for none."""
    service = proc.service_of(pid)
    return service.rpartition("/")[2] if service is not None else None


def _redactor(workspace: ReadingWorkspace) -> Callable[[str], str]:
    """A function that bounds a command line and masks the secrets in it.

    Every user sees the arguments of a process with ps(1). This output goes further: into files and mails. A
    user who cannot read the file of variables gets what is a secret by its form or its name masked.
    """
    try:
        settings, environ = workspace.settings(), workspace.runtime.environ
        variables = read_variables(workspace.layout, settings, environ, warn=lambda *_: None)
    except VenvshipError:
        variables = NO_VARIABLES
    redact = OutputRedactor({**workspace.runtime.environ, **variables.values}, variables.secrets)

    def bounded(command: str) -> str:
        # Before the cut, which might leave a part of a secret.
        whole = masked(command, variables.secrets) if variables.secrets else command
        text = redact(whole[: bounds.COMMAND])
        return text if len(whole) <= bounds.COMMAND else f"{text}…"

    return bounded
