"""Do files of a release have names that venvship did not make? A change by another name changes the release.

A file of a wheel has a name in the store and one in each release that has it. So the kernel's number of names
(`st_nlink`) is compared with the names below the store and below the releases of all roots that build from
it. Nothing is concluded where some of these cannot be counted.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from venvship.errors import VenvshipError
from venvship.root import RootLayout
from venvship.workspace.reading import ReadingWorkspace

TRIES: Final = 3
"""So often the names are counted before one counts as unknown: a build or a prune may be under way."""

Inode = tuple[int, int]


class _Counted(NamedTuple):
    """The names that were found.

    Attributes:
        of_store: By inode, the names below the store.
        of_releases: By inode, the names below the releases of this root and of the others.
        whole: Whether all roots of the store's list could be looked at.
        listed_at: Since when this root is on that list; `None` if it is not.
    """

    of_store: Mapping[Inode, int]
    of_releases: Mapping[Inode, int]
    whole: bool
    listed_at: float | None


class KnownNames:
    """The names of files that venvship has made. They are counted when they are first asked for.

    Args:
        workspace: The root; reads only.
    """

    def __init__(self, workspace: ReadingWorkspace) -> None:
        self._workspace = workspace
        self._counted: _Counted | None = None
        self._listed: _Listed = _by_name

    def unknown(self, release_id: str, paths: Iterable[str]) -> tuple[str, ...]:
        """Find the files of a release that have a name elsewhere.

        A store that was removed takes its list of roots with it, and other roots may still have releases with
        the same files. So the list counts only if this root was on it before the release was sealed.

        Args:
            release_id: The release.
            paths: The files with several names, relative to the release.

        Returns:
            Those with a name that is not known, in the same order.
        """
        base = self._workspace.layout.release_path(release_id)
        suspects = list(paths)
        for _ in range(TRIES):
            if not suspects:
                break
            counted = self._count()
            try:
                sealed_at = os.stat(base / ".venvship" / "manifest.json").st_mtime
            except OSError:
                return ()
            if counted.listed_at is None or counted.listed_at > sealed_at:
                return ()
            suspects = [path for path in suspects if _has_more(f"{base}/{path}", counted)]
            if suspects:
                self._counted, self._listed = None, _by_status
        return tuple(suspects)

    def _count(self) -> _Counted:
        if self._counted is None:
            self._counted = _counted(self._workspace, self._listed)
        return self._counted


def _has_more(path: str, counted: _Counted) -> bool:
    try:
        found = os.lstat(path)
    except OSError:
        return False  # it is reported as missing, or the release was removed
    inode = found.st_dev, found.st_ino
    of_store = counted.of_store.get(inode, 0)
    if of_store and not counted.whole:
        return False  # a root that cannot be looked at may have it
    return found.st_nlink > of_store + counted.of_releases.get(inode, 0)


def _counted(workspace: ReadingWorkspace, listed: _Listed) -> _Counted:
    """Count the names below the store and all releases. Those of a build or a removal under way count too."""
    # The store is a matter of building, which no other part of `verify` needs.
    from venvship.building.store.roots import listed_at, registered_roots
    from venvship.building.store.store import Store

    layout = workspace.layout
    try:
        store = Store(str(layout.path / workspace.settings().store), workspace.trusted.trust)
        since = listed_at(store, str(layout.path))
        others = set(registered_roots(store).values()) - {str(layout.path)}
        of_store = Counter(_inodes(store.wheels_folder, listed))
        of_store.update(_inodes(store.bytecode_folder, listed))
        of_releases = Counter(_inodes(str(layout.releases), listed))
    except (VenvshipError, OSError):
        return _Counted({}, {}, whole=False, listed_at=None)
    whole = True
    for root in others:
        try:
            of_releases.update(_inodes(str(RootLayout(Path(root)).releases), listed))
        except OSError:
            whole = False
    return _Counted(of_store, of_releases, whole, since)


def _inodes(folder: str, listed: _Listed) -> Iterator[Inode]:
    """The inode of each file below a folder, once for each name; what goes away meanwhile is left out.

    Raises:
        OSError: A directory cannot be read, or the folder is not there.
    """
    left = [folder]
    while left:
        here = left.pop()
        try:
            device = os.lstat(here).st_dev
            with os.scandir(here) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        left.append(entry.path)
                    elif (inode := listed(device, entry)) is not None:
                        yield inode
        except FileNotFoundError:
            if here == folder:
                raise


_Listed = Callable[[int, "os.DirEntry[str]"], Inode | None]
"""The inode of a regular file by the device of its directory and its entry there; of anything else `None`."""


def _by_name(device: int, entry: os.DirEntry[str]) -> Inode | None:
    """By what the directory says. There are file systems whose files have other numbers than that."""
    return (device, entry.inode()) if entry.is_file(follow_symlinks=False) else None


def _by_status(_device: int, entry: os.DirEntry[str]) -> Inode | None:
    """By what the file says, which takes a system call."""
    try:
        found = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None
