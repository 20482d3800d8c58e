"""Hooks, checks and verdicts around the switch, on real roots."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import pytest

from tests.support.roots import Site
from venvship.errors import (
    NothingToRollBackToError,
    RejectedError,
    RolledBackError,
)
from venvship.model.release import State


def states(site: Site) -> dict[str, str]:
    return {view.id: view.state.value for view in site.open().list().releases}


def trace(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def tracing(path: Path) -> str:
    """Settings whose hooks and checks write their name and what is current to a file."""

    def line(name: str) -> str:
        script = f"echo {name} $VENVSHIP_EVENT $(basename $(readlink $VENVSHIP_ROOT/current)) >> {path}"
        return f'["sh", "-c", "{script}"]'

    return f"""
[hooks]
prepare = {line("prepare")}
restart = {line("restart")}
[[check]]
name = "before"
when = "candidate"
command = {line("before")}
[[check]]
name = "after"
command = {line("after")}
"""


def test_the_order_is_candidate_checks_prepare_switch_restart_live_checks(site: Site, tmp_path: Path) -> None:
    a = site.release("1.0")
    log = tmp_path / "trace"
    site.settings(tracing(log))
    b = site.release("1.1")
    assert trace(log) == [
        f"before release {a}",
        f"prepare release {a}",
        f"restart promote {b}",
        f"after promote {b}",
    ]
    log.unlink()
    assert site.release("1.0") == a, "an earlier lockfile: its prepare hook must not migrate forward"
    assert trace(log) == [
        f"before reactivate {b}",
        f"prepare reactivate {b}",
        f"restart promote {a}",
        f"after promote {a}",
    ]


def test_a_failed_live_check_goes_back_restarts_and_checks_the_old_release(
    site: Site, tmp_path: Path
) -> None:
    a = site.release("1.0")
    log = tmp_path / "trace"
    site.settings(
        tracing(log)
        + "[[check]]\nname = 'version'\ndeadline = 0\n"
        + "command = ['python', '-c', \"import app, sys; sys.exit(app.VERSION != '1.0')\"]\n"
    )
    site.lock("1.1")
    with pytest.raises(RolledBackError) as caught:
        site.open().release()
    bad = caught.value.data["release"]
    assert trace(log)[2:] == [
        f"restart promote {bad}",
        f"after promote {bad}",
        f"restart rollback {a}",
        f"after rollback {a}",
    ]
    assert site.current == a
    assert states(site) == {a: "proven", bad: "bad"}
    assert site.debris() == []


def test_a_check_that_is_not_required_is_only_reported(site: Site) -> None:
    site.settings("[[check]]\nname = 'nice'\ncommand = ['false']\ndeadline = 0\nrequired = false\n")
    result = site.open().release()
    assert result.outcome == "released"
    assert [warning.slug for warning in result.warnings] == ["check-failed"]


def test_the_notify_hook_gets_one_event(site: Site, tmp_path: Path) -> None:
    told = tmp_path / "told"
    site.settings(f"[hooks]\nnotify = ['sh', '-c', 'cat >> {told}']\n")
    a = site.release("1.0")
    b = site.release("1.1")
    site.open().rollback(message="no")
    events = [json.loads(line) for line in told.read_text().splitlines()]
    assert [(e["event"], e["release"], e["previous"]) for e in events] == [
        ("released", a, None),
        ("released", b, a),
        ("rolled-back", a, b),
    ]
    assert events[2]["current"] == a


def test_the_notify_hook_hears_of_a_message_that_is_not_utf_8(site: Site, tmp_path: Path) -> None:
    told = tmp_path / "told"
    site.settings(f"[hooks]\nnotify = ['sh', '-c', 'cat >> {told}']\n")
    site.release("1.0")
    done = site.open()
    done.release(rebuild=True, message=os.fsdecode(b"caf\xe9"))
    refusal = "prepare = ['sh', '-c', 'printf \"caf\\\\351\"; exit 1']"
    site.settings(f"[hooks]\nnotify = ['sh', '-c', 'cat > {told}']\n{refusal}\n")
    with pytest.raises(RejectedError):
        site.release("1.1")
    assert json.loads(told.read_bytes())["event"] == "rejected"


def test_a_rollback_without_checks_still_restarts(site: Site, tmp_path: Path) -> None:
    site.release("1.0")
    site.release("1.1")
    log = tmp_path / "restarted"
    site.settings(
        f"[hooks]\nrestart = ['sh', '-c', 'echo $VENVSHIP_EVENT >> {log}']\n"
        "[[check]]\nname = 'no'\ncommand = ['false']\ndeadline = 0\n"
    )
    site.open().rollback(no_checks=True)
    assert trace(log) == ["rollback"]


def test_a_bad_release_that_is_promoted_by_force_and_passes_is_proven(site: Site) -> None:
    site.release("1.0")
    site.settings(
        "[[check]]\nname = 'no'\ncommand = ['sh', '-c', '[ $VENVSHIP_EVENT = rollback ]']\ndeadline = 0\n"
    )
    site.lock("1.1")
    with pytest.raises(RolledBackError) as caught:
        site.open().release()
    bad = caught.value.data["release"]
    site.settings()
    root = site.open()
    assert root.promote(bad, force=True).warnings == ()
    assert root.show(bad).release.state is State.UNCHECKED
    assert root.status().held is None


def test_a_switch_by_hand_is_observed_and_holds_the_root(site: Site) -> None:
    a, b = site.release("1.0"), site.release("1.1")
    link = site.path / "current"
    link.unlink()
    link.symlink_to(f"releases/{a}")
    root = site.open()
    assert [warning.slug for warning in root.status().warnings] == ["current-observed"]
    assert root.recover().outcome == "observed"
    status = root.status()
    assert status.held is not None
    assert status.current is not None
    assert status.current.id == a
    with pytest.raises(NothingToRollBackToError):
        root.rollback()  # the hand may have been a rollback that could not be recorded
    assert site.current == a
    root.rollback(b)
    assert site.current == b


KILL_US = "kill -9 $PPID"
"""A hook that kills venvship: a crash at exactly that point."""


def test_a_crash_while_going_back_is_recovered_with_the_same_verdict(site: Site, tmp_path: Path) -> None:
    a = site.release("1.0")
    once = tmp_path / "once"
    site.settings(
        f"[hooks]\nrestart = ['sh', '-c', "
        f"'[ $VENVSHIP_EVENT != rollback ] || [ -e {once} ] || {{ touch {once}; {KILL_US}; sleep 9; }}']\n"
        "[[check]]\nname = 'no'\ncommand = ['sh', '-c', '[ $VENVSHIP_RELEASE = " + a + " ]']\ndeadline = 0\n"
    )
    site.lock("1.1")
    assert site.run("release").code == -9
    assert site.current == a
    assert site.run("recover").code == 22
    assert sorted(states(site).values()) == ["bad", "proven"]
    assert site.run("release").code == 25
    assert site.debris() == []


def test_a_promotion_away_from_a_damaged_manifest_is_a_success(site: Site) -> None:
    """How the packages differ cannot be said then; that it is live can."""
    a, b = site.release("1.0"), site.release("1.1")
    folder = site.path / "releases" / b / ".venvship"
    folder.chmod(0o755)
    (folder / "manifest.json").unlink()
    (folder / "manifest.json").write_text("{")
    result = site.open().promote(a)
    assert result.outcome == "promoted"
    assert site.current == a


def test_a_host_that_cannot_ask_says_nothing_about_the_release(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service runs, and both interpreters that could ask it are broken."""
    site.release("1.0")
    monkeypatch.setattr(sys, "_base_executable", "/nonexistent/python3")
    breaks = "test $VENVSHIP_EVENT != promote || { cd bin && chmod u+w . && rm python; }"
    with socket.create_server(("127.0.0.1", 0)) as server:
        site.settings(
            f"[hooks]\nrestart = ['sh', '-c', '{breaks}']\n"
            f"[[check]]\nname = 'tcp'\ntcp = '127.0.0.1:{server.getsockname()[1]}'\ndeadline = 0\n"
        )
        with pytest.raises(RolledBackError, match="could not be asked"):
            site.release("1.1")

    newest = site.open().list().releases[0]
    assert (newest.state, site.open().status().held) == (State.INCONCLUSIVE, None)
