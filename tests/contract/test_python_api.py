"""The command line prints what the API returns: `data` is `to_json()`, `warnings` are the result's."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from tests.support.answers import complaint, envelope
from tests.support.roots import Site
from tests.support.users import unprivileged
from venvship import Root, errors
from venvship.api.reads import with_warnings
from venvship.cli.render import warnings_of
from venvship.errors import Result
from venvship.root import RootLayout
from venvship.system.leases import lease_withheld
from venvship.workspace.reading import ReadingWorkspace

Call = Callable[[Root], Result]

CALLS: dict[str, tuple[list[str], Call]] = {
    "status": (["status"], lambda root: root.status()),
    "list": (["list"], lambda root: root.list()),
    "show": (["show"], lambda root: root.show()),
    "history": (["history", "-n", "3"], lambda root: root.history(3)),
    "diff": (["diff", "previous"], lambda root: root.diff("previous")),
    "ps": (["ps", "previous", "--old"], lambda root: root.ps("previous", old=True)),
    "config": (["config", "--all"], lambda root: root.config(all=True)),
    "check": (["check"], lambda root: root.check()),
    "verify": (["verify", "--all"], lambda root: root.verify(all=True)),
    "prune": (["prune", "--dry-run"], lambda root: root.prune(dry_run=True)),
    "release": (["release", "--dry-run"], lambda root: root.release(dry_run=True)),
    "update": (["update"], lambda root: root.update()),
    "promote": (["promote", "current"], lambda root: root.promote("current")),
    "rollback": (["rollback", "current"], lambda root: root.rollback("current")),
    "pin": (["pin", "previous"], lambda root: root.pin("previous")),
    "unpin": (["unpin", "previous"], lambda root: root.unpin("previous")),
    "recover": (["recover"], lambda root: root.recover()),
    "relocate": (["relocate"], lambda root: root.relocate()),
    "schedule": (["schedule", "cron"], lambda root: root.schedule("cron", command=["/bin/venvship"])),
    "service": (["service", "nginx"], lambda root: root.service("nginx", command=["/bin/venvship"])),
}


def plain(value: object) -> object:
    """The value as a reader of the JSON has it."""
    return json.loads(json.dumps(value))


def timeless(value: object) -> object:
    """The value without what differs from call to call; a second `pin` changes nothing."""
    if isinstance(value, dict):
        other = {"timings", "seconds", "content", "changed", "hidden", "users"}
        return {key: timeless(one) for key, one in value.items() if key not in other}
    return [timeless(one) for one in value] if isinstance(value, list) else value


@pytest.fixture
def empty_root(tmp_path: Path) -> Root:
    """A root without a release."""
    (tmp_path / "venvship.toml").write_text("")
    return Root.open(tmp_path)


@pytest.mark.parametrize(("line", "call"), CALLS.values(), ids=CALLS)
def test_data_is_the_json_of_the_result(shop: Site, line: list[str], call: Call) -> None:
    printed = envelope(shop.run(*line, "--json"))
    result = call(shop.open())

    assert timeless(plain(result.to_json())) == timeless(printed["data"])
    assert [warning._asdict() for warning in result.warnings] == printed["warnings"]


def test_a_hold_returns_the_status(shop: Site) -> None:
    root = shop.open()
    held = root.hold(message="stocktaking")
    status = envelope(shop.run("status", "--json"))["data"]
    assert {key: plain(held.to_json())[key] for key in status} == status
    assert held.ended == ()
    assert root.unhold().held is None


def test_an_error_has_the_result_and_the_warnings(shop: Site) -> None:
    shop.settings("[[check]]\nname = 'no'\ncommand = ['false']\ndeadline = 0\n")
    printed = envelope(shop.run("check", "--json"))
    with pytest.raises(errors.CheckFailedError) as caught:
        shop.open().check()

    assert caught.value.result is not None
    assert timeless(plain(caught.value.result.to_json())) == timeless(printed["data"])
    assert caught.value.exit_code == printed["exit_code"] == 40


@pytest.mark.parametrize(
    ("text", "exit_code"), [(None, 127), ("", 126), ("#!/no/such/interpreter\n", 126)], ids=str
)
def test_run_raises_instead_of_exiting_and_keeps_no_lease(
    shop: Site, tmp_path: Path, text: str | None, exit_code: int
) -> None:
    program = tmp_path / "program"
    if text is not None:
        program.write_text(text)
        program.chmod(0o755)
    root = shop.open()

    before = set(os.listdir("/dev/fd"))
    with pytest.raises((errors.CommandNotFoundError, errors.CommandNotExecutableError)) as caught:
        root.run([str(program)])

    assert caught.value.exit_code == exit_code
    assert ("/no/such/interpreter of its first line does not exist" in caught.value.message) == bool(text)
    assert set(os.listdir("/dev/fd")) <= before


def test_run_keeps_no_lease_of_a_release_that_is_being_removed(shop: Site) -> None:
    release = shop.path / "releases" / str(shop.current)
    root = shop.open()
    before = set(os.listdir("/dev/fd"))
    with lease_withheld(str(shop.path / "state" / "leases" / release.name)) as free:
        assert free
        with pytest.raises(errors.ReleaseError, match="being removed"):
            root.run(["python"])
    assert set(os.listdir("/dev/fd")) <= before


def test_ctrl_c_and_run_keep_the_warnings(shop: Site) -> None:
    """A caller without our signal handlers gets `KeyboardInterrupt`, with the warnings as an attribute."""
    root, lease = shop.open(), shop.path / "state" / "leases" / str(shop.current)
    kept = lease.with_name("kept")
    lease.rename(kept)
    try:
        with pytest.raises(errors.CommandNotExecutableError) as caught:
            root.run(["/"])
    finally:
        kept.rename(lease)
    assert [warning.slug for warning in caught.value.warnings] == ["no-lease"]
    with pytest.raises(KeyboardInterrupt) as interrupted:
        with_warnings(ReadingWorkspace(RootLayout.at(shop.path), shop.runtime()), interrupt)
    assert [warning.slug for warning in warnings_of(interrupted.value)] == ["journal-torn"]


def interrupt(workspace: ReadingWorkspace) -> Result:
    workspace.warn("journal-torn", "torn")
    raise KeyboardInterrupt


REFUSED: dict[str, tuple[Callable[[Root], object], str]] = {
    "no command": (lambda root: root.run([]), "command: the program is missing"),
    "no events": (lambda root: root.history(0), "n: 0 is not in the range x>=1"),
    "keep": (lambda root: root.prune(keep=1), "keep: 1 is not in the range x>=2"),
    "keep_days": (lambda root: root.prune(keep_days=-1), "keep_days: -1 is not in the range x>=0"),
    "endless": (lambda root: root.prune(keep_days=float("inf")), "keep_days: inf is not a finite number"),
    "jitter": (lambda root: root.update(jitter=-0.5), "jitter: -0.5 is not in the range x>=0"),
    "kind": (lambda root: root.schedule(cast(Any, "at")), "kind: 'at' is not one of 'cron', 'systemd'"),
}


@pytest.mark.parametrize(("call", "message"), REFUSED.values(), ids=REFUSED)
def test_an_argument_out_of_range_is_a_value_error(
    empty_root: Root, call: Callable[[Root], object], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call(empty_root)


LETTERS: dict[str, Callable[[Root], object]] = {
    "run": lambda root: root.run("ls"),
    "lock": lambda root: root.lock(upgrade_package="django"),
    "schedule": lambda root: root.schedule("cron", command="/bin/venvship"),
    "service": lambda root: root.service("nginx", command="/bin/venvship"),
}


@pytest.mark.parametrize("call", LETTERS.values(), ids=LETTERS)
def test_a_str_in_place_of_several_is_a_type_error(empty_root: Root, call: Callable[[Root], object]) -> None:
    with pytest.raises(TypeError, match="is a sequence of str, not one"):
        call(empty_root)


def test_a_range_has_the_words_of_the_command_line(shop: Site) -> None:
    for line, words in (
        (["history", "-n", "0"], "0 is not in the range x>=1"),
        (["prune", "--keep", "1"], "1 is not in the range x>=2"),
        (["schedule", "at"], "'at' is not one of 'cron', 'systemd'"),
    ):
        assert words in complaint(shop.run(*line), 2)


def test_a_root_is_shown_as_the_call_that_opens_it(empty_root: Root) -> None:
    assert repr(empty_root) == f"Root.open({str(empty_root.path)!r})"


@pytest.mark.parametrize("mode", [0o000, 0o444])
def test_releases_that_cannot_be_looked_into_are_an_error_of_the_root(mode: int) -> None:
    release_id = "20261122T094143Z-3f9a1c2"

    def look(base: Path) -> None:
        (base / "venvship.toml").write_text("")
        (base / "releases" / release_id).mkdir(parents=True)
        (base / "current").symlink_to(f"releases/{release_id}")
        root = Root.open(base)
        assert [one.slug for one in root.status().warnings] != []
        (base / "releases").chmod(mode)
        for read in (root.status, root.measure, root.list):
            with pytest.raises(errors.RootError, match=f"{base}/releases.*: Permission denied") as caught:
                read()
            assert caught.value.exit_code == 12
        (base / "releases").chmod(0o755)

    unprivileged(look)
