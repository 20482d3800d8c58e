"""`destroy`: the root goes, what is the user's stays, and nothing goes from under a process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import waiting
from tests.support.roots import NewSite, Site, command
from tests.support.sealed import RELEASE_ID, empty_root, sealed
from tests.support.terminals import Terminal
from tests.support.users import as_root_only, unprivileged
from tests.torture.children import effects
from venvship.api import Root, default_runtime
from venvship.errors import BusyError, InUseError, NotARootError, VenvshipError
from venvship.model.event import EventName
from venvship.model.progress import Step
from venvship.root import RootLayout
from venvship.system.signals import Signals
from venvship.workspace.folders import make_folders
from venvship.workspace.holding import hold_build
from venvship.workspace.workspace import Workspace

REPOSITORY = Path(__file__).parents[2]


def tree(path: Path) -> list[tuple[str, int]]:
    # An old filelock truncates a mutex that it takes.
    return sorted((str(p), 0 if p.suffix == ".mutex" else p.lstat().st_mtime_ns) for p in path.rglob("*"))


def destroyed(site: Site) -> Any:
    """The result of destroying a root, whatever other users' processes this host has."""
    return site.open().destroy(force=True)


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
    result = destroyed(two)
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
    result = destroyed(two)
    names = ["README", "current", "log", "releases", "requirements.txt", "shop.py", "store"]
    assert result.left == tuple(str(two.path / name) for name in names)
    assert sorted(os.listdir(two.path)) == names
    found = {name: os.listdir(two.path / name) for name in ("store", "log", "releases")}
    assert found == {"store": ["notes"], "log": ["app.log"], "releases": ["notes"]}
    why = {os.path.basename(path): reason for path, reason in result.reasons.items()}
    holds, made = "it holds files that venvship did not make", "venvship did not make it"
    assert why == {
        **dict.fromkeys(("store", "log", "releases"), holds),
        **dict.fromkeys(("README", "current", "shop.py"), made),
        "requirements.txt": "a lockfile stays with other files, as a source",
    }


def test_what_the_lockfile_was_made_from_stays(two: Site) -> None:
    (two.path / "requirements.in").write_text("app\n")
    left = destroyed(two).left
    assert [os.path.basename(path) for path in left] == ["requirements.in", "requirements.txt"]


def test_it_is_a_root_until_its_journal_is_gone(two: Site, tmp_path: Path) -> None:
    """Or a second `destroy` from inside it would be one of a root above."""
    done = effects(two, ("destroy", "--yes", "--force"), tmp_path / "effects")
    settings = next(n for n, effect in enumerate(done) if effect.endswith("/venvship.toml"))
    assert settings > len(done) // 2
    assert not [effect for effect in done[settings + 1 :] if "/releases" in effect or "/log" in effect]


def test_a_store_outside_stays(site: Site) -> None:
    site.release("1.0")
    before = {str(path.relative_to(site.store)) for path in site.store.rglob("*")}
    assert destroyed(site).left == ()
    assert {str(path.relative_to(site.store)) for path in site.store.rglob("*")} == before


def test_a_store_that_another_root_builds_from_stays(two: Site, new_site: NewSite) -> None:
    other = new_site("other")
    (other.path / "venvship.toml").write_text(f'name = "other"\nstore = "{two.path}/store"\n')
    other.release("1.0")
    result = destroyed(two)
    assert [warning.slug for warning in result.warnings] == ["store-left"]
    assert result.reasons[str(two.path / "store")] == f"the store: the root {other.path} builds from it"
    assert other.open().verify(all=True).releases[0].ok
    other.lock("1.1")
    assert other.open().release().outcome == "released"


def test_the_store_of_a_copied_root_goes_with_it_although_its_list_names_the_original(two: Site) -> None:
    copy = two.path.with_name("copy")
    subprocess.run(["cp", "-a", two.path, copy], check=True)
    before = tree(two.path / "store")
    result = destroyed(replace(two, path=copy))
    assert (result.left, result.warnings) == ((), ())
    assert not copy.exists()
    assert tree(two.path / "store") == before
    assert two.open().verify(all=True).releases


