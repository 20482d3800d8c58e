"""Upgrades by the line of cron: culprits are held back and mailed once, and everything else goes live."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.index import LocalIndex
from tests.support.market import Market
from tests.support.roots import Site
from tests.support.wheels import build_wheel

NAMES = ("amber", "beryl", "coral", "flint")

TICKS = 60 if os.environ.get("VENVSHIP_ALL_TICKS") else 8
"""The torture has all of them."""

CULPRIT_EVERY = 10 if TICKS == 60 else 4


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


def test_each_tick_of_cron_releases_what_is_good_and_mails_each_culprit_once(
    market: Market, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each tick brings a version of a package. Each tenth one breaks the check, until the next one comes."""
    mails: list[str] = []
    about_culprits: list[str] = []
    planted: list[str] = []
    want = dict.fromkeys(NAMES, "1.0")
    for tick in range(1, TICKS + 1):
        name, version = NAMES[tick % len(NAMES)], f"1.{tick}"
        market.offer(name, version)
        bad = tick % CULPRIT_EVERY == 0
        if bad:
            planted.append(f"{name}=={version}")
            market.plant(*planted)
            # Another one comes the same night, and is not to wait.
            name, version = NAMES[(tick + 1) % len(NAMES)], f"1.{tick}.1"
            market.offer(name, version)
        want[name] = version
        done = market.upgrade()
        assert done.code == 0, done.err
        assert market.pins() == " ".join(f"{name}{want[name]}" for name in NAMES), tick
        if done.out or done.err:
            mails.append(done.out + done.err)
        if "Held back" in done.out:
            about_culprits.append(done.out)
            assert bad, done.out
            assert planted[-1].partition("==")[0] in done.out
        silent = market.upgrade()
        assert (silent.code, silent.out, silent.err) == (0, "", "")

    assert len(about_culprits) == TICKS // CULPRIT_EVERY == len(planted)
    assert len(mails) == TICKS, "one for each release"
    with capsys.disabled():
        told = f"{len(about_culprits)} mails about {len(planted)} culprits, {len(mails)} mails in all"
        print(f"\n{TICKS} ticks: {told}")


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
