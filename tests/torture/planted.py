"""Upgrades of forty packages from an index, some of which break a check: what is held back, what is live."""

from __future__ import annotations

import shutil
import statistics

from tests.support.index import LocalIndex
from tests.support.market import CHECK, Market
from tests.support.planted import PACKAGES, Planted
from tests.torture.lab import Lab
from tests.torture.tally import Scale, Tally

CASES = 200

COUNTING = CHECK.replace(
    "sys.exit(", "open(os.path.join(os.environ['VENVSHIP_ROOT'], 'judged'), 'a').write('.'); sys.exit("
)
"""The check, which counts its runs."""


def run(lab: Lab, scale: Scale) -> Tally:
    """Upgrade in each case as cron does: exactly the planted sets are held back, and the rest is live."""
    tally = Tally(f"upgrades of {PACKAGES} packages with planted failures")
    trials: dict[int, list[int]] = {}
    with tally.timed():
        for seed in range(scale.seed, scale.seed + (scale.points or CASES)):
            case = Planted(seed)
            wheelhouse = lab.path / f"planted-{seed}"
            wheelhouse.mkdir()
            site = lab.root(f"root-planted-{seed}")
            with LocalIndex(wheelhouse) as index:
                requires = {name: case.requires.get((name, "1.0"), []) for name in case.names}
                market = Market.live(site, index, wheelhouse, case.names, COUNTING, requires=requires)
                judged = site.path / "judged"
                judged.unlink()
                tally.point(f"case {seed}", _upgrade(market, case))
            # Without those of the whole upgrade, and of the one that is released.
            trials.setdefault(case.changes, []).append(judged.stat().st_size - 2)
            shutil.rmtree(wheelhouse)
    for changes, counts in sorted(trials.items()):
        tally.notes.append(
            f"{changes} planted: {len(counts)} cases, median {statistics.median(counts):g} trials"
        )
    return tally


def _upgrade(market: Market, case: Planted) -> list[str]:
    """Offer the new versions, upgrade, and compare; returns what is wrong."""
    for name in case.names:
        market.offer(name, "2.0", *case.requires.get((name, "2.0"), []))
    market.plant(*(" ".join(f"{name}==2.0" for name in sorted(one)) for one in case.sets))
    done = market.upgrade("--json")
    wrong = [] if done.code == 0 else [f"it ended with {done.code}: {done.err[-300:]}"]
    held = sorted(sorted(change["name"] for change in one["changes"]) for one in done.data["held_back"])
    if held != case.expected():
        wrong.append(f"held back: {held}, and planted: {case.expected()}")
    live = case.live()
    want = " ".join(f"{name}{'2.0' if name in live else '1.0'}" for name in sorted(case.names))
    if market.pins() != want:
        wrong.append(f"the lockfile has {market.pins()}, and should have {want}")
    again = market.upgrade()
    return wrong + ([f"again: {again.code} {again.out}{again.err}"] if again.code or again.out else [])
