"""A journal that is gone, or older than what is live: nothing is thrown away for it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.support.patches import a_reader_is_put_to_sleep
from tests.support.roots import Site
from venvship.errors import NotWritableError, StateError
from venvship.model.release import State
from venvship.root import RootLayout
from venvship.workspace.workspace import Workspace


@pytest.fixture
def journal(site: Site) -> Path:
    return site.path / "state" / "journal.jsonl"


@pytest.fixture
def three(site: Site) -> tuple[str, str, str]:
    return site.release("1.0"), site.release("1.1"), site.release("1.2")


def folders(site: Site) -> set[str]:
    return set(os.listdir(site.path / "releases"))


@pytest.mark.parametrize("command", ["release", "promote", "prune"])
def test_without_a_journal_nothing_is_decided_and_nothing_removed(
    site: Site, journal: Path, three: tuple[str, str, str], command: str
) -> None:
    site.lock("1.3")
    journal.unlink()
    with pytest.raises(StateError, match="does not know"):
        getattr(site.open(), command)(*([three[0]] if command == "promote" else []))
    assert folders(site) == set(three)
    assert site.current == three[2]


@pytest.mark.parametrize("whole", [True, False])
def test_a_release_that_goes_live_between_two_looks_is_no_lost_journal(
    site: Site, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    """Who takes no mutex reads the journal, is put to sleep, and looks at the link."""
    site.release("1.0")
    workspace = Workspace(RootLayout.at(site.path), site.runtime())
    released: list[str] = []
    a_reader_is_put_to_sleep(monkeypatch, lambda: released.append(site.release("1.1")))
    if whole:
        workspace.history()
    else:
        workspace.known_history()
    assert site.current == released[0]
    assert workspace.warnings == []


def test_an_older_journal_is_refused_too(site: Site, journal: Path, tmp_path: Path) -> None:
    a, b = site.release("1.0"), site.release("1.1")
    shutil.copy(journal, tmp_path / "older")
    c = site.release("1.2")
    shutil.copy(tmp_path / "older", journal)
    site.lock("1.3")
    with pytest.raises(StateError, match=c):
        site.open().release()
    assert folders(site) == {a, b, c}


def test_a_rollback_goes_to_previous_without_a_journal(
    site: Site, journal: Path, three: tuple[str, str, str]
) -> None:
    journal.unlink()
    site.open().rollback()
    assert site.current == three[1]
    site.open().rollback(three[0])
    assert site.current == three[0]


def test_recover_takes_up_what_is_intact_and_holds(
    site: Site, journal: Path, three: tuple[str, str, str]
) -> None:
    a, b, c = three
    (site.path / "releases" / b / ".venvship").chmod(0o755)
    (site.path / "releases" / b / ".venvship" / "files.json").unlink()
    journal.unlink()
    assert site.open().recover().outcome == "observed"
    assert folders(site) == {a, b, c}
    root = site.open()
    assert {view.id: view.state for view in root.list().releases} == {a: State.SEALED, c: State.SEALED}
    assert root.status().held is not None
    assert site.current == c
    site.lock("1.3")
    assert site.open().release().outcome == "released"
    assert site.debris() == []


def test_a_journal_that_cannot_be_written_is_said_to_be_so_by_recover(
    site: Site, journal: Path, three: tuple[str, str, str]
) -> None:
    journal.unlink()
    journal.symlink_to("no/such/place")
    with pytest.raises(NotWritableError):
        site.open().recover()
    assert folders(site) == set(three)
