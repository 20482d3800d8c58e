"""Who may write a file: owners, groups and modes, held against the sentence of the rule."""

from __future__ import annotations

import itertools
import stat
from collections.abc import Callable, Mapping

import pytest

from venvship.model.trust import Owned, Trust, described, trusts_user, way_problems, writers_problems

ROOT, ME, CI, ANN, STRANGER = 0, 1000, 1001, 1002, 6000
MINE, TEAM, USERS, NOBODYS = 1000, 2000, 100, 65534


class Accounts:
    """A host on which `ME` has a group of his own, and `ANN` is of the team."""

    primary: Mapping[int, tuple[int, frozenset[int] | None]] = {
        ROOT: (0, frozenset({ROOT})),
        ME: (MINE, frozenset({ME})),
        CI: (USERS, frozenset({CI, STRANGER})),
        ANN: (NOBODYS, None),  # the name service does not answer
    }

    def primary_group(self, uid: int, gid: int) -> frozenset[int] | None:
        group, members = self.primary.get(uid, (-1, None))
        return members if group == gid else None

    def groups_of(self, uid: int) -> frozenset[int]:
        return {ANN: frozenset({NOBODYS, TEAM}), CI: frozenset({USERS})}.get(uid, frozenset())


PLAIN = Trust(frozenset({ROOT, ME}))
TEAMS = Trust(frozenset({ROOT, ME}), frozenset({TEAM}))
CIS = Trust(frozenset({ROOT, ME, CI}))


def may_write(uid: int, gid: int, mode: int, *, acl: bool) -> set[int | str]:
    """Everybody who may write, by the meaning of the bits; a group whose members are unknown is its name."""
    writers: set[int | str] = {uid}  # an owner may change the mode
    if mode & stat.S_IWOTH:
        writers.add("everybody")
    if mode & stat.S_IWGRP:
        group, members = Accounts.primary.get(uid, (-1, None))
        writers |= members if group == gid and members is not None else {f"group {gid}"}
        if acl:
            writers.add("acl")
    return writers


def allowed(trust: Trust) -> set[int | str]:
    members = {ANN} if TEAM in trust.groups else set()
    return {*trust.users, *members, *(f"group {gid}" for gid in trust.groups)}


OWNERS = (ROOT, ME, CI, ANN, STRANGER)
GROUPS = (0, MINE, TEAM, USERS, NOBODYS)
MODES = (0o600, 0o644, 0o444, 0o664, 0o660, 0o646, 0o666, 0o755, 0o775, 0o777, 0o1777, 0o2775, 0o000)


def test_a_file_is_taken_exactly_if_all_who_may_write_it_are_trusted(
    record_property: Callable[[str, object], None],
) -> None:
    cases = list(itertools.product((PLAIN, TEAMS, CIS), OWNERS, GROUPS, MODES, (False, True)))
    taken = 0
    for trust, uid, gid, mode, acl in cases:
        problems = writers_problems(Owned(uid, gid, mode, acl), trust, Accounts())
        expected = may_write(uid, gid, mode, acl=acl) <= allowed(trust)
        assert (not problems) == expected, (trust, uid, gid, oct(mode), acl, problems)
        taken += expected
    record_property("cases", len(cases))
    assert 0 < taken < len(cases)


@pytest.mark.parametrize(
    ("owned", "trust", "problem"),
    [
        (Owned(STRANGER, MINE, 0o644), PLAIN, "owner"),
        (Owned(STRANGER, MINE, 0o444), PLAIN, "owner"),  # who owns it can change its mode
        (Owned(ME, MINE, 0o664), PLAIN, None),  # umask 002, and a group of his own
        (Owned(ME, TEAM, 0o664), PLAIN, "group"),
        (Owned(ME, TEAM, 0o664), TEAMS, None),
        (Owned(ANN, TEAM, 0o664), PLAIN, "owner"),
        (Owned(ANN, TEAM, 0o664), TEAMS, None),  # an editor leaves the file to whoever saved it
        (Owned(ANN, USERS, 0o664), TEAMS, "group"),
        (Owned(CI, USERS, 0o644), CIS, None),
        (Owned(CI, USERS, 0o664), CIS, "group"),  # the primary group of others, too
        (Owned(ME, MINE, 0o666), PLAIN, "others"),
        (Owned(ME, MINE, 0o664, acl=True), PLAIN, "acl"),
        (Owned(ME, TEAM, 0o664, acl=True), TEAMS, "acl"),
        (Owned(ME, MINE, 0o644, acl=True), PLAIN, None),  # its mask allows reading only
        (Owned(ROOT, 0, 0o664), Trust(frozenset({ROOT})), None),
    ],
)
def test_the_problem_names_the_first_who_are_not_trusted(
    owned: Owned, trust: Trust, problem: str | None
) -> None:
    assert next(iter(writers_problems(owned, trust, Accounts())), None) == problem


