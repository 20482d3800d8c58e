"""The model of an upgrade that searches for what fails: how the root may stand after a fault, and then.

    live       lockfile   held
    1.0 1.0    1.0 1.0    -          nothing has happened: also after any fault in a search
    1.0 1.0    1.0 1.0    left 2.0   the search is over, and its result is recorded
    1.0 2.0    1.0 2.0    left 2.0   the rest is released

From each of these, the next upgrades lead to the last one.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.support.roots import Finished, Site

State = tuple[str, str, str]
"""The versions of `left` and `right` that are live, those of the lockfile, and the holds of packages."""

BEFORE: State = ("left1.0 right1.0", "left1.0 right1.0", "")
FOUND: State = ("left1.0 right1.0", "left1.0 right1.0", "left==2.0")
RELEASED: State = ("left1.0 right2.0", "left1.0 right2.0", "left==2.0")

ATTEMPTS = 3
"""So many updates lead to the last state: the first may only recover what a fault has left."""


def state(site: Site) -> State:
    """How a root stands."""
    root = site.open()
    live = root.show("current").packages
    lines = (site.path / "requirements.txt").read_text().splitlines()
    pins = [line.removesuffix(" \\").split("==") for line in lines if line[:1].isalpha()]
    return (
        " ".join(f"{package.name}{package.version}" for package in live),
        " ".join("".join(pin) for pin in pins),
        " ".join(hold.spelled for hold in root.status().held_packages),
    )


def wrong_with(site: Site) -> list[str]:
    """Whether a root stands in none of the states of the model, once it has recovered."""
    found = state(site)
    return [] if found in {BEFORE, FOUND, RELEASED} else [f"the search left {found}"]


def not_begun_anew(site: Site, upgrade: Callable[[], Finished]) -> list[str]:
    """Whether the next upgrades end anywhere but where the search leads."""
    said = ""
    for _ in range(ATTEMPTS):
        site.open().unhold()  # a pause after a failure
        done = upgrade()
        said = f"{done.code}: {done.err[-300:]}"
        if state(site) == RELEASED:
            return []
    return [f"{ATTEMPTS} upgrades end in {state(site)}; the last with {said}"]
