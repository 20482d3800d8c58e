"""Whose files decide: files, owners, modes and commands as a table; and who has to go on working."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.limits import umask
from tests.support.roots import NewSite, Site
from tests.support.users import NOBODY, as_root_only, trust, unprivileged
from venvship.api import Root
from venvship.errors import (
    NotOwnerError,
    NotWritableError,
    ReleaseError,
    UntrustedError,
    UsageError,
    VenvshipError,
)
from venvship.root import RootLayout
from venvship.system.accounts import HostAccounts, user_name
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.settings_files import read_kept_settings

pytestmark = as_root_only

Command = Callable[[Root], Any]

COMMANDS: Final[dict[str, Command]] = {
    "release": lambda root: root.release(),
    "release --dry-run": lambda root: root.release(dry_run=True),
    "update": lambda root: root.update(),
    "lock": lambda root: root.lock(),
    "promote": lambda root: root.promote("current"),
    "prune": lambda root: root.prune(),
    "check": lambda root: root.check(),
    "config": lambda root: root.config(),
    "schedule": lambda root: root.schedule("cron"),
    "pin": lambda root: root.pin("current"),
    "hold": lambda root: root.hold(),
}

READ_SETTINGS: Final = (
    "release",
    "release --dry-run",
    "update",
    "lock",
    "promote",
    "prune",
    "check",
    "config",
    "schedule",
)
READ_LOCKFILE: Final = ("release", "release --dry-run", "update")
DECIDE: Final = ("release", "update", "promote", "prune")
WRITE: Final = ("release", "lock", "promote", "prune", "pin", "hold")

FILES: Final[dict[str, tuple[str, ...]]] = {
    "venvship.toml": READ_SETTINGS,
    "common.toml": READ_SETTINGS,  # by `extends`
    "nested.toml": READ_SETTINGS,  # by `extends` in that
    "requirements.txt": (*READ_LOCKFILE, "lock"),
    "more.txt": READ_LOCKFILE,  # by -r
    "requirements.in": ("lock",),
    "common.in": ("lock",),  # by -r
    "constraints.txt": ("lock",),  # by -c
    "wheels": ("lock",),  # by --find-links: what lies there is chosen from
    "state/python.json": (*READ_LOCKFILE, "lock"),
    "state/journal.jsonl": (*DECIDE, "pin", "hold"),
    "state": WRITE,
    "state/leases": WRITE,
    "releases": WRITE,
    "log": WRITE,
    ".": (*READ_SETTINGS, "pin", "hold"),
    "..": (*READ_SETTINGS, "pin", "hold"),
}
"""What decides, and the commands that go by it; `.` is the directory of the root, and `..` the one above."""

TOLD_BY_STATUS: Final = frozenset(FILES) - {"common.in", "constraints.txt", "wheels"}


@dataclass(frozen=True)
class Change:
    """A way to let another user write a file."""

    says: str
    uid: int = 0
    gid: int = 0
    mode: int = 0


CHANGES: Final = {
    "owner": Change("belongs to nobody", uid=NOBODY),
    "others": Change("can be written by every user", mode=0o002),
    "group": Change("can be written by the group nogroup", gid=NOBODY, mode=0o020),
}


@contextlib.contextmanager
def changed(path: Path, change: Change) -> Iterator[None]:
    before = path.stat()
    os.chown(path, change.uid, change.gid)
    path.chmod(before.st_mode & 0o7777 | change.mode)
    try:
        yield
    finally:
        os.chown(path, 0, 0)
        path.chmod(before.st_mode & 0o7777)


@pytest.fixture(scope="module")
def shop(new_site: NewSite) -> Site:
    """A root with two releases, a lockfile that includes another one, inputs of `lock`, and a check."""
    site = new_site("trusted")
    site.settings(
        "extends = ['common.toml']\n"
        "[lock]\ninputs = ['requirements.in']\n[[check]]\nname = 'yes'\ncommand = ['true']\n"
    )
    (site.path / "common.toml").write_text("extends = ['nested.toml']\n")
    (site.path / "nested.toml").write_text("keep = 6\n")
    for version in ("1.0", "1.1"):
        site.release(version)
    dep, *rest = site.lock("1.1").read_text().split("dep==", 1)
    (site.path / "more.txt").write_text(f"{dep}dep=={rest[0].split('app==')[0]}")
    (site.path / "requirements.txt").write_text(f"{dep}-r more.txt\napp=={rest[0].split('app==')[1]}")
    (site.path / "wheels").mkdir()
    (site.path / "requirements.in").write_text("-r common.in\n-c constraints.txt\n--find-links wheels\n")
    (site.path / "common.in").write_text("app\n")
    (site.path / "constraints.txt").write_text("")
    for name in ("more.txt", "requirements.txt"):
        os.utime(site.path / name, (1, 1))
    site.open().release()
    return site


def outcome(command: Command, site: Site, **runtime: Any) -> VenvshipError | None:
    try:
        command(site.open(**runtime))
    except VenvshipError as error:
        return error
    return None


@pytest.mark.parametrize("name", FILES)
def test_a_command_refuses_a_file_that_another_user_can_write(
    shop: Site, name: str, record_property: Callable[[str, object], None]
) -> None:
    path = Path(os.path.normpath(shop.path / name))
    count = 0
    for what, change in CHANGES.items():
        if (name, what) == (".", "owner"):
            continue  # another owner of the root is another rule
        with changed(path, change):
            for command in FILES[name]:
                error = outcome(COMMANDS[command], shop)
                assert isinstance(error, UntrustedError), (what, command, error)
                assert error.exit_code == 12
                assert error.message.startswith(f"{path} {change.says}"), (command, error.message)
                assert error.data["path"] == str(path)
                assert error.hint, command
                count += 1
            warned = [one.message for one in shop.open().status().warnings if one.slug == "not-trusted"]
            assert any(f"{path} {change.says}" in one for one in warned) == (name in TOLD_BY_STATUS), warned
            count += 1
    record_property("cases", count)


@pytest.mark.parametrize("what", CHANGES)
def test_a_rollback_takes_the_kept_settings_and_says_so(shop: Site, what: str) -> None:
    live = shop.current
    with changed(shop.path / "venvship.toml", CHANGES[what]):
        result = shop.open().rollback()
        assert result.outcome == "switched"
        (told,) = [one.message for one in result.warnings if one.slug == "settings-kept"]
        assert CHANGES[what].says in told
        assert "the settings of the last promotion were used" in told
    assert live is not None
    assert shop.open().promote(live, force=True).outcome == "promoted"


def test_a_rollback_works_where_the_root_is_open_to_others(shop: Site) -> None:
    live = shop.current
    with changed(shop.path, CHANGES["others"]):
        result = shop.open().rollback()
        assert result.outcome == "switched"
        assert {one.slug for one in result.warnings} == {"settings-kept"}
        assert result.held is not None, "it could be recorded"
    assert live is not None
    assert shop.open().promote(live, force=True).outcome == "promoted"


def test_kept_settings_of_another_user_are_none(shop: Site) -> None:
    kept = shop.path / "state" / "settings.toml"
    for change in CHANGES.values():
        with changed(kept, change):
            assert [one.slug for one in shop.open().status().warnings] == ["not-trusted"], (
                "a rollback may need them"
            )
            with changed(shop.path / "venvship.toml", CHANGES["owner"]):
                error = outcome(lambda root: root.recover(), shop)
                told = [one.message for one in shop.open().status().warnings]
                assert error is None
                assert len(told) == 1
                assert (
                    read_kept_settings(ReadingWorkspace(RootLayout.at(shop.path), shop.runtime()).layout)
                    is None
                )
    assert read_kept_settings(ReadingWorkspace(RootLayout.at(shop.path), shop.runtime()).layout) is not None


@pytest.mark.parametrize("folder", ["state", "state/leases", "releases", "log"])
def test_a_rollback_writes_into_no_folder_of_another_user(shop: Site, folder: str) -> None:
    for change in CHANGES.values():
        with changed(shop.path / folder, change):
            error = outcome(lambda root: root.rollback(), shop)
            assert isinstance(error, UntrustedError)
            assert str(shop.path / folder) in error.message


@pytest.mark.parametrize("folder", ["state", "log"])
def test_nothing_is_written_through_a_link_of_another_user(shop: Site, folder: str, tmp_path: Path) -> None:
    """As a user who may write to the root's directory could make one."""
    path, aside = shop.path / folder, shop.path / f"{folder}.aside"
    victim = tmp_path / "victim"
    victim.mkdir()
    path.rename(aside)
    path.symlink_to(victim)
    os.lchown(path, NOBODY, NOBODY)
    try:
        for command in (*WRITE, "update", "check"):
            error = outcome(COMMANDS[command], shop)
            expected = ReleaseError if (command, folder) == ("check", "state") else UntrustedError
            assert isinstance(error, expected), (command, error)  # without a journal there is no release
        assert isinstance(outcome(lambda root: root.rollback(), shop), UntrustedError)
        outcome(lambda root: root.verify(), shop)
        assert list(victim.iterdir()) == []
        # A link of the owner's is as good as a folder.
        os.lchown(path, 0, 0)
        victim.rmdir()
        aside.rename(victim)
        assert shop.open().status().warnings == ()
        assert outcome(COMMANDS["pin"], shop) is None
        victim.rename(aside)
    finally:
        path.unlink()
        aside.rename(path)


