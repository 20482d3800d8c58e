"""A project that a release takes its own code from: at a commit of a git repository, or plain files.

Everything is read from the commit and never from the files that happen to lie there, unless the caller asks
for these. Nothing is written into the project.
"""

from __future__ import annotations

import errno
import functools
import os
import posixpath
import stat
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, NamedTuple

from venvship.errors import CheckoutError
from venvship.model import bounds
from venvship.model.patterns import Patterns
from venvship.model.project_files import names_of_root, skipped_folder
from venvship.model.repository import TreeEntry
from venvship.model.source import ABBREVIATED, Source, SourceKind
from venvship.model.spelling import digest, format_time
from venvship.printable import shell_line
from venvship.system.git import Git, repository_above
from venvship.system.git_copy import written_tree
from venvship.system.regular import IrregularFileError, hash_regular, read_regular
from venvship.system.signals import Signals

Require = Callable[[str], None]
"""Refuses a file or directory that a user who is not trusted can write; see `TrustedFiles.require_path`."""

_ADMINISTRATIVE: Final = ("", "HEAD", "config", "objects", "refs", "packed-refs", "index")
"""The files of a repository that decide which files a commit has, and what git runs."""


class Names(NamedTuple):
    """The names of the files of a project, relative to its folder.

    Attributes:
        tracked: Those that are in a release.
        untracked: Those that git neither tracks nor ignores; of a folder with nothing tracked in it, the
            folder alone, with a slash.
        ignored: Those that git ignores; of a folder, the folder alone.
    """

    tracked: tuple[str, ...]
    untracked: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


class Checkout(ABC):
    """A project, opened.

    Attributes:
        path: The directory that the settings name; absolute.
        commit: The full id; `""` without git.
        prefix: The folder of `path` in its repository; `""` for the top.
    """

    path: str
    commit: str
    prefix: str

    @abstractmethod
    def read(self, path: str) -> bytes:
        """Read a file as the commit has it.

        Args:
            path: Absolute, below the directory.

        Raises:
            FileNotFoundError: There is no such file.
            CheckoutError: It cannot be read.
            OSError: As the kernel gave it.
        """

    def stands_for(self, path: str) -> bool:  # noqa: ARG002
        """Whether the commit, or the digest of plain files, changes with this file; `path` as for `read`."""
        return True

    @abstractmethod
    def folders(self) -> list[str]:
        """The folders that have a pyproject.toml, relative to `path`; `""` for itself.

        Raises:
            CheckoutError: They cannot be listed.
        """

    @abstractmethod
    def source(self, folder: str, *, kind: SourceKind, recipe: str, dynamic: bool) -> Source:
        """The source of a project in it.

        Args:
            folder: Relative to `path`; `""` for itself.
            kind: How it is built.
            recipe: As of `Source`.
            dynamic: Whether its version may come from git.

        Raises:
            CheckoutError: There is no such folder, or its version cannot be told.
        """

    @abstractmethod
    def uncommitted(self, folders: Sequence[str]) -> list[str]:
        """The tracked files below these folders that have changes, staged or not; relative to the top.

        Raises:
            CheckoutError: git refuses.
        """

    @abstractmethod
    def names(self, folder: str) -> Names:
        """The names of the files in a folder.

        Args:
            folder: Relative to `path`; `""` for itself.

        Raises:
            CheckoutError: They cannot be listed.
        """

    def included(
        self,
        include: Sequence[str],  # noqa: ARG002 - of those that have any
        exclude: Sequence[str],  # noqa: ARG002
        folder: str = "",  # noqa: ARG002
    ) -> list[str]:
        """The files that no commit has and that `[project] include` takes, relative to `path`, sorted.

        Args:
            include: `[project] include`.
            exclude: `[project] exclude`.
            folder: The folder that these are relative to, and that the files are in.

        Raises:
            CheckoutError: They cannot be listed.
        """
        return []


def open_checkout(
    path: str, ref: str, *, environ: Mapping[str, str], signals: Signals, require: Require
) -> Checkout:
    """Open a project: one question to git, or none.

    Args:
        path: Its directory, absolute.
        ref: The branch, tag or commit; without git, it must be `HEAD`.
        environ: The process environment.
        signals: A signal ends git.
        require: Refuses what others can write.

    Raises:
        CheckoutError: There is no such directory or commit, or git refuses.
        UntrustedError: Others can write it.
        InterruptedByError: A signal came.
    """
    if not os.path.isdir(path):
        what = "is no directory" if os.path.lexists(path) else "does not exist"
        raise CheckoutError(
            f"the project {path} {what}, or cannot be entered",
            hint="`[project] path` in venvship.toml is relative to the root",
            path=path,
        )
    require(path)
    real = os.path.realpath(path)
    above = repository_above(real)
    if not above:
        if ref != "HEAD":
            raise CheckoutError(
                f"{path} is under no version control, so it has no {ref}",
                hint="remove `ref` under [project] in venvship.toml, or make a git repository of it",
                path=path,
            )
        return PlainFiles(path=path, require=require, signals=signals)
    git = Git(path, environ=environ, signals=signals)
    located = git.locate(ref)
    for name in _ADMINISTRATIVE:
        require(os.path.join(located.git_dir, name))
    return GitCheckout(
        path=path,
        commit=located.commit,
        ref=ref,
        prefix=located.prefix,
        git_dir=located.git_dir,
        shallow=located.shallow,
        bare=not os.path.lexists(os.path.join(above, ".git")),
        git=git,
    )


