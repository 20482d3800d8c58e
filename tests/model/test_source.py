"""Sources: what of them makes another environment, and how the manifest records them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.releases import LINUX
from venvship.building.store.store import selection_key
from venvship.model.lockfiles.lockfile import environment_digest
from venvship.model.lockfiles.requirement import Requirement
from venvship.model.source import BuildRequirement, Built, Source, recipe_digest

HERE = Source(repository="/srv/src/shop", commit="1" * 40, folder="", tree="a" * 40)


def built_from(source: Source, **facts: Any) -> Requirement:
    return Requirement(
        **{"name": "shop", "version": "1.0", "hashes": (), "text": "", "file": "/srv/src/shop", "line": 0}
        | facts,
        source=source,
    )


@pytest.mark.parametrize(
    "same",
    [
        HERE._replace(commit="2" * 40),
        HERE._replace(repository="/home/me/shop"),
        HERE._replace(folder="packages/shop"),
        HERE._replace(dirty=True),
    ],
)
def test_the_same_files_make_the_same_environment_wherever_they_are(same: Source) -> None:
    assert digests(same) == digests(HERE)


@pytest.mark.parametrize(
    "other",
    [
        HERE._replace(tree="b" * 40),
        HERE._replace(describe="v1.0-1-gabc"),
        HERE._replace(kind="tree"),
        HERE._replace(recipe=recipe_digest(before=["npm", "run", "build"])),
        HERE._replace(recipe=recipe_digest(constraints="c" * 64)),
        HERE._replace(recipe=recipe_digest(include=["dist"])),
        HERE._replace(recipe=recipe_digest(exclude=["dist"])),
        HERE._replace(recipe=recipe_digest(beside={"shop-core": "d" * 64})),
    ],
)
def test_whatever_changes_the_wheel_makes_another_environment(other: Source) -> None:
    assert not {*digests(other)} & {*digests(HERE)}
    assert not {*digests(other)} & {*digests(HERE._replace(recipe=recipe_digest()))}


def digests(source: Source) -> tuple[str, str]:
    """The environment digest and the store's selection key of a project with this source."""
    requirement, python = built_from(source), LINUX
    return environment_digest([requirement], python, {}), selection_key(requirement, python, False)


def test_the_order_of_patterns_does_not_matter() -> None:
    assert recipe_digest(include=["a", "b"]) == recipe_digest(include=["b", "a"])


def test_a_project_is_named_with_its_folder_and_without_a_line() -> None:
    assert built_from(HERE).label == "shop 1.0 (/srv/src/shop)"
    assert built_from(HERE, version=None).label == "shop (/srv/src/shop)"


BUILT = Built(
    name="shop",
    version="1.0",
    source=HERE._replace(ref="HEAD", subject="Sell more", committed_at="2026-11-22T09:41:43Z"),
    wheel_sha256="c" * 64,
    build_requirements=(BuildRequirement("hatchling", "1.27"),),
)


def test_a_built_member_survives_json() -> None:
    assert Built.from_json(BUILT.to_json()) == BUILT


@pytest.mark.parametrize(
    "wrong", [{"kind": "sdist"}, {"wheel_sha256": "x"}, {"build_requirements": {}}, {"commit": None}]
)
def test_a_damaged_record_of_a_built_member_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Built.from_json({**BUILT.to_json(), **wrong})


@pytest.mark.parametrize(
    ("changed", "label"),
    [
        ({}, "111111111111"),
        ({"ref": "v2.1"}, "111111111111 (v2.1)"),
        ({"ref": "1111111"}, "111111111111"),
        ({"dirty": True}, "111111111111 with uncommitted changes"),
        ({"commit": "", "ref": ""}, ""),
    ],
)
def test_the_commit_of_a_built_member_for_people(changed: dict[str, Any], label: str) -> None:
    assert BUILT._replace(source=BUILT.source._replace(**changed)).label == label
