"""The reads `status`, `list`, `show` and `history`: they take no mutex, repair and write nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from venvship.errors import OperationWarning
from venvship.model.event import Event
from venvship.model.history import History, PassedOver
from venvship.model.hold import Hold
from venvship.model.one_way import barrier_before
from venvship.model.package_hold import PackageHold
from venvship.model.release import Package, PackageDiff, TreeRow
from venvship.model.source import Built
from venvship.model.spelling import format_time
from venvship.model.trust import Trusted
from venvship.model.update_attempts import FORGOTTEN, LOCKING, Attempts, Failures, fold_attempts
from venvship.operations.planning.asked_lockfile import first_step
from venvship.operations.reporting.fault_warnings import (
    present_release,
    warn_of_a_failed_rollback,
    warn_of_a_moved_root,
    warn_of_doubt,
    warn_of_findings,
    warn_of_the_link,
    warn_of_what_is_unsettled,
)
from venvship.operations.reporting.lockfile_state import LockfileState, compare_lockfile
from venvship.operations.reporting.status_facts import (
    applying_holds,
    live_slot,
    old_processes,
    readable_settings,
    trusted_accounts,
)
from venvship.system.flocks import Flocks
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.releases import debris_names, release_ids, resolve_release
from venvship.workspace.underway import Operation, under_way
from venvship.workspace.verified import Verification, last_verification
from venvship.workspace.views import ReleaseView, diff_releases, view_releases
from venvship.workspace.way_back import seeming_way_back

if TYPE_CHECKING:
    from venvship.model.advisories.advisory import Known
    from venvship.model.settings import Settings


class StatusResult(NamedTuple):
    """The result of `Root.status`.

    Attributes:
        name: The application's name.
        root: The root; absolute.
        tier: The name of the environment that the root is; `None` without one.
        current: The release that is live; `None` for nothing.
        live_since: The event that made it live, with its time, actor and reason; `None` if unknown.
        previous: The release that a rollback would switch to. Its files were not looked at, except for some
            that `verify` has found damaged.
        held: The hold that applies, the first of `holds`; `None` without one.
        operation: The operation that is under way, or was interrupted.
        interrupted: Whether an operation was interrupted and waits for recovery.
        releases: The number of releases.
        next_step: The step to a first release; empty where there is one.
        way_back: How a rollback would change the packages; `None` if there is none.
        lockfile: How the lockfile on disk compares with the live release.
        failing: The failed attempts of `update` at what it would try now; `None` if it has not failed.
        verified: When `verify` last looked at the files of the live release, and what it found; `None` for
            never. `status` itself looks at none of them.
        previous_verified: The same of `previous`. Damage that is still there is a reason in `passed_over`.
        old_processes: By id of a release that is not live, the ids of the processes that hold its lease.
            `Root.ps` finds others, too.
        unseen_leases: Releases that are not live and whose lease is held by a process that cannot be seen.
        passed_over: The nearer releases of the lineage that a rollback would pass over, the nearest first.
        leaves_service_alone: Whether neither a restart hook nor a live check is set.
        holds: The holds of the root in force; without any, that of the lockfile's environment.
        trusted: The users and groups that may decide what runs, besides the owner of the root and root.
        barrier: The one-way release that a rollback without a name would go back past, so that it needs
            `--force`; `None` for none.
        slot: The slot of the service that customers are led to; `None` without a service.
        on_trial: Whether the live release is on trial: its restart hook and live checks have no verdict yet.
        audited: The number of known vulnerabilities of the live release, as `audit` found it last; `None` for
            never. `status` itself asks no service.
        held_packages: The holds of packages in force, in the order in which they were set.
        warnings: The warnings of the operation.
    """

    name: str
    root: str
    current: ReleaseView | None
    live_since: Event | None
    previous: ReleaseView | None
    held: Hold | None
    operation: Operation | None
    interrupted: bool
    releases: int
    next_step: str = ""
    way_back: PackageDiff | None = None
    lockfile: LockfileState = LockfileState()
    failing: Failures | None = None
    verified: Verification | None = None
    previous_verified: Verification | None = None
    old_processes: Mapping[str, tuple[int, ...]] = MappingProxyType({})
    unseen_leases: tuple[str, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    leaves_service_alone: bool = False
    holds: tuple[Hold, ...] = ()
    trusted: tuple[Trusted, ...] = ()
    slot: str | None = None
    on_trial: bool = False
    barrier: str | None = None
    tier: str | None = None
    audited: Known | None = None
    held_packages: tuple[PackageHold, ...] = ()
    warnings: tuple[OperationWarning, ...] = ()

    @property
    def lockfile_changed(self) -> bool | None:
        """Whether a release made now would be of another environment; `None` if that cannot be told."""
        return self.lockfile.changed

    def to_json(self) -> dict[str, object]:
        """The `data` of `status --json`."""
        return {
            "name": self.name,
            "root": self.root,
            "tier": self.tier,
            "current": self.current.to_json() if self.current else None,
            "live_since": format_time(self.live_since.at) if self.live_since else None,
            "slot": self.slot,
            "on_trial": self.on_trial,
            "previous": self.previous.to_json() if self.previous else None,
            "passed_over": [passed.to_json() for passed in self.passed_over],
            "barrier": self.barrier,
            "held": self.held.to_json() if self.held else None,
            "holds": [hold.to_json() for hold in self.holds],
            "held_packages": [hold.to_json() for hold in self.held_packages],
            "trusted": [one.to_json() for one in self.trusted],
            "operation": self.operation.to_json() if self.operation else None,
            "interrupted": self.interrupted,
            "releases": self.releases,
            "lockfile_changed": self.lockfile.changed,
            "lockfile_problem": self.lockfile.problem,
            "python_change": self.lockfile.python.to_json() if self.lockfile.python else None,
            "failing": self.failing.to_json() if self.failing else None,
            "verified": self.verified.to_json() if self.verified else None,
            "audited": self.audited.to_json() if self.audited else None,
            "previous_verified": self.previous_verified.to_json() if self.previous_verified else None,
            "old_processes": [
                {"pid": pid, "release": release_id}
                for release_id, pids in self.old_processes.items()
                for pid in pids
            ],
            "unseen_leases": list(self.unseen_leases),
        }


class ListResult(NamedTuple):
    """The result of `Root.list`.

    Attributes:
        releases: All releases, newest first.
        debris: The directories below `releases/` that are no release; absolute.
        held: The hold of the root; `None` without one.
        warnings: The warnings of the operation.
    """

    releases: tuple[ReleaseView, ...]
    debris: tuple[str, ...]
    held: Hold | None = None
    warnings: tuple[OperationWarning, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The `data` of `list --json`."""
        return {
            "releases": [view.to_json() for view in self.releases],
            "debris": list(self.debris),
            "held": self.held.to_json() if self.held else None,
        }


