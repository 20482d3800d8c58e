"""Results as the JSON envelope's `data`. Its keys are the contract that scripts are written against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from venvship.cli.dispatch import ByType
from venvship.model.release import format_time

if TYPE_CHECKING:
    from venvship.health.checks import CheckResult
    from venvship.model.history import Event
    from venvship.operations.check import CheckReport
    from venvship.operations.init import InitResult
    from venvship.operations.lock import LockResult
    from venvship.operations.promote import PromoteResult
    from venvship.operations.prune import PruneResult
    from venvship.operations.release import ReleaseResult
    from venvship.operations.reporting.report import Comparison, Details, Listing, Status
    from venvship.operations.retention.store_cleaning import StoreResult
    from venvship.operations.rollback import RollbackResult
    from venvship.operations.schedule import Schedule
    from venvship.operations.switching.recovery import Recovered
    from venvship.operations.verify import VerifyResult
    from venvship.workspace.views import ReleaseView

payload: ByType[dict[str, Any]] = ByType()
"""Turns a command's result into `data`."""


def event_json(event: Event) -> dict[str, Any]:
    """An event of the journal: its own keys."""
    return {key: value for key, value in event.to_json().items() if key != "format"}


def release_json(view: ReleaseView | None) -> dict[str, Any] | None:
    """A release, or null."""
    if view is None:
        return None
    return {
        "id": view.id,
        "path": view.path,
        "state": view.state.value,
        "created_at": format_time(view.created_at) if view.created_at else None,
        "lockfile_sha256": view.lockfile_sha256,
        "environment_digest": view.environment_digest,
        "tree_digest": view.tree_digest,
        "python": view.python,
        "packages": view.packages,
        "current": view.current,
        "previous": view.previous,
        "pinned": view.pinned,
        "usable": {"ok": view.problem is None, "problem": view.problem},
        "message": view.message,
    }


def check_json(result: CheckResult) -> dict[str, Any]:
    """One check's result."""
    return {
        "name": result.name,
        "when": result.when,
        "required": result.required,
        "outcome": result.outcome,
        "attempts": result.attempts,
        "seconds": round(result.seconds, 3),
        "output": result.output,
    }


def store_json(result: StoreResult | None) -> dict[str, Any] | None:
    """What was done to the store, or null."""
    if result is None:
        return None
    return {
        "path": result.path,
        "removed": [
            {"path": dropped.path, "what": dropped.what, "reason": dropped.reason}
            for dropped in result.removed
        ],
        "waiting": result.waiting,
        "freed_bytes": result.freed_bytes,
    }


@payload.of("InitResult")
def _init(result: InitResult) -> dict[str, Any]:
    return {"root": result.root, "created": list(result.created)}


@payload.of("LockResult")
def _lock(result: LockResult) -> dict[str, Any]:
    return {
        "lockfile": result.lockfile,
        "changed": result.changed,
        "diff": result.diff.to_json(),
        "packages": result.packages,
        "python": result.python,
    }


@payload.of("UpdateResult")
@payload.of("ReleaseResult")
def _release(result: ReleaseResult) -> dict[str, Any]:
    return {
        "name": result.name,
        "outcome": result.outcome,
        "plan": result.plan,
        "release": release_json(result.release),
        "previous": release_json(result.previous),
        "diff": result.diff.to_json(),
        "timings": result.timings,
        "lockfile": result.lockfile,
        "python": result.python,
        "packages": result.packages,
        "checks": [check_json(check) for check in result.checks],
    }


@payload.of("PromoteResult")
def _promote(result: PromoteResult) -> dict[str, Any]:
    return {
        "outcome": result.outcome,
        "release": release_json(result.release),
        "previous": release_json(result.previous),
        "diff": result.diff.to_json(),
        "checks": [check_json(check) for check in result.checks],
    }


@payload.of("RollbackResult")
def _rollback(result: RollbackResult) -> dict[str, Any]:
    return {
        "release": release_json(result.release),
        "previous": release_json(result.previous),
        "checks": [check_json(check) for check in result.checks],
    }


@payload.of("Recovered")
def _recover(result: Recovered) -> dict[str, Any]:
    return {"outcome": result.outcome, "current": result.current, "debris": list(result.debris)}


@payload.of("CheckReport")
def _check(result: CheckReport) -> dict[str, Any]:
    return {"release": result.release, "checks": [check_json(check) for check in result.checks]}


@payload.of("Status")
def _status(result: Status) -> dict[str, Any]:
    return {
        "name": result.name,
        "root": result.root,
        "current": release_json(result.current),
        "live_since": format_time(result.live_since.at) if result.live_since else None,
        "previous": release_json(result.previous),
        "held": result.held.to_json() if result.held else None,
        "operation": result.operation.to_json() if result.operation else None,
        "interrupted": result.recover,
        "releases": result.releases,
        "lockfile_changed": result.lockfile_changed,
        "old_processes": [
            {"pid": pid, "release": release_id}
            for release_id, pids in result.old_processes.items()
            for pid in pids
        ],
    }


@payload.of("Listing")
def _list(result: Listing) -> dict[str, Any]:
    return {"releases": [release_json(view) for view in result.releases], "debris": list(result.debris)}


@payload.of("Details")
def _show(result: Details) -> dict[str, Any]:
    release = release_json(result.release) or {}
    release["packages"] = [{"name": package.name, "version": package.version} for package in result.packages]
    return {
        "release": release,
        "interpreter": dict(result.python),
        "warnings": [dict(warning) for warning in result.warnings],
        "events": [event_json(event) for event in result.events],
    }


@payload.of("tuple")
def _history(result: tuple[Event, ...]) -> dict[str, Any]:
    return {"events": [event_json(event) for event in result]}


@payload.of("Comparison")
def _diff(result: Comparison) -> dict[str, Any]:
    return {"a": result.before, "b": result.after, **result.diff.to_json()}


@payload.of("VerifyResult")
def _verify(result: VerifyResult) -> dict[str, Any]:
    return {
        "releases": [
            {
                "id": release.id,
                "ok": release.ok,
                "files": release.files,
                "damaged": [{"path": damage.path, "problem": damage.problem} for damage in release.damaged],
            }
            for release in result.releases
        ]
    }


@payload.of("PruneResult")
def _prune(result: PruneResult) -> dict[str, Any]:
    return {
        "removed": [{"id": decision.id, "reason": decision.reason} for decision in result.removed],
        "kept": [{"id": decision.id, "reason": decision.reason} for decision in result.kept],
        "debris": list(result.debris),
        "freed_bytes": result.freed_bytes,
        "store": store_json(result.store),
        "dry_run": result.dry_run,
    }


@payload.of("ReleaseView")
def _view(result: ReleaseView) -> dict[str, Any]:
    return {"release": release_json(result)}


@payload.of("Schedule")
def _schedule(result: Schedule) -> dict[str, Any]:
    return {
        "kind": result.kind,
        "every": result.every,
        "user": result.user,
        "files": [{"path": file.path, "content": file.content} for file in result.files],
    }
