"""Whose file is it: who may write a file or directory, and is each of these users trusted?

The rule on ids and modes alone. `venvship.system.ownership` asks it about files, `venvship.workspace.trusted`
collects the trusted users.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, Protocol, Self

from venvship.model.spelling import format_time, parse_time

ROOT_UID: Final = 0
"""The user that every other one has to trust."""

Problem = Literal["owner", "group", "others", "acl", "inherited"]
"""Who may write a file without being trusted: its owner, its group, every user, or users of an ACL.

`"inherited"`: users of a directory's default ACL, who may write the files that are made in it.
"""


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


def writers_problems(owned: Owned, trust: Trust, accounts: Accounts) -> tuple[Problem, ...]:
    """All users who may write a file, or change names in a directory, and are not trusted.

    A bit for the group is harmless where the group is the owner's primary one and has no members who are not
    trusted: that is what a umask of 002 gives on hosts where each user has a group of their own.

    Returns:
        `"owner"` first, then one problem of the mode. A bit for every user includes the group's.
    """
    owner: tuple[Problem, ...] = () if trusts_user(owned.uid, trust, accounts) else ("owner",)
    if owned.mode & stat.S_IWOTH:
        return (*owner, "others")
    if not owned.group_writes:
        return owner
    if owned.acl:
        return (*owner, "acl")
    if owned.gid in trust.groups:
        return owner
    members = accounts.primary_group(owned.uid, owned.gid)
    if members is not None and all(trusts_user(uid, trust, accounts) for uid in members):
        return owner
    return (*owner, "group")


def way_problems(directory: Owned, entry_uid: int, trust: Trust, accounts: Accounts) -> tuple[Problem, ...]:
    """All users who could put something else in the place of an entry of a directory, and are not trusted.

    Where the directory is sticky, others can rename or remove only entries of their own. Its own owner can do
    so with all.

    Args:
        directory: A directory that is walked through.
        entry_uid: The owner of the next name on the way: a directory, a link or the file.
        trust: The trusted users.
        accounts: The host's.
    """
    problems = writers_problems(directory, trust, accounts)
    if not problems or not directory.mode & stat.S_ISVTX or not trusts_user(entry_uid, trust, accounts):
        return problems
    return tuple(problem for problem in problems if problem == "owner")


def described(problems: Sequence[Problem], owned: Owned, *, owner: str, group: str) -> str:
    """The problems of a file as the end of a sentence whose subject is its path.

    Args:
        problems: From `writers_problems` or `way_problems`; at least one.
        owned: The facts.
        owner: The name of the owner.
        group: The name of the group.
    """
    writers = {
        "group": f"can be written by the group {group}",
        "others": "can be written by every user",
        "acl": "can be written by users of its ACL",
        "inherited": "has a default ACL by which other users can write what is made in it",
    }
    facts = [f"belongs to {owner}"] if "owner" in problems else []
    facts += [writers[problem] for problem in problems if problem != "owner"]
    mode = f"mode {stat.S_IMODE(owned.mode):04o}"
    return f"{' and '.join(facts)} ({mode if 'owner' in problems else f'owner {owner}, {mode}'})"
