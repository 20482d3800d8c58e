"""A release as commands report it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from venvship.errors import VenvshipError
from venvship.model.history import History, WayBack
from venvship.model.release import Manifest, PackageDiff, State, diff_packages, python_change
from venvship.model.source import Built
from venvship.model.spelling import format_time
from venvship.root import RootLayout
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.usable import start_problem


class ReleaseView(NamedTuple):
    """A release as commands report it.

    Attributes:
        id: Its id.
        path: Its directory, absolute.
        state: Its state.
        created_at: When it was built; `None` where its manifest is damaged.
        lockfile_sha256: The hash of its lockfile.
        environment_digest: Equal for releases of the same environment.
        tree_digest: Equal on every host for the same lockfile and interpreter.
        python: The full version of its interpreter.
        packages: How many packages it has.
        current: Whether it is current.
        previous: Whether a rollback without a name would go there.
        pinned: Whether it is protected from prune.
        problem: Why it cannot be used; `None` if it can.
        message: The operator's message of its build.
        manifest_sha256: The hash of its manifest, by the journal; `None` if that has none.
        last_live: When it was last known to be live; `None` if it never was, or is live now.
        failed_at: When its restart hook or a live check failed after a rollback had gone to it, so that no
            other goes there without its name; `None` if not, or if it has passed since.
        project: The application's own code, if it was built from a checkout; `None` if not.
        one_way: Whether it was promoted one-way: a rollback goes back past it only with `--force`.
    """

    id: str
    path: str
    state: State
    created_at: datetime | None
    lockfile_sha256: str
    environment_digest: str
    tree_digest: str
    python: str
    packages: int
    current: bool
    previous: bool
    pinned: bool
    problem: str | None
    message: str
    manifest_sha256: str | None = None
    last_live: datetime | None = None
    failed_at: datetime | None = None
    project: Built | None = None
    one_way: bool = False

    @property
    def usable(self) -> bool:
        """Whether it could run here now."""
        return self.problem is None

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "id": self.id,
            "path": self.path,
            "state": self.state.value,
            "created_at": format_time(self.created_at) if self.created_at else None,
            "lockfile_sha256": self.lockfile_sha256,
            "environment_digest": self.environment_digest,
            "tree_digest": self.tree_digest,
            "manifest_sha256": self.manifest_sha256,
            "python": self.python,
            "packages": self.packages,
            "current": self.current,
            "previous": self.previous,
            "pinned": self.pinned,
            "one_way": self.one_way,
            "usable": {"ok": self.usable, "problem": self.problem},
            "message": self.message,
            "project": self.project.to_json() if self.project else None,
            "last_live": format_time(self.last_live) if self.last_live else None,
            "rollback_failed_at": format_time(self.failed_at) if self.failed_at else None,
        }


def view_release(layout: RootLayout, release_id: str, history: History) -> ReleaseView:
    """Describe a release, however damaged it is."""
    return view_releases(layout, [release_id], history)[0]


def view_releases(
    layout: RootLayout,
    release_ids: Sequence[str],
    history: History,
    *,
    current: str | None = None,
    way_back: WayBack | None = None,
) -> tuple[ReleaseView, ...]:
    """Describe releases as they are at one instant: a switch meanwhile could show two as current.

    Args:
        layout: The root.
        release_ids: The releases.
        history: The folded journal.
        current: The current release, if the caller has read the link already.
        way_back: The way back, if the caller has found it; otherwise the link `previous` names its target,
            which is right unless something waits for recovery.
    """
    try:
        current = current or layout.current()
    except VenvshipError:
        current = None
    previous = way_back.release_id if way_back is not None else layout.previous()
    return tuple(_view(layout, name, history, current=current, previous=previous) for name in release_ids)


def _view(
    layout: RootLayout, release_id: str, history: History, *, current: str | None, previous: str | None
) -> ReleaseView:
    record = history.records.get(release_id)
    manifest: Manifest | None = None
    try:
        manifest = layout.manifest(release_id, history.anchor(release_id))
        problem = start_problem(layout, manifest)
    except VenvshipError as error:
        problem = error.message
    return ReleaseView(
        id=release_id,
        path=str(layout.release_path(release_id)),
        state=history.state(release_id),
        created_at=manifest.created_at if manifest else None,
        lockfile_sha256=manifest.environment.lockfile_sha256 if manifest else "",
        environment_digest=manifest.environment.digest if manifest else "",
        tree_digest=manifest.tree_digest if manifest else "",
        python=manifest.environment.python.get("full_version", "") if manifest else "",
        packages=len(manifest.packages) if manifest else 0,
        current=release_id == current,
        previous=release_id == previous,
        pinned=bool(record and record.pinned),
        one_way=bool(record and record.one_way),
        problem=problem,
        message=manifest.message if manifest else "",
        manifest_sha256=history.anchor(release_id),
        last_live=None if release_id == current else history.last_live(release_id),
        failed_at=record.failed_at if record else None,
        project=manifest.project if manifest else None,
    )


def diff_releases(workspace: ReadingWorkspace, before: str | None, after: str) -> PackageDiff:
    """How a release differs from another one, or from nothing, for a report.

    A release whose manifest is damaged has no packages here.
    """
    old, new = (readable_manifest(workspace, name) if name is not None else None for name in (before, after))
    diff = diff_packages(old.packages if old else (), new.packages if new else ())
    if old is None or new is None:
        return diff
    return diff._replace(python=python_change(old.environment.python, new.environment.python))


def readable_manifest(workspace: ReadingWorkspace, release_id: str) -> Manifest | None:
    """The manifest of a release, for a report; `None` where it is damaged."""
    try:
        return workspace.manifest(release_id)
    except VenvshipError:
        return None