def test_a_root_on_the_list_that_cannot_tell_its_store_keeps_it(two: Site, new_site: NewSite) -> None:
    other = new_site("other")
    (other.path / "venvship.toml").write_text(f'name = "other"\nstore = "{two.path}/store"\n')
    other.release("1.0")
    (other.path / "venvship.toml").write_text("oops")
    (other.path / "state" / "settings.toml").unlink()
    assert str(two.path / "store") in destroyed(two).left


def test_a_directory_that_cannot_be_removed_is_told() -> None:
    def ask(folder: Path) -> None:
        layout = empty_root(folder / "shop")
        folder.chmod(0o555)
        try:
            result = opened(layout.path).destroy(force=True)
        finally:
            folder.chmod(0o755)
        assert result.left == (str(layout.path),)
        assert "cannot be removed: Permission denied" in result.reasons[result.left[0]]
        assert os.listdir(layout.path) == []

    unprivileged(ask)


SAVED_MEANWHILE = """
import os, sys
from venvship import Root
def between(event, arguments):
    # The lockfile is the last file that goes. Then the directory was seen to hold nothing else.
    if event == "os.remove" and str(arguments[0]).endswith("requirements.txt"):
        open("precious", "x").close()
sys.addaudithook(between)
result = Root.open(os.getcwd()).destroy(force=True)
assert [os.path.basename(path) for path in result.left] == ["precious"], result
print("ready", flush=True)
"""


def test_nothing_goes_that_came_after_the_look(site: Site) -> None:
    with waiting(sys.executable, "-c", SAVED_MEANWHILE, cwd=site.path, env=site.environment):
        assert os.listdir(site.path) == ["precious"]


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
        two.open().destroy(force=True)
    assert caught.value.exit_code == 25
    assert tree(two.path) == before


def opened(path: Path) -> Root:
    runtime = default_runtime(environ={}, actor="tester", signals=Signals(), person=True)
    return Root.open(path, runtime=runtime)


@as_root_only
@pytest.mark.parametrize("lived", [True, False])
def test_a_process_that_cannot_be_looked_into_counts_as_for_a_prune_unless_forced(lived: bool) -> None:
    """To whom is not root. There are others on most hosts, so that any of them may be named."""
    with waiting("sh", "-c", "echo ready; exec cat", cwd="/"):

        def ask(folder: Path) -> None:
            layout = empty_root(folder / "shop")
            sealed(layout)
            runtime = default_runtime(environ={}, actor="tester", signals=Signals())
            workspace = Workspace(layout, runtime)
            workspace.record(EventName.SEALED, release=RELEASE_ID)
            if lived:
                workspace.record(EventName.PROMOTED, release=RELEASE_ID)
                before = tree(layout.path)
                with pytest.raises(
                    InUseError, match=r"may be in use: process \d+, which cannot be"
                ) as caught:
                    opened(layout.path).destroy()
                assert caught.value.exit_code == 25
                assert "venvship destroy --force" in (caught.value.hint or "")
                assert tree(layout.path) == before
            assert opened(layout.path).destroy(force=lived).releases == 1
            assert not layout.path.exists()

        unprivileged(ask)


WAITERS: dict[str, Callable[[Root], object]] = {
    "release": lambda root: root.release(),
    "update": lambda root: root.update(),
    "rollback": lambda root: root.rollback(),
    "pin": lambda root: root.pin("current"),
    "destroy": lambda root: root.destroy(force=True),
}


