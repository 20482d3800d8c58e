"""`status`, `list`, `show`, `history`, `diff`: they read. No mutex, no repair, nothing written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from venvship.errors import VenvshipError
from venvship.model.history import Event, History, Hold
from venvship.model.release import Package, PackageDiff, diff_packages
from venvship.model.settings import health_digest
from venvship.operations import underway
from venvship.operations.workspace import ReleaseView, Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What whoever is called at night asks.

    Attributes:
        name: The application.
        root: The root's path.
        current: What is live.
        live_since: The event that made it live, for since when, by whom and why; `None` if unknown.
        previous: Where a rollback would go.
        held: The hold that applies.
        operation: What is under way.
        recover: Whether an operation was interrupted and waits for recovery.
        releases: How many releases there are.
    """

    name: str
    root: str
    current: ReleaseView | None
    live_since: Event | None
    previous: ReleaseView | None
    held: Hold | None
    operation: underway.Operation | None
    recover: bool
    releases: int


@dataclass(frozen=True, slots=True)
class Listing:
    """All releases, newest first, and the directories that are none."""

    releases: tuple[ReleaseView, ...]
    debris: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """One release in full."""

    release: ReleaseView
    packages: tuple[Package, ...]
    python: Mapping[str, str]
    warnings: tuple[Mapping[str, str], ...]
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two releases, and how the packages of the second differ from those of the first."""

    before: str
    after: str
    diff: PackageDiff


def status(workspace: Workspace) -> Status:
    """Answer: what is live, since when and why; what would a rollback do; is anything off?

    Whatever is wrong becomes a warning: this command is for finding out.
    """
    history = workspace.history_for_reading()
    layout = workspace.layout
    current = _current(workspace)
    previous = layout.previous()
    if current is not None and not layout.release(current).is_dir():
        workspace.warn("current-dangling", f"{layout.current_link} points to {current}, which is gone")
        current = None
    operation = underway.under_way(layout)
    running = operation is not None and operation.running
    if not running and history.intent is None and current is not None and current != history.expected:
        workspace.warn(
            "current-observed", f"current was switched by somebody else; expected {history.expected}"
        )
    interrupted = history.intent is not None and not running
    if interrupted:
        workspace.warn(
            "interrupted", "an operation was interrupted: `venvship recover` finishes or undoes it"
        )
    view = workspace.view(current, history) if current else None
    if view is not None and not view.usable[0]:
        workspace.warn("current-unusable", f"{view.id}: {view.usable[1]}")
    return Status(
        name=_name(workspace),
        root=str(layout.path),
        current=view,
        live_since=_since(history, current),
        previous=workspace.view(previous, history)
        if previous and layout.release(previous).is_dir()
        else None,
        held=_applying_hold(workspace, history),
        operation=operation,
        recover=interrupted,
        releases=len(workspace.releases(history)),
    )


def list_releases(workspace: Workspace) -> Listing:
    """All releases, newest first."""
    history = workspace.history_for_reading()
    _current(workspace)
    views = tuple(workspace.view(release_id, history) for release_id in workspace.releases(history))
    return Listing(views, tuple(str(workspace.layout.releases / name) for name in workspace.debris(history)))


def show(workspace: Workspace, name: str = "current") -> Details:
    """One release in full.

    Raises:
        ReleaseError: There is no such release, or its manifest is damaged.
    """
    reading = workspace.read_journal()
    history = workspace.history_for_reading()
    release_id = workspace.resolve(name, history)
    manifest = workspace.layout.manifest(release_id)
    about = tuple(e for e in reading.events if release_id in {e.release, e.facts.get("from")})
    return Details(
        release=workspace.view(release_id, history),
        packages=manifest.packages,
        python=manifest.python,
        warnings=manifest.warnings,
        events=about,
    )


def events(workspace: Workspace, last: int | None = None) -> tuple[Event, ...]:
    """The journal, newest first.

    Args:
        workspace: The root.
        last: How many; all by default.
    """
    reading = workspace.read_journal()
    if reading.damage:
        workspace.warn(
            "journal-damaged", f"the journal is damaged: {reading.damage}; what follows it is not known"
        )
    newest = reading.events[::-1]
    return newest if last is None else newest[:last]


def diff(workspace: Workspace, before: str, after: str = "current") -> Comparison:
    """How the packages of one release differ from those of another.

    Raises:
        ReleaseError: There is no such release, or its manifest is damaged.
    """
    history = workspace.history_for_reading()
    first, second = workspace.resolve(before, history), workspace.resolve(after, history)
    layout = workspace.layout
    changes = diff_packages(layout.manifest(first).packages, layout.manifest(second).packages)
    return Comparison(first, second, changes)


def _current(workspace: Workspace) -> str | None:
    try:
        return workspace.layout.current()
    except VenvshipError as error:
        workspace.warn(error.slug, error.message)
        return None


def _name(workspace: Workspace) -> str:
    try:
        return workspace.settings().name
    except VenvshipError as error:
        workspace.warn(error.slug, error.message)
        return workspace.layout.path.name


def _since(history: History, current: str | None) -> Event | None:
    if current is None or not history.switches:
        return None
    last = history.switches[-1]
    return last if last.release == current else None


def _applying_hold(workspace: Workspace, history: History) -> Hold | None:
    """The root's hold; otherwise that of the environment which the lockfile on disk means here.

    Only where an environment is held is the lockfile read: `status` is asked often and must answer at once.
    """
    if history.root_hold is not None or not history.environment_holds:
        return history.root_hold
    from venvship.operations.environment import lockfile_paths, read_environment

    try:
        settings = workspace.settings()
        known = workspace.layout.interpreter()
        if known is None:
            return None
        environment = read_environment(lockfile_paths(workspace, settings), settings, known[1]).digest
    except VenvshipError:
        return None  # whatever is wrong with the lockfile, `release` says it
    return history.refusal(environment, health_digest(settings))
