"""The command line prints what the API returns: `data` is `to_json()`, `warnings` are the result's."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.support.answers import envelope
from tests.support.roots import Site
from venvship import Root, errors
from venvship.errors import Result

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


def test_run_raises_instead_of_exiting(shop: Site) -> None:
    with pytest.raises(errors.CommandNotFoundError) as caught:
        shop.open().run(["no-such-program"])
    assert caught.value.exit_code == 127
