"""A rollback has its target looked at, and its interpreter asked, before it has the mutexes."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import eventually
from tests.support.roots import Site
from venvship.operations import ahead, quick_look
from venvship.operations.ahead import Ahead
from venvship.operations.interpreter_kind import InterpreterKinds, kind
from venvship.operations.workspace import Workspace
from venvship.root import RootLayout
from venvship.system.mutex import Mutex
from venvship.system.signals import Signals


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
        monkeypatch.setattr(ahead, "FRESH", 0.0)
        assert DAMAGED in workspace.problem(first)


def test_an_answer_is_there_while_its_block_runs() -> None:
    """What it would wait for ends with the block."""
    answers: Ahead[int] = Ahead()

    with answers.offering("question", lambda: 42):
        answer = answers.take("question")
        assert answer is not None
        assert answer() == 42
    with answers.offering("question", lambda: 42):
        pass

    assert answers.take("question") is None


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


# -- the interpreter ----------------------------------------------------------------------------------------


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """What answers as an interpreter does, and notes each question in `asked`."""
    program = tmp_path / "python"
    answer(program, "3.11")
    return program


def answer(program: Path, version: str) -> None:
    program.write_text(f"#!/bin/sh\necho x >>{program.parent}/asked\necho {version} abcd\n")
    program.chmod(0o755)


def asked(program: Path) -> int:
    notes = program.parent / "asked"
    return len(notes.read_text().splitlines()) if notes.exists() else 0


@pytest.fixture
def kinds() -> InterpreterKinds:
    return InterpreterKinds({"PATH": os.defpath}, "/", Signals())


def test_an_interpreter_is_asked_ahead_and_once(python: Path, kinds: InterpreterKinds) -> None:
    with kinds.asking_ahead(str(python)):
        assert eventually(lambda: asked(python) == 1)
        assert kinds.ask(str(python)) == kind("3.11", "abcd")
    assert kinds.ask(str(python)) == kind("3.11", "abcd")

    assert asked(python) == 1


def test_one_that_was_changed_meanwhile_is_asked_again(python: Path, kinds: InterpreterKinds) -> None:
    with kinds.asking_ahead(str(python)):
        assert eventually(lambda: asked(python) == 1)
        python.unlink()
        answer(python, "3.12")
        assert kinds.ask(str(python)) == kind("3.12", "abcd")


def test_one_that_was_asked_long_ago_is_asked_again(
    python: Path, kinds: InterpreterKinds, monkeypatch: pytest.MonkeyPatch
) -> None:
    with kinds.asking_ahead(str(python)):
        assert eventually(lambda: asked(python) == 1)
        monkeypatch.setattr(ahead, "FRESH", 0.0)
        assert kinds.ask(str(python)) == kind("3.11", "abcd")

    assert asked(python) == 2


def test_if_the_copy_that_asks_ahead_is_killed_this_process_asks(
    python: Path, kinds: InterpreterKinds, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, here = InterpreterKinds._ask, os.getpid()

    def killed(self: InterpreterKinds, path: str) -> str | None:
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return ask(self, path)

    monkeypatch.setattr(InterpreterKinds, "_ask", killed)
    with kinds.asking_ahead(str(python)):
        assert kinds.ask(str(python)) == kind("3.11", "abcd")


def test_one_that_is_not_there_is_none_of_any_kind(tmp_path: Path, kinds: InterpreterKinds) -> None:
    with kinds.asking_ahead(str(tmp_path / "none")):
        assert "not there" in kinds.ask(str(tmp_path / "none"))
