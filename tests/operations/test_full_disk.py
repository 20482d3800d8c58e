"""What a full disk keeps from being recorded: the reserve, and what happens when there is none."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.roots import VERSIONS, Finished, Site
from tests.torture.lab import Scenario
from venvship.system.space import Space, free
from venvship.workspace.reserve import RESERVE_BYTES

Fail = Callable[..., Finished]


@pytest.fixture
def fail(site: Site, tmp_path: Path) -> Fail:
    """Run a command in which one effect, or every one from it on, finds no room.

    The effect is the last one whose name and path end in the given words.
    """

    def run(command: tuple[str, ...], effect: str, *, at: int = -1, sticky: bool = False) -> Finished:
        snapshot, trace = tmp_path / "snapshot", tmp_path / "trace"
        subprocess.run(["cp", "-a", site.path, snapshot], check=True)
        site.run(*command, env={"VENVSHIP_FAILPOINTS": f"trace:{trace}"})
        Scenario(site, snapshot, command).restore()
        lines = [line.split(" ", 1) for line in trace.read_text().splitlines()]
        numbers = [
            number
            for number, text in lines
            if text.startswith(effect.split(maxsplit=1)[0]) and text.endswith(effect.split()[1])
        ]
        plan = f"ENOSPC@{numbers[at]}{'+' if sticky else ''}"
        return site.run(*command, env={"VENVSHIP_FAILPOINTS": plan})

    return run


def reserve_of(site: Site) -> Path:
    return site.path / "state" / "reserve"


def have_two_to_prune(site: Site) -> None:
    """Four releases of long ago, of which two are to be kept, and no reserve."""
    site.settings("keep = 9\n")
    for number, version in enumerate(VERSIONS):
        site.lock(version)
        site.open(clock=site.later(days=number - 9)).release()
    reserve_of(site).unlink()
    site.settings("keep = 2\n")


def test_a_release_sets_a_reserve_aside_that_takes_up_its_room(site: Site) -> None:
    site.release("1.0")
    found = reserve_of(site).stat()
    assert found.st_size == RESERVE_BYTES
    assert found.st_blocks * 512 >= RESERVE_BYTES


def test_the_lock_files_are_all_there_after_the_first_release(site: Site) -> None:
    site.release("1.0")
    names = {path.name for path in (site.path / "state").glob("*.mutex")}
    assert names == {"build.mutex", "switch.mutex", "turn-back.mutex", "slots.mutex", "journal.mutex"}


def test_a_rollback_gives_the_reserve_up_to_be_recorded_and_a_release_makes_it_anew(
    site: Site, fail: Fail
) -> None:
    first, _ = site.release("1.0"), site.release("1.1")
    done = fail(("rollback", "--json"), "write journal.jsonl")
    assert (done.code, site.current, done.json["warnings"]) == (0, first, [])
    assert site.events()[-2:] == ["rolling-back", "rolled-back"]
    assert not reserve_of(site).exists()
    site.release("1.2")
    assert reserve_of(site).exists()


def test_without_a_reserve_a_rollback_says_what_it_could_not_record(site: Site, fail: Fail) -> None:
    first, _ = site.release("1.0"), site.release("1.1")
    reserve_of(site).unlink()
    done = fail(("rollback", "--json"), "write journal.jsonl")
    assert (done.code, site.current) == (0, first)
    assert [warning["slug"] for warning in done.json["warnings"]] == ["journal-not-written"]


def test_a_rollback_that_cannot_switch_is_not_done_later(site: Site, fail: Fail) -> None:
    _, second = site.release("1.0"), site.release("1.1")
    reserve_of(site).unlink()
    done = fail(("rollback",), "rename current")
    assert (done.code, site.current) == (20, second)
    assert site.events()[-2:] == ["rolling-back", "abandoned"]
    assert site.run("recover").code == 0
    assert site.current == second


def test_a_promotion_that_cannot_be_recorded_goes_back(site: Site, fail: Fail) -> None:
    _, second = site.release("1.0"), site.release("1.1")
    reserve_of(site).unlink()
    done = fail(("promote", "@{1}"), "write journal.jsonl")
    assert (done.code, site.current) == (22, second)
    assert "could not be recorded" in done.err
    assert site.events()[-3:] == ["promoting", "rolling-back", "rolled-back"]


def test_a_one_way_release_whose_success_cannot_be_recorded_stays(site: Site, fail: Fail) -> None:
    first = site.release("1.0")
    site.lock("1.1")
    site.open().release(no_promote=True)
    reserve_of(site).unlink()
    done = fail(("release", "--one-way", "-m", "drop it"), "write journal.jsonl", at=-1)
    second = site.current
    assert (done.code, second == first) == (23, False), done.err
    assert "could not be recorded" in done.err
    assert site.debris() == []
    assert "a person is needed" in site.run("status").err
    assert (site.run("recover").code, site.run("check").code) == (0, 0)
    assert site.current == second
    assert "person" not in site.run("status").err
    assert site.run("rollback").code == 25


def test_a_promotion_gives_the_reserve_up_to_be_recorded(site: Site, fail: Fail) -> None:
    first, _ = site.release("1.0"), site.release("1.1")
    done = fail(("promote", "@{1}"), "write journal.jsonl")
    assert (done.code, site.current) == (0, first)
    assert site.events()[-1] == "promoted"


def test_what_begins_something_leaves_the_reserve_alone(site: Site, fail: Fail) -> None:
    _, second = site.release("1.0"), site.release("1.1")
    done = fail(("promote", "@{1}"), "write journal.jsonl", at=0)
    assert (done.code, site.current) == (20, second)
    assert fail(("hold",), "write journal.jsonl").code == 20
    assert reserve_of(site).exists()


def test_prune_removes_first_where_there_is_no_room_to_say_so(site: Site, fail: Fail) -> None:
    have_two_to_prune(site)
    before = set(os.listdir(site.path / "releases"))
    done = fail(("prune", "--json"), "write journal.jsonl")
    gone = {decision["id"] for decision in done.data["removed"]}
    assert done.code == 0
    assert len(gone) == 2
    assert set(os.listdir(site.path / "releases")) == before - gone
    assert site.events()[-2:] == ["pruned", "pruned"]


def test_a_removal_that_could_not_be_recorded_is_recorded_by_the_next_command(site: Site) -> None:
    have_two_to_prune(site)
    done = site.run("prune", "--json", env={"VENVSHIP_FAILPOINTS": "full@1"})
    gone = {decision["id"] for decision in done.data["removed"]}
    assert (done.code, len(gone)) == (0, 2)
    assert {warning["slug"] for warning in done.json["warnings"]} == {"journal-not-written"}
    assert "pruned" not in site.events()
    assert site.run("recover").code == 0
    assert site.events()[-2:] == ["pruned", "pruned"]
    assert site.debris() == []


def test_room_is_compared_in_bytes_and_names() -> None:
    assert Space(bytes=2, names=2).covers(Space(bytes=2, names=1))
    assert not Space(bytes=2, names=2).covers(Space(bytes=3))
    assert not Space(bytes=2, names=2).covers(Space(names=3))
    assert Space(bytes=1, names=2) + Space(bytes=3) == Space(bytes=4, names=2)
    assert free("/").bytes > 0
