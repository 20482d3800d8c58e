"""A torn end of the journal: its new size was on the disk, its bytes were not, and the power was cut."""

from __future__ import annotations

import pytest

from tests.support.roots import Site


@pytest.mark.parametrize("command", [("release",), ("recover",), ("prune",), ("promote", "current")])
def test_a_torn_end_of_the_journal_is_set_aside_by_a_command_with_nothing_to_do(
    site: Site, command: tuple[str, ...]
) -> None:
    site.release("1.0")
    journal = site.path / "state" / "journal.jsonl"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b"\0" * 100)
    assert site.run(*command).code == 0
    assert journal.read_bytes() == whole
    assert site.run("status", "--json").json["warnings"] == []
