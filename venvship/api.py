"""The public Python API: one root, and what can be done with it.

The command line is one caller of this; a configuration management module would be another. Methods return
data and raise `venvship.errors.VenvshipError`; they print nothing. Each imports what it needs when it is
called: a rollback must not wait for the import of a build.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from venvship.model.progress import Progress, unwatched
from venvship.root import RootLayout, user_name
from venvship.system.signals import Signals
from venvship.system.syslog import SOCKET
from venvship.workspace.runtime import OperationWarning, Runtime
from venvship.workspace.views import ReleaseView
from venvship.workspace.workspace import Workspace

if TYPE_CHECKING:
    from venvship.model.history import Event
    from venvship.operations.check import CheckReport
    from venvship.operations.init import InitResult
    from venvship.operations.lock import LockResult
    from venvship.operations.promote import PromoteResult
    from venvship.operations.prune import PruneResult
    from venvship.operations.release import ReleaseResult
    from venvship.operations.reporting.measure import Measurement
    from venvship.operations.reporting.report import Comparison, Details, Listing, Status
    from venvship.operations.rollback import RollbackResult
    from venvship.operations.schedule import Schedule
    from venvship.operations.switching.recovery import Recovered
    from venvship.operations.update import UpdateResult
    from venvship.operations.verify import VerifyResult


def default_runtime(
    *,
    environ: Mapping[str, str] | None = None,
    actor: str | None = None,
    wait: float = 0.0,
    signals: Signals | None = None,
    progress: Progress | None = None,
    clock: Callable[[], datetime] | None = None,
    syslog: str | None = None,
) -> Runtime:
    """The real world, with what the caller wants otherwise.

    Args:
        environ: The environment of checks, hooks and pip; this process's own by default.
        actor: Who asks, for the journal; by default the user, and who became it with sudo.
        wait: Seconds to wait for a mutex.
        signals: What may interrupt; by default nothing but the exceptions that Python raises.
        progress: Receives the steps of long operations.
        clock: The time, aware; the system's by default.
        syslog: The socket of the system's log; by default what `VENVSHIP_SYSLOG` names, or the usual one.
            Empty: none.
    """
    environment = dict(os.environ if environ is None else environ)
    return Runtime(
        clock=clock or (lambda: datetime.now(UTC)),
        token=lambda: os.urandom(4).hex()[:7],
        environ=environment,
        signals=signals or Signals(),
        actor=actor or _who(environment),
        wait=wait,
        progress=progress or unwatched,
        syslog=environment.get("VENVSHIP_SYSLOG", SOCKET) if syslog is None else syslog,
    )


def _who(environ: Mapping[str, str]) -> str:
    name = user_name(os.geteuid())
    before = environ.get("SUDO_USER", "")
    return f"{name} (sudo by {before})" if before and before != name else name


class Root:
    """One application's root. Make one with `Root.open`.

    Attributes:
        warnings: What the last method call wanted people to know and failed nothing.
    """

    def __init__(self, layout: RootLayout, runtime: Runtime) -> None:
        self._held = Workspace(layout, runtime)
        self.warnings: list[OperationWarning] = []

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, runtime: Runtime | None = None) -> Root:
        """Open a root. Reads nothing but whether it is one.

        Args:
            path: The directory that holds `venvship.toml`.
            runtime: The world; see `default_runtime`.

        Raises:
            RootError: It is no root, or its path cannot be used.
        """
        return cls(RootLayout.at(path), runtime or default_runtime())

    @staticmethod
    def init(
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        python: str | None = None,
        lockfile: str = "requirements.txt",
        runtime: Runtime | None = None,
    ) -> InitResult:
        """Make a root; see `venvship.operations.init.init` for arguments and errors."""
        from venvship.operations.init import init

        return init(Path(path), runtime or default_runtime(), name=name, python=python, lockfile=lockfile)

    @property
    def path(self) -> Path:
        """The root, absolute and real."""
        return self._held.layout.path

    def current(self) -> str | None:
        """The id of what is live; `None` for nothing.

        Raises:
            RootError: `current` is not a link that venvship made, or cannot be read.
        """
        return self._held.layout.current()

    def _workspace(self) -> Workspace:
        # One for all calls: it remembers what it has parsed of the journal. The warnings begin anew.
        self._held.warnings = self.warnings = []
        return self._held

    def lock(self, *, upgrade: bool = False, packages: Sequence[str] = ()) -> LockResult:
        """Make the lockfile from its inputs; see `venvship.operations.lock`."""
        from venvship.operations.lock import lock

        return lock(self._workspace(), upgrade=upgrade, packages=packages)

    def release(
        self,
        *,
        lockfiles: Sequence[str] = (),
        promote: bool = True,
        message: str = "",
        rebuild: bool = False,
        force: bool = False,
        dry_run: bool = False,
    ) -> ReleaseResult:
        """Build what the lockfile says and make it live; see `venvship.operations.release`."""
        from venvship.operations.release import ReleaseOptions, release

        options = ReleaseOptions(
            lockfiles=tuple(lockfiles),
            promote=promote,
            message=message,
            rebuild=rebuild,
            force=force,
            dry_run=dry_run,
        )
        return release(self._workspace(), options)

    def update(self, *, upgrade: bool = False, jitter: float = 0.0) -> UpdateResult:
        """Release unattended, if there is something new; see `venvship.operations.update`."""
        from venvship.operations.update import UpdateOptions, unattended, update

        options = UpdateOptions(upgrade=upgrade, jitter=jitter)
        return update(unattended(self._workspace()), options)

    def promote(self, release: str, *, message: str = "", force: bool = False) -> PromoteResult:
        """Make an existing release live; see `venvship.operations.promote`."""
        from venvship.operations.promote import promote

        return promote(self._workspace(), release, message=message, force=force)

    def rollback(
        self,
        release: str | None = None,
        *,
        message: str = "",
        checks: bool = True,
        only_from: str | None = None,
    ) -> RollbackResult:
        """Go back; see `venvship.operations.rollback`."""
        from venvship.operations.rollback import rollback

        return rollback(self._workspace(), release, message=message, checks=checks, only_from=only_from)

    def recover(self, *, boot: bool = False) -> Recovered:
        """Finish or undo what was interrupted; see `venvship.operations.recover`."""
        from venvship.operations.recover import recover

        return recover(self._workspace(), boot=boot)

    def check(self, release: str = "current") -> CheckReport:
        """Run the health checks; see `venvship.operations.check`."""
        from venvship.operations.check import check

        return check(self._workspace(), release)

    def verify(self, *releases: str, every: bool = False) -> VerifyResult:
        """Hash every file again; see `venvship.operations.verify`."""
        from venvship.operations.verify import verify

        return verify(self._workspace(), releases, every=every)

    def prune(
        self, *, keep: int | None = None, keep_days: float | None = None, dry_run: bool = False
    ) -> PruneResult:
        """Remove what retention does not keep; see `venvship.operations.prune`."""
        from venvship.operations.prune import prune

        return prune(self._workspace(), keep=keep, keep_days=keep_days, dry_run=dry_run)

    def pin(self, release: str) -> ReleaseView:
        """Protect a release from prune; see `venvship.operations.marks.pin`."""
        from venvship.operations.marks import pin

        return pin(self._workspace(), release, pinned=True)

    def unpin(self, release: str) -> ReleaseView:
        """Stop to protect a release; see `venvship.operations.marks.pin`."""
        from venvship.operations.marks import pin

        return pin(self._workspace(), release, pinned=False)

    def hold(self, *, message: str = "") -> None:
        """Stop unattended releases; see `venvship.operations.marks`."""
        from venvship.operations.marks import hold

        hold(self._workspace(), message=message)

    def unhold(self) -> None:
        """Allow unattended releases again; see `venvship.operations.marks`."""
        from venvship.operations.marks import unhold

        unhold(self._workspace())

    def status(self) -> Status:
        """What is live, since when, why, and what is off; see `venvship.operations.reporting.report`."""
        from venvship.operations.reporting.report import status

        return status(self._workspace())

    def measure(self) -> Measurement:
        """The same in figures, for monitoring; see `venvship.operations.reporting.measure`."""
        from venvship.operations.reporting.measure import measure

        return measure(self._workspace())

    def list(self) -> Listing:
        """All releases; see `venvship.operations.reporting.report`."""
        from venvship.operations.reporting.report import list_releases

        return list_releases(self._workspace())

    def show(self, release: str = "current") -> Details:
        """One release in full; see `venvship.operations.reporting.report`."""
        from venvship.operations.reporting.report import show

        return show(self._workspace(), release)

    def history(self, last: int | None = None) -> tuple[Event, ...]:
        """The journal, newest first; see `venvship.operations.reporting.report`."""
        from venvship.operations.reporting.report import events

        return events(self._workspace(), last)

    def diff(self, before: str, after: str = "current") -> Comparison:
        """How the packages of two releases differ; see `venvship.operations.reporting.report`."""
        from venvship.operations.reporting.report import diff

        return diff(self._workspace(), before, after)

    def run(self, command: Sequence[str], *, release: str = "current") -> NoReturn:
        """Become a command that runs from a release; see `venvship.operations.run`."""
        from venvship.operations.run import run

        run(self._workspace(), command, name=release)

    def schedule(self, kind: str, *, every: str = "5m", command: Sequence[str] | None = None) -> Schedule:
        """What has cron or systemd run updates; see `venvship.operations.schedule`.

        Without a command it is the `venvship` beside this interpreter that they run.
        """
        from venvship.operations.schedule import schedule

        return schedule(self._workspace(), kind, every=every, command=command or own_command())


def own_command() -> tuple[str, ...]:
    """What runs this venvship from anywhere: the program beside this interpreter, or the interpreter."""
    beside = os.path.join(os.path.dirname(sys.executable), "venvship")
    return (beside,) if os.access(beside, os.X_OK) else (sys.executable, "-m", "venvship")