@pytest.mark.parametrize("name", ["journal.jsonl", "switch.mutex", "journal.mutex"])
def test_a_file_of_state_that_is_a_link_is_not_written_through(shop: Site, name: str, tmp_path: Path) -> None:
    path, victim = shop.path / "state" / name, tmp_path / "victim"
    victim.write_text("precious\n")
    aside = path.rename(path.with_suffix(".aside"))
    path.symlink_to(victim)
    try:
        errors = [outcome(COMMANDS[command], shop) for command in ("release", "promote", "pin", "hold")]
        if name.endswith(".mutex"):  # before filelock opens it, which older versions do through the link
            assert any(
                error is not None and "is a link, and no lock file" in error.message for error in errors
            )
        assert any(errors)
        assert victim.read_text() == "precious\n"
    finally:
        path.unlink()
        aside.rename(path)


# -- root in another user's root ----------------------------------------------------------------------------


def test_root_runs_no_program_of_another_users_root(shop: Site) -> None:
    """Neither with `run` and `check`, nor by asking the interpreter that its settings name."""
    ran = shop.path.parent / "ran"
    spy = shop.path.parent / "python"
    spy.write_text(f"#!/bin/sh\ntouch {ran}\n")
    spy.chmod(0o755)
    settings = (shop.path / "venvship.toml").read_text()
    os.chown(shop.path, NOBODY, NOBODY)
    try:
        for command in (COMMANDS["check"], COMMANDS["release"]):  # not `run`: it would replace this process
            error = outcome(command, shop)
            assert isinstance(error, NotOwnerError)
            assert error.data["owner"] == "nobody"
        done = shop.run("run", "--", "sh", "-c", "id -un")
        assert done.code == 12
        done = shop.run("-C", str(shop.path), "run", "--", "sh", "-c", "id -un")
        assert done.code == 12
        assert "-u nobody " in done.err
        assert f"-C {shop.path} run -- sh -c 'id -un'" in done.err
        (shop.path / "venvship.toml").write_text(f'python = "{spy}"\n{settings}')
        shop.open().status()
        assert isinstance(outcome(COMMANDS["release --dry-run"], shop), NotOwnerError)
        assert not ran.exists()
        # It looks all the same.
        assert shop.open().status().current is not None
        assert shop.open().list().releases
    finally:
        os.chown(shop.path, 0, 0)
        (shop.path / "venvship.toml").write_text(settings)


