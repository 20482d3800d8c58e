"""Upgrades by the line of cron: culprits are held back and mailed once, and everything else goes live.

The torture has all of the ticks.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.index import LocalIndex
from tests.support.market import Market
from tests.support.roots import Site
from tests.support.wheels import build_wheel
from tests.torture.nights import NAMES, Nights


@pytest.fixture
def market(site: Site, index: LocalIndex, wheelhouse: Path) -> Market:
    """A root with four packages, live at 1.0."""
    return Market.live(site, index, wheelhouse, NAMES)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[LocalIndex]:
    """An index that is added, and offers what it should not."""
    folder = tmp_path / "other-wheels"
    folder.mkdir()
    with LocalIndex(folder) as index:
        yield index


def test_each_tick_of_cron_releases_what_is_good_and_mails_each_culprit_once(market: Market) -> None:
    nights = Nights(market, culprit_every=4)
    for number in range(1, 9):
        assert nights.tick(number) == [], number
    assert (len(nights.culprits), len(nights.mails)) == (2, 2)
    assert nights.culprits[0].startswith("amber")


def test_a_package_that_would_change_its_index_is_refused_by_name_and_the_rest_goes_on(
    market: Market, other: LocalIndex, tmp_path: Path
) -> None:
    market.site.environment["PIP_EXTRA_INDEX_URL"] = other.url
    build_wheel(tmp_path / "other-wheels", "amber", "99.0", files={"amber.py": "VERSION = '99.0'\n"})
    market.offer("beryl", "2.0")
    market.offer("coral", "2.0")
    market.plant("coral==2.0")
    done = market.upgrade()

    assert done.code == 0
    assert market.pins() == "amber1.0 beryl2.0 coral1.0 flint1.0"
    assert "amber" in done.err
    assert "99.0" in done.err
    assert "Held back: coral 1.0 → 2.0: check 'works' failed: exit 1" in done.out
    assert (market.upgrade().out, market.upgrade().err) == ("", "")


def test_a_night_without_the_index_is_reported_and_the_next_one_goes_on(
    market: Market, index: LocalIndex
) -> None:
    market.offer_all(NAMES, "2.0")
    market.plant("coral==2.0")
    index.status = 503
    failed = market.upgrade()
    assert failed.code == 20
    assert market.held() == []
    index.status = None
    market.ahead += timedelta(hours=24)
    [found] = market.upgraded().held_back
    assert [change.name for change in found.changes] == ["coral"]
    assert market.pins() == "amber2.0 beryl2.0 coral1.0 flint2.0"
