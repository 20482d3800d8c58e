"""The public Python API: one root, and the operations on it.

The command line is one caller of this; a configuration management module would be another. Methods return
results and raise `venvship.errors.VenvshipError`; they print nothing. A method has the name of its command,
and its arguments have the names of the command's options. Each method imports its operation when it is
called: a rollback must not wait for the import of a build.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Literal, NoReturn, ParamSpec, TypeVar, cast

from venvship.errors import OperationWarning, Result, VenvshipError
from venvship.model.progress import Progress, unwatched
from venvship.root import RootLayout, user_name
from venvship.system.signals import Signals
from venvship.system.syslog import SOCKET
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.runtime import Runtime

if TYPE_CHECKING:
    from venvship.operations.check import ChecksResult
    from venvship.operations.init import InitResult
    from venvship.operations.lock import LockResult
    from venvship.operations.marks import PinResult
    from venvship.operations.promote import PromoteResult
    from venvship.operations.prune import PruneResult
    from venvship.operations.recover import RecoverResult
    from venvship.operations.release import ReleaseResult
    from venvship.operations.reporting.measure import Measurement
    from venvship.operations.reporting.report import (
        DiffResult,
        HistoryResult,
        ListResult,
        ShowResult,
        StatusResult,
    )
    from venvship.operations.rollback import RollbackResult
    from venvship.operations.schedule import ScheduleResult
    from venvship.operations.verify import VerifyResult
    from venvship.workspace.workspace import Workspace

P = ParamSpec("P")
R = TypeVar("R", bound=Result)
W = TypeVar("W", bound=ReadingWorkspace)


# Keyword-only, and each argument replaces one part of the world: hence more than six.
def default_runtime(
    *,
    environ: Mapping[str, str] | None = None,
    actor: str | None = None,
    unattended: bool = False,
    wait: float = 0.0,
    signals: Signals | None = None,
    progress: Progress | None = None,
    clock: Callable[[], datetime] | None = None,
    syslog: str | None = None,
) -> Runtime:
    """Make the runtime for `Root.open` from the process's own, with the given parts replaced.

    Args:
        environ: The environment of checks, hooks and pip. By default this process's.
        actor: The name for the journal. By default the user, and who became it with sudo.
        unattended: Whether no operator is present. Then `release` respects a hold of the root, as `update`
            always does.
        wait: Seconds to wait for another command to finish.
        signals: The signals that may interrupt an operation. By default none, other than the exceptions that
            Python raises.
        progress: A function that receives every step of a long operation. It must not raise.
        clock: A function that returns the time; aware. By default the system's clock.
        syslog: The socket of the system's log; empty for no log. By default the one that the variable
            `VENVSHIP_SYSLOG` names, else `/dev/log`.
    """
    environment = dict(os.environ if environ is None else environ)
    return Runtime(
        clock=clock or (lambda: datetime.now(UTC)),
        token=lambda: os.urandom(4).hex()[:7],
        environ=environment,
        signals=signals or Signals(),
        actor=actor or _actor(environment),
        unattended=unattended,
        wait=wait,
        progress=progress or unwatched,
        syslog=environment.get("VENVSHIP_SYSLOG", SOCKET) if syslog is None else syslog,
    )


def _actor(environ: Mapping[str, str]) -> str:
    name = user_name(os.geteuid())
    before = environ.get("SUDO_USER", "")
    return f"{name} (sudo by {before})" if before and before != name else name


class Root:
    """One application's root. Make one with `Root.open` or `Root.init`."""

    def __init__(self, layout: RootLayout, runtime: Runtime) -> None:
        self._layout = layout
        self._runtime = runtime

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, runtime: Runtime | None = None) -> Root:
        """Open a root. Reads only whether it is one.

        Args:
            path: The directory that holds `venvship.toml`.
            runtime: The clock, environment, user and so on; see `default_runtime`.

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
        """Make a root: a directory with a commented `venvship.toml` and a README.

        Args:
            path: The directory; made if it is missing.
            name: The application's name. By default the directory's.
            python: The interpreter: a version such as `"3.11"`, or a path. By default the one that runs
                venvship at the first release.
            lockfile: The path of the lockfile, relative to the root.
            runtime: The clock, environment, user and so on; see `default_runtime`.

        Raises:
            RootExistsError: There is a `venvship.toml`. Nothing was changed.
            InterpreterError: The interpreter is missing or too old. Nothing was made.
            RootError: The path cannot be used or written.
        """
        from venvship.operations.init import init

        return init(Path(path), runtime or default_runtime(), name=name, python=python, lockfile=lockfile)

    @property
    def path(self) -> Path:
        """The root; absolute, without links."""
        return self._layout.path

    def current(self) -> str | None:
        """Return the id of the live release; `None` for nothing.

        Raises:
            RootError: `current` is not a link that venvship made, or cannot be read.
        """
        return self._layout.current()

    def lock(self, *, upgrade: bool = False, upgrade_package: Sequence[str] = ()) -> LockResult:
        """Generate the lockfile from the files in `[lock] inputs`.

        Args:
            upgrade: Whether to upgrade all pins. By default existing pins are kept where possible.
            upgrade_package: Packages to upgrade: names, or names with versions such as `"django<6"`.

        Raises:
            UsageError: One of `upgrade_package` is not a requirement.
            SettingsError: There are no inputs, one is missing, or the interpreter is gone.
            LockError: pip-compile failed, or generated a lockfile that `release` would refuse.
            BuildError: The index could not be reached, it took too long, or the disk is full.
            RootError: The root or the lockfile cannot be written.
            BusyError: Another command is building or locking.
            InterruptedByError: A signal came. The lockfile is as it was.
        """
        from venvship.operations.lock import lock

        return self._call(lock, upgrade=upgrade, packages=upgrade_package)

    def release(
        self,
        *,
        lockfile: str | os.PathLike[str] | Sequence[str] = (),
        no_promote: bool = False,
        message: str = "",
        rebuild: bool = False,
        force: bool = False,
        dry_run: bool = False,
    ) -> ReleaseResult:
        """Build a release from the lockfile, check it, and make it live; roll back if it fails.

        Args:
            lockfile: The path of another lockfile than the settings', or several paths.
            no_promote: Whether to build and check only, and leave `current` as it is.
            message: The reason, for the manifest and the journal.
            rebuild: Whether to build even if an intact release of this environment exists.
            force: Whether to go on even if the environment is bad or held.
            dry_run: Whether to return the plan only and write nothing.

        Raises:
            SettingsError: The settings, the interpreter, or the program of a hook or check.
            LockfileError: The lockfile is refused.
            RootError: The root or its journal is unusable.
            BuildError: The release could not be built.
            RejectedError: A candidate check or the prepare hook refused the release.
            RolledBackError: The release was live, did not pass, and was rolled back.
            RollbackFailedError: It was rolled back, and the previous release does not pass either.
            HeldError: The environment is bad or held, or the root is held and the runtime is unattended.
            BusyError: Another command is building or switching.
            SupersededError: `current` moved during the build. The release was built, not promoted.
            InterruptedByError: A signal came. `current` is as it was, unless the error's `result` has the
                release as live.
        """
        from venvship.operations.release import ReleaseOptions, release

        paths = [lockfile] if isinstance(lockfile, str | os.PathLike) else lockfile
        options = ReleaseOptions(
            lockfiles=tuple(os.path.abspath(path) for path in paths),
            promote=not no_promote,
            message=message,
            rebuild=rebuild,
            force=force,
            dry_run=dry_run,
        )
        return self._call(release, options)

    def update(self, *, upgrade: bool = False, jitter: float = 0.0) -> ReleaseResult:
        """Release unattended, if the lockfile has something new that may be released.

        Args:
            upgrade: Whether to lock again first. The lockfile is replaced only if its release stays live.
            jitter: The maximum of a random pause before the start, in seconds.

        Raises:
            HeldError: The environment is bad, or the root is held. `told` if that was reported before.
            PausedError: The last attempts failed, and it is too early for another one.
            VenvshipError: Any error of `Root.release`, and of `Root.lock` with `upgrade`.
        """
        from venvship.operations.update import UpdateOptions, unattended, update

        options = UpdateOptions(upgrade=upgrade, jitter=jitter)
        return self._call(lambda workspace: update(unattended(workspace), options))

    def promote(self, release: str, *, message: str = "", force: bool = False) -> PromoteResult:
        """Make an existing release live, checked like a new one.

        Args:
            release: An id, a unique prefix of one, `"current"`, `"previous"` or `"@{N}"`.
            message: The reason, for the journal.
            force: Whether to leave out the warning about a bad or held release.

        Raises:
            ReleaseError: There is no such release, or it is not usable.
            RejectedError: A candidate check or the prepare hook refused the release.
            RolledBackError: The release was live, did not pass, and was rolled back.
            RollbackFailedError: It was rolled back, and the previous release does not pass either.
            BusyError: Another command is switching.
            SupersededError: `current` moved during the candidate checks.
            SettingsError: The settings, or the program of a hook or check.
            RootError: The root or its journal is unusable.
            InterruptedByError: A signal came. `current` is as it was, unless the error's `result` has the
                release as live.
        """
        from venvship.operations.promote import promote

        return self._call(promote, release, message=message, force=force)

    def rollback(
        self,
        release: str | None = None,
        *,
        message: str = "",
        no_checks: bool = False,
        from_: str | None = None,
    ) -> RollbackResult:
        """Switch to the last good release, or to a named one.

        Args:
            release: The release to switch to. By default the nearest proven, intact one of the lineage.
            message: The reason, for the journal.
            no_checks: Whether to leave out the live checks. The restart hook runs in any case.
            from_: Only if this release is current: then a second call does not go back twice.

        Raises:
            NothingToRollBackToError: The lineage holds no other proven, intact release.
            ReleaseError: The named release does not exist, or is not usable.
            RollbackFailedError: It was switched, and the restart hook or a check fails, or could not run.
            SupersededError: Another release than `from_` is current.
            BusyError: Another rollback is under way.
            RootError: `current` is not a link that venvship made, or another user owns the root.
            InterruptedByError: A signal came before the switch. A later one changes nothing.
        """
        from venvship.operations.rollback import rollback

        return self._call(rollback, release, message=message, checks=not no_checks, only_from=from_)

    def recover(self, *, boot: bool = False) -> RecoverResult:
        """Finish or undo an interrupted operation.

        Args:
            boot: Whether to run no hooks and no checks: an interrupted promotion is undone.

        Raises:
            RolledBackError: The interrupted promotion was undone.
            RollbackFailedError: It was undone, and the live release does not pass.
            BusyError: Another command is under way, so nothing was interrupted.
            RootError: The root or its journal is unusable.
            SettingsError: The settings cannot be read, or a program in them is missing.
        """
        from venvship.operations.recover import recover

        return self._call(recover, boot=boot)

    def check(self, release: str = "current") -> ChecksResult:
        """Run the health checks of a release. Changes nothing.

        Of the current release all checks run, of another one only the candidate checks: the live ones would
        ask the service, which runs the current release.

        Args:
            release: An id, a unique prefix of one, `"current"`, `"previous"` or `"@{N}"`.

        Raises:
            CheckFailedError: A required check failed.
            ReleaseError: There is no such release, or it is not usable.
            SettingsError: The settings cannot be read, or the program of a check is missing.
            InterruptedByError: A signal came.
        """
        from venvship.operations.check import check

        return self._read(check, release)

    def verify(self, *releases: str, all: bool = False) -> VerifyResult:  # noqa: A002 - as `--all`
        """Re-hash every file and compare it with the manifest.

        Args:
            *releases: The releases to verify. By default the current one.
            all: Whether to verify all releases.

        Raises:
            DamagedError: A file of a release differs from its manifest.
            ReleaseError: There is no such release.
            RootError: The root is unusable.
            InterruptedByError: A signal came.
        """
        from venvship.operations.verify import verify

        return self._read(verify, releases, every=all)

    def prune(
        self, *, keep: int | None = None, keep_days: float | None = None, dry_run: bool = False
    ) -> PruneResult:
        """Remove the releases that retention does not keep, then clean the store.

        Args:
            keep: The number of proven releases to keep, at least 2. By default the settings'.
            keep_days: The days for which to keep releases after they were live. By default the settings'.
            dry_run: Whether to return the decisions only and remove nothing.

        Raises:
            SettingsError: The settings cannot be read.
            BusyError: Another command is switching.
            RootError: The root or its journal is unusable.
            InterruptedByError: A signal came.
        """
        from venvship.operations.prune import prune

        return self._call(prune, keep=keep, keep_days=keep_days, dry_run=dry_run)

    def pin(self, release: str) -> PinResult:
        """Protect a release from prune.

        Args:
            release: An id, a unique prefix of one, `"current"`, `"previous"` or `"@{N}"`.

        Raises:
            ReleaseError: There is no such release.
            BusyError: Another command is switching or removing.
            RootError: The root or its journal is unusable.
        """
        from venvship.operations.marks import pin

        return self._call(pin, release, pinned=True)

    def unpin(self, release: str) -> PinResult:
        """Stop protecting a release from prune.

        Args:
            release: An id, a unique prefix of one, `"current"`, `"previous"` or `"@{N}"`.

        Raises:
            ReleaseError: There is no such release.
            BusyError: Another command is switching or removing.
            RootError: The root or its journal is unusable.
        """
        from venvship.operations.marks import pin

        return self._call(pin, release, pinned=False)

    def hold(self, *, message: str = "") -> StatusResult:
        """Stop unattended releases of this root until `unhold`.

        Args:
            message: The reason, for the journal.

        Returns:
            The status after it.

        Raises:
            RootError: The root or its journal is unusable.
        """
        from venvship.operations.marks import hold

        return self._call(hold, message=message)

    def unhold(self) -> StatusResult:
        """Allow unattended releases again, of every environment.

        Returns:
            The status after it.

        Raises:
            RootError: The root or its journal is unusable.
        """
        from venvship.operations.marks import unhold

        return self._call(unhold)

    def status(self) -> StatusResult:
        """Report the live release, since when and why it is live, and anything that is off.

        Takes no mutex and writes nothing. A fault of the root becomes a warning.

        Raises:
            RootError: The root, or a directory in it, cannot be read at all.
        """
        from venvship.operations.reporting.report import status

        return self._read(status)

    def measure(self) -> Measurement:
        """Report the status in figures, for monitoring: `venvship status --prometheus`.

        Raises:
            RootError: The root, or a directory in it, cannot be read at all.
        """
        from venvship.operations.reporting.measure import measure

        return self._read(measure)

    def list(self) -> ListResult:
        """List all releases, newest first.

        Raises:
            RootError: The root, or a directory in it, cannot be read at all.
        """
        from venvship.operations.reporting.report import list_releases

        return self._read(list_releases)

    def show(self, release: str = "current") -> ShowResult:
        """Report all about a release: its packages, its interpreter and its events.

        Args:
            release: An id, a unique prefix of one, `"current"`, `"previous"` or `"@{N}"`.

        Raises:
            ReleaseError: There is no such release, or its manifest is damaged.
            RootError: The root, or a directory in it, cannot be read at all.
        """
        from venvship.operations.reporting.report import show

        return self._read(show, release)

    def history(self, n: int | None = None) -> HistoryResult:
        """List the events of the journal, newest first.

        Args:
            n: The number of events. By default all.

        Raises:
            RootError: The journal cannot be read.
        """
        from venvship.operations.reporting.report import history

        return self._read(history, n)

    def diff(self, a: str, b: str = "current") -> DiffResult:
        """Compare the packages of two releases.

        Args:
            a: The first release: an id, a unique prefix of one, `"current"`, `"previous"` or `"@{N}"`.
            b: The second release.

        Raises:
            ReleaseError: There is no such release, or its manifest is damaged.
            RootError: The root, or a directory in it, cannot be read at all.
        """
        from venvship.operations.reporting.report import diff

        return self._read(diff, a, b)

    def run(self, command: Sequence[str], *, release: str = "current") -> NoReturn:
        """Replace this process by a command that runs from a release's real path, out of reach of a switch.

        Args:
            command: The program, looked up in the release's `bin` first, and its arguments.
            release: An id, a unique prefix of one, `"current"`, `"previous"` or `"@{N}"`.

        Raises:
            ReleaseError: There is no such release, it is not usable, or it is being removed.
            CommandNotFoundError: There is no such program.
            CommandNotExecutableError: The program cannot be executed.
        """
        from venvship.operations.run import run

        run(ReadingWorkspace(self._layout, self._runtime), command, name=release)

    def schedule(
        self,
        kind: Literal["cron", "systemd"],
        *,
        every: str = "5m",
        command: Sequence[str] | None = None,
    ) -> ScheduleResult:
        """Generate a crontab line or systemd units that run `venvship update`. Writes nothing.

        Args:
            kind: `"cron"` or `"systemd"`.
            every: The interval, such as `"5m"`, `"6h"` or `"1d"`, or a time of day such as `"02:30"`.
            command: The command line of venvship; it begins with an absolute path. By default the `venvship`
                beside this interpreter.

        Raises:
            UsageError: No crontab can express the interval, or a path cannot stand where it must.
            SettingsError: The settings cannot be read, the name is too long for a unit, or the units of
                another root have it.
        """
        from venvship.operations.schedule import schedule

        return self._read(schedule, kind, every=every, command=command or own_command())

    def _call(
        self,
        operation: Callable[Concatenate[Workspace, P], R],
        /,
        *arguments: P.args,
        **options: P.kwargs,
    ) -> R:
        """Run an operation that may write, and attach its warnings to its result or error."""
        from venvship.workspace.workspace import Workspace

        return _warned(Workspace(self._layout, self._runtime), operation, *arguments, **options)

    def _read(
        self,
        operation: Callable[Concatenate[ReadingWorkspace, P], R],
        /,
        *arguments: P.args,
        **options: P.kwargs,
    ) -> R:
        """Run an operation that only reads, as `_call` runs one that may write."""
        return _warned(ReadingWorkspace(self._layout, self._runtime), operation, *arguments, **options)


def _warned(
    workspace: W, operation: Callable[Concatenate[W, P], R], *arguments: P.args, **options: P.kwargs
) -> R:
    try:
        result = operation(workspace, *arguments, **options)
    except VenvshipError as error:
        error.warnings = tuple(workspace.warnings)
        if error.result is not None:
            error.result = _with_warnings(error.result, error.warnings)
        raise
    return _with_warnings(result, tuple(workspace.warnings))


def _with_warnings(result: R, warnings: tuple[OperationWarning, ...]) -> R:
    if result.warnings == warnings:
        return result
    replace_in_named_tuple = getattr(result, "_replace", None)
    if replace_in_named_tuple is not None:
        return cast(R, replace_in_named_tuple(warnings=warnings))
    from dataclasses import replace

    return cast(R, replace(cast(Any, result), warnings=warnings))


def own_command() -> tuple[str, ...]:
    """Return the command line that runs this venvship from anywhere.

    Returns:
        The program beside this interpreter, else the interpreter and `-m venvship`.
    """
    beside = os.path.join(os.path.dirname(sys.executable), "venvship")
    return (beside,) if os.access(beside, os.X_OK) else (sys.executable, "-m", "venvship")