# -- the other side -----------------------------------------------------------------------------------------


def test_a_umask_of_002_is_fine_for_an_owner_with_a_group_of_his_own(shop: Site) -> None:
    if HostAccounts().primary_group(0, 0) != {0}:
        pytest.skip("this host has other users in root's group")
    names = [
        name for name, commands in FILES.items() if name not in {"..", "state/journal.jsonl"} and commands
    ]
    with contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(changed(Path(os.path.normpath(shop.path / name)), Change("", mode=0o020)))
        stack.enter_context(umask(0o002))
        for command in ("release --dry-run", "update", "check", "promote", "prune", "pin"):
            assert outcome(COMMANDS[command], shop) is None, command
        assert shop.open().status().warnings == ()


def test_who_became_root_with_sudo_is_a_caller_too(shop: Site) -> None:
    with changed(shop.path / "requirements.txt", CHANGES["owner"]):
        sudo = {**shop.environment, "SUDO_UID": str(NOBODY)}
        assert outcome(COMMANDS["release --dry-run"], shop, environ=sudo) is None
        assert outcome(COMMANDS["release --dry-run"], shop) is not None


@pytest.mark.parametrize(
    "name", ["requirements.txt", "more.txt", "venvship.toml", ".", "..", "requirements.in"]
)
def test_a_trusted_user_or_group_may_own_or_write_what_decides(shop: Site, name: str) -> None:
    path = Path(os.path.normpath(shop.path / name))
    command = "lock" if name == "requirements.in" else "release --dry-run"
    for what, argument in (("owner", "nobody"), ("group", "%nogroup")):
        if (name, what) == (".", "owner"):
            continue
        with changed(path, CHANGES[what]):
            error = outcome(COMMANDS[command], shop)
            assert isinstance(error, UntrustedError)
            assert f"venvship -C {shop.path} init --trust {argument}" in (error.hint or "")
            trust(shop.path, argument)
            try:
                after = outcome(COMMANDS[command], shop)
                assert not isinstance(after, UntrustedError), after
                assert [one.argument for one in shop.open().status().trusted] == [argument]
            finally:
                Root.init(shop.path, untrust=[argument])
            assert isinstance(outcome(COMMANDS[command], shop), UntrustedError)
    assert shop.open().status().trusted == ()


