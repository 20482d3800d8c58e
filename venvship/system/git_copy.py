"""Copies of a commit, and trees of files that are not committed. The repository stays as it is."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from typing import Final

from venvship.errors import CheckoutError
from venvship.system.git import Git
from venvship.system.linking import link_file

_COPYING: Final = ("-c", "core.autocrlf=false", "-c", "core.eol=lf", "-c", "core.symlinks=true")
"""A copy has the bytes of the commit, whatever this user's configuration says."""


def written_tree(git: Git, git_dir: str, objects: str) -> str:
    """Write the tracked files as they are now into a tree that is not in the repository.

    Crash: the directory of objects is incomplete; it is the caller's.

    Args:
        git: Asks in the checkout.
        git_dir: As of `Located`.
        objects: An existing, empty directory for the new objects. A `Git` with it finds the tree.

    Returns:
        The id of the tree.

    Raises:
        CheckoutError: git refuses.
        InterruptedByError: A signal came.
        OSError: The index of the checkout cannot be copied.
    """
    index = os.path.join(objects, "index")
    with contextlib.suppress(FileNotFoundError):  # a repository without one file has no index
        link_file(os.path.join(git_dir, "index"), index, "copy")
    # The objects of the repository are out of sight: of one that is there already, git would set the time.
    variables = {"GIT_INDEX_FILE": index, "GIT_OBJECT_DIRECTORY": objects}
    git.ask("add", "--update", "--", ":/", variables=variables)
    return git.ask("write-tree", "--missing-ok", variables=variables).decode().strip()


def copy_commit(git: Git, commit: str, target: str, *, dirty: str = "") -> None:
    """Make a copy of a commit: a repository that shares the objects, with the files of the commit.

    Crash: the target is incomplete; it is the caller's.

    Args:
        git: Asks in the repository.
        commit: The commit.
        target: A directory that does not exist yet.
        dirty: A tree of `written_tree`, whose files the copy gets in place of the commit's.

    Raises:
        CheckoutError: git refuses.
        InterruptedByError: A signal came.
    """
    # Not `self.path`, which may be a folder of the repository, or one of its further work trees.
    (common,) = git.lines("rev-parse", "--path-format=absolute", "--git-common-dir")
    git.ask(
        *("clone", "--quiet", "--shared", "--no-checkout", "--template=", "--no-recurse-submodules"),
        *("--", common, target),
    )
    there = git.at(target)
    there.ask(*_COPYING, "checkout", "--quiet", "--detach", "--force", commit, "--")
    if dirty:
        there.ask(*_COPYING, "read-tree", "--reset", "-u", dirty)


def fetch_commit(git: Git, url: str, commit: str) -> None:
    """Make the directory of `git` a repository that has one commit of another repository, by its full id.

    Crash: the repository is incomplete; the next call goes on.

    Raises:
        CheckoutError: The other repository cannot be read, or has no such commit.
        InterruptedByError: A signal came.
    """
    git.ask("init", "--quiet", "--bare", "--template=", ".")
    try:
        # All branches and tags: not every server gives a commit by its id.
        git.ask("fetch", "--quiet", "--no-auto-gc", "--", url, commit, "+refs/tags/*:refs/tags/*")
    except CheckoutError as error:
        if error.data.get("git") != "refused":
            raise
        git.ask("fetch", "--quiet", "--no-auto-gc", "--", url, "+refs/*:refs/venvship/*")
    if not git.has(commit):
        raise git.error(f"{git.redact(url)} has no commit {commit}")


@contextlib.contextmanager
def directory_for_objects() -> Iterator[str]:
    """A directory for `Git.written_tree`, which is removed at the end.

    Crash: it is left in the directory for temporary files of the host.

    Raises:
        OSError: It cannot be made.
    """
    with tempfile.TemporaryDirectory(prefix="venvship-objects-", ignore_cleanup_errors=True) as path:
        yield path
