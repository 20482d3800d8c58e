"""Holds of packages: what an upgrade leaves alone, what it says, and what ends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.index import LocalIndex
from tests.support.roots import Site
from tests.support.wheels import build_wheel
from venvship.errors import LockfileError, UsageError


@pytest.fixture
def shop(site: Site, index: LocalIndex, wheelhouse: Path) -> Site:
    """A root that is live with `app` 1.0 and `dep` 1.0, locked from requirements that take any version."""
    del site.environment["PIP_NO_INDEX"]
    site.environment.update(PIP_INDEX_URL=index.url, PIP_RETRIES="0")
    offer(wheelhouse, "1.0")
    site.settings('[lock]\ninputs = ["requirements.in"]\n')
    (site.path / "requirements.in").write_text("app\ndep\n")
    (site.path / "requirements.txt").unlink()
    site.open().lock()
    assert site.open().release().outcome == "released"
    return site


def offer(wheelhouse: Path, version: str) -> None:
    """Have the index offer another version of `app` and of `dep`."""
    for name in ("app", "dep"):
        build_wheel(wheelhouse, name, version, files={f"{name}.py": f"VERSION = {version!r}\n"})


def pins(site: Site) -> list[str]:
    lines = (site.path / "requirements.txt").read_text().splitlines()
    return [line.removesuffix(" \\") for line in lines if line[:1].isalpha()]


def held(site: Site) -> list[str]:
    return [hold.spelled for hold in site.open().status().held_packages]


def test_a_package_that_is_held_stays_at_its_version_and_every_upgrade_says_so(
    shop: Site, wheelhouse: Path
) -> None:
    done = shop.run("hold", "App", "-m", "waits for the migration")
    assert done.code == 0, done.err
    assert done.out == "Held: app at its version. Upgrades leave it alone until `venvship unhold app`.\n"
    offer(wheelhouse, "2.0")

    done = shop.run("update", "--upgrade")
    assert done.code == 0, done.err
    assert pins(shop) == ["app==1.0", "dep==2.0"]
    assert "Held back: app stays 1.0, since " in done.out
    assert ": waits for the migration" in done.out
    done = shop.run("update", "--upgrade")
    assert (done.code, done.out, done.err) == (0, "", ""), "nothing new, nothing said"

    done = shop.run("lock", "--upgrade")
    assert "Nothing changed" in done.out
    assert "Held back: app stays 1.0, since " in done.out
    assert "Packages  held: app at its version, since " in shop.run("status").out
    assert "venvship_held_packages{" in shop.run("status", "--prometheus").out
    [entry] = shop.run("status", "--json").data["held_packages"]
    assert (entry["package"], entry["version"], entry["before"]) == ("app", None, "1.0")

    result = shop.open().lock(upgrade=True, upgrade_package=["app"])
    assert pins(shop) == ["app==2.0", "dep==2.0"], "a person has named it"
    assert (result.kept_back, held(shop)) == ((), ["app"])
    done = shop.run("unhold", "app")
    assert done.out.startswith("Ended: app at its version, since ")
    assert held(shop) == []
    assert shop.run("unhold", "app").out == "app was not held.\n"


def test_a_version_that_is_held_back_is_passed_over_until_a_version_beyond_it_is_live(
    shop: Site, wheelhouse: Path
) -> None:
    shop.open().hold("app==2.0", message="breaks the reports")
    offer(wheelhouse, "2.0")
    result = shop.open().update(upgrade=True)
    assert pins(shop) == ["app==1.0", "dep==2.0"]
    [kept] = result.kept_back
    assert (kept.version, kept.offered, kept.hold.reason) == ("1.0", "2.0", "breaks the reports")
    assert held(shop) == ["app==2.0"], "what is live is not beyond"

    offer(wheelhouse, "2.1")
    result = shop.open().update(upgrade=True)
    assert pins(shop) == ["app==2.1", "dep==2.1"]
    assert (result.kept_back, held(shop)) == ((), [])
    ended = shop.journal()[-1]
    assert (ended["event"], ended["packages"]) == ("package-unheld", [{"name": "app", "version": "2.0"}])


def test_a_hold_that_would_hold_nothing_is_refused(shop: Site) -> None:
    root = shop.open()
    for asked, said in (
        ("ap", "the lockfile has no package ap"),
        ("app<2", "neither a name nor NAME==VERSION"),
        ("app==1.*", "neither a name nor NAME==VERSION"),
        ("app[x]", "neither a name nor NAME==VERSION"),
        ("app==1.0", "the lockfile has app 1.0"),
    ):
        with pytest.raises(UsageError, match=said.replace("[", r"\[")):
            root.hold(asked)
    root.hold("new==1.0")
    assert held(shop) == ["new==1.0"], "a version may be kept out before the package comes"
    (shop.path / "uv.lock").write_text("version = 1\n")
    shop.settings('lockfile = "uv.lock"\n')
    with pytest.raises(LockfileError, match="venvship does not make"):
        shop.open().hold("app")
