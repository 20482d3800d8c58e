"""`update`: the unattended release, from cron or a timer.

It runs every few minutes. So it looks before it takes a mutex, and writes nothing if there is nothing to do.
A failed attempt is repeated after a pause that grows, and a refusal is reported once.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from venvship.errors import LockfileError
from venvship.model.environment import Environment
from venvship.model.history import History
from venvship.model.interpreter import Interpreter
from venvship.model.settings import Settings
from venvship.model.update_attempts import UNATTENDED
from venvship.operations.failure_reports import reported_once
from venvship.operations.planning import recorded_interpreter
from venvship.operations.planning.asked_lockfile import missing_explained
from venvship.operations.planning.environment import lockfile_paths, of_equal_wheels, read_environment
from venvship.operations.planning.exporting import exporter
from venvship.operations.planning.known_interpreter import find_interpreter
from venvship.operations.planning.made_of import live_manifest
from venvship.operations.planning.plan import plan, refused
from venvship.operations.planning.project import Project, in_checkout, open_project
from venvship.operations.planning.proposal import Proposal
from venvship.operations.refusals import require_no_pause, unattended_plan, update_attempts, waits
from venvship.operations.release import ReleaseOptions, Releasing
from venvship.operations.release_result import ReleaseResult
from venvship.operations.reporting.details import details_of
from venvship.operations.retention.debris import has_debris
from venvship.operations.switching.lockfile_due import lockfile_of
from venvship.operations.switching.recovery import is_settled
from venvship.workspace.holding import BuildHeld
from venvship.workspace.service_logs import cut_service_logs
from venvship.workspace.slots import Slots
from venvship.workspace.workspace import Workspace

QUIET: Final = 5.0
"""Seconds for which a lockfile must have been left alone: its writer may not be done."""

QUIET_PATIENCE: Final = 60.0
"""Seconds to wait for that; then the update fails, so that an operator looks."""

TOKENS: Final = 16**7
"""The number of values that the runtime's token can have."""


def update(
    workspace: Workspace, *, upgrade: bool = False, security: bool = False, jitter: float = 0.0
) -> ReleaseResult:
    """Release the lockfile's environment, if it is a new one that may be released unattended.

    Crash: as for a release. With `upgrade`, the journal knows which lockfile belongs to the live release, and
    the next command that recovers puts it in its place.

    Arguments and errors: `Root.update`.
    """
    releasing = Releasing(workspace, ReleaseOptions(), via="update")
    with releasing.explained(), reported_once(workspace):
        workspace.layout.require_writable()
        workspace.runtime.signals.sleep(jitter * int(workspace.runtime.token(), 16) / TOKENS)
        settings = workspace.settings()
        releasing.result = replace(releasing.result, name=settings.name)
        if settings.update.window and _is_waiting(workspace, settings, releasing):
            return releasing.result
        if not upgrade and not in_checkout(settings):
            for path in lockfile_paths(workspace, settings):
                _wait_until_quiet(workspace, path)
        workspace.trusted.require_folders()
        cut_service_logs(workspace.layout)  # also where nothing else is to be done, for months
        if settings.project.fetch is not None:
            # Late: it imports what starts programs, which an idle update does without.
            from venvship.operations.planning.project_fetch import fetch_project

            fetch_project(workspace, settings)
        if security:
            # Late: it imports what locks and what asks for advisories.
            from venvship.operations.security_update import release_fixes

            release_fixes(workspace, settings, releasing)
        elif upgrade:
            # Late: an idle update neither locks nor searches.
            from venvship.operations.upgrade import release_upgrade

            release_upgrade(workspace, releasing)
        elif not _is_done(workspace, settings, releasing):
            releasing.carry_out(functools.partial(_propose, releasing=releasing))
    return _with_details(workspace, releasing.result) if upgrade or security else releasing.result


def _with_details(workspace: Workspace, result: ReleaseResult) -> ReleaseResult:
    """Add what to know of the packages that moved: nobody has chosen them."""
    if result.outcome not in {"released", "reactivated"} or result.release is None:
        return result
    return replace(result, details=details_of(workspace, result.release.id, result.diff))


def _is_waiting(workspace: Workspace, settings: Settings, releasing: Releasing) -> bool:
    """Whether no window is open: then nothing is looked at, tried again or reported."""
    from venvship.model.window import is_open, next_opening  # late: most roots have no window

    windows, now = settings.update.window, workspace.runtime.clock()
    if is_open(windows, now):
        return False
    opening = next_opening(windows, now)
    releasing.result = replace(releasing.result, outcome="waiting", waits_until=opening)
    return True


