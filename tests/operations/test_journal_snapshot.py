"""Old roots: a journal of which commands parse only the end, and answer as if they had parsed it all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.bench.synthetic import YEARS_AGO, age, copy_release
from tests.support.roots import Site
from venvship.model.history import Event, fold
from venvship.model.history_snapshot import KEPT_SWITCHES
from venvship.root import RootLayout
from venvship.system.journal_snapshot import NAME, read_snapshot
from venvship.workspace.releases import release_ids
from venvship.workspace.usable import release_problem
from venvship.workspace.workspace import Workspace

PRUNED = 400
SWITCHES = PRUNED + 2


@pytest.fixture
def old(site: Site) -> Site:
    """Two releases, and hundreds before them that are gone."""
    site.release("1.0")
    site.release("1.1")
    age(site.path, pruned=PRUNED)
    assert not snapshot_of(site).exists()
    site.open().pin("current")  # the first line that venvship itself appends to this journal
    site.open().unpin("current")
    return site


def snapshot_of(site: Site) -> Path:
    return site.path / "state" / NAME


def workspace_of(site: Site) -> Workspace:
    return Workspace(RootLayout.at(site.path), site.runtime())


def events_of(site: Site) -> list[Event]:
    return list(workspace_of(site).journal.read().events)


READERS = [
    ("status", "--json"),
    ("status", "--prometheus"),
    ("list", "--json"),
    ("show", "--json"),
    ("show", "previous", "--json"),
    ("history", "-n", "1", "--json"),
    ("history", "-n", "1000", "--json"),
    ("history", "--json"),
    ("show", "@{1}", "--json"),
    ("show", "@{2}", "--json"),
    ("show", f"@{{{KEPT_SWITCHES + 5}}}", "--json"),
    ("show", f"@{{{SWITCHES - 1}}}", "--json"),
    ("show", f"@{{{SWITCHES}}}", "--json"),
    ("update", "--json"),
    ("rollback", f"@{{{SWITCHES - 1}}}", "--json"),
    ("rollback", "2020", "--json"),
]


def test_commands_say_the_same_with_and_without_a_snapshot(old: Site) -> None:
    def said(command: tuple[str, ...]) -> tuple[int, list[str]]:
        done = old.run(*command)
        # How full the disk is may change meanwhile.
        return done.code, [line for line in (done.out + done.err).splitlines() if "_bytes" not in line]

    assert not workspace_of(old).history().whole
    with_it = [said(command) for command in READERS]
    snapshot_of(old).unlink()
    assert workspace_of(old).history().whole
    for command, answer in zip(READERS, with_it, strict=True):
        assert said(command) == answer, command
    assert not snapshot_of(old).exists(), "readers, and an update with nothing to do, write nothing"


def test_an_old_root_is_released_rolled_back_and_pruned(old: Site) -> None:
    first, second = old.previous, old.current
    third = old.release("1.2")
    old.open().rollback()
    assert old.current == second
    old.open().rollback()
    assert old.current == first
    old.open().promote(third)
    old.open(clock=old.later(days=30)).prune(keep=2)
    old.open().recover()

    workspace = workspace_of(old)
    short, whole = workspace.history(), fold(events_of(old))
    assert not short.whole
    assert release_ids(workspace.layout, short) == release_ids(workspace.layout, whole)
    assert {r: short.records[r] for r in release_ids(workspace.layout, short)} == {
        r: whole.records[r] for r in release_ids(workspace.layout, whole)
    }
    assert old.previous == short.rollback_target(
        old.current, lambda name: not release_problem(workspace.layout, name)
    )
    assert old.previous == whole.rollback_target(
        old.current, lambda name: not release_problem(workspace.layout, name)
    )
    assert old.open().status().fine


def test_what_was_pruned_and_is_there_again_is_known(old: Site) -> None:
    gone = next(event.release for event in events_of(old) if event.event == "pruned")
    assert gone is not None
    assert old.current is not None
    workspace = workspace_of(old)
    assert gone not in workspace.history().records

    copy_release(RootLayout.at(old.path), old.current, gone, YEARS_AGO)

    assert workspace.history().records[gone].pruned
    assert workspace_of(old).history().whole
    assert str(old.path / "releases" / gone) in old.run("list", "--json").data["debris"]


@pytest.mark.parametrize("link", ["current", "previous"])
def test_a_link_to_what_was_pruned_is_known(old: Site, link: str) -> None:
    gone = next(event.release for event in events_of(old) if event.event == "pruned")
    os.unlink(old.path / link)
    os.symlink(f"releases/{gone}", old.path / link)
    assert workspace_of(old).history().whole


def test_a_snapshot_of_another_root_is_ignored_and_replaced(old: Site, tmp_path: Path) -> None:
    text = snapshot_of(old).read_bytes()
    journal = old.path / "state" / "journal.jsonl"
    shutil.copy(journal, tmp_path / "journal")
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:1] + lines[2:]))
    assert old.run("update").code == 12, "damage is found where the snapshot would hide it"
    assert old.run("rollback").code == 0
    assert snapshot_of(old).read_bytes() == text

    shutil.copy(tmp_path / "journal", journal)
    snapshot_of(old).write_bytes(b"")
    assert old.run("hold").code == 0
    assert read_snapshot(str(snapshot_of(old))) is not None


def test_what_a_killed_writer_left_is_swept(old: Site) -> None:
    left = old.path / "state" / f".{NAME}.0123abcd"
    left.write_bytes(b"{")
    assert old.run("update").code == 0
    assert not left.exists()