def test_a_release_is_built_in_a_root_that_a_trusted_group_can_write(shop: Site) -> None:
    """With the store in it, whose own entries no group may write."""
    settings = (shop.path / "venvship.toml").read_text()
    shop.path.joinpath("venvship.toml").write_text(settings.replace(str(shop.store), "store"))
    trust(shop.path, "%nogroup")
    live = shop.current
    try:
        with changed(shop.path, CHANGES["group"]), changed(shop.path / "venvship.toml", CHANGES["group"]):
            assert shop.open().release(rebuild=True).outcome == "released"
            assert shop.open().verify().releases[0].ok
            assert not [one for one in shop.open().prune().warnings if "store" in one.slug]
        assert live is not None
        assert shop.open().rollback(live).outcome == "switched"
        shop.open().unhold()
    finally:
        Root.init(shop.path, untrust=["%nogroup"])
        (shop.path / "venvship.toml").write_text(settings)


def test_a_member_of_a_trusted_group_may_own_a_file(shop: Site) -> None:
    """An editor that renames leaves the file to whoever saved it."""
    trust(shop.path, f"%{NOBODY}")  # nobody's own group
    try:
        with changed(shop.path / "venvship.toml", CHANGES["owner"]):
            assert outcome(COMMANDS["release --dry-run"], shop) is None
    finally:
        Root.init(shop.path, untrust=[f"%{NOBODY}"])


def test_trust_is_read_only_from_a_file_that_the_owner_alone_can_write(shop: Site) -> None:
    trust(shop.path, "nobody")
    file, state = shop.path / "state" / "trust.json", shop.path / "state"
    try:
        with changed(shop.path / "venvship.toml", CHANGES["owner"]):
            assert outcome(COMMANDS["check"], shop) is None
            for path, what in ((file, "owner"), (file, "others"), (file, "group"), (state, "others")):
                with changed(path, CHANGES[what]):
                    error = outcome(COMMANDS["check"], shop)
                    assert isinstance(error, UntrustedError), (path, what)
                    assert error.data["path"] == str(path)
            aside = file.rename(state / "aside")
            file.symlink_to(aside)
            assert isinstance(outcome(COMMANDS["check"], shop), UntrustedError)
            file.unlink()
            aside.rename(file)
            assert outcome(COMMANDS["check"], shop) is None
    finally:
        Root.init(shop.path, untrust=["nobody"])


