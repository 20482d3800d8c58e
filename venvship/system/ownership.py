"""Who may write a file, and who could put another one in its place: asked of every directory on the way.

Reads only. The directories are asked by name, the file by its descriptor. That is enough: if nobody but
trusted users can change a name on the way, the name and the descriptor mean the same file.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from venvship.model.trust import (
    Accounts,
    Owned,
    Problem,
    Trust,
    trusts_user,
    way_problems,
    writers_problems,
)
from venvship.system.accounts import HostAccounts

MAX_LINKS: Final = 40
"""Symbolic links on one way, as in the kernel (path_resolution(7))."""

_ACL: Final = "system.posix_acl_access"
_DEFAULT_ACL: Final = "system.posix_acl_default"
"""Of a directory: what is made in it gets these entries, and no umask applies."""

_ENTRY: Final = struct.Struct("<HHI")
"""A tag, the bits and an id; as in <linux/posix_acl_xattr.h>, after the number of the version."""

_USER_OBJ, _USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_WRITE: Final = 2

_CAPABILITIES: Final = "security.capability"


class Finding(NamedTuple):
    """A file or directory that a user may write who is not trusted.

    Attributes:
        path: The file or directory; absolute.
        owned: Its owner, group and mode.
        problem: Who it is. A file with several problems has a finding for each.
    """

    path: str
    owned: Owned
    problem: Problem


class Ownership:
    """Asks who may write files and directories. Each directory is looked at once.

    Args:
        trust: The trusted users.
        accounts: The host's users and groups.
    """

    def __init__(self, trust: Trust, accounts: Accounts | None = None) -> None:
        self.trust = trust
        self.accounts = HostAccounts() if accounts is None else accounts
        self._known: dict[str, os.stat_result] = {}
        self._owned: dict[str, Owned] = {}
        self._safe = {"/"}
        """Directories up to which there is no problem; no part of their paths is a link."""

    def findings(self, path: str, status: os.stat_result) -> tuple[Finding, ...]:
        """The problems of a file and of the way to it.

        Args:
            path: Absolute. Links on the way are followed, as the kernel does; a finding names the file.
            status: The `fstat` of the descriptor that is read.

        Raises:
            OSError: A directory on the way cannot be looked at.
        """
        own = self.of_entry(path, status)
        if own:  # a link may lead to it, and who mends has to change the file
            real = os.path.realpath(path)
            own = tuple(found._replace(path=real) for found in own)
        return (*self.of_way(path), *own)

    def of_entry(self, path: str, status: os.stat_result | None = None) -> tuple[Finding, ...]:
        """The problems of a file or directory itself, whatever leads to it.

        Args:
            path: Absolute.
            status: Its status; by default it is looked at, without following a link.

        Raises:
            OSError: It cannot be looked at.
        """
        owned = self._facts(path, self.look(path) if status is None else status)
        problems = writers_problems(owned, self.trust, self.accounts)
        return tuple(Finding(path, owned, problem) for problem in problems)

    def of_name(self, path: str, status: os.stat_result | None = None) -> tuple[Finding, ...]:
        """The problems of a file or folder, and of a link that leads to it: a link is as good as its owner.

        Args:
            path: Absolute.
            status: The `fstat` of the descriptor that is read; by default it is looked at. A link that leads
                to nothing has only its own problems.

        Raises:
            OSError: It cannot be looked at.
        """
        link = self.look(path)
        if not stat.S_ISLNK(link.st_mode):
            return self.of_entry(path, link if status is None else status)
        own = tuple(found for found in self.of_entry(path, link) if found.problem == "owner")
        try:
            target = os.stat(path) if status is None else status
        except FileNotFoundError:
            return own
        return (*own, *self.of_entry(os.path.realpath(path), target))

    def of_default_acl(self, path: str) -> tuple[Finding, ...]:
        """The problem of a folder whose default ACL lets others write what is made in it.

        Raises:
            OSError: It cannot be looked at.
        """
        entries = _acl(path, _DEFAULT_ACL)
        if entries == []:
            return ()
        status = os.stat(path)
        owned = Owned(status.st_uid, status.st_gid, status.st_mode)
        if entries and all(self._may_inherit(owned, entry) for entry in _effective(entries)):
            return ()
        return (Finding(os.path.realpath(path), owned, "inherited"),)

    def _may_inherit(self, folder: Owned, entry: tuple[int, int]) -> bool:
        """Whether an entry of a default ACL, which lets its users write, gives that to trusted ones alone."""
        tag, who = entry
        if tag == _GROUP_OBJ:
            # New files have the group of the folder where that is set-group-ID, else that of their maker.
            inherits = bool(folder.mode & stat.S_ISGID)
            plain = folder._replace(mode=stat.S_IWGRP)
            return not inherits or "group" not in writers_problems(plain, self.trust, self.accounts)
        return tag == _USER_OBJ or (tag != _OTHER and self._is_trusted(tag, who))

    def of_way(self, path: str) -> tuple[Finding, ...]:
        """The problems of the directories that are walked through on the way to a name; it may be missing.

        Raises:
            OSError: One of them cannot be looked at.
        """
        found: dict[tuple[str, Problem], Finding] = {}
        for directory, status, entry, entry_status in self._walk(path):
            if not found:
                self._safe.add(directory)
            owned = self._owned.get(directory) or self._facts(directory, status)
            self._owned[directory] = owned
            for problem in way_problems(owned, entry_status.st_uid, self.trust, self.accounts):
                if problem != "owner" and owned.mode & stat.S_ISVTX:
                    # The directory is as it should be, and the entry is what its owner can exchange there.
                    facts = Owned(entry_status.st_uid, entry_status.st_gid, entry_status.st_mode)
                    found.setdefault((entry, "owner"), Finding(entry, facts, "owner"))
                else:
                    found.setdefault((directory, problem), Finding(directory, owned, problem))
        return tuple(found.values())

    def _walk(self, path: str) -> Iterator[tuple[str, os.stat_result, str, os.stat_result]]:
        """Yield each directory on the way with its status, and the entry that is taken in it with its own.

        The way begins at the nearest directory up to which it is known to be safe: a release takes files from
        1,500 directories of the store.
        """
        if not os.path.isabs(path):
            raise RuntimeError(f"an absolute path is wanted, not {path!r}")
        here = path
        while here not in self._safe:
            here = here.rpartition("/")[0] or "/"
        left, links = _parts(path[len(here) :]), 0
        while left:
            name = left.pop()
            if name == "..":
                here = os.path.dirname(here)  # `here` has no links in it
                continue
            entry = f"{'' if here == '/' else here}/{name}"
            try:
                found = self.look(entry)
            except FileNotFoundError:
                return  # nothing is read, and whatever is made there is made under a new name and renamed
            yield here, self.look(here), entry, found
            if stat.S_ISLNK(found.st_mode):
                links += 1
                if links > MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                target = os.readlink(entry)
                here = "/" if target.startswith("/") else here
                left += _parts(target)
            else:
                here = entry

    def _facts(self, path: str, status: os.stat_result) -> Owned:
        """The facts of a file from its status, and from its ACL where it has one that matters.

        The group's bits of the mode are the mask of an ACL then, and do not say whether the group may write.
        """
        plain = Owned(status.st_uid, status.st_gid, status.st_mode)
        entries = _acl(path, _ACL) if plain.group_writes else ()
        if entries is None:
            return plain._replace(acl=True)
        if not entries:
            return plain
        writing = list(_effective(entries))
        if not all(self._is_trusted(tag, who) for tag, who in writing if tag in {_USER, _GROUP}):
            return plain._replace(acl=True)
        if not any(tag == _GROUP_OBJ for tag, _ in writing):
            return plain._replace(mode=plain.mode & ~stat.S_IWGRP)
        return plain

    def _is_trusted(self, tag: int, who: int) -> bool:
        if tag == _GROUP:
            return who in self.trust.groups
        return trusts_user(who, self.trust, self.accounts)

    def look(self, path: str) -> os.stat_result:
        """The status of a name, without following a link; of a directory the one that was seen first.

        Raises:
            OSError: It cannot be looked at.
        """
        known = self._known.get(path)
        if known is None:
            known = os.lstat(path)
            if stat.S_ISDIR(known.st_mode):
                self._known[path] = known
        return known


def has_capabilities(path: str) -> bool:
    """Whether a file gives whoever runs it privileges of root (capabilities(7)). Linux only."""
    getxattr = getattr(os, "getxattr", None)
    if getxattr is None:
        return False
    try:
        return bool(getxattr(path, _CAPABILITIES, follow_symlinks=False))
    except OSError:
        return False


def _parts(path: str) -> list[str]:
    """The names of a path, the last one first."""
    return [name for name in reversed(path.split("/")) if name not in {"", "."}]


def _acl(path: str, name: str) -> list[tuple[int, int, int]] | None:
    """The entries of an ACL (acl(5)): tag, bits, id. Without an ACL there are none; `None`: it is unknown."""
    getxattr = getattr(os, "getxattr", None)  # Linux only; elsewhere ACLs do not show in the mode
    if getxattr is None:
        return []
    try:
        data = getxattr(path, name)
    except OSError as error:
        return [] if error.errno in {errno.ENODATA, errno.ENOTSUP, errno.ENOENT} else None
    try:
        return list(_ENTRY.iter_unpack(data[4:]))
    except struct.error:
        return None


def _effective(entries: list[tuple[int, int, int]]) -> Iterator[tuple[int, int]]:
    """Yield tag and id of each entry of an ACL that lets its users write. The mask limits some (acl(5))."""
    mask = next((bits for tag, bits, _ in entries if tag == _MASK), _WRITE)
    for tag, bits, who in entries:
        limit = mask if tag in {_USER, _GROUP_OBJ, _GROUP} else _WRITE
        if tag != _MASK and bits & limit & _WRITE:
            yield tag, who
