"""Whose files decide: files, owners, modes and commands as a table; and who has to go on working."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.limits import umask
from tests.support.roots import NewSite, Site
from tests.support.users import NOBODY, as_root_only, trust
from venvship.api import Root
from venvship.errors import NotOwnerError, ReleaseError, UntrustedError, UsageError, VenvshipError
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
    "schedule",
)
READ_LOCKFILE: Final = ("release", "release --dry-run", "update")
DECIDE: Final = ("release", "update", "promote", "prune")
WRITE: Final = ("release", "lock", "promote", "prune", "pin", "hold")

FILES: Final[dict[str, tuple[str, ...]]] = {
    "venvship.toml": READ_SETTINGS,
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

TOLD_BY_STATUS: Final = frozenset(FILES) - {"requirements.in", "common.in", "constraints.txt", "wheels"}


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
    site.settings("[lock]\ninputs = ['requirements.in']\n[[check]]\nname = 'yes'\ncommand = ['true']\n")
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


COUNTED: Final[dict[str, int]] = {}


@pytest.mark.parametrize("name", FILES)
def test_a_command_refuses_a_file_that_another_user_can_write(shop: Site, name: str) -> None:
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
    COUNTED[name] = count
    print(f"\n{count} cases of {name}; {sum(COUNTED.values())} by now")


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
            assert shop.open().status().warnings == (), "nobody reads them"
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
        assert "sudo -u nobody " in done.err
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
    with pytest.raises(UntrustedError, match="every user"):
        Root.open(shared / "link", runtime=shop.runtime()).check()
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
        assert "chmod go-w" in str(error.hint)


def test_names_that_do_not_resolve_have_numbers(shop: Site) -> None:
    with changed(shop.path / "venvship.toml", Change("", uid=4000000, gid=4000000, mode=0o020)):
        error = outcome(COMMANDS["check"], shop)
        assert isinstance(error, UntrustedError)
        assert "belongs to 4000000" in error.message
        assert "--trust 4000000" in (error.hint or "")
    assert user_name(4000000) == "4000000"
    assert RootLayout.at(shop.path).named == ""