def test_a_umask_of_002_keeps_nobody_from_trusting_and_voids_no_trust(new_site: NewSite) -> None:
    """`state/` and the file in it follow the rule of all files: a group of the owner alone is harmless."""
    if HostAccounts().primary_group(0, 0) != {0}:
        pytest.skip("this host has other users in root's group")
    site = new_site("umask")
    state, file = site.path / "state", site.path / "state" / "trust.json"
    state.mkdir(exist_ok=True)
    state.chmod(0o775)
    with umask(0o002):
        trust(site.path, "nobody")
    for path in (state, file):
        path.chmod(path.stat().st_mode | 0o020)
        assert [one.argument for one in site.open().status().trusted] == ["nobody"]
        trust(site.path, "%nogroup")
        Root.init(site.path, untrust=["%nogroup"])
    with changed(site.path / "venvship.toml", CHANGES["owner"]):
        site.open().status()
        assert site.open().status().warnings == ()


def test_a_state_that_root_has_made_counts_and_is_refused_with_the_line_where_it_is_written() -> None:
    def look(own: Path) -> None:
        (own / "venvship.toml").write_text("")
        Root.init(own, trust=["4000001"])
        assert [one.argument for one in Root.open(own).status().trusted] == ["4000001"]
        (own / "state").chmod(0o555)
        for act in (lambda: Root.init(own, trust=["4000002"]), lambda: Root.open(own).prune()):
            with pytest.raises(NotWritableError) as caught:
                act()
            assert caught.value.hint == f"chmod u+wx {own}/state"
        (own / "state").chmod(0o755)

    unprivileged(look)


def test_trust_that_root_has_written_counts_in_the_root_of_another_user(new_site: NewSite) -> None:
    site = new_site("roots-state")
    trust(site.path, "4000001")
    os.chown(site.path, NOBODY, NOBODY)
    try:
        assert [one.argument for one in site.open().status().trusted] == ["4000001"]
    finally:
        os.chown(site.path, 0, 0)


def test_who_is_added_and_removed_is_in_the_journal(new_site: NewSite) -> None:
    site = new_site("recorded")
    runtime = site.runtime(actor="deploy")
    Root.init(site.path, trust=["nobody", "%nogroup"], runtime=runtime)
    Root.init(site.path, trust=["nobody"], runtime=runtime)  # changes nothing
    Root.init(site.path, untrust=["%nogroup"], trust=["4000000"], runtime=runtime)
    first, second = reversed(site.open().history().events)
    assert (first.event, first.actor, first.release) == ("trust-changed", "deploy", None)
    assert first.reason == f"added nobody (uid {NOBODY}), %nogroup (gid {NOBODY})"
    assert second.reason == f"added 4000000 (uid 4000000); removed %nogroup (gid {NOBODY})"
    assert second.facts["removed"] == [{"kind": "group", "name": "nogroup", "id": NOBODY}]
    assert second.facts["added"] == [{"kind": "user", "name": "4000000", "id": 4000000}]
    # Nobody is trusted on because the journal is damaged.
    journal = site.path / "state" / "journal.jsonl"
    journal.write_text("#" + journal.read_text())
    result = Root.init(site.path, untrust=["nobody", "4000000"], runtime=runtime)
    assert result.trusted == ()
    assert [one.slug for one in result.warnings] == ["journal-not-written"]


def test_a_file_that_counts_because_of_sudo_is_told_where_it_is_taken_and_by_status(shop: Site) -> None:
    sudo = {**shop.environment, "SUDO_UID": str(NOBODY)}
    path = shop.path / "requirements.txt"
    with changed(path, CHANGES["owner"]):
        for command in (COMMANDS["release --dry-run"], lambda root: root.status()):
            warned = command(shop.open(environ=sudo)).warnings
            (told,) = [one.message for one in warned if one.slug == "counts-for-caller"]
            assert told.startswith(
                f"{path} belongs to nobody (mode 0644). That counts here because nobody called"
            )
            assert "cron, will refuse it" in told
            assert f"chown root {path}; or, if nobody may decide" in told
        assert isinstance(outcome(COMMANDS["update"], shop), UntrustedError), "as cron finds out"
        trust(shop.path, "nobody")
        try:
            assert "counts-for-caller" not in {one.slug for one in shop.open(environ=sudo).status().warnings}
        finally:
            Root.init(shop.path, untrust=["nobody"])


