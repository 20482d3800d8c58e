"""Two commands at once: who waits, who is refused, and what is live afterwards."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.processes import eventually
from tests.support.roots import Site

WAITING = """
[[check]]
name = "gate"
when = "{when}"
command = ["sh", "-c", "touch {gate}.reached; while [ ! -e {gate} ]; do sleep 0.02; done"]
timeout = 60
"""


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A check waits until this file exists; `<gate>.reached` says that it does."""
    return tmp_path / "gate"


def reached(gate: Path) -> bool:
    return Path(f"{gate}.reached").exists()


def kill_a_trial(site: Site, gate: Path) -> str:
    """Kill a release while its live check runs; returns the release before it."""
    a = site.release("1.0")
    site.settings(WAITING.format(when="live", gate=gate))
    site.lock("1.1")
    release = site.start("release")
    assert eventually(lambda: reached(gate))
    release.kill()
    release.communicate()
    return a


def test_a_release_waits_if_it_is_told_to(site: Site, gate: Path) -> None:
    site.settings(WAITING.format(when="candidate", gate=gate))
    first = site.start("release")
    assert eventually(lambda: reached(gate))
    second = site.start("release", "--wait", "30")
    time.sleep(0.5)
    gate.touch()
    assert first.wait(50) == 0
    assert second.wait(50) == 0
    first.communicate()
    out, _ = second.communicate()
    assert "Nothing changed" in out


def test_a_rollback_does_not_wait_for_a_build_which_then_is_superseded(site: Site, gate: Path) -> None:
    a, b = site.release("1.0"), site.release("1.1")
    site.settings(WAITING.format(when="candidate", gate=gate))
    site.lock("1.2")
    build = site.start("release", "--json")
    assert eventually(lambda: reached(gate))
    assert site.run("rollback").code == 0
    assert site.current == a
    assert build.poll() is None, "the build was still going on"
    gate.touch()
    out, _ = build.communicate(timeout=50)
    assert build.returncode == 31
    assert '"outcome": "superseded"' in out
    assert site.current == a
    assert b != a
    built = site.run("list", "--json").data["releases"][0]
    assert (built["state"], built["current"]) == ("sealed", False)
    assert site.run("promote", "--force", built["id"]).code == 0, "what was built can be promoted later"


def test_a_second_rollback_at_once_is_refused_instead_of_going_back_twice(site: Site, gate: Path) -> None:
    site.release("1.0")
    b = site.release("1.1")
    site.release("1.2")
    site.settings(WAITING.format(when="live", gate=gate))
    first = site.start("rollback")
    assert eventually(lambda: reached(gate))
    assert site.run("rollback").code == 30
    gate.touch()
    assert first.wait(50) == 0
    first.communicate()
    assert site.current == b


def test_a_killed_promotion_is_finished_by_the_next_command(site: Site, gate: Path) -> None:
    a = kill_a_trial(site, gate)
    assert site.current != a
    status = site.run("status", "--json")
    assert status.data["interrupted"] is True
    gate.touch()
    assert site.run("recover").code == 0
    assert site.events()[-1] == "promoted"
    assert site.previous == a
    assert site.debris() == []


def test_a_rollback_after_a_killed_promotion_goes_back_and_tries_nothing(site: Site, gate: Path) -> None:
    a = kill_a_trial(site, gate)
    tried = site.current
    gate.touch()
    assert site.run("rollback").code == 0
    assert site.current == a
    states = {r["id"]: r["state"] for r in site.run("list", "--json").data["releases"]}
    assert states[tried or ""] == "inconclusive"
    assert site.events().count("promoting") == 2, "one for each release, and none for a second try"


def test_a_rollback_does_not_wait_for_the_candidate_checks_of_a_promotion(site: Site, gate: Path) -> None:
    a, b, c = site.release("1.0"), site.release("1.1"), site.release("1.2")
    site.settings(WAITING.format(when="candidate", gate=gate))
    promotion = site.start("promote", a, "--json")
    assert eventually(lambda: reached(gate))
    assert site.current == c
    assert site.run("rollback").code == 0
    assert site.current == b
    assert promotion.poll() is None
    gate.touch()
    out, _ = promotion.communicate(timeout=50)
    assert promotion.returncode == 31, out
    assert site.current == b


def test_a_slow_notify_hook_keeps_nobody_from_switching(site: Site, gate: Path) -> None:
    a = site.release("1.0")
    wait = f"cat >/dev/null; touch {gate}.reached; while [ ! -e {gate} ]; do sleep 0.02; done"
    site.settings(f"[hooks]\nnotify = ['sh', '-c', '{wait}']\n")
    site.lock("1.1")
    release = site.start("release")
    assert eventually(lambda: reached(gate))
    site.settings()
    assert site.run("rollback").code == 0
    assert site.run("release", "--dry-run").code == 25, "the rollback holds it"
    site.lock("1.2")
    assert site.run("release", "--force").code == 0
    gate.touch()
    release.communicate(timeout=50)
    assert release.returncode == 0
    assert site.previous == a