class ShowResult(NamedTuple):
    """The result of `Root.show`.

    Attributes:
        release: The release.
        packages: Its packages, sorted by name.
        interpreter: Facts about the interpreter that it was built for, such as `version` and `path`.
        build_warnings: The warnings of its build, from its manifest.
        built: The members that were built from source, besides the project.
        events: The events about it, oldest first.
        files: The rows that its tree digest is made of, in their order; `None` if they were not asked for.
        warnings: The warnings of the operation.
    """

    release: ReleaseView
    packages: tuple[Package, ...]
    interpreter: Mapping[str, str]
    build_warnings: tuple[Mapping[str, str], ...]
    events: tuple[Event, ...]
    built: tuple[Built, ...] = ()
    files: tuple[TreeRow, ...] | None = None
    warnings: tuple[OperationWarning, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The `data` of `show --json`."""
        packages = [{"name": package.name, "version": package.version} for package in self.packages]
        return {
            "release": {**self.release.to_json(), "packages": packages},
            "interpreter": dict(self.interpreter),
            "built": [one.to_json() for one in self.built],
            "warnings": [dict(warning) for warning in self.build_warnings],
            "events": [_event_json(event) for event in self.events],
            "files": None if self.files is None else [row.to_json() for row in self.files],
        }


class HistoryResult(NamedTuple):
    """The result of `Root.history`.

    Attributes:
        events: The events of the journal, newest first.
        warnings: The warnings of the operation.
    """

    events: tuple[Event, ...]
    warnings: tuple[OperationWarning, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The `data` of `history --json`."""
        return {"events": [_event_json(event) for event in self.events]}


def _event_json(event: Event) -> dict[str, object]:
    return {key: value for key, value in event.to_json().items() if key != "format"}


def status(workspace: ReadingWorkspace) -> StatusResult:
    """Report the live release, when and why it became live, the target of a rollback, and any fault.

    A fault of the root becomes a warning: an operator runs this command to find it.

    Arguments and errors: `Root.status`.
    """
    flocks = Flocks()
    known = workspace.known_history()
    history = known.history
    layout = workspace.layout
    warn_of_the_link(workspace, known)
    current = present_release(workspace, known)
    operation = under_way(layout)
    running = operation is not None and operation.running
    interrupted = not running and warn_of_what_is_unsettled(workspace, history, current)
    warn_of_doubt(workspace, history)
    if history.intent is None:
        warn_of_a_failed_rollback(workspace, known)
    way_back = seeming_way_back(workspace, known)

    def describe(release_id: str | None) -> ReleaseView | None:
        if release_id is None:
            return None
        return view_releases(layout, [release_id], history, current=current, way_back=way_back)[0]

    view, back = describe(current), describe(way_back.release_id)
    moved = warn_of_a_moved_root(workspace, history, view, back)
    if not moved and view is not None and view.problem:
        workspace.warn("current-unusable", f"{view.id}: {view.problem}")
    settings = readable_settings(workspace)
    readable = view.id if view is not None and view.created_at is not None else None
    attempts = fold_attempts(known.events)
    lockfile = LockfileState()
    if settings is not None and (readable or history.environment_holds or attempts.failures):
        lockfile = compare_lockfile(workspace, settings, readable)
    verified = last_verification(layout, view.id) if view is not None else None
    if view is not None:
        warn_of_findings(workspace, view.id, verified)
    holds = applying_holds(workspace, history, settings, lockfile.environment)
    old = old_processes(layout, current, flocks)
    return StatusResult(
        name=settings.name if settings else layout.path.name,
        root=str(layout.path),
        current=view,
        live_since=_since(history, current),
        previous=back,
        held=next(iter(holds), None),
        operation=operation,
        interrupted=interrupted,
        releases=len(release_ids(layout, history)),
        next_step=first_step(workspace, settings, history),
        way_back=_way_back(workspace, view, back),
        lockfile=lockfile,
        failing=_failing(attempts, lockfile, workspace.runtime.clock()),
        verified=verified,
        previous_verified=last_verification(layout, back.id) if back is not None else None,
        old_processes=old.pids,
        unseen_leases=old.unseen,
        passed_over=() if moved else way_back.passed_over,  # the warning has said it once for all
        leaves_service_alone=settings is not None and settings.leaves_service_alone,
        holds=holds,
        trusted=trusted_accounts(workspace, settings),
        slot=live_slot(workspace, settings, current, known.events, running=running),
        on_trial=current is not None and history.is_on_trial(current),
        barrier=barrier_before(history, current, back.id) if back is not None else None,
        tier=settings.tier if settings is not None else None,
        audited=_audited(workspace, settings, view.id if view is not None else None),
        held_packages=history.held_packages(workspace.runtime.clock()),
        warnings=tuple(workspace.warnings),
    )


def list_releases(workspace: ReadingWorkspace) -> ListResult:
    """All releases, newest first.

    Arguments and errors: `Root.list`.
    """
    known = workspace.known_history()
    history, current = known.history, known.current
    warn_of_the_link(workspace, known)
    warn_of_doubt(workspace, history)
    names = release_ids(workspace.layout, history)
    way_back = seeming_way_back(workspace, known)
    views = view_releases(workspace.layout, names, history, current=current, way_back=way_back)
    debris = left_over(workspace, history)
    held = next(iter(history.holds(workspace.runtime.clock())), None)
    return ListResult(views, tuple(str(workspace.layout.releases / name) for name in debris), held)


def left_over(workspace: ReadingWorkspace, history: History) -> list[str]:
    """Names below `releases/` that are no release; none while one is being built.

    A directory that is being built is a candidate, which no command has left over.

    Raises:
        RootError: `releases/` cannot be listed.
    """
    build = under_way(workspace.layout, "build")
    return [] if build is not None and build.running else debris_names(workspace.layout, history)


def show(workspace: ReadingWorkspace, name: str = "current", *, files: bool = False) -> ShowResult:
    """One release in full.

    Arguments and errors: `Root.show`.
    """
    known = workspace.known_history()
    history = known.history
    release_id = resolve_release(workspace.layout, name, history)
    manifest = workspace.manifest(release_id)
    tree: tuple[TreeRow, ...] | None = None
    if files:
        from venvship.operations.reporting.trees import proven_tree  # late: `status` imports this module

        tree = proven_tree(workspace, manifest)
    about = tuple(e for e in known.events if release_id in {e.release, e.facts.get("from")})
    back = seeming_way_back(workspace, known)
    return ShowResult(
        release=view_releases(workspace.layout, [release_id], history, way_back=back)[0],
        packages=manifest.packages,
        interpreter=manifest.environment.python,
        build_warnings=manifest.warnings,
        events=about,
        built=manifest.built,
        files=tree,
    )


def history(workspace: ReadingWorkspace, last: int | None = None) -> HistoryResult:
    """The journal, newest first.

    Arguments and errors: `Root.history`.
    """
    return HistoryResult(workspace.known_history().events[::-1][:last])


def _way_back(
    workspace: ReadingWorkspace, current: ReleaseView | None, previous: ReleaseView | None
) -> PackageDiff | None:
    if current is None or previous is None:
        return None
    if current.created_at is None or previous.created_at is None:
        return None  # a manifest cannot be read, and `problem` of its view has the reason
    return diff_releases(workspace, current.id, previous.id)


def _audited(workspace: ReadingWorkspace, settings: Settings | None, release_id: str | None) -> Known | None:
    if settings is None or not workspace.layout.advisories_file.exists():
        return None
    from venvship.workspace.advised import known_vulnerabilities  # late: most roots were never audited

    return known_vulnerabilities(workspace, settings.audit, release_id)


def _failing(attempts: Attempts, lockfile: LockfileState, now: datetime) -> Failures | None:
    """The failed attempts of `update` at the lockfile on disk, or at locking it again.

    A lock that works and changes nothing leaves no trace in the journal, so its failures are told for a time
    only.
    """
    if lockfile.changed is not False and lockfile.environment is not None:
        found = attempts.failures.get(lockfile.environment)
        if found is not None:
            return found
    locking = attempts.failures.get(LOCKING)
    return locking if locking is not None and now - locking.until < FORGOTTEN else None


def _since(history: History, current: str | None) -> Event | None:
    if current is None or not history.switches:
        return None
    last = history.switches[-1]
    return last if last.release is not None and history.heir(last.release) == history.heir(current) else None
