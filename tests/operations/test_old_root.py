"""Old roots: hundreds of releases that are gone, and a file that an older venvship has left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.bench.synthetic import YEARS_AGO, age, copy_release
from tests.support.roots import Site
from venvship.model.event import Event
from venvship.root import RootLayout
from venvship.workspace.usable import release_problem
from venvship.workspace.workspace import Workspace

PRUNED = 400
SWITCHES = PRUNED + 2

SNAPSHOT = "journal.snapshot.json"
"""An older venvship kept a cache of the journal under this name."""


@pytest.fixture
def old(site: Site) -> Site:
    """Two releases, and hundreds before them that are gone."""
    site.release("1.0")
    site.release("1.1")
    age(site.path, pruned=PRUNED)
    return site


def workspace_of(site: Site) -> Workspace:
    return Workspace(RootLayout.at(site.path), site.runtime())


def events_of(site: Site) -> tuple[Event, ...]:
    return workspace_of(site).journal.read().events


def test_an_old_root_is_released_rolled_back_and_pruned(old: Site) -> None:
    first, second = old.previous, old.current
    third = old.release("1.2")
    old.open().rollback()
    assert old.current == second
    old.open().rollback()
    assert old.current == first
    old.open().promote(third, force=True)
    old.open(clock=old.later(days=30)).prune(keep=2)
    old.open().recover()

    workspace = workspace_of(old)
    history = workspace.history()
    way_back = history.way_back(
        old.current, lambda name: release_problem(workspace, name), old.later(days=30)()
    )
    assert old.previous == way_back.release_id
    status = old.open().status()
    assert (status.held, status.interrupted, status.lockfile_changed) == (None, False, False)
    assert not status.old_processes
    assert not status.warnings


def test_a_switch_of_years_ago_has_a_name(old: Site) -> None:
    first = next(event.release for event in events_of(old) if event.event == "promoted")
    history = workspace_of(old).history()
    assert history.was_current(SWITCHES - 1) == first
    assert history.was_current(SWITCHES) is None
    assert f"{first} is gone" in old.run("show", f"@{{{SWITCHES - 1}}}").err


def test_a_release_that_was_pruned_and_put_back_is_debris(old: Site) -> None:
    gone = next(event.release for event in events_of(old) if event.event == "pruned")
    assert gone is not None
    assert old.current is not None

    copy_release(RootLayout.at(old.path), old.current, gone, YEARS_AGO)

    assert str(old.path / "releases" / gone) in old.run("list", "--json").data["debris"]


def test_a_killed_writer_of_that_snapshot_is_swept_after(old: Site) -> None:
    left: Path = old.path / "state" / f".{SNAPSHOT}.0123abcd"
    left.write_bytes(b"{")
    assert old.run("update").code == 0
    assert not os.path.lexists(left)