@pytest.mark.parametrize(
    ("directory", "entry", "problem"),
    [
        (Owned(ROOT, 0, 0o755), STRANGER, None),  # the entry is asked itself
        (Owned(ROOT, 0, 0o1777), ME, None),  # /tmp
        (Owned(ROOT, 0, 0o1777), ROOT, None),
        (Owned(ROOT, 0, 0o1777), STRANGER, "others"),
        (Owned(ROOT, 0, 0o777), ME, "others"),
        (Owned(ME, TEAM, 0o1775), ME, None),
        (Owned(ME, TEAM, 0o1775), STRANGER, "group"),
        (Owned(STRANGER, 0, 0o755), ME, "owner"),
        (Owned(STRANGER, 0, 0o1755), ME, "owner"),  # the owner of a sticky directory may rename every entry
    ],
)
def test_a_directory_on_the_way_passes_if_nobody_else_can_exchange_the_entry(
    directory: Owned, entry: int, problem: str | None
) -> None:
    assert way_problems(directory, entry, PLAIN, Accounts()) == (() if problem is None else (problem,))


def test_nothing_is_asked_of_the_name_services_without_need() -> None:
    class Silent:
        def primary_group(self, uid: int, gid: int) -> frozenset[int] | None:
            raise AssertionError(f"asked about {uid} and {gid}")

        def groups_of(self, uid: int) -> frozenset[int]:
            raise AssertionError(f"asked about {uid}")

    assert writers_problems(Owned(ME, MINE, 0o644), PLAIN, Silent()) == ()
    assert writers_problems(Owned(STRANGER, MINE, 0o644), PLAIN, Silent()) == ("owner",)
    assert trusts_user(ROOT, TEAMS, Silent())


def test_trust_widens_by_users_and_groups() -> None:
    assert PLAIN.with_users({CI}) == CIS
    assert PLAIN.widened(Trust(frozenset({CI}), frozenset({TEAM}))) == Trust(CIS.users, TEAMS.groups)


def test_all_problems_of_a_file_are_named_at_once() -> None:
    for mode, more in ((0o644, ()), (0o664, ("group",)), (0o646, ("others",)), (0o666, ("others",))):
        assert writers_problems(Owned(STRANGER, TEAM, mode), PLAIN, Accounts()) == ("owner", *more)
    assert writers_problems(Owned(STRANGER, TEAM, 0o664, acl=True), PLAIN, Accounts()) == ("owner", "acl")
    assert way_problems(Owned(STRANGER, TEAM, 0o1775), ME, PLAIN, Accounts()) == ("owner",)
    assert way_problems(Owned(STRANGER, TEAM, 0o775), ME, PLAIN, Accounts()) == ("owner", "group")


def test_problems_are_told_with_owner_and_mode() -> None:
    owned = Owned(STRANGER, TEAM, 0o100664)
    for problems, words in (
        (("owner",), "belongs to eve (mode 0664)"),
        (("group",), "can be written by the group team (owner eve, mode 0664)"),
        (("others",), "can be written by every user (owner eve, mode 0664)"),
        (("owner", "group"), "belongs to eve and can be written by the group team (mode 0664)"),
        (
            ("inherited",),
            "has a default ACL by which other users can write what is made in it (owner eve, mode 0664)",
        ),
    ):
        assert described(problems, owned, owner="eve", group="team") == words  # type: ignore[arg-type]
