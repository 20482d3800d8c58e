"""A root opened for reading: its history, whole or as far as it is known, and its settings."""

from __future__ import annotations

import pytest

from tests.support.roots import Site
from venvship.errors import StateError
from venvship.root import RootLayout
from venvship.workspace.reading import ReadingWorkspace


@pytest.fixture
def workspace(site: Site) -> ReadingWorkspace:
    """A root with two releases."""
    site.release("1.0")
    site.release("1.1")
    return ReadingWorkspace(RootLayout.at(site.path), site.runtime())


def slugs(workspace: ReadingWorkspace) -> list[str]:
    return [warning.slug for warning in workspace.warnings]


def test_a_whole_journal_gives_the_same_history_both_ways(site: Site, workspace: ReadingWorkspace) -> None:
    known = workspace.known_history()

    assert known.whole
    assert known.history is workspace.history()
    assert known.current == site.current == known.history.expected
    assert [event.seq for event in known.events] == list(range(1, len(known.events) + 1))
    assert slugs(workspace) == []


def test_damage_in_the_middle_is_refused_or_warned_about(workspace: ReadingWorkspace) -> None:
    journal = workspace.layout.journal_file
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:2], b"damaged\n", *lines[3:]]))

    with pytest.raises(StateError, match="line 3"):
        workspace.history()
    known = workspace.known_history()

    assert (known.whole, known.lost, len(known.events)) == (False, None, 2)
    assert slugs(workspace) == ["journal-damaged"]
    message = workspace.warnings[0].message
    assert "the lines after it are not known. `venvship rollback RELEASE` still works" in message


def test_a_lost_journal_names_the_release_that_it_does_not_know(
    site: Site, workspace: ReadingWorkspace
) -> None:
    workspace.layout.journal_file.write_bytes(b"")

    with pytest.raises(StateError, match="does not know"):
        workspace.history()
    known = workspace.known_history()

    assert (known.whole, known.lost, known.events) == (False, site.current, ())
    assert slugs(workspace) == ["journal-damaged"]


def test_a_torn_end_is_only_warned_about(workspace: ReadingWorkspace) -> None:
    with workspace.layout.journal_file.open("ab") as file:
        file.write(b'{"event":')

    assert workspace.known_history(warn_of_torn=False).whole
    assert slugs(workspace) == []
    assert workspace.known_history().history is workspace.history()
    assert slugs(workspace) == ["journal-torn"]


def test_a_journal_that_cannot_be_read_is_refused_unless_it_must_go_on(
    site: Site, workspace: ReadingWorkspace
) -> None:
    workspace.layout.journal_file.unlink()
    workspace.layout.journal_file.mkdir()

    with pytest.raises(StateError, match="cannot read"):
        workspace.known_history()
    known = workspace.known_history(unreadable="warn")

    assert (known.whole, known.current, known.events) == (False, site.current, ())
    assert slugs(workspace) == ["journal-damaged"]
