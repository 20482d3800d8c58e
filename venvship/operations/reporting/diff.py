"""`diff`: how the packages, commits and files of two releases differ. Takes no mutex, and writes nothing."""

from __future__ import annotations

from typing import NamedTuple

from venvship.errors import OperationWarning
from venvship.model.release import PackageDiff
from venvship.model.repository import Commit
from venvship.model.tree_difference import TreeDiff
from venvship.operations.reporting.commits import commits_between
from venvship.operations.reporting.details import PackageDetail, details_of
from venvship.operations.reporting.trees import compare_trees
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.releases import resolve_release
from venvship.workspace.views import diff_releases


class DiffResult(NamedTuple):
    """The result of `Root.diff`.

    Attributes:
        a: The id of the first release.
        b: The id of the second release.
        diff: How the packages of the second differ from those of the first.
        commits: The commits of the project that only the second has, newest first; as far as its repository
            is there and knows both.
        commits_gone: Those that only the first has.
        tree: Whether their files are the same, as the tree digests say, and the first ones that differ.
        details: With `long`: what to know of the packages that are new, or have another version.
        warnings: The warnings of the operation.
    """

    a: str
    b: str
    diff: PackageDiff
    commits: tuple[Commit, ...] = ()
    commits_gone: tuple[Commit, ...] = ()
    tree: TreeDiff = TreeDiff(same=True)
    details: tuple[PackageDetail, ...] = ()
    warnings: tuple[OperationWarning, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The `data` of `diff --json`."""
        return {
            "a": self.a,
            "b": self.b,
            **self.diff.to_json(),
            "commits": [commit.to_json() for commit in self.commits],
            "commits_gone": [commit.to_json() for commit in self.commits_gone],
            "tree": self.tree.to_json(),
            "details": [one.to_json() for one in self.details],
        }


def diff(
    workspace: ReadingWorkspace, before: str, after: str = "current", *, long: bool = False
) -> DiffResult:
    """How the packages, commits and files of one release differ from those of another.

    Arguments and errors: `Root.diff`.
    """
    history = workspace.known_history().history
    first, second = (resolve_release(workspace.layout, name, history) for name in (before, after))
    old, new = workspace.manifest(first), workspace.manifest(second)
    packages = diff_releases(workspace, first, second)
    return DiffResult(
        first,
        second,
        packages,
        commits=commits_between(workspace, old.project, new.project),
        commits_gone=commits_between(workspace, new.project, old.project),
        tree=compare_trees(workspace, old, new),
        details=details_of(workspace, second, packages) if long else (),
    )
