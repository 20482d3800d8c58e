"""Exit codes around the switch: refused, rolled back, a person is needed, held, superseded, interrupted."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.answers import (
    accepted,
    complaint,
    links,
    only,
    refusal,
    refused,
    released,
    states,
)
from tests.support.index import LocalIndex
from tests.support.processes import alive, eventually
from tests.support.roots import Finished, Site, command
from tests.support.wheels import build_wheel, lockfile_text

Hooked = Callable[..., None]

# -- 21: refused before the switch --------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["candidate", "prepare"])
def test_a_refusal_before_the_switch_gives_21(stocked: Site, hooked: Hooked, by: str) -> None:
    [a] = released(stocked, "1.0")
    hooked(**{by: "echo no reason; exit 3"})
    stocked.lock("1.1")
    done = stocked.run("release", "--json")
    error = refusal(done, 21, "rejected")
    assert done.data["release"]["state"] == "rejected"
    assert "failed: exit 3\n" in error["message"] or "refused: exit 3\n" in error["message"]
    assert error["output"] == "no reason"
    assert error["live"] == a
    assert stocked.events().count("promoting") == 1, "current was never switched"
    refused(stocked, "promote", error["release"], code=21, slug="rejected")


@pytest.mark.parametrize("by", ["candidate", "prepare"])
def test_a_first_release_that_is_refused_leaves_nothing_live(stocked: Site, hooked: Hooked, by: str) -> None:
    hooked(**{by: "false"})
    error = refused(stocked, "release", code=21, slug="rejected")
    assert error["live"] is None
    assert links(stocked.path) == {}


# -- 22: rolled back ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["restart", "live"])
def test_a_release_that_does_not_pass_gives_22_and_the_old_one_comes_back(
    stocked: Site, hooked: Hooked, by: str
) -> None:
    hooked(live="true")
    a, b = released(stocked, "1.0", "1.1")
    hooked(**{by: only(b)})
    stocked.lock("1.2")
    error = refused(stocked, "release", "--force", code=22, slug="rolled-back")
    assert error["live"] == b
    assert {"restart": "restart hook failed", "live": "'live' failed"}[by] in error["message"]
    assert states(stocked)[error["release"]] == "bad"
    refused(stocked, "promote", "--force", a, code=22, slug="rolled-back", at_once=False)
    assert states(stocked)[a] == "proven", "which is never taken back"


@pytest.mark.parametrize("by", ["restart", "live"])
def test_a_first_release_that_does_not_pass_gives_22_and_nothing_is_live(
    stocked: Site, hooked: Hooked, by: str
) -> None:
    hooked(**{by: "false"})
    error = refused(stocked, "release", "--force", code=22, slug="rolled-back")
    assert error["live"] is None
    assert links(stocked.path) == {}


def test_an_interrupted_promotion_that_recover_takes_back_gives_22(stocked: Site, hooked: Hooked) -> None:
    [a] = released(stocked, "1.0")
    killed_in_restart(stocked, hooked)
    assert stocked.current != a
    error = refusal(stocked.run("recover", "--boot", "--json"), 22, "rolled-back")
    assert error["live"] == a
    assert error["hint"] == "release again: venvship release"
    assert (stocked.current, stocked.debris()) == (a, [])
    accepted(stocked.run("recover", "--json"))


# -- 23: a person is needed ---------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["restart", "live"])
def test_when_the_old_release_fails_too_a_person_is_needed(stocked: Site, hooked: Hooked, by: str) -> None:
    [a] = released(stocked, "1.0")
    hooked(**{by: "false"})
    stocked.lock("1.1")
    error = refused(stocked, "release", "--force", code=23, slug="rollback-failed")
    assert f"after going back {a} fails too" in error["message"]
    assert (states(stocked)[a], states(stocked)[error["release"]]) == ("unchecked", "inconclusive")


@pytest.mark.parametrize("by", ["restart", "live"])
def test_a_rollback_by_hand_that_fails_gives_23_and_stays(stocked: Site, hooked: Hooked, by: str) -> None:
    a, b = released(stocked, "1.0", "1.1")
    hooked(**{by: "false"})
    error = refusal(stocked.run("rollback", "--json"), 23, "rollback-failed")
    assert f"switched to {a}" in error["message"]
    assert (stocked.current, stocked.debris()) == (a, [])
    assert "It stays live" in complaint(stocked.run("rollback", b), 23)
    assert (stocked.current, stocked.debris()) == (b, [])
    assert (states(stocked)[a], states(stocked)[b]) == ("unchecked", "unchecked"), "nobody is blamed"


def test_an_interrupted_rollback_that_fails_gives_23(stocked: Site, hooked: Hooked) -> None:
    a, _ = released(stocked, "1.0", "1.1")
    hooked(restart="kill -9 $PPID; sleep 9")
    assert stocked.run("rollback").code == -signal.SIGKILL
    hooked(live="false")
    refusal(stocked.run("recover", "--json"), 23, "rollback-failed")
    assert (stocked.current, stocked.debris()) == (a, [])


# -- 25 and 31: held, superseded ----------------------------------------------------------------------------


def test_a_bad_environment_gives_25_until_it_is_forced_or_let_go(stocked: Site, hooked: Hooked) -> None:
    [a] = released(stocked, "1.0")
    hooked(live=only(a))
    stocked.lock("1.1")
    bad = refusal(stocked.run("release", "--json"), 22, "rolled-back")["release"]
    error = refused(stocked, "release", code=25, slug="held")
    assert bad in error["message"]
    assert "--force" in error["hint"]
    planned = stocked.run("release", "--dry-run", "--json")
    assert refusal(planned, 25, "held")["message"] == error["message"]
    assert (planned.data["plan"], planned.data["outcome"]) == ("refuse", "held")
    assert stocked.run("release", "--force").code == 22
    assert stocked.run("unhold").code == 0
    assert stocked.run("release").code == 22


def test_a_person_may_release_under_a_hold_of_the_root(stocked: Site) -> None:
    assert stocked.run("hold").code == 0
    accepted(stocked.run("release", "--json"))


def test_a_release_that_was_overtaken_gives_31_and_is_kept(stocked: Site) -> None:
    a, _ = released(stocked, "1.0", "1.1")
    stocked.lock("1.2")
    # The check promotes another release, whose own candidate checks would do the same without end.
    stocked.settings(
        "[[check]]\nname = 'overtake'\nwhen = 'candidate'\n"
        f"command = ['sh', '-c', '[ $VENVSHIP_EVENT = promote ] || {command()} promote {a}']\n"
    )
    done = stocked.run("release", "--json")
    error = refusal(done, 31, "superseded")
    assert (stocked.current, stocked.debris()) == (a, [])
    assert states(stocked)[error["release"]] == "sealed"
    assert f"venvship promote {error['release']}" in error["hint"]


def test_a_second_click_on_rollback_gives_31(shop: Site) -> None:
    error = refused(shop, "rollback", "--from", shop.previous or "", code=31, slug="superseded")
    assert "nothing was changed" in error["message"]


def test_a_signal_after_the_switch_of_a_rollback_changes_nothing_and_is_reported(
    stocked: Site, hooked: Hooked
) -> None:
    a, _ = released(stocked, "1.0", "1.1")
    hooked(restart="kill -INT $PPID")
    done = stocked.run("rollback")
    assert (done.code, stocked.current) == (0, a)
    assert done.err.splitlines()[-1] == "SIGINT came too late to stop the rollback"


# -- 129, 130, 143: signals ---------------------------------------------------------------------------------

SIGNALS = [signal.SIGHUP, signal.SIGINT, signal.SIGTERM]


def interrupt(site: Site, number: signal.Signals, reached: Callable[[], bool], *options: str) -> Finished:
    """Start a release, send it a signal once it is there, and return how it ended."""
    process = site.start("release", *options)
    assert eventually(reached), "it never happened"
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=50)
    return Finished(process.returncode, out, err)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_in_a_candidate_check_gives_its_code(
    stocked: Site, hooked: Hooked, tmp_path: Path, number: signal.Signals
) -> None:
    reached = tmp_path / "reached"
    hooked(candidate=f"echo $$ > {reached}; exec sleep 60")
    done = interrupt(stocked, number, lambda: filled(reached), "--json")
    error = refusal(done, 128 + number, "interrupted")
    assert error["signal"] == number.name
    assert (links(stocked.path), stocked.debris()) == ({}, [])
    assert not alive(int(reached.read_text())), "the check was ended too"


@pytest.mark.parametrize("number", SIGNALS[1:2], ids=lambda number: number.name)
def test_a_signal_in_a_fetch_gives_its_code(
    online: Site, index: LocalIndex, wheelhouse: Path, number: signal.Signals
) -> None:
    wheel = build_wheel(wheelhouse, "far-away")
    index.hang = True
    (online.path / "requirements.txt").write_text(lockfile_text(wheel))
    done = interrupt(online, number, lambda: bool(index.requests))
    assert number.name in complaint(done, 128 + number)
    assert online.debris() == []


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_in_a_live_check_goes_back_and_gives_its_code(
    stocked: Site, hooked: Hooked, tmp_path: Path, number: signal.Signals
) -> None:
    [a] = released(stocked, "1.0")
    reached = tmp_path / "reached"
    hooked(live=f"{only(a)} || {{ echo $$ > {reached}; exec sleep 60; }}")
    stocked.lock("1.1")
    done = interrupt(stocked, number, lambda: filled(reached), "--json")
    refusal(done, 128 + number, "interrupted")
    assert (stocked.current, stocked.debris()) == (a, [])
    assert "inconclusive" in states(stocked).values()
    assert not alive(int(reached.read_text()))


def test_a_signal_in_a_live_check_is_answered_with_what_is_live_and_told_to_the_notify_hook(
    stocked: Site, tmp_path: Path
) -> None:
    [a] = released(stocked, "1.0")
    reached, told = tmp_path / "reached", tmp_path / "told"
    stocked.settings(
        f"[hooks]\nnotify = ['sh', '-c', 'cat > {told}']\n[[check]]\nname = 'gate'\ndeadline = 0\n"
        f"command = ['sh', '-c', '{only(a)} || {{ echo $$ > {reached}; exec sleep 60; }}']\n"
    )
    stocked.lock("1.1")
    done = interrupt(stocked, signal.SIGTERM, lambda: filled(reached), "--json")
    error = refusal(done, 128 + signal.SIGTERM, "interrupted")
    assert error["live"] == a
    assert "on trial" in error["message"]
    assert json.loads(told.read_text())["event"] == "rolled-back"


# -- what the tests above need ------------------------------------------------------------------------------


def killed_in_restart(site: Site, hooked: Hooked) -> None:
    """Leave a promotion behind that was killed while its restart hook ran."""
    hooked(restart="kill -9 $PPID; sleep 9")
    site.lock("1.1")
    assert site.run("release").code == -signal.SIGKILL
    site.settings()


def filled(file: Path) -> bool:
    return file.exists() and file.read_text().endswith("\n")