def test_one_line_mends_all_files_that_others_can_write(shop: Site) -> None:
    settings, lockfile = shop.path / "venvship.toml", shop.path / "requirements.txt"
    more, state = shop.path / "more.txt", shop.path / "state"
    both = Change("", uid=NOBODY, gid=NOBODY, mode=0o020)
    try:
        with contextlib.ExitStack() as stack:
            for path, change in (
                (settings, both),
                (lockfile, CHANGES["others"]),
                (more, CHANGES["owner"]),
                (state, CHANGES["others"]),
            ):
                stack.enter_context(changed(path, change))
            error = outcome(COMMANDS["release --dry-run"], shop)
            assert isinstance(error, UntrustedError)
            assert (
                f"{settings} belongs to nobody and can be written by the group nogroup (mode 0664)"
                in error.message
            )
            line = str(error.hint).split("; or, ")[0]
            assert line == (
                f"chown root {settings} {more} && chmod g-w {settings} && chmod go-w {state} {lockfile}"
            ), line
            files = error.data["files"]
            assert {one["path"] for one in files} == set(map(str, (settings, lockfile, more, state)))  # type: ignore[attr-defined]
            subprocess.run(["sh", "-c", line], check=True)
            assert outcome(COMMANDS["release --dry-run"], shop) is None, "in one round"
    finally:
        for path in (settings, lockfile, more):
            path.chmod(0o644)


def test_no_file_outside_of_the_root_is_named_by_what_others_have_written(shop: Site, tmp_path: Path) -> None:
    """Or the advice would be a way to get the owner of any file changed."""
    settings = shop.path / "venvship.toml"
    before, victim = settings.read_text(), tmp_path / "victim.txt"
    victim.write_text("")
    victim.chmod(0o666)
    settings.write_text(f'lockfile = "{victim}"\n{before}')
    try:
        error = outcome(COMMANDS["release --dry-run"], shop)
        assert str(victim) in str(error), "the settings are the owner's own"
        with changed(settings, CHANGES["owner"]):
            error = outcome(COMMANDS["release --dry-run"], shop)
            assert isinstance(error, UntrustedError)
            assert "victim" not in f"{error} {error.hint}"
    finally:
        settings.write_text(before)


def test_the_line_changes_a_link_itself_or_the_file_that_it_leads_to(shop: Site, tmp_path: Path) -> None:
    lockfile, real = shop.path / "requirements.txt", tmp_path / "real.txt"
    aside = lockfile.rename(lockfile.with_suffix(".aside"))
    real.write_bytes(aside.read_bytes())
    lockfile.symlink_to(real)
    try:
        with changed(real, CHANGES["owner"]):
            error = outcome(COMMANDS["release --dry-run"], shop)
            assert isinstance(error, UntrustedError)
            assert str(error.hint).startswith(f"chown root {real};")
        state, folder = shop.path / "state", shop.path / "state.aside"
        state.rename(folder)
        state.symlink_to(folder)
        os.lchown(state, NOBODY, NOBODY)
        error = outcome(COMMANDS["pin"], shop)
        state.unlink()
        folder.rename(state)
        assert isinstance(error, UntrustedError)
        assert error.hint == f"chown -h root {state}"
    finally:
        lockfile.unlink()
        aside.rename(lockfile)


