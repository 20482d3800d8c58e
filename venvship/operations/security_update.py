"""`update --security`: release the versions that fix the known vulnerabilities of the live release.

A security update asks about the live release. It takes no mutex, and writes nothing but the answers, if there
is nothing to fix. All fixes are tried together first. If that release does not pass, each is tried alone, on
top of those that have passed.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from venvship.errors import (
    AuditFailedError,
    BuildError,
    HeldError,
    LockfileError,
    PausedError,
    RejectedError,
    RolledBackError,
    SettingsError,
    VenvshipError,
)
from venvship.model.advisories.advisory import Answer, Vulnerability, vulnerabilities_of
from venvship.model.event import EventName
from venvship.model.history import History, LockfileDue
from venvship.model.lock_kinds import LockKind
from venvship.model.release import Manifest
from venvship.model.security_fix import Fix, Unfixed
from venvship.model.settings import Settings
from venvship.model.spelling import parse_time
from venvship.model.update_attempts import FIXING
from venvship.operations.audit import AuditResult, audited, expired_text, find_answers
from venvship.operations.failure_reports import warn_once
from venvship.operations.planning.environment import of_equal_wheels
from venvship.operations.planning.locked_project import with_project
from venvship.operations.planning.plan import Plan, asker
from venvship.operations.planning.project import open_project
from venvship.operations.planning.proposal import Proposal
from venvship.operations.planning.recorded_interpreter import settled
from venvship.operations.refusals import require_no_pause, told, unattended_plan
from venvship.operations.release import ReleaseOptions, Releasing
from venvship.operations.release_result import ReleaseResult
from venvship.operations.securing.fixing import Fixed, Fixer, minimums, unfixed_of
from venvship.operations.switching.lockfile_due import lockfile_of
from venvship.workspace.advised import is_private
from venvship.workspace.holding import BuildHeld
from venvship.workspace.views import diff_releases
from venvship.workspace.way_back import require_current
from venvship.workspace.workspace import Workspace

if TYPE_CHECKING:
    from venvship.model.interpreter import Interpreter


def release_fixes(workspace: Workspace, settings: Settings, releasing: Releasing) -> None:
    """Fix the known vulnerabilities of the live release.

    Crash: as for a release whose lockfile is put in its place afterwards; see `update`.

    Args:
        workspace: The root, with an unattended runtime.
        settings: The settings.
        releasing: Gets the result.

    Raises:
        AuditFailedError: The source of advisories could not be asked.
        LockfileError: Another tool writes the lockfile: the hint has its command.
        VenvshipError: See `Root.update`.
    """
    history, current = workspace.history(), require_current(workspace)
    releasing.unchanged(current, history)
    if current is None:
        return
    known: dict[tuple[str, str], Answer] = {}
    result, answers = audited(workspace, current)
    known.update(answers)
    for entry in result.expired:
        warn_once(workspace, "ignore-expired", expired_text(entry))
    fixable = sorted({one.package for one in result.fixable})
    unfixed = list(unfixed_of(result.counting, {}))
    failure: VenvshipError | None = None
    if fixable:
        _require_lockable(workspace, settings, result)
        attempts = _Attempts(workspace, known)
        failure = attempts.make(fixable)
        unfixed = [*unfixed, *attempts.unfixed]
        releasing.result = attempts.result(releasing.result)
    unfixed = list(dict.fromkeys(unfixed))  # each attempt has found those without a fix
    releasing.result = replace(releasing.result, unfixed=tuple(unfixed))
    for one in unfixed:
        ids = " ".join(one.advisories)
        warn_once(workspace, "vulnerability-stays", one.text, about=f"{one.package} {one.version} {ids}")
    if failure is not None:
        raise failure


@dataclass(slots=True)
class _Attempts:
    """The releases that one security update tries: all fixes together, else each alone."""

    workspace: Workspace
    known: dict[tuple[str, str], Answer]
    unfixed: tuple[Unfixed, ...] = ()
    done: list[ReleaseResult] = field(default_factory=list)

    def make(self, packages: Sequence[str]) -> VenvshipError | None:
        """Release fixes, together or one by one. Returns the failure if none of them went live.

        Raises:
            VenvshipError: See `release_fixes`.
        """
        failure = self._try(packages)
        if failure is None or len(packages) == 1:
            return failure
        for package in packages:
            if (refused := self._try([package])) is not None:
                failure = refused
                reason = f"the release of its fix was refused: {refused.message.splitlines()[0]}"
                self.unfixed += tuple(self._still_vulnerable(package, reason))
        return None if self.done else failure

    def _try(self, packages: Sequence[str]) -> VenvshipError | None:
        attempt = Releasing(self.workspace, ReleaseOptions(), via="update")
        propose = functools.partial(self._propose, attempt=attempt, packages=packages)
        try:
            with attempt.explained():
                # Of several, each is tried alone after a refusal: no hook hears of that one.
                attempt.carry_out(propose, goes_on=lambda _failure: len(packages) > 1)
        except (RejectedError, RolledBackError, HeldError, PausedError) as error:
            if self._root_is_held():
                raise
            return error
        if attempt.result.outcome in {"released", "reactivated"}:
            self.done.append(attempt.result)
        return None

    def _root_is_held(self) -> bool:
        workspace = self.workspace
        asks = asker(workspace.runtime, workspace.settings())
        return workspace.history().stopping(asks, None, workspace.runtime.clock()) is not None

    def _still_vulnerable(self, package: str, reason: str) -> Iterable[Unfixed]:
        current = require_current(self.workspace)
        if current is not None:
            result, _ = audited(self.workspace, current, self.known)
            yield from (one for one in unfixed_of(result.fixable, {package: reason}))

    def result(self, before: ReleaseResult) -> ReleaseResult:
        """The result of all releases that went live, as if they were one.

        Args:
            before: The result if there is none.
        """
        if not self.done:
            return before
        first, last = self.done[0], self.done[-1]
        fixes = tuple(fix for each in self.done for fix in each.fixes)
        if len(self.done) == 1 or first.previous is None or last.release is None:
            return replace(last, fixes=fixes)
        timings: dict[str, float] = {}
        for each in self.done:
            for step, seconds in each.timings.items():
                timings[step] = round(timings.get(step, 0.0) + seconds, 3)
        diff = diff_releases(self.workspace, first.previous.id, last.release.id)
        return replace(last, previous=first.previous, diff=diff, timings=timings, fixes=fixes)

    def _propose(
        self,
        held: BuildHeld,
        settings: Settings,
        history: History,
        *,
        attempt: Releasing,
        packages: Sequence[str],
    ) -> Proposal:
        """Propose the release of the fixes of some packages."""
        workspace = held.workspace
        hold = history.stopping(asker(workspace.runtime, settings), None, workspace.runtime.clock())
        if hold is not None:
            raise told(workspace, hold, FIXING, waits=f"a fix of {', '.join(packages)}")
        require_no_pause(workspace, FIXING)
        current = require_current(workspace)
        assert current is not None
        manifest, interpreter = workspace.manifest(current), settled(workspace, settings)
        base, due = _base(workspace, settings, history, manifest, interpreter)
        fixed = self._fixed(held, settings, manifest, interpreter, base, packages)
        self.unfixed += fixed.unfixed
        moves = _moves(workspace, settings, history, manifest, fixed)
        project = open_project(workspace, settings, ref=_commit(manifest))
        compiled = with_project(workspace, settings, fixed.locked.compiled, interpreter, project)
        environment = of_equal_wheels(workspace, settings, compiled.environment)
        attempt.asked_for_environment(environment, project)
        attempt.result = replace(attempt.result, fixes=moves)
        replan = functools.partial(unattended_plan, workspace, history, settings)
        return Proposal(
            environment=environment,
            plan=replan(environment) if moves else Plan(action="unchanged", release_id=current),
            replan=replan,
            lockfile=due,
            project=project,
            fixes=moves,
            uploaded=compiled.uploaded,
        )

    def _fixed(
        self,
        held: BuildHeld,
        settings: Settings,
        manifest: Manifest,
        interpreter: Interpreter,
        base: bytes,
        packages: Sequence[str],
    ) -> Fixed:
        """Search for the fixes. A failure is journalled, so that the next attempt waits.

        Raises:
            BuildError: It failed.
        """
        from venvship.operations.securing.locking import locker, requirers_in, unchanged_lock

        workspace = held.workspace
        result, _ = audited(workspace, manifest.id, self.known)
        try:
            return Fixer(
                lock=locker(held, settings, interpreter, base),
                audit=functools.partial(self._audit, settings),
                requirers=requirers_in(workspace, settings, manifest, interpreter),
                start=unchanged_lock(held, settings, interpreter, base),
                before=result.counting,
            ).fix(packages)
        except AuditFailedError:
            raise
        except BuildError as error:
            workspace.record_if_possible(
                EventName.BUILD_FAILED,
                release=None,
                reason=error.message.splitlines()[0],
                facts={"environment_digest": FIXING, "slug": error.slug, "unattended": True},
            )
            raise

    def _audit(self, settings: Settings, packages: Iterable[tuple[str, str]]) -> list[Vulnerability]:
        """The vulnerabilities that count, of packages that are locked; none is asked about twice."""
        workspace, private = self.workspace, settings.audit.private
        public = [one for one in packages if not is_private(one[0], private)]
        if not public:
            return []
        answers, _ = find_answers(workspace, settings.audit, [*public, *self.known], self.known)
        self.known.update(answers)
        found = vulnerabilities_of(public, answers, settings.audit.ignore, workspace.runtime.clock())
        return [one for one in found if one.ignored is None]


def _require_lockable(workspace: Workspace, settings: Settings, result: AuditResult) -> None:
    """Refuse a lockfile that venvship does not write, and name the fixes for the tool that does.

    Raises:
        LockfileError: It is that of another tool, or lies in the checkout.
        SettingsError: It is of another kind, or there are several.
    """
    from venvship.operations.planning.lock import lockfile_to_write, written_elsewhere

    fixes = minimums(result.fixable)
    versions = {one.package: one.version for one in result.fixable}
    ids = {name: " ".join(one.advisory.id for one in result.fixable if one.package == name) for name in fixes}
    said = ", ".join(f"{name} {versions[name]} ({ids[name]})" for name in fixes)
    about = f"{result.release} has known vulnerabilities with a fix: {said}"

    def line(kind: LockKind, path: str) -> str:
        return kind.pin_packages(path, fixes)

    options = "".join(f" -P {name}=={version}" for name, version in fixes.items())
    foreign = written_elsewhere(workspace, settings, line, f", with{options}")
    if foreign is not None:
        raise LockfileError(f"{about}; {foreign.message}", hint=foreign.hint, **foreign.data)
    try:
        lockfile_to_write(workspace, settings, upgrade=False)
    except SettingsError as error:
        raise SettingsError(f"{about}; {error.message}", hint=error.hint, **error.data) from error


def _base(
    workspace: Workspace,
    settings: Settings,
    history: History,
    manifest: Manifest,
    interpreter: Interpreter,
) -> tuple[bytes, LockfileDue | None]:
    """The lockfile whose pins are kept, and the file that the new one replaces.

    The live release's lockfile counts. The one on disk is replaced only if it stands for the same packages:
    otherwise a person has changed it, and it stays.
    """
    from venvship.operations.planning.lock import lockfile_to_write, read_content, read_if_there

    path = lockfile_to_write(workspace, settings, upgrade=False)
    there = read_if_there(path, workspace.trusted.read)
    live = lockfile_of(workspace, manifest.id)
    before = None if there is None else hashlib.sha256(there).hexdigest()
    due = LockfileDue(path=settings.lockfile[0], before=before)
    if there is None or there == live or history.lockfile_due is not None:
        return live, due
    try:
        digests = {
            read_content(workspace, path, content, settings, interpreter).digest for content in (there, live)
        }
    except LockfileError:
        return live, None
    return (there, due) if len(digests) == 1 else (live, None)


def _commit(manifest: Manifest) -> str | None:
    """The commit of the live release: a security update brings no other code."""
    return manifest.project.source.commit if manifest.project is not None else None


def _moves(
    workspace: Workspace, settings: Settings, history: History, manifest: Manifest, fixed: Fixed
) -> tuple[Fix, ...]:
    """The packages that move, each with what did not hold it back."""
    now = workspace.runtime.clock()
    before = {package.name: package.version for package in manifest.packages}
    locked = fixed.locked
    moved = {name: version for name, version in locked.versions.items() if before.get(name) != version}
    held = history.held_packages(now)
    found = []
    for name, version in sorted(moved.items()):
        uploaded = locked.compiled.uploaded.get(name, {}).get(version)
        despite = []
        if any(one.package == name and _holds(one.version, version) for one in held):
            despite.append("hold")
        if name in before:
            despite += _policy(settings, name, (before[name], version), before, moved)
        limit = now - timedelta(days=settings.lock.cooldown_days)
        if settings.lock.cooldown_days and uploaded is not None and parse_time(uploaded) > limit:
            despite.append("cooldown")
        found.append(
            Fix(
                package=name,
                before=before.get(name),
                after=version,
                advisories=fixed.own.get(name, ()),
                despite=tuple(despite),
            )
        )
    return tuple(found)


def _holds(held: str | None, version: str) -> bool:
    """Whether a hold of a package is about a version: all of them, or one up to that which is held back."""
    from packaging.version import Version

    return held is None or Version(version) <= Version(held)


def _policy(
    settings: Settings,
    name: str,
    versions: tuple[str, str],
    before: Collection[str],
    moved: Collection[str],
) -> list[str]:
    """The parts of `[update]` that would have kept a package where it was: `only`, `group`."""
    from packaging.version import Version

    from venvship.model.update_policy import bound_of, grouped

    found = []
    bound = bound_of(versions[0], settings.update.only)
    if bound and Version(versions[1]) >= Version(bound):
        found.append("only")
    if any(name in one and not one <= {*moved} for one in grouped(before, settings.update.groups)):
        found.append("group")
    return found
