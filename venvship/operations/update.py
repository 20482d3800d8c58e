"""`update`: the unattended release, from cron or a timer.

It runs every few minutes. So it looks before it takes a mutex, and writes nothing if there is nothing to do.
A failed attempt is repeated after a pause that grows, and a refusal is reported once.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from venvship.errors import BuildError, HeldError, LockfileError, PausedError
from venvship.model.environment import Environment
from venvship.model.event import EventName
from venvship.model.history import History, LockfileDue
from venvship.model.hold import Hold
from venvship.model.interpreter import Interpreter
from venvship.model.package_hold import KeptBack
from venvship.model.settings import Settings
from venvship.model.spelling import format_time, not_before
from venvship.model.update_attempts import LOCKING, UNATTENDED, Attempts, fold_attempts, refusal_facts
from venvship.operations.failure_reports import reported_once, warn_once
from venvship.operations.planning import recorded_interpreter
from venvship.operations.planning.asked_lockfile import missing_explained
from venvship.operations.planning.environment import (
    diff_to_environment,
    lockfile_paths,
    of_equal_wheels,
    read_environment,
)
from venvship.operations.planning.exporting import exporter
from venvship.operations.planning.known_interpreter import find_interpreter
from venvship.operations.planning.made_of import live_manifest
from venvship.operations.planning.origins import warn_of_changes
from venvship.operations.planning.plan import Plan, asker, plan, refused
from venvship.operations.planning.project import Project, in_checkout, open_project
from venvship.operations.planning.proposal import Proposal
from venvship.operations.release import ReleaseOptions, Releasing
from venvship.operations.release_result import ReleaseResult
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

MOST_WAITING: Final = 5
"""The number of packages that the report of a hold names; the rest is counted."""

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
            return releasing.result
        if upgrade or not _is_done(workspace, settings, releasing):
            releasing.carry_out(functools.partial(_propose, releasing=releasing, upgrade=upgrade))
    return releasing.result


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
        error = refused(found.hold, workspace.runtime, waits=_waits(workspace, environment))
        error.told = _update_attempts(workspace).was_told(found.hold, workspace.runtime.clock())
        if not error.told:
            return False
        raise error
    if found.action != "unchanged":
        _require_no_pause(workspace, environment.digest)
        return False
    releasing.unchanged(found.release_id, history)
    return True


def _propose(
    held: BuildHeld, settings: Settings, history: History, *, releasing: Releasing, upgrade: bool
) -> Proposal:
    """Propose the release that the lockfile on disk asks for, or that it would ask for if locked now."""
    workspace = held.workspace
    interpreter = recorded_interpreter.settled(workspace, settings)
    lockfile: LockfileDue | None = None
    project = open_project(workspace, settings)
    if upgrade:
        hold = history.stopping(asker(workspace.runtime, settings), None, workspace.runtime.clock())
        if hold is not None:
            # Before anything is locked: what the index offers today changes nothing about this.
            raise _told(workspace, hold, LOCKING, waits="an upgrade of the lockfile")
        _require_no_pause(workspace, LOCKING)
        environment, lockfile, kept = _lock(held, settings, interpreter, history)
        releasing.result = replace(releasing.result, kept_back=kept)
    else:
        environment = _read(workspace, settings, history, interpreter, project)
    environment = of_equal_wheels(workspace, settings, environment)
    releasing.asked_for_environment(environment, project)

    def replan(environment: Environment) -> Plan:
        found = plan(workspace, history, settings, environment)
        if found.hold is not None:
            raise _told(workspace, found.hold, environment.digest, waits=_waits(workspace, environment))
        if found.action != "unchanged":
            _require_no_pause(workspace, environment.digest)
        return found

    return Proposal(
        environment=environment,
        plan=replan(environment),
        replan=replan,
        lockfile=lockfile,
        project=project,
    )


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


def _lock(
    held: BuildHeld, settings: Settings, interpreter: Interpreter, history: History
) -> tuple[Environment, LockfileDue | None, tuple[KeptBack, ...]]:
    """Lock again, in memory, and leave packages alone that are held.

    Raises:
        BuildError: It failed; journalled.
        SettingsError: There is nothing to lock, or no one lockfile to write.
    """
    from venvship.operations.planning.held_back import compile_upgrade

    workspace = held.workspace
    try:
        upgrade = compile_upgrade(held, settings, interpreter, history)
    except BuildError as error:
        workspace.record_if_possible(
            EventName.BUILD_FAILED,
            release=None,
            reason=error.message.splitlines()[0],
            facts={"environment_digest": LOCKING, "slug": error.slug, "unattended": True},
        )
        raise
    compiled = upgrade.compiled
    warn_of_changes(workspace, compiled.origins)
    for offer in compiled.origins.offers:
        warn_once(workspace, "other-index", offer.text)
    if not compiled.changed:
        return compiled.environment, None, upgrade.kept
    before = None if compiled.before is None else hashlib.sha256(compiled.before).hexdigest()
    return compiled.environment, LockfileDue(path=settings.lockfile[0], before=before), upgrade.kept


def _waits(workspace: Workspace, environment: Environment) -> str:
    """How the release that waits would change the packages, for a mail."""
    diff = diff_to_environment(workspace, workspace.layout.current(), environment)
    parts = diff.phrases()
    rest = [f"and {len(parts) - MOST_WAITING} more"] if len(parts) > MOST_WAITING else []
    return ", ".join([*parts[:MOST_WAITING], *rest])


def _told(workspace: Workspace, hold: Hold, environment: str, *, waits: str) -> HeldError:
    """The error of a refusal. The journal remembers the report before it is made.

    Raises:
        OSError: The journal could not be written. The next update tries again.
    """
    error = refused(hold, workspace.runtime, waits=waits)
    error.told = _update_attempts(workspace).was_told(hold, workspace.runtime.clock())
    if not error.told:
        workspace.record(
            EventName.REFUSED,
            release=hold.release,
            reason=hold.reason,
            facts=refusal_facts(hold, environment),
        )
    return error


def _require_no_pause(workspace: Workspace, environment: str) -> None:
    """Refuse an attempt too soon after one that failed.

    Raises:
        PausedError: It is too early.
    """
    failures = _update_attempts(workspace).failures.get(environment)
    if failures is None or not failures.is_paused(workspace.runtime.clock()):
        return
    tried = "the last attempt failed" if failures.count == 1 else f"{failures.count} attempts failed"
    raise PausedError(
        f"not tried again before {not_before(failures.until)}: {tried}: {failures.reason}",
        hint="to try now: venvship release",
        until=format_time(failures.until),
        attempts=failures.count,
    )


def _update_attempts(workspace: Workspace) -> Attempts:
    return fold_attempts(workspace.journal.read().events)


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
