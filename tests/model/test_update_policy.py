"""The policy of unattended upgrades."""

from __future__ import annotations

import pytest
from packaging.specifiers import SpecifierSet

from venvship.model.update_policy import (
    bound_of,
    grouped,
    held_by_policy,
    level_of,
    upgrade_constraints,
)

LEVELS = [
    ("1.2.3", "1.2.4", "patch"),
    ("1.2.3", "1.2.3.1", "patch"),
    ("1.2.3", "1.2.3.post1", "patch"),
    ("1.2", "1.2.1", "patch"),
    ("1.2.3", "1.3", "minor"),
    ("0.1.0", "0.2.0", "minor"),
    ("1", "1.1", "minor"),
    ("1.2.3", "2.0", "major"),
    ("2024.12.1", "2025.1.0", "major"),
    ("1.0", "1!1.0", "major"),
    ("1!1.0", "1!1.0.1", "patch"),
]


@pytest.mark.parametrize(("before", "after", "level"), LEVELS)
def test_a_change_has_the_level_of_the_first_segment_that_differs(
    before: str, after: str, level: str
) -> None:
    assert level_of(before, after) == level


@pytest.mark.parametrize(("before", "after", "level"), LEVELS)
@pytest.mark.parametrize("only", ["patch", "minor"])
def test_a_bound_lets_through_the_levels_that_it_names(
    before: str, after: str, level: str, only: str
) -> None:
    allowed = {"patch": {"patch"}, "minor": {"patch", "minor"}}[only]
    assert SpecifierSet(f"<{bound_of(before, only)}").contains(after) == (level in allowed)


def test_all_has_no_bound() -> None:
    assert bound_of("1.2.3", "all") == ""


def test_packages_of_a_group_are_one_and_groups_that_share_a_package_too() -> None:
    groups = {"django": ["django*"], "web": ["django", "flask"], "none": ["zope-*"]}

    assert grouped(["idna", "flask", "django", "django-extras", "aiohttp"], groups) == (
        frozenset({"aiohttp"}),
        frozenset({"django", "django-extras", "flask"}),
        frozenset({"idna"}),
    )


def test_a_package_that_is_held_keeps_its_group() -> None:
    pinned = {"django": "5.2.1", "django-extras": "3.0", "idna": "3.1.0"}

    assert upgrade_constraints(pinned, ["django==5.2.1"], only="minor", groups={"django": ["django*"]}) == (
        "django==5.2.1",
        "django-extras==3.0",
        "idna<4",
    )
    assert upgrade_constraints(pinned, [], only="all", groups={}) == ()


def test_the_policy_holds_packages_of_groups_only_and_no_pre_release_counts() -> None:
    pinned = {"a": "1.0", "b": "1.0", "alone": "1.0"}
    offered = {"a": ["1.0", "2.0rc1"], "b": ["1.1", "2.0"], "alone": ["2.0"]}
    groups = {"both": ["a", "b"]}

    assert held_by_policy(pinned, offered, only="minor", groups=groups) == {"b"}
    assert held_by_policy(pinned, offered, only="all", groups=groups) == frozenset()
