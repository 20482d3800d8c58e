"""`destroy`: the root goes, what is the user's stays, and nothing goes from under a process."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import waiting
from tests.support.roots import NewSite, Site, command
from tests.support.terminals import Terminal
from tests.torture.children import effects
from venvship.errors import BusyError, InUseError, NotARootError
from venvship.root import RootLayout
from venvship.workspace.holding import hold_build
from venvship.workspace.workspace import Workspace


def tree(path: Path) -> list[tuple[str, int]]:
    # An old filelock truncates a mutex that it takes.
    return sorted((str(p), p.lstat().st_mtime_ns) for p in path.rglob("*") if p.suffix != ".mutex")


@pytest.fixture
def two(site: Site) -> Site:
    """A root with two releases and a store of its own."""
    store = site.path / "store"
    shutil.copytree(site.store, store)
    (site.path / "venvship.toml").write_text('name = "shop"\n')
    site.release("1.0")
    site.release("1.1")
    return site


def test_a_directory_that_holds_nothing_else_goes_with_the_root(two: Site) -> None:
    result = two.open().destroy()
    assert (result.name, result.releases, result.left, result.changed) == ("shop", 2, (), True)
    assert result.warnings == ()
    assert not two.path.exists()
    with pytest.raises(NotARootError):
        two.open()


def test_files_of_the_user_stay_and_the_lockfile_with_them(two: Site) -> None:
    """A root may be a checkout: then the lockfile is one of its sources."""
    (two.path / "shop.py").touch()
    (two.path / "README").write_text("The shop.\n")
    (two.path / "store" / "notes").touch()
    for kept in ("log/app.log", "releases/notes"):
        (two.path / kept).touch()
    (two.path / "current").unlink()
    (two.path / "current").mkdir()
    result = two.open().destroy()
    names = ["README", "current", "log", "releases", "requirements.txt", "shop.py", "store"]
    assert result.left == tuple(str(two.path / name) for name in names)
    assert sorted(os.listdir(two.path)) == names
    found = {name: os.listdir(two.path / name) for name in ("store", "log", "releases")}
    assert found == {"store": ["notes"], "log": ["app.log"], "releases": ["notes"]}


def test_what_the_lockfile_was_made_from_stays(two: Site) -> None:
    (two.path / "requirements.in").write_text("app\n")
    left = two.open().destroy().left
    assert [os.path.basename(path) for path in left] == ["requirements.in", "requirements.txt"]


def test_it_is_a_root_until_its_journal_is_gone(two: Site, tmp_path: Path) -> None:
    """Or a second `destroy` from inside it would be one of a root above."""
    done = effects(two, ("destroy", "--yes"), tmp_path / "effects")
    settings = next(n for n, effect in enumerate(done) if effect.endswith("/venvship.toml"))
    assert settings > len(done) // 2
    assert not [effect for effect in done[settings + 1 :] if "/releases" in effect or "/log" in effect]


def test_a_store_outside_stays(site: Site) -> None:
    site.release("1.0")
    before = {str(path.relative_to(site.store)) for path in site.store.rglob("*")}
    assert site.open().destroy().left == ()
    assert {str(path.relative_to(site.store)) for path in site.store.rglob("*")} == before


def test_a_store_that_another_root_builds_from_stays(two: Site, new_site: NewSite) -> None:
    other = new_site("other")
    (other.path / "venvship.toml").write_text(f'name = "other"\nstore = "{two.path}/store"\n')
    other.release("1.0")
    result = two.open().destroy()
    assert [warning.slug for warning in result.warnings] == ["store-left"]
    assert str(two.path / "store") in result.left
    assert other.open().verify(all=True).releases[0].ok
    other.lock("1.1")
    assert other.open().release().outcome == "released"


@pytest.fixture(params=["current", "old", "trash", "lease"])
def user(two: Site, request: pytest.FixtureRequest) -> Iterator[int]:
    """A process that uses a release; its number."""
    releases = two.path / "releases"
    old = releases / str(two.previous)
    if request.param == "lease":
        script = "import sys; print('ready', flush=True); sys.stdin.read()"
        started = waiting(old / "bin" / "python", "-c", script, cwd="/", env={"PATH": os.defpath})
    else:
        folder = releases / str(two.current) if request.param == "current" else old
        started = waiting("sh", "-c", "echo ready; exec cat", cwd=folder)
    with started as process:
        if request.param == "trash":
            old.rename(releases / f".trash-{old.name}")
        yield process.pid


def test_nothing_is_removed_while_a_process_runs_from_a_release(two: Site, user: int) -> None:
    before = tree(two.path)
    with pytest.raises(InUseError, match=f"process {user}") as caught:
        two.open().destroy()
    assert caught.value.exit_code == 25
    assert tree(two.path) == before


def test_it_waits_for_no_other_command(two: Site) -> None:
    workspace = Workspace(RootLayout.at(two.path), two.runtime())
    with hold_build(workspace, "release"), pytest.raises(BusyError):
        two.open().destroy()
    assert two.open().verify(all=True).releases


def test_a_root_without_settings_or_releases_goes_too(two: Site, new_site: NewSite) -> None:
    (two.path / "venvship.toml").unlink()
    assert two.open().destroy().name == "shop", "as the kept settings have it"
    empty = new_site("empty")
    (empty.path / "requirements.txt").unlink()
    assert empty.open().destroy().left == ()
    assert not empty.path.exists()


@pytest.mark.parametrize(
    ("arguments", "typed", "code"), [((), "shop\n", 0), ((), "yes\n", 2), (("--yes",), "", 0)]
)
def test_a_person_types_its_name_or_says_yes(
    site: Site, arguments: tuple[str, ...], typed: str, code: int
) -> None:
    site.settings()
    terminal = Terminal([command(), "destroy", *arguments], env=site.environment, cwd=site.path)
    if typed:
        terminal.read_until("Type its name")
        terminal.type(typed)
    assert terminal.finish().code == code
    assert (site.path / "venvship.toml").exists() == (code != 0)


def test_a_script_has_to_say_yes(site: Site) -> None:
    refused = site.run("destroy", "--json")
    assert (refused.code, refused.json["error"]["slug"]) == (2, "usage")
    assert (site.path / "venvship.toml").exists()
    done = site.run("destroy", "--yes", "--json")
    assert done.code == 0
    assert done.data == {"name": "shop", "root": str(site.path), "releases": 0, "left": [], "changed": True}
