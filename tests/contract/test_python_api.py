"""The command line prints what the API returns: `data` is `to_json()`, `warnings` are the result's."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.answers import envelope
from tests.support.roots import Site
from venvship import Root, errors
from venvship.api.reads import with_warnings
from venvship.cli.render import warnings_of
from venvship.errors import Result
from venvship.root import RootLayout
from venvship.system.mutex import lease_withheld
from venvship.workspace.reading import ReadingWorkspace

Call = Callable[[Root], Result]

CALLS: dict[str, tuple[list[str], Call]] = {
    "status": (["status"], lambda root: root.status()),
    "list": (["list"], lambda root: root.list()),
    "show": (["show"], lambda root: root.show()),
    "history": (["history", "-n", "3"], lambda root: root.history(3)),
    "diff": (["diff", "previous"], lambda root: root.diff("previous")),
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
    "schedule": (
        ["schedule", "cron"],
        lambda root: root.schedule("cron", command=["/bin/venvship"]),
    ),
}


def plain(value: object) -> object:
    """The value as a reader of the JSON has it."""
    return json.loads(json.dumps(value))


def timeless(value: object) -> object:
    """The value without what differs from call to call."""
    if isinstance(value, dict):
        return {
            key: timeless(one) for key, one in value.items() if key not in {"timings", "seconds", "content"}
        }
    return [timeless(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("line", "call"), CALLS.values(), ids=CALLS)
def test_data_is_the_json_of_the_result(shop: Site, line: list[str], call: Call) -> None:
    printed = envelope(shop.run(*line, "--json"))
    result = call(shop.open())

    assert timeless(plain(result.to_json())) == timeless(printed["data"])
    assert [warning._asdict() for warning in result.warnings] == printed["warnings"]


def test_a_hold_returns_the_status(shop: Site) -> None:
    root = shop.open()
    held = root.hold(message="stocktaking")
    assert plain(held.to_json()) == envelope(shop.run("status", "--json"))["data"]
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
