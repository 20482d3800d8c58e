"""The commits of a project between two releases, as far as its repository is there."""

from __future__ import annotations

import os
from typing import Final

from venvship.errors import CheckoutError
from venvship.model.repository import Commit
from venvship.model.source import Built
from venvship.workspace.reading import ReadingWorkspace

MOST: Final = 100
"""Commits that are named."""


def commits_between(
    workspace: ReadingWorkspace, before: Built | None, after: Built | None
) -> tuple[Commit, ...]:
    """The commits that the second has and the first has not, newest first; best effort.

    Nothing if one of them has no commit, or if the repository is gone, was rewritten or is another user's.

    Args:
        workspace: The root.
        before: The project of the first release.
        after: The project of the second release.

    Raises:
        InterruptedByError: A signal came.
    """
    if before is None or after is None or not (before.source.commit and after.source.commit):
        return ()
    repository = after.source.repository
    if before.source.commit == after.source.commit or not os.path.isdir(repository):
        return ()
    from venvship.system.git import Git

    git = Git(repository, environ=workspace.runtime.environ, signals=workspace.runtime.signals)
    try:
        return tuple(git.between(before.source.commit, after.source.commit, most=MOST))
    except CheckoutError:
        return ()
