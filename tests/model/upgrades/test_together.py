"""Packages that move together: a mix has all of their changes, or none."""

from __future__ import annotations

from tests.support.releases import INTERPRETER
from venvship.model.upgrades.changes import Pinned
from venvship.model.upgrades.closure import Mixes
from venvship.model.upgrades.search import Search, Verdict


def mixes(*together: set[str]) -> Mixes:
    """Four packages from 1.0 to 2.0, of which new `c` needs new `d`."""
    before = {name: Pinned(name, "1.0") for name in "abcd"}
    after = {name: Pinned(name, "2.0", ("d>=2",) if name == "c" else ()) for name in "abcd"}
    return Mixes(before, after, INTERPRETER.markers, together)


def test_a_change_brings_its_group_and_what_that_needs() -> None:
    found = mixes({"a", "c", "not-changed"})

    assert found.closed({"a"}) == {"a", "c", "d"}
    assert found.closed({"b"}) == {"b"}
    assert found.closed({"d"}) == {"d"}
    assert set(found.groups) == {("b",), ("d",), ("a", "c")}


def test_no_trial_takes_a_group_apart_and_it_is_blamed_as_one() -> None:
    search = Search(mixes({"a", "b"}))
    while (trial := search.trial) is not None:
        new = {name for name, one in trial.packages.items() if one.version == "2.0"}
        assert len(new & {"a", "b"}) != 1
        search.tell(Verdict.BAD if "b" in new else Verdict.GOOD)
    [found] = search.findings.sets

    assert [change.name for change in found.changes] == ["a", "b"]
    assert [change.name for change in search.findings.good] == ["c", "d"]
