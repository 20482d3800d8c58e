"""What is installed must be what was selected, and what packages ask for should be there."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.support.releases import INTERPRETER, pinned, wheel_value
from venvship.building.tree.dependencies import installed_packages, unmet_dependencies
from venvship.errors import BuildError, UnmetDependencyError
from venvship.model.release import Package
from venvship.model.wheel import StoredWheel


def wheel(name: str, version: str = "1.0", requires: Iterable[str] = ()) -> StoredWheel:
    return wheel_value(name, {}, version, requires=tuple(requires))


def problems(
    *wheels: StoredWheel, extras: tuple[str, ...] = (), closed: bool = False
) -> list[tuple[str, str]]:
    """Of these wheels, the first selected with extras."""
    selected = [pinned(w, extras=extras if w is wheels[0] else ()) for w in wheels]
    found = unmet_dependencies(selected, {w.name: w for w in wheels}, INTERPRETER, closed=closed)
    return [(warning["slug"], warning["message"]) for warning in found]


def test_packages_are_those_selected_sorted_by_name() -> None:
    wheels = {name: wheel(name) for name in ("b", "a")}

    assert installed_packages([pinned(w) for w in wheels.values()], wheels) == (
        Package("a", "1.0"),
        Package("b", "1.0"),
    )


@pytest.mark.parametrize(("asked", "found"), [("1.0", "1.0.0"), ("1.0", "1.0+cpu"), ("1.0rc1", "1.0-rc.1")])
def test_versions_are_compared_as_versions(asked: str, found: str) -> None:
    assert installed_packages([pinned(wheel("a"), version=asked)], {"a": wheel("a", found)}) == (
        Package("a", found),
    )


@pytest.mark.parametrize(
    "found", [wheel("a", "1.1"), wheel("b"), wheel("a", "1.0.post1"), wheel("a", "nonsense")]
)
def test_another_version_or_project_than_the_line_says_is_an_error(found: StoredWheel) -> None:
    with pytest.raises(BuildError, match=r"requirements.txt:1: a 1.0 was asked for, and .* calls itself"):
        installed_packages([pinned(wheel("a"))], {"a": found})


def test_a_closed_set_has_no_problems() -> None:
    assert problems(wheel("a", requires=["B.c>=1,<2"]), wheel("b-c", "1.5")) == []


def test_a_missing_dependency_is_named_with_who_asks() -> None:
    assert problems(wheel("a", requires=["setuptools>=60"])) == [
        ("unmet-dependency", "a 1.0 requires setuptools>=60, which is not in the lockfile")
    ]


def test_a_dependency_of_another_version_is_named_with_both() -> None:
    assert problems(wheel("a", requires=["b<2"]), wheel("b", "2.1")) == [
        ("conflicting-dependency", "a 1.0 requires b<2, and the lockfile has 2.1")
    ]


def test_a_pre_release_satisfies_a_range_that_it_is_in() -> None:
    assert problems(wheel("a", requires=["b>=1"]), wheel("b", "2.0rc1")) == []


def test_markers_are_those_of_the_interpreter() -> None:
    requires = ['b; python_version < "3"', 'c; sys_platform == "win32"', 'd; python_version >= "3.11"']

    assert [message for _, message in problems(wheel("a", requires=requires))] == [
        "a 1.0 requires d, which is not in the lockfile"
    ]


def test_an_extra_counts_only_where_it_is_asked_for() -> None:
    a = wheel("a", requires=['b; extra == "Big_Ones"'])

    assert problems(a) == []
    assert len(problems(a, extras=("big-ones",))) == 1


def test_extras_that_packages_ask_of_each_other_or_of_themselves_count() -> None:
    a = wheel("a", requires=["b[x]", 'a[two]; extra == "one"', 'missing-a; extra == "two"'])
    b = wheel("b", requires=['missing-b; extra == "x"'])

    assert [message for _, message in problems(a, b, extras=("one",))] == [
        "a 1.0 requires missing-a, which is not in the lockfile",
        "b 1.0 requires missing-b, which is not in the lockfile",
    ]


def test_extras_that_come_round_to_a_package_again_count() -> None:
    wheels = [
        wheel("a", requires=["b[x]", 'd[x]; extra == "x"']),
        wheel("b", requires=['c[x]; extra == "x"']),
        wheel("c", requires=['a[x]; extra == "x"']),
        wheel("d", requires=['missing; extra == "x"']),
    ]

    assert [message for _, message in problems(*wheels)] == [
        "d 1.0 requires missing, which is not in the lockfile"
    ]


def test_lines_that_never_were_valid_are_passed_over() -> None:
    assert problems(wheel("a", requires=["b (>1.0.*)", "=nonsense", "c; bogus == 'x'"])) == []


def test_closed_makes_all_of_them_one_error() -> None:
    with pytest.raises(UnmetDependencyError) as caught:
        problems(wheel("a", requires=["b", "c"]), closed=True)

    assert len(caught.value.data["problems"]) == 2
    assert "requires b" in caught.value.message
    assert "requires c" in caught.value.message
