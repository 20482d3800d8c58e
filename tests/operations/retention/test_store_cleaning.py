"""What goes from the store, when, and what never does: on real roots that share one."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.checkouts import GIT_ENVIRONMENT, project_files, repository
from tests.support.forging import forget_anchors
from tests.support.roots import Site, make_site
from tests.support.wheels import Distribution, build_wheel
from venvship.building.store.cleaning import sweep
from venvship.building.store.registration import register_root
from venvship.building.store.roots import registered_roots
from venvship.building.store.store import Store
from venvship.operations.prune import PruneResult
from venvship.operations.retention.store_cleaning import StoreResult
from venvship.system.mutex import shared
from venvship.system.trees import remove_tree

NAMES = {"1.0": "app-1.0-py3-none-any.whl", "1.1": "app-1.1-py3-none-any.whl"}


@pytest.fixture
def outdated(site: Site) -> Site:
    """A root with 1.2 and 1.3, and a store that also has 1.0 and 1.1, which nothing names; that is noted."""
    site.settings("keep = 2\n")
    site.release("1.2")
    site.release("1.3")
    assert prune(site, days=1).removed == ()
    return site


def pruned(site: Site, *, days: float, **options: bool) -> PruneResult:
    return site.open(clock=site.later(days=days)).prune(**options)


def prune(site: Site, *, days: float, **options: bool) -> StoreResult:
    """Prune so many days ahead; returns what became of the store."""
    store = pruned(site, days=days, **options).store
    assert store is not None
    return store


def stored(site: Site) -> set[str]:
    """The wheels in the store, by name and version."""
    folder = site.store / "wheels"
    return {
        f"{data['name']} {data['version']}"
        for name in os.listdir(folder)
        for data in [json.loads((folder / name / "wheel.json").read_text())]
    }


def installed(site: Site, release: str) -> str:
    """What a program of a release prints."""
    program = "import app; print('app', app.VERSION)"
    python = site.path / "releases" / release / "bin" / "python"
    return subprocess.check_output([python, "-c", program], env=site.environment, text=True)


def unname(site: Site, release: str) -> None:
    """Let a release keep its files and not say which wheel they are from."""
    manifest = site.path / "releases" / release / ".venvship" / "manifest.json"
    data = json.loads(manifest.read_text())
    del data["wheels"]["app"]
    os.chmod(manifest, 0o644)
    manifest.write_text(json.dumps(data))
    forget_anchors(site.path / "state" / "journal.jsonl")


def holding_wheels(store: Path) -> dict[str, set[str]]:
    """By folder, the wheels that anything there is about."""
    choices = [json.loads(path.read_text())["sha256"] for path in store.glob("selections/*/*.json")]
    return {
        "wheels": set(os.listdir(store / "wheels")),
        "bytecode": set(os.listdir(store / "bytecode")),
        "selections": set(choices),
    }


# -- what goes ----------------------------------------------------------------------------------------------


def test_what_no_release_names_goes_with_its_bytecode_and_its_choices(outdated: Site) -> None:
    assert stored(outdated) == {"dep 1.0", "app 1.0", "app 1.1", "app 1.2", "app 1.3"}
    assert prune(outdated, days=8).removed == ()

    result = prune(outdated, days=15)

    whats = sorted(dropped.what for dropped in result.removed)
    assert whats == sorted([*NAMES.values(), *(f"{name}, bytecode" for name in NAMES.values())])
    assert all(dropped.reason.startswith("named by no release since 20") for dropped in result.removed)
    assert not any(os.path.lexists(dropped.path) for dropped in result.removed)
    assert stored(outdated) == {"dep 1.0", "app 1.2", "app 1.3"}
    left = holding_wheels(outdated.store)
    assert left["wheels"] == left["bytecode"] == left["selections"]
    assert result.waiting == 0
    assert sweep(Store(str(outdated.store))) == 0


def test_what_a_release_names_stays_and_waits_anew_afterwards(outdated: Site) -> None:
    prune(outdated, days=8)
    for days, version in enumerate(["1.1", "1.2", "1.3"], start=9):
        outdated.lock(version)
        outdated.open(clock=outdated.later(days=days)).release()
    went = {days: {dropped.what for dropped in prune(outdated, days=days).removed} for days in (12, 16, 22)}
    assert went[12] == set()
    assert went[16] == {NAMES["1.0"], NAMES["1.0"] + ", bytecode"}
    assert went[22] == set()
    assert {dropped.what for dropped in prune(outdated, days=26).removed} == {
        NAMES["1.1"],
        NAMES["1.1"] + ", bytecode",
    }


def test_a_promotion_cleans_the_store_too(outdated: Site) -> None:
    prune(outdated, days=8)
    outdated.lock("1.2")
    root = outdated.open(clock=outdated.later(days=15))
    assert root.release().warnings == ()
    assert stored(outdated) == {"dep 1.0", "app 1.2", "app 1.3"}


def test_what_has_built_a_release_stays_as_long_as_the_release(site: Site, tmp_path: Path) -> None:
    build_wheel(tmp_path / "makers", "maker", "1.0", files={"maker.py": ""})
    site.environment.update(GIT_ENVIRONMENT, PIP_FIND_LINKS=str(tmp_path / "makers"))
    files = project_files()
    files["pyproject.toml"] = files["pyproject.toml"].replace("requires = []", 'requires = ["maker"]')
    checkout = repository(tmp_path / "src", files)
    site.settings(f'keep = 2\n[project]\npath = "{checkout}"\ntimeout = 300\n')
    site.release("1.2")
    kept = {"maker 1.0", "shop 1.0"}

    for days in (1, 9, 17):
        prune(site, days=days)
        assert stored(site) >= kept, days
    (record,) = (site.store / "build-requirements").iterdir()

    site.settings("keep = 2\n")
    for days, version in ((18, "1.2"), (19, "1.3"), (20, "1.1")):
        site.lock(version)
        site.open(clock=site.later(days=days)).release()
    for days in (30, 40, 50):
        prune(site, days=days)
    assert stored(site).isdisjoint(kept)
    assert not record.exists()


def test_bytecode_goes_when_no_release_has_its_kind_of_interpreter(outdated: Site) -> None:
    (folder, *_) = (outdated.store / "bytecode").iterdir()
    (tag,) = os.listdir(folder)
    shutil.copytree(folder / tag, folder / "cpython-399-x86_64-linux-gnu-00000000-o0")
    for days in (1, 8, 15):
        prune(outdated, days=days)
    assert os.listdir(folder) == [tag]


def test_what_is_dropped_breaks_no_release_and_is_fetched_again(outdated: Site) -> None:
    release = outdated.release("1.0")
    unname(outdated, release)
    for days in (1, 8, 15):
        prune(outdated, days=days)
    assert "app 1.0" not in stored(outdated)
    assert "app 1.0" in installed(outdated, release)
    outdated.release("1.0", rebuild=True)
    assert "app 1.0" in stored(outdated)


def test_freed_bytes_are_those_that_are_free_then(outdated: Site) -> None:
    """Those of files that releases still have are not, and nothing is counted twice."""
    outdated.open().pin(outdated.current or "")
    unname(outdated, outdated.release("1.0"))

    def used() -> int:
        done = subprocess.check_output(["du", "-s", "--block-size=1", outdated.path, outdated.store])
        return sum(int(line.split()[0]) for line in done.splitlines())

    for days in (1, 8):
        prune(outdated, days=days)
    before = used()
    planned = prune(outdated, days=15, dry_run=True)
    assert used() == before
    result = prune(outdated, days=15)
    assert {NAMES["1.0"], NAMES["1.1"]} < {dropped.what for dropped in result.removed}
    assert planned == result
    # The records of choices go too, and empty folders: a block each, which nobody counts.
    assert 0 <= before - used() - result.freed_bytes <= 32 * 1024
    assert result.freed_bytes > 64 * 1024


def test_a_dry_run_of_releases_counts_what_two_of_them_share(site: Site) -> None:
    site.settings("keep = 2\n")
    for _ in range(4):
        site.release("1.0", rebuild=True)
    remove_tree(site.store)  # now the releases alone hold the files

    planned = pruned(site, days=1, dry_run=True)
    assert len(planned.removed) == 2
    assert planned.store is None
    assert pruned(site, days=1).freed_bytes == planned.freed_bytes


def test_a_dry_run_says_what_would_go_and_writes_nothing(outdated: Site) -> None:
    prune(outdated, days=8)
    before = sorted((p, p.lstat().st_mtime_ns) for p in outdated.store.rglob("*"))
    planned = prune(outdated, days=15, dry_run=True)
    assert sorted((p, p.lstat().st_mtime_ns) for p in outdated.store.rglob("*")) == before
    assert planned.removed == prune(outdated, days=15).removed


def test_a_dry_run_leaves_out_what_only_the_releases_that_go_name(site: Site) -> None:
    for version in ("1.0", "1.1", "1.2", "1.3"):
        site.release(version)
    site.settings("keep = 2\n")
    planned = prune(site, days=1, dry_run=True)
    assert planned.waiting == 2
    assert prune(site, days=1) == planned


# -- other roots --------------------------------------------------------------------------------------------


@pytest.fixture
def other(outdated: Site, application: dict[str, Distribution], known_python: Path) -> Site:
    """A second root on the same store, which has 1.0."""
    folder = outdated.path.parent / "second"
    site = make_site(folder, application, outdated.store, outdated.path.parent / "home", known_python)
    site.release("1.0")
    return site


def test_what_another_root_names_stays(outdated: Site, other: Site) -> None:
    for days in (1, 8, 15, 40):
        prune(outdated, days=days)
    assert stored(outdated) == {"dep 1.0", "app 1.0", "app 1.2", "app 1.3"}
    assert sorted(registered_roots(Store(str(other.store))).values()) == sorted(
        [str(other.path), str(outdated.path)]
    )


def test_a_root_that_is_gone_names_nothing_and_leaves_the_list(outdated: Site, other: Site) -> None:
    prune(outdated, days=1)
    remove_tree(other.path)
    for days in (2, 9):
        assert prune(outdated, days=days).removed == ()
    result = prune(outdated, days=16)
    assert str(other.path) in {dropped.what for dropped in result.removed}
    assert "app 1.0" not in stored(outdated)
    assert list(registered_roots(Store(str(outdated.store))).values()) == [str(outdated.path)]


def break_manifest(site: Site) -> None:
    manifest = site.path / "current" / ".venvship" / "manifest.json"
    os.chmod(manifest, 0o644)
    manifest.write_text("{")


def forget_wheels(site: Site) -> None:
    """As a release of an older venvship."""
    manifest = site.path / "current" / ".venvship" / "manifest.json"
    os.chmod(manifest, 0o644)
    data = json.loads(manifest.read_text())
    del data["wheels"], data["bytecode"]
    manifest.write_text(json.dumps(data))


def move_releases_away(site: Site) -> None:
    """A folder that cannot be listed, for root neither: a link that leads to itself."""
    releases = site.path / "releases"
    releases.rename(site.path / "elsewhere")
    releases.symlink_to("releases")


@pytest.mark.parametrize("spoil", [break_manifest, forget_wheels, move_releases_away])
def test_a_root_that_cannot_be_read_may_name_anything(
    outdated: Site, other: Site, spoil: Callable[[Site], None]
) -> None:
    spoil(other)
    there = stored(outdated)
    for days in (8, 15, 40):
        found = pruned(outdated, days=days)
        assert found.store == StoreResult(path=str(outdated.store))
        (warning,) = found.warnings
        assert warning.slug == "store-not-cleaned"
        assert str(other.path) in warning.message
    assert stored(outdated) == there


def test_debris_of_another_root_names_nothing_and_is_no_problem(outdated: Site, other: Site) -> None:
    (other.path / "releases" / "20200101T000000Z-0000000").mkdir()
    (other.path / "releases" / ".trash-20200101T000000Z-0000001").mkdir()
    found = pruned(outdated, days=8)
    assert found.store is not None
    assert found.warnings == ()


# -- when nothing is looked at ------------------------------------------------------------------------------


def test_a_store_in_use_is_left_for_the_next_time(outdated: Site) -> None:
    prune(outdated, days=8)
    with shared(str(outdated.store / "store.mutex")):
        found = pruned(outdated, days=15)
        assert found.store is None
        assert found.warnings == ()
    assert len(prune(outdated, days=15).removed) == 4


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_store_of_another_user_is_left_to_that_user(outdated: Site) -> None:
    prune(outdated, days=8)
    os.chown(outdated.store, 65534, 65534)
    found = pruned(outdated, days=15)
    assert found.store is None
    assert found.warnings == ()


def test_a_failure_is_a_warning(outdated: Site) -> None:
    prune(outdated, days=8)
    (outdated.store / "roots" / "strange.json").write_text("{}")
    found = pruned(outdated, days=15)
    assert found.store is None
    (warning,) = found.warnings
    assert warning.slug == "store-not-cleaned"
    assert "strange.json" in warning.message


def test_notes_that_cannot_be_read_make_all_things_wait_once_more(outdated: Site) -> None:
    prune(outdated, days=8)
    (outdated.store / "unnamed.json").write_text("{")
    assert prune(outdated, days=15).removed == ()
    assert prune(outdated, days=15).waiting == 2


def test_notes_of_a_newer_venvship_are_refused(outdated: Site) -> None:
    (outdated.store / "unnamed.json").write_text('{"format": 2}')
    found = pruned(outdated, days=15)
    assert found.store is None
    assert "format 2" in found.warnings[0].message


def test_what_a_clean_up_left_is_swept_by_the_next(outdated: Site) -> None:
    left = [
        outdated.store / "wheels" / ".trash-0123",
        outdated.store / "bytecode" / ".trash-0123",
        outdated.store / "roots" / ".0123.json.4567",
        outdated.store / ".unnamed.json.0123",
    ]
    others = outdated.store / ".snapshots"
    for path in [*left, others]:
        path.mkdir()
    prune(outdated, days=8)
    assert not any(path.exists() for path in left)
    assert others.exists()


# -- builds that come meanwhile -----------------------------------------------------------------------------


def test_a_build_waits_for_a_clean_up_and_does_not_fail(outdated: Site) -> None:
    mutex = str(outdated.store / "store.mutex")
    with contextlib.ExitStack() as held:
        held.enter_context(shared(mutex, exclusive=True))
        with outdated.start("release", "--rebuild", "--json") as running:
            with pytest.raises(subprocess.TimeoutExpired):
                running.wait(timeout=3)
            held.close()
            out, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    assert json.loads(out)["data"]["outcome"] == "released"


def test_a_build_puts_its_root_on_the_list_also_if_it_is_not_promoted(site: Site) -> None:
    site.open().release(no_promote=True)
    assert list(registered_roots(Store(str(site.store))).values()) == [str(site.path)]


def test_a_root_is_put_on_the_list_once_by_its_real_path(outdated: Site, tmp_path: Path) -> None:
    store = Store(str(outdated.store))
    (entry,) = registered_roots(store)
    before = (outdated.store / entry).stat()
    register_root(store, str(outdated.path))
    link = tmp_path / "link"
    link.symlink_to(outdated.path)
    assert outdated.run("-C", str(link), "release", "--rebuild").code == 0
    assert registered_roots(store) == {entry: str(outdated.path)}
    after = (outdated.store / entry).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert stat.S_IMODE(before.st_mode) == 0o644
    assert json.loads((outdated.store / entry).read_text()) == {"format": 1, "root": str(outdated.path)}


def test_the_times_of_the_notes_are_those_of_the_clean_ups(outdated: Site) -> None:
    now = datetime(2030, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    outdated.open(clock=lambda: now).prune()
    data = json.loads((outdated.store / "unnamed.json").read_text())
    assert data["format"] == 1
    assert data["seen"] == "2030-01-02T03:04:05Z"
    since = {datetime.fromisoformat(note["since"]) for note in data["unnamed"].values()}
    assert len(data["unnamed"]) == 4
    assert all(now - moment > timedelta(days=300) for moment in since)
