"""The methods of `Root` that only read. They take no mutex and write nothing in the root."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Literal, NoReturn, ParamSpec, TypeVar, cast

from venvship.api.arguments import require_choice, require_range, require_several
from venvship.api.runtime import own_command
from venvship.errors import OperationWarning, Result, VenvshipError
from venvship.root import RootLayout
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.runtime import Runtime

if TYPE_CHECKING:
    from venvship.operations.audit import AuditResult
    from venvship.operations.check import ChecksResult
    from venvship.operations.monitoring import MonitorResult
    from venvship.operations.reporting.configuration import ConfigResult
    from venvship.operations.reporting.diff import DiffResult
    from venvship.operations.reporting.measure import Measurement
    from venvship.operations.reporting.processes import PsResult
    from venvship.operations.reporting.report import HistoryResult, ListResult, ShowResult, StatusResult
    from venvship.operations.schedule import ScheduleResult

P = ParamSpec("P")
R = TypeVar("R", bound=Result)
W = TypeVar("W", bound=ReadingWorkspace)


class RootReads:
    """The methods of `Root` that only read."""

    def __init__(self, layout: RootLayout, runtime: Runtime) -> None:
        self._layout = layout
        self._runtime = runtime

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

    def monitor(self) -> MonitorResult:
        """Run the health checks, and look for what a monitoring system alerts of: `venvship check --monitor`.

        A failed check is in the result, and raises nothing.

        Raises:
            SettingsError: The settings, a file that they name, or the program of a check.
            RootError: The root, or a directory in it, cannot be read at all, or is not trusted.
            InterruptedByError: A signal came.
        """
        from venvship.operations.monitoring import monitor

        return self._read(monitor)

    def list(self) -> ListResult:
        """List all releases, newest first.

        Raises:
            RootError: The root, or a directory in it, cannot be read at all.
        """
        from venvship.operations.reporting.report import list_releases

        return self._read(list_releases)

    def show(self, release: str = "current", *, files: bool = False) -> ShowResult:
        """Report all about a release: its packages, its interpreter and its events.

        Args:
            release: An id, a unique prefix of one, `"current"`, `"previous"` or `"@{N}"`.
            files: Whether to list the files that its tree digest is made of.

        Raises:
            ReleaseError: There is no such release, or its manifest is damaged. With `files`, also if the list
                of its files is damaged, or a file that holds its path.
            RootError: The root, or a directory in it, cannot be read at all.
        """
        from venvship.operations.reporting.report import show

        return self._read(show, release, files=files)

    def history(self, n: int | None = None) -> HistoryResult:
        """List the events of the journal, newest first.

        Args:
            n: The number of events, at least 1. By default all.

        Raises:
            ValueError: `n` is less than 1.
            RootError: The journal cannot be read.
        """
        require_range("n", n, 1)
        from venvship.operations.reporting.report import history

        return self._read(history, n)

    def diff(self, a: str, b: str = "current", *, long: bool = False) -> DiffResult:
        """Compare the packages, commits and files of two releases.

        Args:
            a: The first release: an id, a unique prefix of one, `"current"`, `"previous"` or `"@{N}"`.
            b: The second release.
            long: Whether to tell of each package who asks for it, and where its changelog is.

        Raises:
            ReleaseError: There is no such release, or its manifest is damaged.
            RootError: The root, or a directory in it, cannot be read at all.
        """
        from venvship.operations.reporting.diff import diff

        return self._read(diff, a, b, long=long)

    def ps(self, release: str | None = None, *, old: bool = False) -> PsResult:
        """List the processes that run from releases.

        Takes no mutex and writes nothing. `unseen` of the result says what of it this user cannot see.

        Args:
            release: Only those of one release: an id, a unique prefix of one, `"current"`, `"previous"` or
                `"@{N}"`. A release that was removed counts as long as a process runs from it.
            old: Only those that do not run from the current release.

        Raises:
            HostError: There is no /proc, as on macOS, so that nothing tells.
            ReleaseError: There is no such release.
            RootError: The root, or a directory in it, cannot be read at all.
        """
        from venvship.operations.reporting.processes import ps

        return self._read(ps, release, old=old)

    def config(self, *, all: bool = False) -> ConfigResult:  # noqa: A002
        """List the effective settings, and the file and line that each comes from.

        Anything that may be a secret is `****`. The file of `env_file` is not read.

        Args:
            all: Whether to list the defaults too.

        Raises:
            SettingsError: A file of the settings cannot be read, or there is a mistake.
            RootError: Others can write a file of the settings.
        """
        from venvship.operations.reporting.configuration import config

        return self._read(config, every=all)

    def check(self, release: str = "current") -> ChecksResult:
        """Run the health checks of a release. Switches nothing.

        It records one thing: that the live release passes after a rollback to it had failed.

        Of the current release all checks run, of another one only the candidate checks: the live ones would
        ask the service, which runs the current release.

        Args:
            release: An id, a unique prefix of one, `"current"`, `"previous"` or `"@{N}"`.

        Raises:
            CheckFailedError: A required check failed.
            ReleaseError: There is no such release, or it is not usable.
            SettingsError: The settings or a file that they name cannot be read, or the program of a check is
                missing.
            RootError: The root or its journal cannot be read.
            InterruptedByError: A signal came.
        """
        from venvship.operations.check import check

        return self._read(check, release)

    def audit(self, release: str = "current", *, fixable: bool = False) -> AuditResult:
        """Look for known vulnerabilities of a release. Switches nothing.

        The service of `[audit]` is asked once about each package of which no answer is kept that is younger
        than `[audit] max_age`; or the advisories are read that the settings name. Where the owner of the root
        runs it, the answers are kept, and `status` reports from them.

        Args:
            release: An id, a unique prefix of one, `"current"`, `"previous"` or `"@{N}"`.
            fixable: Whether only vulnerabilities count for which a fixed version is known.

        Raises:
            VulnerableError: There are known vulnerabilities that count; its `result` has all of them.
            AuditFailedError: The service could not be asked, or the advisories cannot be read.
            ReleaseError: There is no such release, or its manifest is damaged.
            SettingsError: The settings cannot be read.
            RootError: The root or its journal cannot be read, or others can write the advisories.
            InterruptedByError: A signal came.
        """
        from venvship.operations.audit import audit

        return self._read(audit, release, fixable=fixable)

    def schedule(
        self,
        kind: Literal["cron", "systemd"],
        *,
        every: str = "5m",
        before: Sequence[str] = (),
        command: Sequence[str] | None = None,
    ) -> ScheduleResult:
        """Generate a crontab line or systemd units that run `venvship update`. Writes nothing.

        Args:
            kind: `"cron"` or `"systemd"`.
            every: The interval, such as `"5m"`, `"6h"` or `"1d"`, or a time of day such as `"04:30"`.
            before: For systemd: the units of the application, which the recovery at boot comes before.
            command: The command line of venvship; it begins with an absolute path. By default the `venvship`
                beside this interpreter.

        Raises:
            UsageError: No crontab can express the interval, a path cannot stand where it must, or `before` is
                given for cron or names no unit.
            SettingsError: The settings cannot be read, the name is too long for a unit, or the units of
                another root have it.
            ValueError: `kind` is another word.
            TypeError: `before` or `command` is a `str`.
        """
        require_choice("kind", kind, ("cron", "systemd"))
        require_several("before", before)
        require_several("command", command or ())
        from venvship.operations.schedule import schedule

        return self._read(schedule, kind, every=every, before=before, command=command or own_command())

    def run(
        self,
        command: Sequence[str],
        *,
        release: str = "current",
        warn: Callable[[OperationWarning], None] | None = None,
    ) -> NoReturn:
        """Replace this process by a command that runs from a release's real path, out of reach of a switch.

        Args:
            command: The program, looked up in the release's `bin` first, and its arguments.
            release: An id, a unique prefix of one, `"current"`, `"previous"` or `"@{N}"`.
            warn: Called with each warning right before the process is replaced: no result has them.

        Raises:
            ReleaseError: There is no such release, it is not usable, or it is being removed.
            SettingsError: The file of `env_file` cannot be read, or neither can the settings nor those of the
                last promotion.
            CommandNotFoundError: There is no such program.
            CommandNotExecutableError: The program cannot be executed.
            RootError: The root or its journal cannot be read, or others can write the file of `env_file`.
            ValueError: `command` is empty.
            TypeError: `command` is a `str`.
        """
        require_several("command", command)
        if not command:
            raise ValueError("command: the program is missing")
        from venvship.operations.run import run

        self._read(run, command, name=release, warn=warn or (lambda _warning: None))

    def _read(
        self,
        operation: Callable[Concatenate[ReadingWorkspace, P], R],
        /,
        *arguments: P.args,
        **options: P.kwargs,
    ) -> R:
        """Run an operation that only reads."""
        return with_warnings(ReadingWorkspace(self._layout, self._runtime), operation, *arguments, **options)


def with_warnings(
    workspace: W, operation: Callable[Concatenate[W, P], R], *arguments: P.args, **options: P.kwargs
) -> R:
    """Run an operation; attach its warnings, and whether it changed anything, to its result or error."""
    try:
        result = operation(workspace, *arguments, **options)
    except VenvshipError as error:
        error.warnings, error.changed = tuple(workspace.warnings), workspace.changed
        if error.result is not None:
            error.result = _attach(error.result, error.warnings, error.changed)
        raise
    except BaseException as error:  # a bug, or Ctrl-C
        error.__dict__["warnings"] = tuple(workspace.warnings)
        raise
    return _attach(result, tuple(workspace.warnings), workspace.changed)


def _attach(result: R, warnings: tuple[OperationWarning, ...], changed: bool | None) -> R:
    facts: dict[str, object] = {} if result.warnings == warnings else {"warnings": warnings}
    if changed is not None and getattr(result, "changed", changed) != changed:
        facts["changed"] = changed
    if not facts:
        return result
    replace_in_named_tuple = getattr(result, "_replace", None)
    if replace_in_named_tuple is not None:
        return cast(R, replace_in_named_tuple(**facts))
    from dataclasses import replace

    return cast(R, replace(cast(Any, result), **facts))
