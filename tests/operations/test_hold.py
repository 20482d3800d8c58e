"""Holds of the root: what a person has left does not come back by itself, and a hold counts at once."""

from __future__ import annotations

import sys

import pytest

from tests.support.processes import eventually
from tests.support.roots import Site
from venvship.errors import HeldError
from venvship.model.release import State

SLOW = """
[[check]]
name = "slow"
when = "live"
command = ["sh", "-c", "[ $VENVSHIP_EVENT = rollback ] || sleep 20"]
timeout = 30
"""


def test_a_hold_that_comes_while_an_update_is_building_stops_its_switch(site: Site) -> None:
    first = site.release("1.0")
    site.settings(
        f"""
        [[check]]
        name = "meanwhile"
        when = "candidate"
        command = ["{sys.executable}", "-m", "venvship", "-C", "{site.path}", "hold", "-m", "migration"]
        """
    )
    site.lock("1.1")

    with pytest.raises(HeldError, match="migration"):
        site.open().update()

    assert site.current == first
    assert site.events()[-1] == "held"
    assert site.debris() == []
    site.settings()
    assert site.open().release().outcome == "reactivated"


def before_a_slow_one(site: Site) -> str:
    """A release, and a lockfile of another, whose live check takes long; returns the first one."""
    first = site.release("1.0")
    site.settings(SLOW)
    site.lock("1.1")
    return first


def test_a_rollback_from_what_is_on_trial_turns_it_back_and_holds(site: Site) -> None:
    first = before_a_slow_one(site)
    release = site.start("release")
    assert eventually(lambda: site.current not in {None, first})
    tried = site.current
    assert tried is not None
    seen = site.run("status")
    assert f"Live      {tried}" in seen.out
    told = "On trial  the restart hook and the live checks have no verdict yet; if one fails, "
    assert f"{told}{first} is restored" in seen.out
    assert site.run("status", "--json").data["on_trial"] is True

    done = site.run("rollback", "--from", tried, "-m", "it is slow")

    assert done.code == 0, done.err
    release.communicate(timeout=50)
    assert release.returncode == 22
    assert site.current == first
    states = {view.id: view.state for view in site.open().list().releases}
    assert states == {first: State.PROVEN, tried: State.INCONCLUSIVE}
    held = site.open().status().held
    assert held is not None
    assert held.scope == "root"
    assert "On trial" not in site.run("status").out
    assert site.run("update").code == 25
    assert "it is slow" in site.run("status").out


def test_a_rollback_from_something_else_turns_nothing_back(site: Site) -> None:
    first = before_a_slow_one(site)
    site.settings(SLOW.replace("sleep 20", "sleep 3"))
    release = site.start("release")
    assert eventually(lambda: site.current not in {None, first})

    assert site.run("rollback", "--from", first).code == 31

    release.communicate(timeout=50)
    assert release.returncode == 0
    assert site.current != first
