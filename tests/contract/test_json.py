"""The JSON envelope: its keys, what `data` holds for each command, and that there is always exactly one."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import shapes
from tests.support.answers import accepted, envelope, only, refusal, released, together
from tests.support.roots import Site, command
from tests.support.shapes import fits

Hooked = Callable[..., None]


def test_json_is_utf_8_or_ascii_wherever_it_goes(site: Site) -> None:
    """RFC 8259, section 8.1."""
    site.release("1.0", message="café")
    for encoding in ("utf-8", "latin-1", "ascii"):
        done = subprocess.run(
            [command(), "list", "--json"],
            cwd=site.path,
            env={**site.environment, "PYTHONIOENCODING": encoding},
            capture_output=True,
            check=True,
        )
        assert json.loads(done.stdout.decode())["data"]["releases"][0]["message"] == "café"


# -- data, command by command -------------------------------------------------------------------------------

DATA: dict[str, tuple[list[str], shapes.Shape]] = {
    "status": (["status"], shapes.STATUS),
    "list": (["list"], {"releases": [shapes.RELEASE], "debris": [shapes.absolute]}),
    "show": (
        ["show"],
        {"release": {**shapes.RELEASE, "packages": shapes.PACKAGES}, "files": shapes.null_or([])},
    ),
    "history": (["history"], {"events": [shapes.EVENT]}),
    "diff": (["diff", "previous"], {**shapes.DIFF, "tree": shapes.TREE_DIFF}),
    "ps": (["ps"], shapes.PS),
    "config": (["config", "--all"], shapes.CONFIG),
    "check": (["check"], {"checks": [shapes.CHECK]}),
    "verify": (["verify", "--all"], shapes.VERIFY),
    "prune": (["prune", "--dry-run"], shapes.PRUNE),
    "release": (["release"], shapes.BUILD),
    "promote": (["promote", "current"], shapes.PROMOTE),
    "rollback": (["rollback", "current"], shapes.ROLLBACK),
    "pin": (["pin", "previous"], {"release": shapes.RELEASE, "changed": bool}),
    "unpin": (["unpin", "previous"], {"release": shapes.RELEASE, "changed": bool}),
    "hold": (["hold"], {**shapes.STATUS, "changed": bool}),
    "unhold": (["unhold"], {**shapes.STATUS, "changed": bool}),
    "recover": (["recover"], {"changed": bool}),
    "relocate": (["relocate"], {"changed": bool, "relocated": [], "left": []}),
    "schedule": (["schedule", "cron"], shapes.SCHEDULE),
    "service": (["service", "nginx"], shapes.SERVICE),
}


@pytest.mark.parametrize(("line", "shape"), DATA.values(), ids=DATA)
def test_the_data_of_a_command_holds_what_the_contract_lists(
    shop: Site, line: list[str], shape: shapes.Shape
) -> None:
    shop.settings("[[check]]\nname = 'yes'\ncommand = ['true']\n")
    done = shop.run(*line, "--json")
    fits(accepted(done), shape)
    assert envelope(done)["command"] == line[0]
    assert done.err == ""


def test_init_says_what_it_made(site: Site, tmp_path: Path) -> None:
    data = accepted(site.run("init", "-C", str(tmp_path / "new"), "--name", "shop", "--json"))
    fits(data, {"root": shapes.absolute, "created": [shapes.absolute], "trusted": [], "changed": bool})
    assert {Path(path).name for path in data["created"]} == {"venvship.toml", "README"}


def test_what_is_live_and_what_was_is_said_in_full(shop: Site) -> None:
    status, listing, show, diff, history = (
        accepted(done)
        for done in together(
            shop,
            ["status", "--json"],
            ["list", "--json"],
            ["show", "--json"],
            ["diff", "previous", "--json"],
            ["history", "-n", "3", "--json"],
        )
    )
    assert (status["current"]["id"], status["previous"]["id"]) == (shop.current, shop.previous)
    assert (status["held"], status["operation"]) == (None, None)
    assert [found["id"] for found in listing["releases"]] == [shop.current, shop.previous], "newest first"
    assert [found["current"] for found in listing["releases"]] == [True, False]
    assert [found["previous"] for found in listing["releases"]] == [False, True]
    assert listing["debris"] == []
    assert show["release"]["packages"] == [
        {"name": "app", "version": "1.1"},
        {"name": "dep", "version": "1.0"},
    ]
    assert diff["changed"] == [{"name": "app", "from": "1.0", "to": "1.1"}]
    assert (diff["added"], diff["removed"]) == ([], [])
    seqs = [event["seq"] for event in history["events"]]
    assert len(seqs) == 3
    assert seqs == sorted(seqs, reverse=True)


def test_a_hold_says_who_since_when_and_why(stocked: Site) -> None:
    [a] = released(stocked, "1.0")
    held = accepted(stocked.run("hold", "-m", "migration tonight", "--json"))["held"]
    fits(held, shapes.HOLD)
    assert (held["scope"], held["reason"], held["release"]) == ("root", "migration tonight", a)
    assert accepted(stocked.run("status", "--json"))["held"] == held
    assert accepted(stocked.run("unhold", "--json"))["held"] is None


def test_a_hold_of_an_environment_names_it(stocked: Site, hooked: Hooked) -> None:
    [a] = released(stocked, "1.0")
    hooked(live=only(a))
    stocked.lock("1.1")
    data = envelope(stocked.run("release", "--json"))["data"]
    held = accepted(stocked.run("status", "--json"))["held"]
    fits(held, shapes.HOLD)
    assert held["scope"] == "environment"
    assert held["environment_digest"] == data["release"]["environment_digest"]
    assert held["release"] == data["release"]["id"]


def test_an_operation_under_way_is_named_with_its_process(stocked: Site, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    stocked.settings(
        "[[check]]\nname = 'look'\nwhen = 'candidate'\n"
        f"command = ['sh', '-c', '{command()} status --json > {seen}']\n"
    )
    accepted(stocked.run("release", "--json"))
    operation = json.loads(seen.read_text())["data"]["operation"]
    fits(operation, {"operation": str, "actor": str, "pid": int, "since": shapes.time})
    assert (operation["operation"], operation["running"]) == ("release", True)
    assert accepted(stocked.run("status", "--json"))["operation"] is None


def test_debris_is_listed_by_its_path(stocked: Site) -> None:
    debris = stocked.path / "releases" / "20200101T000000Z-0000000"
    debris.mkdir()
    assert accepted(stocked.run("list", "--json"))["debris"] == [str(debris)]
    assert accepted(stocked.run("recover", "--json"))["debris"] == [debris.name]
    assert stocked.debris() == []


def test_damage_is_listed_relative_to_its_release(site: Site) -> None:
    released(site, "1.0")
    [victim] = (site.path / "current").resolve().glob("lib/*/site-packages/app.py")
    victim.parent.chmod(0o755)
    victim.unlink()
    data = envelope(site.run("verify", "--json"))["data"]
    fits(data, shapes.VERIFY)
    [found] = data["releases"]
    assert found["ok"] is False
    damaged = {one["path"] for one in found["damaged"]}
    assert str(victim.relative_to((site.path / "current").resolve())) in damaged


def test_prune_gives_a_reason_for_every_release(stocked: Site) -> None:
    released(stocked, "1.0", "1.1")
    data = accepted(stocked.run("prune", "--keep", "2", "--dry-run", "--json"))
    fits(data, shapes.PRUNE)
    every = {found["id"] for found in accepted(stocked.run("list", "--json"))["releases"]}
    assert {found["id"] for found in [*data["kept"], *data["removed"]]} == every
    assert all(found["reason"] for found in [*data["kept"], *data["removed"]])


# -- the outcomes of release --------------------------------------------------------------------------------

NO = "echo no; false"


def outcome(done: Any) -> Any:
    data = envelope(done)["data"]
    fits(data, shapes.BUILD)
    return data["outcome"]


def test_a_release_is_planned_built_reactivated_and_then_unchanged(site: Site) -> None:
    assert outcome(site.run("release", "--dry-run", "--json")) == "planned"
    assert not (site.path / "releases").exists(), "nothing was written"
    assert outcome(site.run("release", "--no-promote", "--json")) == "built"
    assert site.current is None
    assert outcome(site.run("release", "--json")) == "reactivated"
    assert outcome(site.run("release", "--json")) == "unchanged"
    done = site.run("release", "--rebuild", "--json", "-m", "again")
    assert outcome(done) == "released"
    assert done.data["release"]["message"] == "again"
    assert done.data["release"]["id"] == site.current
    assert done.data["previous"]["id"] == site.previous
    assert set(done.data["timings"]) >= {"fetch", "compile", "assemble", "switch"}


def test_a_release_is_rejected_rolled_back_and_then_held(stocked: Site, hooked: Hooked) -> None:
    [a] = released(stocked, "1.0")
    stocked.lock("1.1")
    hooked(candidate=NO)
    assert outcome(stocked.run("release", "--json")) == "rejected"
    hooked(live=only(a))
    done = stocked.run("release", "--json")
    assert outcome(done) == "rolled-back"
    assert done.data["release"]["state"] == "bad"
    assert done.data["previous"]["id"] == a
    assert [check["outcome"] for check in done.data["checks"]] == ["failed"]
    assert outcome(stocked.run("release", "--json")) == "held"


def test_a_release_is_superseded_when_current_moves(stocked: Site) -> None:
    [a] = released(stocked, "1.0")
    stocked.lock("1.1")
    other = listed(stocked)[0]
    assert other != a
    stocked.settings(
        "[[check]]\nname = 'overtake'\nwhen = 'candidate'\n"
        f"command = ['sh', '-c', '[ $VENVSHIP_EVENT = promote ] || {command()} promote {other}']\n"
    )
    assert outcome(stocked.run("release", "--json")) == "superseded"


def listed(site: Site) -> list[str]:
    return [found["id"] for found in accepted(site.run("list", "--json"))["releases"]]


@pytest.mark.parametrize("why", ["build", "lockfile", "settings"])
def test_a_release_that_came_to_nothing_has_no_outcome(shop: Site, why: str) -> None:
    if why == "build":
        (shop.path / "requirements.txt").write_text(f"gone==1.0 --hash=sha256:{'0' * 64}\n")
    elif why == "lockfile":
        (shop.path / "requirements.txt").write_text("")
    else:
        shop.settings("kep = 1\n")
    assert outcome(shop.run("release", "--json")) is None


# -- one object, whatever happens ---------------------------------------------------------------------------


@pytest.mark.parametrize("line", [["-C", "/no/such/root", "status"], ["status"]], ids=" ".join)
@pytest.mark.parametrize("front", [True, False], ids=["before", "after"])
def test_without_a_root_there_is_an_envelope_too(
    shop: Site, tmp_path: Path, line: list[str], front: bool
) -> None:
    done = shop.run(*(["--json", *line] if front else [*line, "--json"]), cwd=tmp_path)
    refusal(done, 12, "not-a-root")
    body = envelope(done)
    assert (body["command"], body["data"]) == ("status", {})


def test_an_unknown_command_is_no_command(shop: Site) -> None:
    done = shop.run("--json", "relaese")
    assert refusal(done, 2, "usage")["message"]
    assert envelope(done)["data"] == {}


def test_a_failed_switch_fills_data_as_far_as_it_is_known(stocked: Site, hooked: Hooked) -> None:
    a, b = released(stocked, "1.0", "1.1")
    hooked(live="false")
    done = stocked.run("rollback", "--json")
    fits(envelope(done)["data"], shapes.ROLLBACK)
    assert done.data["release"]["id"] == a
    assert done.data["previous"]["id"] == b
    done = stocked.run("promote", "--force", b, "--json")
    fits(envelope(done)["data"], shapes.PROMOTE)
    refused = stocked.run("promote", "2099", "--json")
    assert envelope(refused)["data"] == {"changed": False}, "nothing else is known"
    done = stocked.run("check", "--json")
    fits(envelope(done)["data"], {"checks": [shapes.CHECK]})


def test_progress_and_hooks_do_not_get_into_the_object(stocked: Site, hooked: Hooked) -> None:
    hooked(restart="echo to out; echo to err >&2", candidate="echo noise", live="echo noise")
    done = stocked.run("release", "--json", "-v")
    accepted(done)
    assert done.out.count("\n") == 1


def test_warnings_stand_in_the_envelope(stocked: Site) -> None:
    stocked.settings("[hooks]\nnotify = ['false']\n")
    body = envelope(stocked.run("release", "--json"))
    assert [warning["slug"] for warning in body["warnings"]] == ["notify-failed"]


def test_run_has_no_envelope_and_hands_its_options_on(shop: Site) -> None:
    assert shop.run("--json", "run", "--", "echo", "{}", "--json", "-C", "x").out == "{} --json -C x\n"
    assert shop.run("run", "echo", "--json").out == "--json\n"


# -- which root ---------------------------------------------------------------------------------------------


def test_global_options_stand_before_or_after_the_command(shop: Site, tmp_path: Path) -> None:
    root = str(shop.path)
    for line in (
        ["-C", root, "--json", "--wait", "1", "-q", "--no-color", "status"],
        ["status", "-C", root, "--json", "--wait", "1", "-q", "--no-color"],
        ["--root", root, "status", "--json"],
    ):
        assert accepted(shop.run(*line, cwd=tmp_path))["root"] == root


def test_the_root_is_named_by_option_then_variable_then_the_nearest_parent(shop: Site, stocked: Site) -> None:
    below = shop.path / "current" / "lib"
    env = {"VENVSHIP_ROOT": str(stocked.path)}
    assert accepted(shop.run("status", "--json", cwd=below))["root"] == str(shop.path)
    assert accepted(shop.run("status", "--json", cwd=below, env=env))["root"] == str(stocked.path)
    line = ["status", "--json", "-C", str(shop.path)]
    assert accepted(shop.run(*line, env=env))["root"] == str(shop.path)


def test_a_root_may_be_named_relatively_and_through_a_link(shop: Site, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(shop.path)
    assert accepted(shop.run("status", "--json", "-C", "link", cwd=tmp_path))["root"] == str(shop.path)


def test_variables_that_are_empty_name_nothing(shop: Site) -> None:
    done = shop.run("status", "--json", env={"VENVSHIP_ROOT": ""})
    assert accepted(done)["root"] == str(shop.path)
