"""`[update] only` and `groups`: how far an unattended upgrade goes, and what it moves together."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.index import LocalIndex
from tests.support.roots import Site
from tests.support.wheels import build_wheel, lockfile_text


@pytest.fixture
def shop(site: Site, index: LocalIndex, wheelhouse: Path) -> Site:
    """A root with `a`, `b` and `c` 1.0 in its lockfile."""
    del site.environment["PIP_NO_INDEX"]
    site.environment.update(PIP_INDEX_URL=index.url, PIP_RETRIES="0")
    wheels = [build_wheel(wheelhouse, name, "1.0") for name in "abc"]
    (site.path / "requirements.in").write_text("a\nb\nc\n")
    (site.path / "requirements.txt").write_text(lockfile_text(*wheels))
    return site


def policy(site: Site, text: str) -> None:
    site.settings(f'[lock]\ninputs = ["requirements.in"]\n[update]\n{text}\n')


def pins(site: Site) -> list[str]:
    lines = (site.path / "requirements.txt").read_text().splitlines()
    return [line.removesuffix(" \\") for line in lines if line[:1].isalnum()]


def test_an_update_goes_as_far_as_the_policy_and_a_person_further(shop: Site, wheelhouse: Path) -> None:
    for version in ("1.0.1", "1.1", "2.0"):
        build_wheel(wheelhouse, "a", version)
    build_wheel(wheelhouse, "b", "1.1")
    policy(shop, 'only = "patch"')
    shop.open().update(upgrade=True)
    assert pins(shop) == ["a==1.0.1", "b==1.0", "c==1.0"]
    shop.open().lock(upgrade=True)
    assert pins(shop) == ["a==2.0", "b==1.1", "c==1.0"]


def test_a_group_moves_whole_or_not_at_all(shop: Site, wheelhouse: Path) -> None:
    for name, version in (("a", "1.1"), ("b", "2.0"), ("c", "1.1")):
        build_wheel(wheelhouse, name, version)
    policy(shop, 'only = "minor"\ngroups = {both = ["a", "b"]}')
    shop.open().update(upgrade=True)
    assert pins(shop) == ["a==1.0", "b==1.0", "c==1.1"]
    policy(shop, 'groups = {both = ["a", "b"]}')
    shop.open().update(upgrade=True)
    assert pins(shop) == ["a==1.1", "b==2.0", "c==1.1"]
