"""`lock --explain`: who asks for a package, and what holds it back, without a question to any index."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.index import LocalIndex
from tests.support.roots import Site
from tests.support.wheels import build_wheel
from venvship.errors import LockfileError, UsageError
from venvship.model.explanation import Bound, Chain, Explanation


@pytest.fixture
def shop(site: Site, index: LocalIndex, wheelhouse: Path) -> Site:
    """A root that is live with `rest`, which asks for `django` below 6, and bounds in both files."""
    del site.environment["PIP_NO_INDEX"]
    site.environment.update(PIP_INDEX_URL=index.url, PIP_RETRIES="0")
    build_wheel(wheelhouse, "rest", "1.0", requires=["django<6,>=4", "other; python_version < '3'"])
    build_wheel(wheelhouse, "django", "5.2.1")
    build_wheel(wheelhouse, "other", "1.0", requires=["django>=2"])
    settings(site)
    (site.path / "requirements.in").write_text("-c limits.txt\nrest\nother\nDjango~=5.2\n")
    (site.path / "limits.txt").write_text("django!=5.2.0\n")
    (site.path / "requirements.txt").unlink()
    site.open().lock()
    site.open().release()
    index.requests.clear()
    return site


def settings(site: Site, text: str = "") -> None:
    site.settings(f'[lock]\ninputs = ["requirements.in"]\n{text}')


def explained(site: Site, package: str) -> Explanation:
    found = site.open().lock(explain=package).explained
    assert found is not None
    return found


def test_the_chains_and_the_bounds_of_files_and_packages(shop: Site, index: LocalIndex) -> None:
    found = explained(shop, "DJANGO")
    assert (found.package, found.version, found.live) == ("django", "5.2.1", "5.2.1")
    assert found.chains == (
        Chain("requirements.in", ("django",)),
        Chain("requirements.in", ("other", "django")),
        Chain("requirements.in", ("rest", "django")),
    )
    assert found.bounds == (
        Bound("limits.txt", "!=5.2.0"),
        Bound("requirements.in", "~=5.2"),
        Bound("rest 1.0", "<6,>=4"),
    )
    assert found.index == index.url.rstrip("/")
    assert (found.holds, found.below, found.group, found.cooldown_days) == ((), None, (), 0)
    assert not index.requests


def test_holds_and_the_policy_of_unattended_upgrades(shop: Site) -> None:
    policy = 'cooldown_days = 7\n[update]\nonly = "minor"\ngroups = {web = ["django", "r*"]}\n'
    settings(shop, policy)
    shop.open().hold("django", message="breaks")
    found = explained(shop, "django")
    assert [hold.reason for hold in found.holds] == ["breaks"]
    assert (found.below, found.group, found.cooldown_days) == ("6", ("rest",), 7)
    done = shop.run("lock", "--explain", "django")
    assert done.code == 0
    for line in (
        "Via       requirements.in → rest → django",
        "Bound     rest 1.0 asks for django<6,>=4",
        "Policy    `[update] only`: an unattended upgrade stays below 6",
        "Group     moves unattended with rest or not at all",
        "Cooldown  no version is taken that was uploaded in the last 7 days",
    ):
        assert line in done.out.splitlines()
    assert "Hold      held at its version, since" in done.out


def test_nothing_is_written_and_what_cannot_be_explained_is_refused(shop: Site) -> None:
    before, events = (shop.path / "requirements.txt").read_bytes(), shop.events()
    with pytest.raises(UsageError, match="has no such package"):
        shop.open().lock(explain="nothing")
    with pytest.raises(UsageError, match="give it without"):
        shop.open().lock(explain="django", upgrade=True)
    assert ((shop.path / "requirements.txt").read_bytes(), shop.events()) == (before, events)
    shop.settings('lockfile = "uv.lock"\n')
    with pytest.raises(LockfileError, match="uv writes it"):
        shop.open().lock(explain="django")