def _is_done(workspace: Workspace, settings: Settings, releasing: Releasing) -> bool:
    """Whether there is nothing to do, found out without a mutex and without writing anything.

    Raises:
        HeldError: It was refused before, and still is.
        PausedError: It is too early.
    """
    history = workspace.history()
    known = workspace.layout.interpreter()
    if known is None or known[0] != settings.python:
        return False  # it has to be found out, and written down
    if not is_settled(workspace, history) or has_debris(workspace, history):
        return False
    if settings.service.is_on and not Slots.of(workspace.layout, settings.service).serves_current():
        return False
    interpreter = find_interpreter(workspace, settings)
    project = open_project(workspace, settings)
    manifest = live_manifest(workspace, settings, history, interpreter, project)
    if manifest is not None:
        path = lockfile_paths(workspace, settings)[0]
        releasing.asked_for(path, len(manifest.packages), interpreter.version)
        releasing.unchanged(manifest.id, history)
        return True
    paths = lockfile_paths(workspace, settings)
    environment = _read_when_quiet(workspace, settings, interpreter, paths, project)
    environment = of_equal_wheels(workspace, settings, environment)
    releasing.asked_for_environment(environment, project)
    found = plan(workspace, history, settings, environment)
    if found.hold is not None:
        error = refused(found.hold, workspace.runtime, waits=waits(workspace, environment))
        error.told = update_attempts(workspace).was_told(found.hold, workspace.runtime.clock())
        if not error.told:
            return False
        raise error
    if found.action != "unchanged":
        require_no_pause(workspace, environment.digest)
        return False
    releasing.unchanged(found.release_id, history)
    return True


def _propose(held: BuildHeld, settings: Settings, history: History, *, releasing: Releasing) -> Proposal:
    """Propose the release that the lockfile on disk asks for."""
    workspace = held.workspace
    interpreter = recorded_interpreter.settled(workspace, settings)
    project = open_project(workspace, settings)
    environment = _read(workspace, settings, history, interpreter, project)
    environment = of_equal_wheels(workspace, settings, environment)
    releasing.asked_for_environment(environment, project)

    replan = functools.partial(unattended_plan, workspace, history, settings)
    return Proposal(environment=environment, plan=replan(environment), replan=replan, project=project)


def _read(
    workspace: Workspace,
    settings: Settings,
    history: History,
    interpreter: Interpreter,
    project: Project | None,
) -> Environment:
    """Read the lockfile on disk, or that of the current release if it could not be put in its place yet."""
    paths = lockfile_paths(workspace, settings)
    current = workspace.layout.current()
    if history.lockfile_due is None or current is None:
        return _read_when_quiet(workspace, settings, interpreter, paths, project)
    content = lockfile_of(workspace, current)
    return read_environment(paths, settings, interpreter, read=lambda _path: content, project=project)


def _read_when_quiet(
    workspace: Workspace,
    settings: Settings,
    interpreter: Interpreter,
    paths: tuple[str, ...],
    project: Project | None,
) -> Environment:
    """Read a lockfile, and once more if a file that it includes was written just now.

    Included files are known only after reading. The files that the settings name were waited for before.
    """
    included: list[str] = []

    def read(path: str) -> bytes:
        if path not in paths:
            included.append(path)
        return workspace.trusted.read(path)

    def waited() -> bool:
        return sum(_wait_until_quiet(workspace, path) for path in included) > 0  # for all of them

    export = exporter(workspace, settings, interpreter, record=True)
    read_with = functools.partial(
        read_environment, paths, settings, interpreter, project=project, export=export
    )
    with missing_explained(workspace, settings):
        try:
            environment = read_with(read=read)
        except LockfileError:
            if not waited():
                raise
        else:
            if not waited():
                return environment
        return read_with(read=workspace.trusted.read)


def _wait_until_quiet(workspace: Workspace, path: str) -> bool:
    """Wait until a lockfile is five seconds old, or two looks agree. Returns whether that took any time."""
    waited = 0.0
    seen: Sequence[int] | None = None
    while waited < QUIET_PATIENCE:
        try:
            found = os.stat(path)
        except OSError:
            return waited > 0  # the reader of the file reports the problem
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        age = workspace.runtime.clock().timestamp() - found.st_mtime
        if age >= QUIET or stamp == seen:
            return waited > 0
        seen = stamp
        left = QUIET - max(age, 0.0)
        workspace.runtime.signals.sleep(left)
        waited += left
    raise LockfileError(
        f"{path} is written again and again; nothing was done", hint="find out who writes it: fuser, lsof"
    )


def unattended(workspace: Workspace) -> Workspace:
    """The same root, with a runtime that has no operator."""
    runtime = workspace.runtime
    return Workspace(
        workspace.layout,
        runtime._replace(unattended=True, actor=runtime.actor + UNATTENDED),
        workspace.warnings,
        workspace.changes,
    )
