"""Every mix of two consistent sets is consistent: changes come along where requirements need them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.support.releases import INTERPRETER
from venvship.model.upgrades.changes import Pinned
from venvship.model.upgrades.closure import Mixes


def one(name: str, version: str, *requires: str, extras: tuple[str, ...] = ()) -> Pinned:
    return Pinned(name, version, requires, extras)


def mixes(before: list[Pinned], after: list[Pinned]) -> Mixes:
    return Mixes({p.name: p for p in before}, {p.name: p for p in after}, INTERPRETER.markers)


def versions(found: Mixes, *names: str) -> str:
    """The mix of the closure of these changes, as `a1 b2`."""
    return " ".join(f"{p.name}{p.version}" for _, p in sorted(found.mix(found.closed(names)).items()))


def test_a_change_brings_what_it_needs() -> None:
    found = mixes([one("a", "1"), one("b", "1")], [one("a", "2", "b>=2"), one("b", "2")])

    assert versions(found, "a") == "a2 b2"
    assert versions(found, "b") == "a1 b2"


def test_a_change_brings_those_that_cannot_work_with_it() -> None:
    found = mixes([one("a", "1", "b<2"), one("b", "1")], [one("a", "2"), one("b", "2")])

    assert versions(found, "b") == "a2 b2"
    assert versions(found, "a") == "a2 b1"


def test_changes_that_need_each_other_are_one_group() -> None:
    found = mixes([one("a", "1", "b<2"), one("b", "1")], [one("a", "2", "b>=2"), one("b", "2")])

    assert found.groups == (("a", "b"),)


def test_new_dependencies_come_along_and_are_no_change_of_their_own() -> None:
    found = mixes([one("a", "1"), one("b", "1")], [one("a", "2", "c"), one("b", "2"), one("c", "1")])

    assert found.groups == (("b",), ("a",))
    assert versions(found, "b") == "a1 b2"
    assert versions(found, "a") == "a2 b1 c1"


def test_dependencies_that_nothing_needs_any_more_go_along() -> None:
    found = mixes(
        [one("a", "1", "c"), one("b", "1"), one("c", "1", "d"), one("d", "1")],
        [one("a", "2"), one("b", "2")],
    )

    assert found.groups == (("a",), ("b",))
    assert versions(found, "b") == "a1 b2 c1 d1"
    assert versions(found, "a") == "a2 b1"


def test_packages_that_come_or_go_for_a_reason_of_their_own_are_changes() -> None:
    found = mixes([one("a", "1"), one("gone", "1")], [one("a", "2"), one("new", "1")])

    assert found.groups == (("a",), ("gone",), ("new",))
    assert versions(found, "gone") == "a1"
    assert versions(found, "new") == "a1 gone1 new1"


def test_a_package_that_is_needed_comes_back_with_nothing_but_what_asks_for_it() -> None:
    """`b` of before needs `c`, which the set after does not have: `c` goes with `b`, and stays with `a`."""
    found = mixes(
        [one("a", "1"), one("b", "1", "c"), one("c", "1")], [one("a", "2"), one("b", "2"), one("x", "1")]
    )

    assert versions(found, "a") == "a2 b1 c1"
    assert versions(found, "b") == "a1 b2"


def test_requirements_of_an_extra_count_where_something_asks_for_it() -> None:
    found = mixes(
        [one("a", "1"), one("b", "1"), one("c", "1", 'd>=2; extra == "x"'), one("d", "1")],
        [one("a", "2", "c[x]"), one("b", "2", "c"), one("c", "1", 'd>=2; extra == "x"'), one("d", "2")],
    )

    assert versions(found, "a") == "a2 b1 c1 d2"
    assert versions(found, "b") == "a1 b2 c1 d1"


def test_a_requirement_that_both_sets_violate_ties_nothing() -> None:
    found = mixes(
        [one("a", "1", "setuptools"), one("b", "1", "a>=7")],
        [one("a", "2", "setuptools"), one("b", "2", "a>=7")],
    )

    assert found.groups == (("a",), ("b",))


def test_one_version_in_another_file_is_a_change() -> None:
    found = Mixes({"a": Pinned("a", "1", file="x")}, {"a": Pinned("a", "1", file="y")}, INTERPRETER.markers)

    assert found.groups == (("a",),)


NAMES = ("a", "b", "c", "d", "e")
PACKAGES = st.dictionaries(
    st.sampled_from(NAMES),
    st.tuples(
        st.sampled_from("12"),
        st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(["", "<2", ">=2"])), max_size=3),
    ),
)


@given(before=PACKAGES, after=PACKAGES, asked=st.sets(st.sampled_from(NAMES)))
def test_a_mix_violates_nothing_that_both_sets_keep(
    before: dict[str, tuple[str, list[tuple[str, str]]]],
    after: dict[str, tuple[str, list[tuple[str, str]]]],
    asked: set[str],
) -> None:
    def packages(some: dict[str, tuple[str, list[tuple[str, str]]]], file: str) -> list[Pinned]:
        return [
            Pinned(name, version, tuple(f"{target}{spec}" for target, spec in requires), (), file)
            for name, (version, requires) in some.items()
        ]

    def violations(some: dict[str, Pinned]) -> set[tuple[str, str, str]]:
        return {
            (p.name, p.file, line)
            for p in some.values()
            for line in p.requires
            if line[0] not in some or line[1:] not in {"", "<2" if some[line[0]].version == "1" else ">=2"}
        }

    old, new = packages(before, "old"), packages(after, "new")
    found = mixes(old, new)
    names = asked & found.changes.keys()
    taken = found.closed(names)
    pure = violations({p.name: p for p in old}) | violations({p.name: p for p in new})

    assert violations(found.mix(taken)) <= pure
    assert names <= taken
    assert found.closed(taken) == taken
    assert all(found.closed([name]) <= taken for name in names)
    assert found.mix(frozenset()) == {p.name: p for p in old}
    assert found.mix(found.closed(name for group in found.groups for name in group)) == {
        p.name: p for p in new
    }