@pytest.mark.skipif(shutil.which("setfacl") is None, reason="there is no setfacl")
def test_a_default_acl_that_lets_others_write_is_refused_and_one_that_lets_them_read_works(
    new_site: NewSite,
) -> None:
    site = new_site("acl")
    site.settings()
    for folder in (".", "releases", "state", "log"):
        (site.path / folder).mkdir(exist_ok=True)

    def acl(*arguments: str) -> None:
        done = subprocess.run(["setfacl", *arguments, site.path], check=False, capture_output=True)
        if done.returncode:
            pytest.skip("no ACLs on this file system")

    acl("-R", "-d", "-m", "u:nobody:rX,g:nogroup:rX")
    site.release("1.0")
    site.release("1.1")
    assert all(one.ok for one in site.open().verify(all=True).releases)
    assert site.open().rollback().outcome == "switched"
    assert site.open().status().warnings == ()
    acl("-d", "-m", "u:nobody:rwX")
    error = outcome(COMMANDS["pin"], site)
    assert isinstance(error, UntrustedError)
    assert "has a default ACL by which other users can write what is made in it" in error.message
    assert error.hint == f"setfacl -k {site.path}"
    assert {one.slug for one in site.open().status().warnings} == {"not-trusted"}
    subprocess.run(["sh", "-c", error.hint], check=True)
    assert outcome(COMMANDS["pin"], site) is None


def test_init_takes_users_and_groups_by_name_or_number_and_knows_who_is_none(tmp_path: Path) -> None:
    made = Root.init(tmp_path / "new", trust=["nobody", "%nogroup", "4000000"])
    assert [one.argument for one in made.trusted] == ["nobody", "%nogroup", "4000000"]
    assert [one.id for one in made.trusted] == [NOBODY, NOBODY, 4000000]
    again = Root.init(tmp_path / "new", trust=["%nogroup"])
    assert (again.changed, len(again.trusted)) == (False, 3)
    less = Root.init(tmp_path / "new", untrust=["65534", "%65534"], trust=["root"])
    assert [one.argument for one in less.trusted] == ["4000000", "root"]
    for wrong in ({"trust": ["no such user"]}, {"trust": ["%no such group"]}, {"untrust": ["nobody"]}):
        with pytest.raises(UsageError, match="Nothing was changed"):
            Root.init(tmp_path / "new", **wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        Root.init(tmp_path / "other", trust=["no such user"])
    assert not (tmp_path / "other").exists()


def test_only_the_owner_widens_trust(shop: Site) -> None:
    os.chown(shop.path, NOBODY, NOBODY)
    try:
        with pytest.raises(NotOwnerError):
            trust(shop.path, "nobody")
    finally:
        os.chown(shop.path, 0, 0)


def test_init_warns_where_others_can_write_the_root(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (warning,) = Root.init(tmp_path / "open").warnings
    assert warning.slug == "not-trusted"
    assert f"chmod go-w {tmp_path / 'open'}" in warning.message


def test_a_root_behind_a_link_of_another_user_is_refused_by_that_name(shop: Site, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (shared / "link").symlink_to(shop.path)
    assert Root.open(shared / "link", runtime=shop.runtime()).check().checks
    os.lchown(shared / "link", NOBODY, NOBODY)
    with pytest.raises(UntrustedError, match="link belongs to nobody") as caught:
        Root.open(shared / "link", runtime=shop.runtime()).check()
    assert f"The root is {shop.path}" in caught.value.message
    assert caught.value.hint == f"name the root by its real path: -C {shop.path}"
    assert shop.open().check().checks


def test_nobody_is_told_to_trust_by_a_state_that_others_can_write(new_site: NewSite) -> None:
    site = new_site("told")  # that has never trusted anybody: a list of the trusted has words of its own
    with changed(site.path / "state", CHANGES["group"]):
        error = outcome(COMMANDS["release"], site)
        assert isinstance(error, UntrustedError)
        assert error.hint == f"chmod g-w {site.path}/state"
    trust(site.path, "nobody")
    with changed(site.path / "state", CHANGES["group"]):
        error = outcome(COMMANDS["release"], site)
        assert isinstance(error, UntrustedError)
        assert "--trust" not in str(error.hint)
        assert error.hint == f"chmod g-w {site.path}/state"


def test_names_that_do_not_resolve_have_numbers(shop: Site) -> None:
    with changed(shop.path / "venvship.toml", Change("", uid=4000000, gid=4000000, mode=0o020)):
        error = outcome(COMMANDS["check"], shop)
        assert isinstance(error, UntrustedError)
        assert "belongs to 4000000" in error.message
        assert "--trust 4000000" in (error.hint or "")
    assert user_name(4000000) == "4000000"
    assert RootLayout.at(shop.path).named == ""
