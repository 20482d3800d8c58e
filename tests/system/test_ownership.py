"""Who may write a file, asked of real files, links and directories."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Collection
from pathlib import Path

import pytest

from tests.support.users import NOBODY, as_root_only
from venvship.model.trust import Trust
from venvship.system.accounts import HostAccounts, callers, group_id, group_name, user_id, user_name
from venvship.system.ownership import Finding, Ownership

ME = os.geteuid()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory that only this user can change, below one that is shared: /tmp."""
    return tmp_path


def asked(path: Path, *more: int) -> list[tuple[str, str]]:
    found = Ownership(Trust(frozenset({0, ME, *more}))).findings(str(path), os.stat(path))
    return [(finding.path, finding.problem) for finding in found]


def test_a_file_of_ones_own_below_tmp_has_no_problem(place: Path) -> None:
    (place / "file").write_text("")
    assert asked(place / "file") == []


def test_modes_of_the_file_and_of_each_directory_on_the_way_count(place: Path) -> None:
    folder = place / "a" / "b"
    folder.mkdir(parents=True)
    (folder / "file").write_text("")
    os.chmod(folder / "file", 0o666)
    os.chmod(place / "a", 0o777)
    assert asked(folder / "file") == [(str(place / "a"), "others"), (str(folder / "file"), "others")]
    os.chmod(place / "a", 0o1777)
    os.chmod(folder / "file", 0o644)
    assert asked(folder / "file") == []


def test_a_link_is_followed_through_every_directory_that_it_leads_through(place: Path) -> None:
    (place / "open").mkdir()
    (place / "closed").mkdir()
    (place / "open" / "file").write_text("")
    os.chmod(place / "open", 0o777)
    (place / "closed" / "link").symlink_to("../other")
    (place / "other").symlink_to(place / "open" / "file")
    assert asked(place / "closed" / "link") == [(str(place / "open"), "others")]
    # `a/../b` walks through `a`, and what is above a link is above its target.
    (place / "open" / "sub").mkdir()
    (place / "up").symlink_to("open/sub")
    (place / "file").write_text("")
    (place / "open" / "file2").write_text("")
    assert asked(place / "up" / ".." / "file2") == [(str(place / "open"), "others")]