@dataclass(frozen=True, kw_only=True)
class GitCheckout(Checkout):
    """A project in a git repository, at a commit.

    Attributes:
        ref: The name that led to the commit.
        prefix: The folder of `path` in the repository; `""` for its top.
        git_dir: The directory of the repository's objects.
        shallow: Whether it lacks the beginning of its history.
        bare: Whether it has no files of its own.
        git: Asks git in `path`.
        changed: The tree of the files as they are now; `""`: the commit's are taken.
    """

    path: str
    commit: str
    ref: str
    prefix: str
    git_dir: str
    shallow: bool
    bare: bool
    git: Git = field(repr=False, compare=False)
    changed: str = ""

    @property
    def tree(self) -> str:
        """The commit, or the tree of the files as they are now."""
        return self.changed or self.commit

    def with_changes(self, objects: str) -> GitCheckout:
        """The same with the tracked files as they are now, for `--dirty`.

        Args:
            objects: A directory of `directory_for_objects`, which has to stay as long as the result is used.

        Raises:
            CheckoutError: The repository is bare, or a submodule has changes, which no tree of its own has.
            InterruptedByError: A signal came.
            OSError: The index cannot be copied.
        """
        if self.bare:
            raise CheckoutError(
                f"{self.path} is a bare repository: it has no files that could have changes",
                hint="release a commit of it, without --dirty",
                path=self.path,
            )
        if self.commit != self.git.locate("HEAD").commit:
            raise CheckoutError(
                f"{self.path} has another commit checked out than {self.ref}, so it has no changes to that",
                hint="--dirty releases the files as they are: leave out --ref, or check the commit out",
                path=self.path,
            )
        tree = written_tree(self.git, self.git_dir, objects)
        return replace(self, changed=tree, git=self.git.with_objects(objects))

    def in_repository(self, path: str) -> str:
        """The name in the repository of a path below `path` or beside it.

        Raises:
            FileNotFoundError: It is outside of the repository.
        """
        name = posixpath.normpath(posixpath.join(self.prefix, os.path.relpath(path, self.path)))
        if name.split("/")[0] == "..":
            raise FileNotFoundError(errno.ENOENT, "outside of the repository", path)
        return "" if name == "." else name

    def read(self, path: str) -> bytes:
        """See `Checkout.read`."""
        (found,) = self.git.blobs([f"{self.tree}:{self.in_repository(path)}"], most=bounds.LOCKFILE)
        if found is None:
            raise FileNotFoundError(errno.ENOENT, f"not in {self.label}", path)
        return found

    @property
    def label(self) -> str:
        """The commit for people."""
        return f"the files of {self.path}" if self.changed else f"commit {self.commit[:ABBREVIATED]}"

    @functools.cached_property
    def entries(self) -> tuple[TreeEntry, ...]:
        """All files of `path`, named from the top of the repository."""
        return tuple(self.git.entries(self.tree, self.prefix))

    def folders(self) -> list[str]:
        """See `Checkout.folders`."""
        found = (posixpath.split(entry.path) for entry in self.entries)
        below = [folder for folder, name in found if name == "pyproject.toml"]
        relative = (os.path.relpath(folder or ".", self.prefix or ".") for folder in below)
        return sorted("" if folder == "." else folder for folder in relative)

    def source(self, folder: str, *, kind: SourceKind, recipe: str, dynamic: bool) -> Source:
        """See `Checkout.source`."""
        name = self.in_repository(os.path.join(self.path, folder))
        (tree,) = self.git.trees(self.tree, [name])
        if dynamic and self.shallow:
            raise CheckoutError(
                f"{self.path} is a shallow clone, and the version of the project may come from its history",
                hint=f"git -C {shell_line([self.path])} fetch --unshallow --tags",
                path=self.path,
            )
        seconds, subject = self._facts
        return Source(
            repository=self.path,
            commit=self.commit,
            folder=name,
            tree=tree,
            describe=self.git.describe(self.commit) if dynamic else "",
            kind=kind,
            recipe=recipe,
            dirty=bool(self.changed) and tree not in self.git.trees(self.commit, [name]),
            ref=self.ref,
            subject=subject,
            committed_at=format_time(datetime.fromtimestamp(seconds, UTC)),
        )

    @functools.cached_property
    def _facts(self) -> tuple[int, str]:
        return self.git.commit_facts(self.commit)

    def uncommitted(self, folders: Sequence[str]) -> list[str]:
        """See `Checkout.uncommitted`."""
        if self.bare:
            return []
        paths = [os.path.relpath(os.path.join(self.path, folder), self.path) for folder in folders]
        return [change.path for change in self.git.changes(paths) if change.is_tracked]

    def names(self, folder: str) -> Names:
        """See `Checkout.names`. Of a bare repository, nothing lies beside the commit."""
        top = self.in_repository(os.path.join(self.path, folder))
        below = f"{top}/" if top else ""
        tracked = tuple(entry.path.removeprefix(below) for entry in self.git.entries(self.tree, top))
        if self.bare:
            return Names(tracked)
        changes = self.git.changes([folder or "."], untracked=True)
        found = {
            code: tuple(one.path.removeprefix(below) for one in changes if one.code == code)
            for code in ("??", "!!")
        }
        return Names(tracked, found["??"], found["!!"])

    def included(self, include: Sequence[str], exclude: Sequence[str], folder: str = "") -> list[str]:
        """See `Checkout.included`."""
        if not include or self.bare:
            return []
        wanted, unwanted = Patterns(include), Patterns(exclude)
        below = f"{folder}/" if folder else ""
        names = (name.removeprefix(below) for name in self.git.others() if name.startswith(below))
        return sorted(below + name for name in names if wanted.match(name) and not unwanted.match(name))


