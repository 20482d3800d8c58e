"""A rollback has its target looked at before it has the mutexes."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import eventually
from tests.support.roots import Site
from venvship.errors import InterruptedByError
from venvship.operations import rollback
from venvship.root import RootLayout
from venvship.system.mutex import Mutex
from venvship.system.signals import Signals
from venvship.workspace import quick_look
from venvship.workspace.workspace import Workspace


@pytest.fixture
def workspace(site: Site) -> Workspace:
    """A root with two releases."""
    site.release("1.0")
    site.release("1.1")
    return Workspace(RootLayout.at(site.path), site.runtime())


@pytest.fixture
def looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is there once a copy has looked at a whole release, however many processors there are."""
    marker, here, look = tmp_path / "looked", os.getpid(), quick_look._first_problem

    def first_problem(base: str, part: memoryview) -> str:
        problem = look(base, part)
        if os.getpid() != here:
            marker.touch()
        return problem

    monkeypatch.setattr(quick_look, "_first_problem", first_problem)
    monkeypatch.setattr(quick_look, "copies_for", lambda _files: 1)
    monkeypatch.setattr(quick_look, "_PARTS", 1)
    return marker


def damage(workspace: Workspace, release: str | None) -> None:
    (file,) = workspace.layout.release(str(release)).glob("lib/*/site-packages/app.py")
    file.chmod(0o600)


DAMAGED = "app.py: mode 0600"


def test_what_was_damaged_before_is_found(workspace: Workspace, looked: Path) -> None:
    first = workspace.layout.previous()
    assert first is not None
    damage(workspace, first)

    with workspace.looking_ahead(first):
        assert eventually(looked.exists)
        assert DAMAGED in workspace.problem(first)


def test_a_look_counts_once(workspace: Workspace, looked: Path) -> None:
    first = workspace.layout.previous()
    assert first is not None

    with workspace.looking_ahead(first):
        assert eventually(looked.exists)
        damage(workspace, first)
        assert workspace.problem(first) == "", "as it was when the copy looked"
        assert DAMAGED in workspace.problem(first)


def test_a_look_counts_for_its_release(workspace: Workspace, looked: Path) -> None:
    first, second = workspace.layout.previous(), workspace.layout.current()
    assert second is not None
    damage(workspace, second)

    with workspace.looking_ahead(first):
        assert eventually(looked.exists)
        assert DAMAGED in workspace.problem(second)


def test_who_had_to_wait_looks_again(
    workspace: Workspace, looked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = workspace.layout.previous()
    assert first is not None

    with workspace.looking_ahead(first):
        assert eventually(looked.exists)
        damage(workspace, first)
        monkeypatch.setattr(quick_look, "FRESH", 0.0)
        assert DAMAGED in workspace.problem(first)


def test_a_look_ends_with_its_block(workspace: Workspace, looked: Path) -> None:
    with workspace.looking_ahead(workspace.layout.previous()):
        assert workspace._ahead is not None

    assert workspace._ahead is None


def test_a_release_that_cannot_be_read_is_left_for_whoever_asks(workspace: Workspace) -> None:
    first = workspace.layout.previous()
    assert first is not None
    manifest = workspace.layout.release(first) / ".venvship" / "manifest.json"
    manifest.chmod(0o600)
    manifest.write_text("{")

    with workspace.looking_ahead(first):
        assert "is damaged" in workspace.problem(first)


def test_a_rollback_has_its_target_looked_at_before_it_has_a_mutex(
    site: Site, workspace: Workspace, looked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, hold, had = workspace.layout.previous(), Mutex.hold, []

    @contextlib.contextmanager
    def watched(mutex: Mutex, **how: object) -> Iterator[None]:
        had.append(eventually(looked.exists))
        with hold(mutex, **how):  # type: ignore[arg-type]
            yield

    monkeypatch.setattr(Mutex, "hold", watched)
    result = site.open().rollback()

    assert (site.current, result.release.id) == (first, first)
    assert had[0]


def test_a_signal_before_the_switch_ends_a_rollback(site: Site, workspace: Workspace) -> None:
    signals, live, events = Signals(), site.current, site.events()

    with signals.install():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(InterruptedByError):
            site.open(signals=signals).rollback()

    assert site.current == live
    assert site.events() == events


def test_once_the_target_is_known_nothing_counts_that_was_begun_before(
    workspace: Workspace, looked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hooks and checks run after that, and may do anything to a release."""
    switch, offered = rollback._switch_to, []

    def switch_to(workspace: Workspace, target: str) -> None:
        offered.append(workspace._ahead)
        switch(workspace, target)

    monkeypatch.setattr(rollback, "_switch_to", switch_to)
    rollback.rollback(workspace)

    assert offered == [None]


def test_where_previous_leads_elsewhere_a_rollback_goes_where_the_journal_says(
    site: Site, workspace: Workspace, looked: Path
) -> None:
    second = site.current
    third = site.release("1.2")
    looked.unlink(missing_ok=True)
    workspace.layout.previous_link.unlink()
    workspace.layout.previous_link.symlink_to(f"releases/{third}")

    site.open().rollback()

    assert looked.exists()
    assert site.current == second
