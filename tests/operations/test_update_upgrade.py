"""`update --upgrade`: a lockfile that is made anew, tried first, and kept only if its release stays."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.index import LocalIndex
from tests.support.roots import Finished, Site, refuses
from tests.support.wheels import build_wheel
from tests.torture.children import effects, run_forked
from tests.torture.lab import Scenario


@pytest.fixture
def shop(site: Site, index: LocalIndex, wheelhouse: Path) -> Site:
    """A root that is live with `app` 1.0, locked from requirements that take any version."""
    del site.environment["PIP_NO_INDEX"]
    site.environment.update(PIP_INDEX_URL=index.url, PIP_RETRIES="0")
    offer(wheelhouse, "1.0")
    settings(site)
    (site.path / "requirements.in").write_text("app\n")
    (site.path / "requirements.txt").unlink()
    assert site.run("lock").code == 0
    assert site.run("release").code == 0
    return site


def settings(site: Site, text: str = "") -> None:
    site.settings(f'[lock]\ninputs = ["requirements.in"]\n{text}')


def offer(wheelhouse: Path, version: str) -> None:
    """Have the index offer another version of `app`."""
    build_wheel(wheelhouse, "app", version, files={"app.py": f"VERSION = {version!r}\n"})


def upgrade(site: Site) -> Finished:
    return site.run("update", "--upgrade")


def lockfile(site: Site) -> str:
    return (site.path / "requirements.txt").read_text()


def test_nothing_new_on_offer_is_silent(shop: Site) -> None:
    before = lockfile(shop)
    done = upgrade(shop)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert lockfile(shop) == before


def test_a_new_version_is_released_and_its_lockfile_takes_the_place_of_the_old(
    shop: Site, wheelhouse: Path
) -> None:
    offer(wheelhouse, "2.0")
    done = upgrade(shop)
    assert (done.code, done.err) == (0, "")
    assert "app 1.0 → 2.0" in done.out
    assert "app==2.0" in lockfile(shop)
    assert shop.events()[-3:] == ["promoting", "promoted", "lockfile-written"]
    assert shop.run("update").out == ""


def test_a_release_that_is_rolled_back_leaves_the_lockfile_and_its_version_is_not_tried_again(
    shop: Site, wheelhouse: Path
) -> None:
    first = shop.current
    settings(shop, refuses("2.0"))
    offer(wheelhouse, "2.0")
    before = lockfile(shop)
    assert upgrade(shop).code == 22
    held_back = upgrade(shop)
    assert held_back.code == 0
    assert "Held back: app 1.0 → 2.0: check 'not-2.0' failed" in held_back.out
    for silent in (upgrade(shop), upgrade(shop)):
        assert (silent.code, silent.out, silent.err) == (0, "", "")
    assert shop.run("update").code == 0, "the lockfile on disk is what is live"
    assert (lockfile(shop), shop.current) == (before, first)
    offer(wheelhouse, "3.0")
    assert upgrade(shop).code == 0
    assert "app==3.0" in lockfile(shop)


def test_a_rollback_by_a_person_survives_twenty_updates_with_something_new_each_time(
    shop: Site, wheelhouse: Path
) -> None:
    first = shop.current
    offer(wheelhouse, "2.0")
    assert upgrade(shop).code == 0
    assert shop.run("rollback", "-m", "checkout is broken").code == 0
    before = lockfile(shop)
    printed = 0
    for number in range(20):
        offer(wheelhouse, f"3.{number}")
        for arguments in (["update"], ["update", "--upgrade"]):
            done = shop.run(*arguments)
            assert done.code == 25, done.err
            printed += bool(done.out + done.err)
    assert printed == 1, "once for the hold"
    assert (shop.current, lockfile(shop)) == (first, before)
    assert shop.run("unhold").code == 0
    assert upgrade(shop).code == 0
    assert "app==3.19" in lockfile(shop)


def test_what_cannot_be_locked_is_code_20_and_then_a_pause(shop: Site) -> None:
    before = lockfile(shop)
    (shop.path / "requirements.in").write_text("app\nno-such-package\n")
    failed, paused = upgrade(shop), upgrade(shop)
    assert (failed.code, paused.code) == (20, 20)
    assert "not tried again before" in failed.err
    assert paused.err == "", "a failure is mailed once"
    assert lockfile(shop) == before


def test_a_lockfile_that_somebody_writes_meanwhile_stays(shop: Site, wheelhouse: Path) -> None:
    settings(shop, "[hooks]\nrestart = ['sh', '-c', 'echo \"# mine\" >> $VENVSHIP_ROOT/requirements.txt']\n")
    offer(wheelhouse, "2.0")
    done = upgrade(shop)
    assert done.code == 0
    assert "was changed by another program during the update" in done.err
    assert lockfile(shop).endswith("# mine\n")
    assert "app==1.0" in lockfile(shop)


def test_a_kill_after_the_promotion_does_not_downgrade(shop: Site, wheelhouse: Path, tmp_path: Path) -> None:
    offer(wheelhouse, "2.0")
    snapshot = tmp_path / "snapshot"
    subprocess.run(["cp", "-a", shop.path, snapshot], check=True)
    scenario = Scenario(site=shop, snapshot=snapshot, command=("update", "--upgrade"))
    every = traced(scenario, tmp_path / "trace")
    switched = max(number for number, effect in enumerate(every) if effect.endswith("/current"))
    written = max(number for number, effect in enumerate(every) if effect.endswith("/requirements.txt"))
    assert switched < written
    # Every second effect; the torture takes all of them.
    for number in range(switched + 2, written + 6, 2):
        scenario.restore()
        assert run_forked(shop, scenario.command, plan=f"kill@{number}").code == -9
        done = shop.run("update")
        assert done.code == 0, done.err
        assert "app==2.0" in lockfile(shop), every[number - 1]
        assert shop.run("show", "--json").data["release"]["packages"] == [{"name": "app", "version": "2.0"}]
        assert shop.debris() == []


def test_a_lockfile_that_cannot_be_written_is_no_reason_to_downgrade(
    shop: Site, wheelhouse: Path, tmp_path: Path
) -> None:
    offer(wheelhouse, "2.0")
    old = lockfile(shop)
    snapshot = tmp_path / "snapshot"
    subprocess.run(["cp", "-a", shop.path, snapshot], check=True)
    scenario = Scenario(site=shop, snapshot=snapshot, command=("update", "--upgrade"))
    every = traced(scenario, tmp_path / "trace")
    done = run_forked(shop, scenario.command, plan=f"EACCES@{writing(every)}")
    assert done.code == 0, done.err
    assert "could not write" in done.err
    second = shop.current
    subprocess.run(["cp", "-a", f"{shop.path}/.", snapshot], check=True)
    again = writing(effects(shop, ["update"], tmp_path / "trace"))
    assert lockfile(shop) != old
    scenario.restore()
    done = run_forked(shop, ["update"], plan=f"EACCES@{again}")
    assert done.code == 0, done.err
    assert (shop.current, lockfile(shop)) == (second, old)
    assert shop.run("update").code == 0
    assert (shop.current, "app==2.0" in lockfile(shop)) == (second, True)


def traced(scenario: Scenario, trace: Path) -> list[str]:
    """The effects of a command that finds its wheels in the store, since it was run before; all is undone."""
    run_forked(scenario.site, scenario.command)
    every = effects(scenario.restore(), scenario.command, trace)
    scenario.restore()
    return every


def writing(every: list[str]) -> int:
    """The number of the effect that begins to write the lockfile."""
    return next(number for number, effect in enumerate(every, start=1) if "/.requirements.txt." in effect)