@dataclass(frozen=True, kw_only=True)
class PlainFiles(Checkout):
    """A project that is under no version control.

    Attributes:
        require: Refuses what others can write.
        signals: Looked at between files.
    """

    path: str
    require: Require = field(repr=False, compare=False)
    signals: Signals = field(repr=False, compare=False)
    commit: str = ""
    prefix: str = ""

    def read(self, path: str) -> bytes:
        """See `Checkout.read`."""
        self.require(path)
        return read_regular(path, bounds.LOCKFILE).data

    def stands_for(self, path: str) -> bool:
        """See `Checkout.stands_for`. A link may lead elsewhere, and a folder with a root in it is skipped."""
        regular = {name for name, status in self.entries if stat.S_ISREG(status.st_mode)}
        return os.path.relpath(path, self.path) in regular or not os.path.lexists(path)

    @functools.cached_property
    def entries(self) -> tuple[tuple[str, os.stat_result], ...]:
        """All files and symbolic links, relative to `path`, sorted.

        Raises:
            CheckoutError: There are too many, or something else than files and links.
        """
        return tuple(sorted(self._walk(""), key=lambda entry: entry[0]))

    def folders(self) -> list[str]:
        """See `Checkout.folders`."""
        found = (posixpath.split(name) for name, _ in self.entries)
        return sorted(folder for folder, name in found if name == "pyproject.toml")

    def source(self, folder: str, *, kind: SourceKind, recipe: str, dynamic: bool) -> Source:  # noqa: ARG002
        """See `Checkout.source`."""
        below = f"{folder}/" if folder else ""
        rows = [
            [name.removeprefix(below), *self._contents(name, status)]
            for name, status in self.entries
            if name.startswith(below)
        ]
        if not rows:
            raise CheckoutError(f"there are no files in {os.path.join(self.path, folder)}", path=self.path)
        return Source(
            repository=self.path,
            commit="",
            folder=folder,
            tree=f"sha256:{digest(rows)}",
            kind=kind,
            recipe=recipe,
        )

    def uncommitted(self, folders: Sequence[str]) -> list[str]:  # noqa: ARG002
        """See `Checkout.uncommitted`."""
        return []

    def names(self, folder: str) -> Names:
        """See `Checkout.names`."""
        below = f"{folder}/" if folder else ""
        return Names(tuple(name.removeprefix(below) for name, _ in self.entries if name.startswith(below)))

    def _contents(self, name: str, status: os.stat_result) -> tuple[str, str]:
        path = os.path.join(self.path, name)
        if stat.S_ISLNK(status.st_mode):
            return "link", os.readlink(path)
        try:
            found = hash_regular(path, {"sha256"}, self.signals.raise_if_received)
        except (IrregularFileError, OSError) as error:
            raise CheckoutError(f"{path} cannot be read: {error.strerror}", path=path) from error
        return "executable" if status.st_mode & 0o100 else "file", found["sha256"]

    def _walk(self, folder: str) -> Iterator[tuple[str, os.stat_result]]:
        path = os.path.join(self.path, folder)
        self.require(path)
        self.signals.raise_if_received()
        try:
            found = list(os.scandir(path))
        except OSError as error:
            raise CheckoutError(f"{path} cannot be read: {error.strerror}", path=path) from error
        roots = names_of_root(entry.name for entry in found)
        for entry in found:
            if entry.name in roots:
                continue
            name = posixpath.join(folder, entry.name)
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                inside = os.listdir(entry.path)
                if not skipped_folder(entry.name, inside):
                    yield from self._walk(name)
            elif stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
                if stat.S_ISREG(status.st_mode):
                    self.require(entry.path)
                yield name, status
            else:
                raise CheckoutError(
                    f"{entry.path} is neither a file nor a directory nor a link", path=entry.path
                )
