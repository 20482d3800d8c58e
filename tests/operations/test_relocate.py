"""`relocate`: the releases of a moved root become usable again, from the store alone, as what they were."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.operations.test_moved_root import moved, trap
from tests.support.forging import forget_anchors, rewrite_manifest
from tests.support.pythons import OTHERS, python_of
from tests.support.roots import Site
from venvship.errors import NotRelocatedError
from venvship.system.trees import remove_tree


def by_id(site: Site) -> dict[str, dict[str, Any]]:
    return {release["id"]: release for release in site.run("list", "--json").data["releases"]}


def forget_path(site: Site, release_id: str) -> None:
    """Let the manifest of a release be one of an older venvship, which did not record the path."""
    rewrite_manifest(site.path / "releases" / release_id, lambda data: data.pop("path"))
    forget_anchors(site.path / "state" / "journal.jsonl")


@pytest.fixture
def three(site: Site) -> list[str]:
    """Three releases, the first one pinned. The second is live again, by a rollback, which holds the root."""
    found = [site.release(version) for version in ("1.0", "1.1", "1.2")]
    site.open().pin(found[0])
    site.open().rollback(message="1.2 is slow")
    (site.path / "requirements.txt").unlink()  # the lockfiles of the releases count
    return found


def test_all_that_was_known_of_the_releases_holds_of_those_that_take_their_place(
    site: Site, three: list[str], tmp_path: Path
) -> None:
    forget_path(site, three[0])
    before = by_id(site)
    held = site.run("status", "--json").data["held"]
    here, mark = moved(site), tmp_path / "ran"
    trap(here.path, mark)  # the old releases, wherever they are found

    done = here.run("relocate", "--json")

    assert done.code == 0, done.err
    assert [one["from"] for one in done.data["relocated"]] == [three[0], three[2], three[1]], "current last"
    new = {one["from"]: one["to"] for one in done.data["relocated"]}
    first, second, third = (new[release_id] for release_id in three)
    assert (done.data["changed"], done.data["left"], done.data["current"]) == (True, [], second)
    assert (here.current, here.previous) == (second, first)
    after = by_id(here)
    for old_id, new_id in new.items():
        old, now = before[old_id], after[new_id]
        assert now["usable"] == {"ok": True, "problem": None}
        same = (
            "state",
            "tree_digest",
            "environment_digest",
            "lockfile_sha256",
            "packages",
            "python",
            "message",
        )
        assert {key: now[key] for key in same} == {key: old[key] for key in same}
        assert (now["pinned"], after[old_id]["pinned"]) == (old["pinned"], False)
    status = here.run("status", "--json").json
    assert status["warnings"] == []
    assert status["data"]["held"] == {**held, "release": third}
    assert here.run("show", "@{1}", "--json").data["release"]["id"] == third
    assert here.run("run", "--", "app").out == "1.1 1.1\n"
    assert here.run("verify", *new.values()).code == 0
    again = here.run("relocate", "--json").data
    assert (again["changed"], again["relocated"]) == (False, [])
    here.open().rollback()
    assert here.current == first
    assert here.run("run", "--", "app").out == "1.0 1.0\n"
    assert not mark.exists()


def test_prune_removes_what_was_relocated_and_nothing_in_its_stead(site: Site, three: list[str]) -> None:
    here = moved(site)
    relocated = here.open().relocate().relocated
    pruned = here.open(clock=here.later(hours=2)).prune(keep=2)
    reasons = {decision.id: decision.reason for decision in pruned.removed}
    assert reasons == dict.fromkeys(three, "relocated: another release took its place")
    assert {decision.id for decision in pruned.kept} == {one.to for one in relocated}


def test_a_release_that_the_store_lacks_is_named_and_left(site: Site, three: list[str]) -> None:
    here = moved(site)
    lost = site.wheels["1.0"].sha256
    remove_tree(site.store / "wheels" / lost)

    done = here.run("relocate", "--json")

    assert (done.code, done.json["error"]["slug"]) == (20, "not-relocated")
    assert done.data["left"] == [{"release": three[0], "reason": f"the store {site.store} lacks app 1.0"}]
    assert [one["from"] for one in done.data["relocated"]] == [three[2], three[1]]
    assert here.current == done.data["current"] == done.data["relocated"][1]["to"]
    assert by_id(here)[three[0]]["usable"]["ok"] is False
    assert here.events()[-1] == "relocated", "no build failed that an update would have to wait for"
    assert here.debris() == []


def test_a_relocation_that_was_killed_before_its_switch_is_finished_by_the_next_command(
    site: Site, three: list[str]
) -> None:
    here = moved(site)
    first, _, second = (one.to for one in here.open().relocate().relocated)
    os.unlink(here.path / "current")
    os.symlink(f"releases/{three[1]}", here.path / "current")

    status = here.open().status()
    assert status.interrupted
    assert "current-observed" not in {warning.slug for warning in status.warnings}
    recovered = here.open().recover()

    assert (recovered.outcome, here.current, here.previous) == ("relocated", second, first)
    assert not here.open().status().interrupted

    os.unlink(here.path / "current")
    os.symlink(f"releases/{three[1]}", here.path / "current")
    assert here.open().rollback().release.id == first, (
        "one further down, not the one that was about to be live"
    )


def test_an_old_release_of_a_root_that_was_moved_back_is_live_by_hand(site: Site, three: list[str]) -> None:
    """It can be used where the root is again, and the one that took its place cannot."""
    here = moved(site)
    relocated = here.open().relocate().current
    os.rename(here.path, site.path)
    os.unlink(site.path / "current")
    os.symlink(f"releases/{three[1]}", site.path / "current")

    status = site.open().status()
    assert not status.interrupted
    assert "current-observed" in {warning.slug for warning in status.warnings}
    assert site.open().recover().outcome == "observed"
    assert site.current == three[1] != relocated
    assert site.run("run", "--", "app").out == "1.1 1.1\n"
    assert site.open().status().held is not None
    assert site.open().recover().outcome == "clean"


def test_a_release_that_a_killed_relocation_has_sealed_takes_its_place(site: Site) -> None:
    old = site.release("1.0")
    state = site.open().show().release.state
    here = moved(site)
    built = here.open().release(no_promote=True).release
    assert built is not None
    assert [(one.from_, one.to) for one in here.open().relocate().relocated] == [(old, built.id)]
    assert (here.current, here.open().show().release.state) == (built.id, state)


def copied_interpreter(folder: Path) -> Path:
    """An interpreter that can be removed: a copy of this one, with its library by a link."""
    real = Path(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
    (folder / "bin").mkdir(parents=True)
    for name in ("lib", "include"):
        (folder / name).symlink_to(real.parent.parent / name)
    return Path(shutil.copy(real, folder / "bin" / real.name))


def test_releases_whose_interpreter_is_gone_get_another_one(site: Site, tmp_path: Path) -> None:
    python = copied_interpreter(tmp_path / "python")
    (site.path / "state" / "python.json").unlink()
    site.settings(f'python = "{python}"')
    old = site.release("1.0")
    before = by_id(site)[old]
    remove_tree(tmp_path / "python")
    assert f"its interpreter {python} is gone" in site.run("status").err

    with pytest.raises(NotRelocatedError, match=r"its interpreter .* is not there") as caught:
        site.open().relocate()
    assert "--python" in str(caught.value.hint)
    this = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    done = site.run("relocate", "--python", this, "--json")

    assert done.code == 0, done.err
    now = by_id(site)[done.data["current"]]
    assert now["usable"]["ok"]
    assert (now["tree_digest"], now["state"]) == (before["tree_digest"], before["state"])
    assert site.run("run", "--", "app").out == "1.0 1.0\n"
    assert [warning["slug"] for warning in done.json["warnings"]] == ["interpreter-gone"]
    site.settings(f'python = "{this}"')
    assert site.run("release", "--json").data["outcome"] == "unchanged"


def test_an_interpreter_of_another_version_gets_the_wheels_that_serve_it(site: Site, tmp_path: Path) -> None:
    other = python_of(*OTHERS)
    python = copied_interpreter(tmp_path / "python")
    (site.path / "state" / "python.json").unlink()
    site.settings(f'python = "{python}"')
    old, new = site.release("1.0"), site.release("1.1")
    site.open().rollback()
    before = by_id(site)
    remove_tree(tmp_path / "python")

    done = site.run("relocate", "--python", other.path, "--json")

    assert done.code == 0, done.err
    after = by_id(site)
    assert after[str(site.current)]["python"] == other.version
    assert after[str(site.current)]["environment_digest"] != before[old]["environment_digest"]
    assert site.run("run", "--", "app").out == "1.0 1.0\n"
    site.settings(f'python = "{other.path}"')
    site.lock("1.1")
    assert site.run("update").code == 25, "what was left by hand is held for the other interpreter too"
    assert new not in {site.current, site.previous}


def test_settings_that_name_the_old_root_are_warned_of_and_the_old_copies_have_their_time(site: Site) -> None:
    old = site.path
    site.release("1.0")
    site.release("1.1")
    here = moved(site)
    here.settings(
        f"[hooks]\nrestart = ['sh', '-c', 'test {old}/x = {old}/x']\nnotify = ['/bin/echo', '{old}er/x']\n"
        f"[[check]]\nname = 'app'\ncommand = ['test', '{here.path}', '!=', '{old}']\n"
    )
    listed = here.run("verify", "--all")
    assert listed.code == 13
    assert listed.out.count("NOT USABLE: it was built for ") == 2, "all of them, not the first one"
    assert "; 1 more release cannot be used either" in listed.err

    done = here.run("relocate")

    assert done.code == 0, done.err
    warned = (
        f"hooks.restart, check app.command in {here.path}/venvship.toml still name {old}: "
        f"the root is {here.path} now"
    )
    assert [line for line in done.err.splitlines() if "warning" in line] == [f"warning: {warned}"]
    assert f"Units, crontabs and scripts that name {old} have to name the new path: `venvship " in done.out
    assert "removes the old copies, the one of the live release an hour from now at the earliest." in done.out
    assert here.run("relocate", "--json").data["moved_from"] == []
