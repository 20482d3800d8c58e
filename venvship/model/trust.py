"""Whose file is it: who may write a file or directory, and is each of these users trusted?

The rule on ids and modes alone. `venvship.system.ownership` asks it about files, `venvship.workspace.trusted`
collects the trusted users.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, Protocol, Self

from venvship.model.spelling import format_time, parse_time

ROOT_UID: Final = 0
"""The user that every other one has to trust."""

Problem = Literal["owner", "group", "others", "acl"]
"""Who may write a file without being trusted: its owner, its group, every user, or users of an ACL."""


class Trust(NamedTuple):
    """The users who may decide what runs.

    Attributes:
        users: Their ids.
        groups: The ids of groups whose members are trusted too.
    """

    users: frozenset[int]
    groups: frozenset[int] = frozenset()

    def with_users(self, users: Iterable[int]) -> Trust:
        """The same trust, and that in more users."""
        return self._replace(users=self.users.union(users))

    def widened(self, other: Trust) -> Trust:
        """The trust in all users and groups of both."""
        return Trust(self.users | other.users, self.groups | other.groups)


NOBODY_ELSE: Final = Trust(frozenset())
"""No more trust than what is said beside it."""


class Trusted(NamedTuple):
    """A user or group that the owner of a root trusts: an entry of `state/trust.json`.

    Attributes:
        kind: `"user"` or `"group"`.
        name: Its name when it was added, for people. A number stays a number.
        id: Its id, which decides.
        at: When it was added.
        by: Who added it.
    """

    kind: Literal["user", "group"]
    name: str
    id: int
    at: datetime
    by: str

    @property
    def argument(self) -> str:
        """The argument of `--trust`: `ci`, or `%team`."""
        return f"%{self.name}" if self.kind == "group" else self.name

    def to_json(self) -> dict[str, object]:
        """The JSON form, in the file and in `status --json`."""
        return {
            "kind": self.kind,
            "name": self.name,
            "id": self.id,
            "at": format_time(self.at),
            "by": self.by,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read an entry of the file.

        Raises:
            KeyError: A key is missing.
            ValueError: A value is of another kind.
        """
        kind, number = data["kind"], data["id"]
        if kind not in {"user", "group"} or type(number) is not int or number < 0:
            raise ValueError(f"not a user or group: {kind!r} {number!r}")
        return cls(kind, str(data["name"]), number, parse_time(data["at"]), str(data["by"]))


class Owned(NamedTuple):
    """The facts about a file or directory from which its writers follow.

    Attributes:
        uid: Its owner, who may change its mode whatever that is.
        gid: Its group.
        mode: Its type and permission bits, as `st_mode`.
        acl: Whether it has an ACL by which a user or group may write who is not trusted.
    """

    uid: int
    gid: int
    mode: int
    acl: bool = False

    @property
    def group_writes(self) -> bool:
        """Whether the bits of the group allow writing."""
        return bool(self.mode & stat.S_IWGRP)


class Accounts(Protocol):
    """The host's users and groups. A question without an answer counts against trust."""

    def primary_group(self, uid: int, gid: int) -> frozenset[int] | None:
        """All users of a group; `None` if it is not the primary one of `uid`, or they are unknown."""

    def groups_of(self, uid: int) -> frozenset[int]:
        """The groups that a user is a member of; none if that cannot be told."""


def trusts_user(uid: int, trust: Trust, accounts: Accounts) -> bool:
    """Whether a user is trusted, in person or as a member of a group."""
    return uid in trust.users or bool(trust.groups and not trust.groups.isdisjoint(accounts.groups_of(uid)))


def writers_problem(owned: Owned, trust: Trust, accounts: Accounts) -> Problem | None:
    """Which users may write a file, or change names in a directory, and are not trusted; `None` for nobody.

    A bit for the group is harmless where the group is the owner's primary one and has no members who are not
    trusted: that is what a umask of 002 gives on hosts where each user has a group of their own.
    """
    if not trusts_user(owned.uid, trust, accounts):
        return "owner"
    if owned.mode & stat.S_IWOTH:
        return "others"
    if not owned.group_writes:
        return None
    if owned.acl:
        return "acl"
    if owned.gid in trust.groups:
        return None
    members = accounts.primary_group(owned.uid, owned.gid)
    if members is not None and all(trusts_user(uid, trust, accounts) for uid in members):
        return None
    return "group"


def way_problem(directory: Owned, entry_uid: int, trust: Trust, accounts: Accounts) -> Problem | None:
    """Which users could put something else in the place of an entry of a directory; `None` for nobody.

    Where the directory is sticky, others can rename or remove only entries of their own. Its own owner can do
    so with all.

    Args:
        directory: A directory that is walked through.
        entry_uid: The owner of the next name on the way: a directory, a link or the file.
        trust: The trusted users.
        accounts: The host's.
    """
    problem = writers_problem(directory, trust, accounts)
    if problem in {None, "owner"} or not directory.mode & stat.S_ISVTX:
        return problem
    return None if trusts_user(entry_uid, trust, accounts) else problem


def described(problem: Problem, owned: Owned, *, owner: str, group: str) -> str:
    """A problem as the end of a sentence whose subject is the path.

    Args:
        problem: From `writers_problem` or `way_problem`.
        owned: The facts.
        owner: The name of the owner.
        group: The name of the group.
    """
    mode = f"{stat.S_IMODE(owned.mode):04o}"
    if problem == "owner":
        return f"belongs to {owner} (mode {mode})"
    writers = {
        "group": f"the group {group}",
        "others": "every user",
        "acl": "users of its ACL",
    }[problem]
    return f"can be written by {writers} (owner {owner}, mode {mode})"


def remedy(problem: Problem, path: str, *, owner: str) -> str:
    """The command line that ends a problem.

    Args:
        problem: From `writers_problem` or `way_problem`.
        path: The file or directory, quoted for a shell.
        owner: The name of the user who should own it.
    """
    return {
        "owner": f"chown {owner} {path}",
        "group": f"chmod g-w {path}",
        "others": f"chmod go-w {path}",
        "acl": f"setfacl -m m::rX {path}",
    }[problem]
