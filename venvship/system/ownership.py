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
    way_problem,
    writers_problem,
)
from venvship.system.accounts import HostAccounts

MAX_LINKS: Final = 40
"""Symbolic links on one way, as in the kernel (path_resolution(7))."""

_ACL: Final = "system.posix_acl_access"
_ENTRY: Final = struct.Struct("<HHI")
"""A tag, the bits and an id; as in <linux/posix_acl_xattr.h>, after the number of the version."""

_USER, _GROUP_OBJ, _GROUP, _MASK = 0x02, 0x04, 0x08, 0x10
_WRITE: Final = 2

_CAPABILITIES: Final = "security.capability"


class Finding(NamedTuple):
    """A file or directory that a user may write who is not trusted.

    Attributes:
        path: The file or directory; absolute.
        owned: Its owner, group and mode.
        problem: Who it is.
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
            path: Absolute. Links on the way are followed, as the kernel does.
            status: The `fstat` of the descriptor that is read.

        Raises:
            OSError: A directory on the way cannot be looked at.
        """
        return (*self.of_way(path), *self.of_entry(path, status))

    def of_entry(self, path: str, status: os.stat_result | None = None) -> tuple[Finding, ...]:
        """The problem of a file or directory itself, whatever leads to it.

        Args:
            path: Absolute.
            status: Its status; by default it is looked at, without following a link.

        Raises:
            OSError: It cannot be looked at.
        """
        owned = self._facts(path, self.look(path) if status is None else status)
        problem = writers_problem(owned, self.trust, self.accounts)
        return () if problem is None else (Finding(path, owned, problem),)

    def of_way(self, path: str) -> tuple[Finding, ...]:
        """The problems of the directories that are walked through on the way to a name; it may be missing.

        Raises:
            OSError: One of them cannot be looked at.
        """
        found: dict[str, Finding] = {}
        for directory, status, entry_uid in self._walk(path):
            if not found:
                self._safe.add(directory)
            owned = self._owned.get(directory) or self._facts(directory, status)
            self._owned[directory] = owned
            problem = way_problem(owned, entry_uid, self.trust, self.accounts)
            if problem is not None:
                found.setdefault(directory, Finding(directory, owned, problem))
        return tuple(found.values())

    def _walk(self, path: str) -> Iterator[tuple[str, os.stat_result, int]]:
        """Yield each directory on the way, its status, and the owner of the entry that is taken in it.

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
            yield here, self.look(here), found.st_uid
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
        entries = _acl(path) if plain.group_writes else ()
        if entries is None:
            return plain._replace(acl=True)
        if not entries:
            return plain
        mask = next((bits for tag, bits, _ in entries if tag == _MASK), _WRITE)
        writing = [(tag, who) for tag, bits, who in entries if bits & mask & _WRITE]
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


def _acl(path: str) -> list[tuple[int, int, int]] | None:
    """The entries of an ACL (acl(5)): tag, bits, id. Without an ACL there are none; `None`: it is unknown."""
    getxattr = getattr(os, "getxattr", None)  # Linux only; elsewhere ACLs do not show in the mode
    if getxattr is None:
        return []
    try:
        data = getxattr(path, _ACL)
    except OSError as error:
        return [] if error.errno in {errno.ENODATA, errno.ENOTSUP, errno.ENOENT} else None
    try:
        return list(_ENTRY.iter_unpack(data[4:]))
    except struct.error:
        return None