@pytest.mark.parametrize(("waiter", "keeps"), [("release", False), *((waiter, True) for waiter in WAITERS)])
def test_a_command_that_waits_meanwhile_is_refused_and_makes_nothing(
    two: Site, waiter: str, keeps: bool
) -> None:
    """It has passed all that it asks at its beginning, and made the folders that it needs.

    The destroy asks the clock with its mutexes held, and goes on once the other one waits for them.
    """
    two.lock("1.2")
    if keeps:
        (two.path / "shop.py").touch()
    waits = threading.Event()
    errors: list[VenvshipError] = []

    def progress(step: Step) -> None:
        if step.name == "wait":
            waits.set()

    def wait() -> None:
        try:
            WAITERS[waiter](two.open(wait=60.0, progress=progress))
        except VenvshipError as error:
            errors.append(error)
        finally:
            waits.set()

    waiting_thread = threading.Thread(target=wait)

    def clock() -> datetime:
        if not waits.is_set():
            waiting_thread.start()
            assert waits.wait(60)
        return datetime.now(UTC)

    expected = {"requirements.txt", "shop.py"} if keeps else set()
    try:
        two.open(clock=clock).destroy()
    finally:
        waiting_thread.join()
    [error] = errors
    assert error.exit_code == 12, error.message
    assert "is gone: the root was removed meanwhile" in error.message
    assert {*os.listdir(two.path)} == expected if keeps else not two.path.exists()


def test_folders_are_not_made_again_where_there_is_no_root_any_more(tmp_path: Path) -> None:
    """A command has begun, and then the root was destroyed."""
    (tmp_path / "venvship.toml").touch()
    layout = RootLayout.at(tmp_path)
    (tmp_path / "venvship.toml").unlink()
    (tmp_path / "notes").touch()
    with pytest.raises(NotARootError, match="removed meanwhile"):
        make_folders(layout)
    assert os.listdir(tmp_path) == ["notes"]


REMOVED_MEANWHILE = """
import os, sys
from pathlib import Path
from venvship.errors import NotARootError
from venvship.root import RootLayout
from venvship.workspace.folders import make_folders
layout = RootLayout.at(sys.argv[1])
def between(event, arguments):
    if event == "os.mkdir" and str(arguments[0]).endswith(sys.argv[2]) and layout.settings_file.exists():
        os.unlink(layout.settings_file)
sys.addaudithook(between)
try:
    make_folders(layout)
except NotARootError:
    print("ready", flush=True)
"""


@pytest.mark.parametrize("folder", ["releases", "state", "log"])
def test_folders_that_were_made_while_the_root_was_removed_go_again(tmp_path: Path, folder: str) -> None:
    (tmp_path / "venvship.toml").touch()
    with waiting(sys.executable, "-c", REMOVED_MEANWHILE, str(tmp_path), folder, cwd=REPOSITORY):
        assert os.listdir(tmp_path) == []


def test_it_waits_for_no_other_command(two: Site) -> None:
    workspace = Workspace(RootLayout.at(two.path), two.runtime())
    with hold_build(workspace, "release"), pytest.raises(BusyError):
        destroyed(two)
    assert two.open().verify(all=True).releases


def test_a_root_without_settings_or_releases_goes_too(two: Site, new_site: NewSite) -> None:
    (two.path / "venvship.toml").unlink()
    assert destroyed(two).name == "shop", "as the kept settings have it"
    empty = new_site("empty")
    (empty.path / "requirements.txt").unlink()
    assert destroyed(empty).left == ()
    assert not empty.path.exists()


@pytest.mark.parametrize(
    ("arguments", "typed", "code"), [((), "shop\n", 0), ((), "yes\n", 2), (("--yes",), "", 0)]
)
def test_a_person_types_its_name_or_says_yes(
    site: Site, arguments: tuple[str, ...], typed: str, code: int
) -> None:
    site.settings()
    terminal = Terminal([command(), "destroy", "--force", *arguments], env=site.environment, cwd=site.path)
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
    nothing: dict[str, Any] = {"left": [], "reasons": []}
    assert done.data == {"name": "shop", "root": str(site.path), "releases": 0, **nothing, "changed": True}
