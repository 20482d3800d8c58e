"""Upgrades by the line of cron, night after night: what each brings, mails and leaves."""

from __future__ import annotations

from tests.support.index import LocalIndex
from tests.support.market import Market
from tests.torture.lab import Lab
from tests.torture.tally import Scale, Tally

NAMES = ("amber", "beryl", "coral", "flint")

TICKS = 60

CULPRIT_EVERY = 10


class Nights:
    """A market in which each tick brings a version of a package, and some of the versions fail the check.

    A culprit comes with another version that is good. It fails until the next version of its package comes.

    Attributes:
        culprits: The versions that failed, such as `amber==1.10`.
        mails: The mails about them.

    Args:
        market: The root, live with version 1.0 of all packages.
        culprit_every: The number of ticks from one culprit to the next.
    """

    def __init__(self, market: Market, culprit_every: int) -> None:
        self.culprits: list[str] = []
        self.mails: list[str] = []
        self._market = market
        self._every = culprit_every
        self._want = dict.fromkeys(NAMES, "1.0")

    def tick(self, number: int) -> list[str]:
        """Bring new versions and upgrade, twice; returns what is wrong."""
        market = self._market
        name, version = self._offer(number, f"1.{number}")
        bad = number % self._every == 0
        if bad:
            self.culprits.append(f"{name}=={version}")
            market.plant(*self.culprits)
            name, version = self._offer(number + 1, f"1.{number}.1")
        self._want[name] = version
        first, second = market.upgrade(), market.upgrade()
        wrong = [
            f"it ended with {done.code}: {done.err[-300:]}"
            for done in (first, second)
            if done.code or done.err
        ]
        want = " ".join(f"{each}{self._want[each]}" for each in NAMES)
        if market.pins() != want:
            wrong.append(f"the lockfile has {market.pins()}, and should have {want}")
        if ("Held back" in first.out) != bad:
            wrong.append(f"the mail is {first.out}")
        if "Held back" in first.out:
            self.mails.append(first.out)
        if bad and self.culprits[-1].partition("==")[0] not in first.out:
            wrong.append(f"{self.culprits[-1]} is not in the mail: {first.out}")
        return wrong + ([f"it was mailed again: {second.out}"] if second.out else [])

    def _offer(self, number: int, version: str) -> tuple[str, str]:
        name = NAMES[number % len(NAMES)]
        self._market.offer(name, version)
        return name, version


def run(lab: Lab, scale: Scale) -> Tally:
    """Go through the ticks; without a person, every good version is live in the end."""
    tally = Tally("nights with a culprit in every tenth")
    with tally.timed():
        wheelhouse = lab.path / "nights"
        wheelhouse.mkdir()
        site = lab.root("root-nights")
        with LocalIndex(wheelhouse) as index:
            nights = Nights(Market.live(site, index, wheelhouse, NAMES), CULPRIT_EVERY)
            for number in range(1, (scale.points or TICKS) + 1):
                tally.point(f"tick {number}", nights.tick(number))
    tally.notes.append(f"{len(nights.mails)} mails about {len(nights.culprits)} culprits")
    return tally
