"""The host's users and groups, as its name services know them.

`pwd` and `grp` are loaded late: a command that meets neither a problem nor a bit for a group asks nobody.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

_PEOPLE: Final = 1000
"""The first id of a person's account; see `man 8 useradd`, UID_MIN."""


def callers(environ: Mapping[str, str]) -> frozenset[int]:
    """The users that a command is typed by: the process's, and who became it with sudo.

    Args:
        environ: The process environment, for `SUDO_UID`.
    """
    sudo = environ.get("SUDO_UID", "")
    return frozenset({os.geteuid(), *([int(sudo)] if sudo.isdecimal() else [])})


class HostAccounts:
    """Asks the host's name services, each question once."""

    def __init__(self) -> None:
        self._primary: dict[tuple[int, int], frozenset[int] | None] = {}
        self._groups: dict[int, frozenset[int]] = {}

    def primary_group(self, uid: int, gid: int) -> frozenset[int] | None:
        """All users of a group; `None` if it is not the primary one of `uid`, or they are unknown.

        A name service need not list all that it knows. So a group that is not called as its owner counts
        only if the lists have both.
        """
        key = uid, gid
        if key not in self._primary:
            self._primary[key] = _primary_group(uid, gid)
        return self._primary[key]

    def groups_of(self, uid: int) -> frozenset[int]:
        """The groups that a user is a member of; none if that cannot be told."""
        if uid not in self._groups:
            self._groups[uid] = _groups_of(uid)
        return self._groups[uid]


def _primary_group(uid: int, gid: int) -> frozenset[int] | None:
    import grp
    import pwd

    try:
        owner, group = pwd.getpwuid(uid), grp.getgrgid(gid)
        if owner.pw_gid != gid:
            return None
        users, groups = pwd.getpwall(), [group, *grp.getgrall()]  # a group can have several names
        members = {name for named in groups if named.gr_gid == gid for name in named.gr_mem}
        ids = {uid, *(pwd.getpwnam(name).pw_uid for name in members)}
    except (KeyError, OSError):
        return None
    listed = any(user.pw_uid == uid for user in users) and len(groups) > 1
    if group.gr_name != owner.pw_name and not listed:
        return None
    return frozenset(ids.union(user.pw_uid for user in users if user.pw_gid == gid))


def _groups_of(uid: int) -> frozenset[int]:
    import pwd

    try:
        user = pwd.getpwuid(uid)
        return frozenset(os.getgrouplist(user.pw_name, user.pw_gid))
    except (KeyError, OSError):
        return frozenset()


def user_id(name: str) -> int | None:
    """The id of a user, by name or number; `None` if there is no such user."""
    import pwd

    if name.isdecimal():
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def group_id(name: str) -> int | None:
    """The id of a group, by name or number; `None` if there is no such group."""
    import grp

    if name.isdecimal():
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def user_name(uid: int) -> str:
    """A user's name, or the number where there is none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid: int) -> str:
    """A group's name, or the number where there is none."""
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def home_folders(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The homes of people, root among them, and that of the caller; real paths, sorted."""
    import pwd

    homes = {user.pw_dir for user in pwd.getpwall() if user.pw_uid == 0 or user.pw_uid >= _PEOPLE}
    real = {os.path.realpath(home) for home in (*homes, environ.get("HOME", "")) if os.path.isabs(home)}
    return tuple(sorted(home for home in real if home != "/" and os.path.isdir(home)))
