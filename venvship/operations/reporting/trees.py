"""The files of releases as their tree digests have them, and the files in which two differ. Reads only."""

from __future__ import annotations

from itertools import islice

from venvship.errors import ReleaseError, VenvshipError
from venvship.model.release import Manifest, TreeRow, digest_of_rows
from venvship.model.tree_difference import MOST_EXAMPLES, TreeDiff, differences
from venvship.workspace.place import built_for
from venvship.workspace.reading import ReadingWorkspace


def compare_trees(workspace: ReadingWorkspace, before: Manifest, after: Manifest) -> TreeDiff:
    """Whether two releases have the same tree, and in which files they differ.

    The digests of the manifests decide whether they differ. Only then the lists are read. A list that cannot
    be read is no error: the problem is a part of the result.

    Args:
        workspace: The root; reads only.
        before: The manifest of the first release, held against its anchor.
        after: The manifest of the second one.
    """
    if before.tree_digest == after.tree_digest:
        return TreeDiff(same=True)
    trees, problems = [], []
    for manifest in (before, after):
        try:
            rows, problem = tree_of(workspace, manifest)
        except VenvshipError as error:
            return TreeDiff(same=False, differing=None, problem=error.message)
        trees.append(rows)
        problems += [problem] if problem is not None else []
    found = differences(*trees)
    examples = tuple(islice(found, MOST_EXAMPLES))
    return TreeDiff(
        same=False,
        differing=len(examples) + sum(1 for _ in found),
        examples=examples,
        problem="; ".join(problems) or None,
    )


def proven_tree(workspace: ReadingWorkspace, manifest: Manifest) -> tuple[TreeRow, ...]:
    """The rows of a release's tree digest; warns if they do not give it.

    Raises:
        ReleaseError: As `tree_of`.
    """
    rows, problem = tree_of(workspace, manifest)
    if problem is not None:
        workspace.warn("tree-not-proven", problem)
    return tuple(rows)


def tree_of(workspace: ReadingWorkspace, manifest: Manifest) -> tuple[list[TreeRow], str | None]:
    """The rows of a release's tree digest, and why they may be others; `None` if they give the digest.

    Raises:
        ReleaseError: The list of its files, or a file that is needed for it, cannot be read or was changed.
    """
    from venvship.building.tree.canonical import canonical_tree  # late: `status` imports this package

    place = built_for(workspace.layout, manifest)
    if place is None:
        raise ReleaseError(
            f"the files of {manifest.id}: nothing in it tells the path that it was built for",
            release=manifest.id,
        )
    rows = canonical_tree(workspace.layout, manifest, place)
    if digest_of_rows(rows) == manifest.tree_digest:
        return rows, None
    return rows, (
        f"the files of {manifest.id} do not give its tree digest as this venvship makes it: it was built by "
        f"version {manifest.venvship or 'unknown'}, so a file that holds its path may seem to differ"
    )
