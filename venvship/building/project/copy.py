"""The clean copy of a project that its wheel is built in: the files of the commit, and nothing else.

A build may write into it as it likes. Submodules and the files of Git LFS come from the objects that the
checkout has; nothing is fetched for them.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from venvship.building.project.checkout import Checkout, PlainFiles
from venvship.building.request import Changed
from venvship.errors import CheckoutError
from venvship.model import bounds
from venvship.model.project_files import POINTER_SIZE, is_lfs_pointer
from venvship.model.source import Source
from venvship.printable import shell_line
from venvship.system.files import hash_file, make_directories, make_directory, make_link, remove_name
from venvship.system.git import Git
from venvship.system.git_copy import copy_commit, fetch_commit
from venvship.system.linking import link_file
from venvship.system.regular import read_regular
from venvship.system.signals import Signals

_OID: Final = b"oid sha256:"


def clean_copy(
    source: Source,
    target: str,
    *,
    changed: Changed | None,
    environ: Mapping[str, str],
    signals: Signals,
    timeout: float,
) -> str:
    """Make the copy.

    Crash: the target is incomplete; it is the caller's.

    Args:
        source: The project.
        target: A directory that does not exist yet, in one that does.
        changed: The files to take in place of the commit's, if the source is dirty.
        environ: The process environment.
        signals: Looked at between files.
        timeout: Seconds for each command of git.

    Returns:
        The path of the project's folder in the copy.

    Raises:
        CheckoutError: It cannot be copied, lacks a submodule or a file of Git LFS, or was changed meanwhile.
        InterruptedByError: A signal came.
        OSError: The copy cannot be written.
    """
    if not source.commit:
        _copy_files(source, target, signals)
    else:
        git = Git(source.repository, environ=environ, signals=signals, timeout=timeout)
        if not os.path.isabs(source.repository):
            repository = f"{target}.git"
            make_directory(repository, 0o700)
            git = git.at(repository)
            fetch_commit(git, source.repository, source.commit)
        if changed is not None:
            copy_commit(git.with_objects(changed.objects), source.commit, target, dirty=changed.tree)
        else:
            copy_commit(git, source.commit, target)
        tree = source.commit if changed is None else changed.tree
        _add_submodules(git if changed is None else git.with_objects(changed.objects), tree, source, target)
        _add_large_files(git, source, target)
    return os.path.join(target, source.folder)


def _copy_files(source: Source, target: str, signals: Signals) -> None:
    plain = PlainFiles(path=source.repository, require=lambda _path: None, signals=signals)
    make_directory(target, 0o700)
    made = {target}
    for name, status in plain.entries:
        signals.raise_if_received()
        path = os.path.join(target, name)
        folder = os.path.dirname(path)
        if folder not in made:
            make_directories(folder)
            made.add(folder)
        origin = os.path.join(source.repository, name)
        if stat.S_ISLNK(status.st_mode):
            make_link(os.readlink(origin), path)
        else:
            link_file(origin, path, "copy")
    copied = PlainFiles(path=target, require=lambda _path: None, signals=signals)
    found = copied.source(source.folder, kind=source.kind, recipe=source.recipe, dynamic=False)
    if found.tree != source.tree:
        raise CheckoutError(
            f"{source.repository} was changed while it was copied; nothing was built of it",
            hint="release again once the files are complete, or have them in a git repository",
            path=source.repository,
        )


def add_included(checkout: Checkout, names: Sequence[str], target: str, signals: Signals) -> None:
    """Copy the files that `[project] include` takes into a copy, where they are in no commit.

    Crash: some of them are copied; the copy is the caller's.

    Args:
        checkout: The project, opened.
        names: The files, as of `Checkout.included`.
        target: The folder of the copy that stands for `Checkout.path`.
        signals: Looked at between files.

    Raises:
        InterruptedByError: A signal came.
        OSError: One of them cannot be copied.
    """
    for name in names:
        signals.raise_if_received()
        origin, path = os.path.join(checkout.path, name), os.path.join(target, name)
        make_directories(os.path.dirname(path))
        if os.path.islink(origin):
            make_link(os.readlink(origin), path)
        else:
            link_file(origin, path, "copy")


# -- submodules -----------------------------------------------------------------------------------------


def _add_submodules(git: Git, tree: str, source: Source, target: str, *, at: str = "") -> None:
    """Copy the submodules of a commit into its copy, those inside of them too.

    Args:
        git: Asks the repository.
        tree: The commit, or the tree of the files as they are now.
        source: The project. A submodule outside of its folder may be missing.
        target: The copy of the repository.
        at: Where that lies in the project's repository.
    """
    found = [entry for entry in git.entries(tree) if entry.is_submodule]
    if not found:
        return
    names = git.submodules(source.commit if not at else tree)
    (git_dir,) = git.lines("rev-parse", "--absolute-git-dir")
    for entry in found:
        path = posixpath.join(at, entry.path)
        module = _fetched(git, git_dir, entry.path, names.get(entry.path, entry.path), entry.oid)
        if module is None:
            below = f"{path}/".startswith(f"{source.folder}/") or f"{source.folder}/".startswith(f"{path}/")
            if source.folder and not below:
                continue
            raise CheckoutError(
                f"the submodule {path} of {source.repository} is not fetched: it lacks commit {entry.oid}",
                hint=f"git -C {shell_line([source.repository])} submodule update --init --recursive",
                path=source.repository,
            )
        there = os.path.join(target, entry.path)
        # The copy of a commit has an empty directory in the place of a submodule.
        copy_commit(module, entry.oid, there)
        _add_submodules(module, entry.oid, source, there, at=path)


def _fetched(git: Git, git_dir: str, path: str, name: str, commit: str) -> Git | None:
    """The repository of a submodule, if the checkout has it with this commit."""
    for place in (os.path.join(git_dir, "modules", name), os.path.join(os.path.dirname(git_dir), path)):
        if os.path.lexists(os.path.join(place, ".git")) or os.path.isfile(os.path.join(place, "HEAD")):
            module = git.at(place)
            if module.has(commit):
                return module
    return None


# -- Git LFS --------------------------------------------------------------------------------------------


def _add_large_files(git: Git, source: Source, target: str) -> None:
    """Put the files of Git LFS into the place of the pointers that the commit has.

    Raises:
        CheckoutError: One of them is not fetched.
    """
    if not (pointers := list(_pointers(target))):
        return
    names = git.at(target).filtered(pointers, "lfs")
    if not names:
        return  # text that looks like one
    store = os.path.join(git.locate(source.commit).git_dir, "lfs", "objects")
    missing: list[str] = []
    for name in names:
        path = os.path.join(target, name)
        text = read_regular(path, bounds.CONFIGURATION).data
        oid = next(
            (row.removeprefix(_OID) for row in text.split(b"\n") if row.startswith(_OID)), b""
        ).decode()
        stored = os.path.join(store, oid[:2], oid[2:4], oid)
        if not oid.isalnum() or not os.path.isfile(stored) or hash_file(stored) != oid:
            missing.append(name)
            continue
        remove_name(path)
        link_file(stored, path, "copy")
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise CheckoutError(
            f"{source.repository} has pointers of Git LFS in place of files: {missing[0]}{more}",
            hint=f"git -C {shell_line([source.repository])} lfs fetch origin {source.commit}",
            path=source.repository,
            names=missing,
        )


def _pointers(target: str) -> Iterator[str]:
    """The files of a copy that may be pointers, relative to it; submodules apart."""
    for folder, folders, names in os.walk(target):
        folders[:] = [
            name
            for name in folders
            if name != ".git" and not os.path.lexists(os.path.join(folder, name, ".git"))
        ]
        for name in names:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            if stat.S_ISREG(status.st_mode) and status.st_size < POINTER_SIZE:
                with open(path, "rb") as file:
                    if is_lfs_pointer(status.st_size, file.read(POINTER_SIZE)):
                        yield os.path.relpath(path, target)