def test_a_circle_of_links_is_the_kernels_error(place: Path) -> None:
    (place / "a").symlink_to("b")
    (place / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        Ownership(Trust(frozenset({0, ME}))).of_way(str(place / "a"))


def test_a_missing_file_has_a_way_too(place: Path) -> None:
    os.chmod(place, 0o777)
    way = Ownership(Trust(frozenset({0, ME}))).of_way(str(place / "missing" / "file"))
    assert way == ()
    (place / "there").mkdir()
    way = Ownership(Trust(frozenset({0, ME}))).of_way(str(place / "there" / "file"))
    assert [finding.problem for finding in way] == ["others"]


def test_each_directory_is_looked_at_once(place: Path) -> None:
    ownership = Ownership(Trust(frozenset({0, ME})))
    for name in ("a", "b"):
        (place / name).write_text("")
        assert ownership.findings(str(place / name), os.stat(place / name)) == ()
    os.chmod(place, 0o777)
    assert ownership.findings(str(place / "a"), os.stat(place / "a")) == ()


def test_what_was_asked_before_changes_no_answer(place: Path) -> None:
    for folder in ("a/b", "open/c", "sticky/d"):
        (place / folder).mkdir(parents=True)
        (place / folder / "file").write_text("")
    os.chmod(place / "open", 0o777)
    os.chmod(place / "sticky", 0o1777)
    (place / "a" / "to-open").symlink_to("../open/c")
    (place / "open" / "to-a").symlink_to(place / "a")
    (place / "a" / "round").symlink_to(place / "a" / "to-open" / ".." / "to-a" / "b")
    names = ("a/b", "a/b/file", "open", "open/c/file", "sticky/d/file", "a/to-open/file", "open/to-a/b/file")
    names += (
        "a/round/file",
        "a/../open/c/file",
        "a//b/./file",
        "a/b/../../open/c",
        "a/missing/file",
        "a/b/..",
    )
    ways = {name: Ownership(Trust(frozenset({0, ME}))).of_way(f"{place}/{name}") for name in names}
    assert {name for name, way in ways.items() if way} == {
        "open/c/file", "a/to-open/file", "open/to-a/b/file", "a/round/file", "a/../open/c/file",
        "a/b/../../open/c",
    }  # fmt: skip
    for first in names:
        asked_before = Ownership(Trust(frozenset({0, ME})))
        asked_before.of_way(f"{place}/{first}")
        assert {name: asked_before.of_way(f"{place}/{name}") for name in names} == ways


def test_a_way_is_not_asked_again_for_each_file(place: Path) -> None:
    class Counting(HostAccounts):
        asked = 0

        def groups_of(self, uid: int) -> frozenset[int]:  # noqa: ARG002
            self.asked += 1
            return frozenset({7})

    folder = place.joinpath(*"abcdefghij")
    folder.mkdir(parents=True)
    accounts = Counting()
    ownership = Ownership(Trust(frozenset(), frozenset({7})), accounts)
    assert ownership.of_way(str(folder / "0")) == ()
    once = accounts.asked
    for number in range(100):
        assert ownership.of_way(str(folder / str(number))) == ()
    assert once > 10
    assert accounts.asked - once <= 2 * 100


@as_root_only
def test_owners_of_files_directories_and_links_in_shared_directories_count(place: Path) -> None:
    shared = place / "shared"
    shared.mkdir()
    os.chmod(shared, 0o1777)
    (shared / "mine").mkdir()
    (shared / "mine" / "file").write_text("")
    (shared / "link").symlink_to("mine")
    assert asked(shared / "link" / "file") == []
    os.lchown(shared / "link", NOBODY, NOBODY)
    assert asked(shared / "link" / "file") == [(str(shared / "link"), "owner")], (
        "the directory is as it should be"
    )
    os.chown(shared / "mine" / "file", NOBODY, NOBODY)
    assert asked(shared / "mine" / "file") == [(str(shared / "mine" / "file"), "owner")]
    assert asked(shared / "mine" / "file", NOBODY) == []
    os.chown(shared / "mine", NOBODY, NOBODY)
    assert asked(shared / "mine" / "file") == [
        (str(shared / "mine"), "owner"),
        (str(shared / "mine" / "file"), "owner"),
    ]


@as_root_only
@pytest.mark.parametrize(
    ("named", "group", "trust", "problem"),
    [
        ((0x02, 6, 65534), 4, (), "acl"),
        ((0x02, 4, 65534), 4, (), None),  # a service that may read
        ((0x02, 6, 65534), 4, {65534}, None),
        ((0x08, 6, 65534), 4, {65534}, "acl"),  # the group of that number
        ((0x02, 4, 65534), 6, (), "group"),
    ],
)
def test_an_acl_counts_where_it_lets_somebody_write_who_is_not_trusted(
    place: Path, named: tuple[int, int, int], group: int, trust: Collection[int], problem: str | None
) -> None:
    path = place / "file"
    path.write_text("")
    os.chown(path, -1, 65534)
    # setfacl(1) need not be there: user::rw-, the named one, group::…, mask::rw-, other::r--
    entries = sorted([(0x01, 6, -1), named, (0x04, group, -1), (0x10, 6, -1), (0x20, 4, -1)])
    data = (2).to_bytes(4, "little") + b"".join(
        tag.to_bytes(2, "little") + bits.to_bytes(2, "little") + (who & 0xFFFFFFFF).to_bytes(4, "little")
        for tag, bits, who in entries
    )
    try:
        os.setxattr(path, "system.posix_acl_access", data)
    except OSError:
        pytest.skip("no ACLs on this file system")
    found = Ownership(Trust(frozenset({0, os.geteuid(), *trust}))).of_entry(str(path))
    assert [finding.problem for finding in found] == ([] if problem is None else [problem])
    os.chmod(path, 0o644)  # the mask
    assert asked(path) == []


@as_root_only
def test_a_file_behind_a_link_is_named_by_the_path_that_has_to_be_changed(place: Path) -> None:
    (place / "real").write_text("")
    (place / "link").symlink_to("real")
    os.chown(place / "real", NOBODY, NOBODY)
    assert asked(place / "link") == [(str(place / "real"), "owner")]
    ask = Ownership(Trust(frozenset({0})))
    assert [one.path for one in ask.of_name(str(place / "link"))] == [str(place / "real")]
    os.lchown(place / "link", NOBODY, NOBODY)
    assert [one.path for one in Ownership(Trust(frozenset({0}))).of_name(str(place / "link"))] == [
        str(place / "link"),
        str(place / "real"),
    ]


@pytest.mark.skipif(shutil.which("setfacl") is None, reason="there is no setfacl")
@pytest.mark.parametrize(
    ("entries", "trust", "counts"),
    [
        (f"u:{NOBODY}:rwx", (), True),
        (f"u:{NOBODY}:rwx", (NOBODY,), False),
        (f"u:{NOBODY}:rX", (), False),  # a service that may read
        (f"g:{NOBODY}:rwx", (NOBODY,), True),
        (f"u:{NOBODY}:rwx,m::rx", (), False),
        ("o::rwx", (), True),
        ("g::rwx", (), False),  # as a umask of 002; each file is asked by its own group
    ],
)
def test_a_default_acl_counts_where_it_lets_others_write_what_is_made(
    place: Path, entries: str, trust: Collection[int], counts: bool
) -> None:
    assert Ownership(Trust(frozenset({0, ME}))).of_default_acl(str(place)) == ()
    done = subprocess.run(["setfacl", "-d", "-m", entries, place], check=False, capture_output=True)
    if done.returncode:
        pytest.skip("no ACLs on this file system")
    found = Ownership(Trust(frozenset({0, ME, *trust}))).of_default_acl(str(place))
    assert [(one.path, one.problem) for one in found] == ([(str(place), "inherited")] if counts else [])
    subprocess.run(["setfacl", "-k", place], check=True)
    assert Ownership(Trust(frozenset({0, ME}))).of_default_acl(str(place)) == ()


def test_accounts_know_the_group_that_a_user_has_alone() -> None:
    accounts = HostAccounts()
    assert accounts.primary_group(0, 1) is None
    assert 0 in (accounts.primary_group(0, 0) or {0})
    assert accounts.primary_group(4_000_000, 4_000_000) is None
    assert accounts.groups_of(4_000_000) == frozenset()
    assert 0 in accounts.groups_of(0)


def test_names_and_numbers_stand_for_each_other() -> None:
    assert (user_id("root"), group_id("root")) == (0, 0)
    assert (user_id("4000000"), group_id("4000000")) == (4_000_000, 4_000_000)
    assert (user_id("no such user"), group_id("no such group")) == (None, None)
    assert (user_name(0), group_name(0)) == ("root", "root")
    assert (user_name(4_000_000), group_name(4_000_000)) == ("4000000", "4000000")


def test_a_finding_has_the_facts_for_a_message(place: Path) -> None:
    path = place / "file"
    path.write_text("")
    os.chmod(path, 0o666)
    (found,) = Ownership(Trust(frozenset({0, ME}))).findings(str(path), os.stat(path))
    assert isinstance(found, Finding)
    assert (found.owned.uid, found.owned.mode & 0o777) == (ME, 0o666)


def test_who_became_another_user_with_sudo_is_a_caller_too() -> None:
    assert callers({}) == {ME}
    assert callers({"SUDO_UID": "12"}) == {ME, 12}
    assert callers({"SUDO_UID": "x"}) == {ME}
