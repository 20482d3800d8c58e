"""Releases of a checkout: source and lockfile together are what a release is made from."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.checkouts import GIT_ENVIRONMENT, commit, git, project_files, pyproject, repository, write
from tests.support.patches import interpreters_answer
from tests.support.roots import Site
from venvship.api import Root
from venvship.errors import (
    BuildError,
    CheckoutError,
    HeldError,
    LockError,
    LockfileError,
    LockfileMissingError,
    SettingsError,
    UncommittedChangesError,
    UsageError,
    VenvshipError,
)
from venvship.model.release import Manifest
from venvship.operations.release_result import ReleaseResult
from venvship.system import process


class Checked(Site):
    """A root with a project in a git repository beside it."""

    checkout: Path

    @property
    def root(self) -> Root:
        return self.open(environ={**self.environment, **GIT_ENVIRONMENT})

    def project(self, text: str = "", more: str = "") -> None:
        self.settings(f'[project]\npath = "{self.checkout}"\ntimeout = 120\n{text}\n{more}')

    def update(self) -> ReleaseResult:
        return self.root.update()

    @property
    def manifest(self) -> Manifest:
        current = os.readlink(self.path / "current").rpartition("/")[2]
        text = (self.path / "releases" / current / ".venvship/manifest.json").read_text()
        return Manifest.from_json(json.loads(text))

    @property
    def builds(self) -> int:
        """How many releases have a log of a build."""
        return len(list((self.path / "log").glob("*/build.txt")))

    def refuses(self, kind: type[VenvshipError], says: str, **options: Any) -> VenvshipError:
        """The error of a release, after which `current` is what it was."""
        before = os.path.realpath(self.path / "current")
        with pytest.raises(kind, match=says) as caught:
            self.root.release(**options)
        assert os.path.realpath(self.path / "current") == before
        assert self.debris() == []
        return caught.value


@pytest.fixture
def shop(site: Site, tmp_path: Path) -> Checked:
    one = Checked(site.path, site.wheels, {**site.environment, **GIT_ENVIRONMENT}, site.store)
    one.checkout = repository(tmp_path / "src", project_files(), subject="Sell things")
    one.project()
    return one


def test_a_release_has_the_project_and_what_the_lockfile_pins(shop: Checked) -> None:
    result = shop.root.release()

    assert result.outcome == "released"
    manifest = shop.manifest
    assert [p.name for p in manifest.packages] == ["app", "dep", "shop"]
    assert manifest.project is not None
    assert manifest.project.source.commit == git(shop.checkout, "rev-parse", "HEAD")
    assert manifest.message == "Sell things"
    assert (shop.path / "log" / manifest.id / "build.txt").exists()
    assert shop.root.release().outcome == "unchanged"
    assert shop.builds == 1


def test_a_message_of_a_person_comes_first(shop: Checked) -> None:
    shop.root.release(message="because")
    assert shop.manifest.message == "because"


def test_a_commit_that_touches_nothing_of_the_project_is_unchanged(shop: Checked) -> None:
    shop.root.release()
    commit(shop.checkout, {}, subject="Empty")
    result = shop.root.release()
    assert (result.outcome, shop.builds) == ("unchanged", 1)
    assert shop.update().outcome == "unchanged"


def test_an_equal_wheel_is_unchanged_and_found_without_a_build_the_next_time(shop: Checked) -> None:
    first = shop.root.release()
    commit(shop.checkout, {"README.md": "no part of the wheel\n"})

    second, third, fourth = shop.root.release(), shop.root.release(), shop.update()

    assert [r.outcome for r in (second, third, fourth)] == ["unchanged"] * 3
    assert "build" in second.timings
    assert "build" not in third.timings
    assert shop.builds == 1  # the log of a build without a release is removed
    assert first.release is not None
    assert second.release is not None
    assert second.release.id == first.release.id
    assert shop.root.status().lockfile.changed is False


def test_update_releases_a_new_commit_regardless_of_changes(shop: Checked) -> None:
    shop.root.release()
    commit(shop.checkout, {"shop/__init__.py": "NAME = 'new'\n"}, subject="New name")
    write(shop.checkout, {"shop/__init__.py": "NAME = 'edited'\n"})
    result = shop.update()
    assert result.outcome == "released"
    (module,) = (shop.path / "current").resolve().rglob("shop/__init__.py")
    assert module.read_text() == "NAME = 'new'\n"
    assert shop.manifest.message == "New name"
    assert shop.update().outcome == "unchanged"


def test_an_idle_update_asks_git_one_question(shop: Checked, tmp_path: Path) -> None:
    shop.project('lockfile = "requirements.txt"')
    commit(shop.checkout, {"requirements.txt": (shop.path / "requirements.txt").read_text()})
    shop.root.release()
    log = tmp_path / "asked"
    (tmp_path / "bin").mkdir()
    real = next(p for p in os.environ["PATH"].split(":") if os.access(f"{p}/git", os.X_OK))
    script = tmp_path / "bin/git"
    script.write_text(f'#!/bin/sh\necho "$*" >> {log}\nexec {real}/git "$@"\n')
    script.chmod(0o755)
    environ = {**shop.environment, "PATH": f"{tmp_path}/bin:{shop.environment['PATH']}"}
    assert shop.open(environ=environ).update().outcome == "unchanged"
    assert len(log.read_text().splitlines()) == 1


_OPENED = """
import os, sys
log, *sys.argv = sys.argv[1:]
fd, main = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), os.getpid()
def hook(event, arguments):
    if event == "open" and os.getpid() == main and str(arguments[0]).endswith("wheel.json"):
        os.write(fd, f"{arguments[0]}\\n".encode())
sys.addaudithook(hook)
from venvship.cli.main import main as run
run()
"""
"""Runs venvship, and lists the indexes of wheels that its first process opens."""


def test_a_changed_line_has_the_index_of_each_wheel_read_once(shop: Checked, tmp_path: Path) -> None:
    shop.root.release()
    commit(shop.checkout, {"shop/__init__.py": "VALUE = 2\n"})

    argv = [sys.executable, "-c", _OPENED, str(tmp_path / "opened"), "venvship", "release"]
    subprocess.run(argv, cwd=shop.path, env=shop.environment, check=True, capture_output=True)

    opened = [path for path in (tmp_path / "opened").read_text().split() if "/.new-" not in path]
    assert shop.builds == 2
    assert len(opened) == 3, "of the project and of two packages"
    assert len(opened) == len(set(opened))


def test_a_changed_line_has_the_interpreter_asked_once(
    shop: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the wheel is built. The switch asks the release's, which here is the one that runs this test."""
    asked: list[Sequence[str]] = []
    real = process.run

    def run(program: process.Program, **options: Any) -> process.ProcessResult:
        asked.append(program.argv)
        return real(program, **options)

    shop.root.release()
    commit(shop.checkout, {"shop/__init__.py": "VALUE = 2\n"})
    interpreters_answer(monkeypatch, run)

    shop.root.release()

    assert shop.builds == 2
    assert len(asked) == 1


def test_changes_that_are_not_committed_are_refused(shop: Checked) -> None:
    shop.root.release()
    write(shop.checkout, {"shop/__init__.py": "NAME = 'edited'\n", "untracked": ""})
    error = shop.refuses(UncommittedChangesError, "changes that are not committed.*shop/__init__.py")
    assert (error.exit_code, error.slug) == (11, "uncommitted-changes")
    git(shop.checkout, "add", "shop/__init__.py")
    shop.refuses(UncommittedChangesError, "shop/__init__.py")


def test_dirty_releases_the_files_as_they_are_and_records_it(shop: Checked) -> None:
    shop.root.release()
    write(shop.checkout, {"shop/__init__.py": "NAME = 'edited'\n"})
    result = shop.root.release(dirty=True)
    assert result.outcome == "released"
    (module,) = (shop.path / "current").resolve().rglob("shop/__init__.py")
    assert module.read_text() == "NAME = 'edited'\n"
    assert shop.manifest.project is not None
    assert shop.manifest.project.source.dirty
    # It is another source than the root's own: an update must not undo it.
    with pytest.raises(HeldError):
        shop.update()
    commit(shop.checkout, {})
    assert shop.root.release().outcome == "unchanged"


def test_a_ref_releases_another_commit_and_holds_the_root(shop: Checked) -> None:
    git(shop.checkout, "tag", "v1")
    shop.root.release()
    commit(shop.checkout, {"shop/__init__.py": "NAME = 'two'\n"})
    shop.root.release()
    write(shop.checkout, {"shop/__init__.py": "being edited\n"})
    result = shop.root.release(ref="v1")
    assert result.outcome == "reactivated"
    assert shop.manifest.project is not None
    with pytest.raises(HeldError):
        shop.update()


def test_a_lockfile_in_the_checkout_is_read_from_the_commit(shop: Checked) -> None:
    shop.project('lockfile = "requirements.txt"')
    text = (shop.path / "requirements.txt").read_text()
    (shop.path / "requirements.txt").unlink()
    error = shop.refuses(LockfileMissingError, "requirements.txt")
    assert "is relative to `path`" in str(error.hint)
    write(shop.checkout, {"requirements.txt": text})
    assert "commit it: git -C" in str(shop.refuses(LockfileMissingError, "requirements.txt").hint)
    commit(shop.checkout, {})
    assert shop.root.release().outcome == "released"
    assert shop.root.status().lockfile.changed is False
    assert shop.update().outcome == "unchanged"


def test_a_refused_lockfile_in_the_checkout_names_steps_that_work_there(shop: Checked) -> None:
    shop.project('lockfile = "requirements.txt"')
    commit(shop.checkout, {"requirements.txt": "demo\n", "requirements.in": "demo\n"})
    hint = str(shop.refuses(LockfileError, "demo").hint)
    assert "commit it" in hint
    with pytest.raises(LockfileError, match="nothing was locked"):
        shop.root.lock()

    assert "take `lockfile` out of `[project]`" in hint
    shop.project(more='[lock]\ninputs = ["../src/requirements.in"]')
    with pytest.raises(LockError, match="demo: the index has no such package"):  # this site has none
        shop.root.lock()


def test_the_roots_own_lockfile_is_source_and_lockfile_together(shop: Checked) -> None:
    shop.root.release()
    commit(shop.checkout, {"shop/__init__.py": "NAME = 'two'\n"})
    shop.root.release()
    shop.root.rollback()
    with pytest.raises(HeldError):
        shop.update()
    # A commit is something new, and does not end a person's hold by itself.
    commit(shop.checkout, {"shop/__init__.py": "NAME = 'three'\n"})
    with pytest.raises(HeldError):
        shop.update()
    assert shop.root.status().lockfile.changed is True


def test_fetch_runs_before_the_checkout_is_looked_at(shop: Checked, tmp_path: Path) -> None:
    bare = tmp_path / "shop.git"
    git(tmp_path, "clone", "--quiet", "--mirror", str(shop.checkout), str(bare))
    shop.settings(
        f'[project]\npath = "{bare}"\nref = "main"\ntimeout = 120\nfetch = ["git", "fetch", "--quiet"]\n'
    )
    shop.root.release()
    commit(shop.checkout, {"shop/__init__.py": "NAME = 'two'\n"})
    assert shop.update().outcome == "released"
    assert shop.manifest.project is not None
    assert shop.manifest.project.source.commit == git(shop.checkout, "rev-parse", "HEAD")
    git(bare, "remote", "set-url", "origin", str(tmp_path / "nothing"))
    shop.refuses(CheckoutError, "`.project. fetch` failed")


def test_a_relocated_release_keeps_its_project(shop: Checked, tmp_path: Path) -> None:
    shop.root.release()
    moved = Checked(tmp_path / "moved", shop.wheels, shop.environment, shop.store)
    moved.checkout = shop.checkout
    os.rename(shop.path, moved.path)
    before = moved.manifest
    moved.root.relocate()
    assert moved.manifest.id != before.id
    assert moved.manifest.project == before.project
    assert moved.manifest.tree_digest == before.tree_digest
    assert moved.root.release().outcome == "unchanged"


# -- bad input ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        ({"shop.toml": ""}, None, ""),
        ({"pyproject.toml": pyproject(more='requires-python = "<3"')}, CheckoutError, "requires-python"),
        ({"pyproject.toml": pyproject("app")}, LockfileError, "has the name of the project"),
        ({"pyproject.toml": "name ="}, CheckoutError, "is not TOML"),
        ({"pyproject.toml": pyproject("no name")}, CheckoutError, "no name of a project"),
        ({"pyproject.toml": pyproject(version="one")}, CheckoutError, "no version"),
        ({"pyproject.toml": "[tool.ruff]\n"}, CheckoutError, "no project that can be built"),
        ({"backend.py": "raise SystemExit('broken')"}, BuildError, "broken"),
    ],
)
def test_bad_input_is_one_error_and_current_stays(
    shop: Checked, change: dict[str, str], kind: type[VenvshipError] | None, says: str
) -> None:
    shop.root.release()
    commit(shop.checkout, change)
    if kind is None:
        assert shop.root.release().outcome == "unchanged"
        return
    error = shop.refuses(kind, says)
    assert error.exit_code == (20 if kind is BuildError else 11)


def refused_without(shop: Checked, hide: Callable[[], None], says: str) -> None:
    hide()
    error = shop.refuses(CheckoutError, says)
    assert error.exit_code == 11


def test_a_checkout_of_another_user_is_refused(shop: Checked) -> None:
    shop.root.release()
    variables = {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
    script = shop.path.parent / "bin" / "git"
    script.parent.mkdir()
    real = next(p for p in os.environ["PATH"].split(":") if os.access(f"{p}/git", os.X_OK))
    exports = " ".join(f"{name}={value}" for name, value in variables.items())
    script.write_text(f'#!/bin/sh\n{exports} exec {real}/git "$@"\n')
    script.chmod(0o755)
    shop.environment["PATH"] = f"{script.parent}:{shop.environment['PATH']}"
    error = shop.refuses(CheckoutError, "git does not trust")
    assert "safe.directory" in str(error.hint)


def test_a_project_without_git_on_the_host_is_refused(shop: Checked, tmp_path: Path) -> None:
    shop.root.release()
    (tmp_path / "empty").mkdir()
    shop.environment["PATH"] = str(tmp_path / "empty")
    shop.refuses(CheckoutError, "there is no git here")


def test_options_about_a_project_need_one(shop: Checked) -> None:
    shop.settings()
    shop.refuses(SettingsError, "names no project", ref="v1")
    shop.refuses(SettingsError, "names no project", dirty=True)
    shop.project()
    shop.refuses(UsageError, "give one of them", ref="v1", dirty=True)
    shop.refuses(UsageError, "hyphen", ref="--exec=x")
    shop.refuses(CheckoutError, "no branch, tag or commit v9", ref="v9")


def test_a_dry_run_builds_nothing_and_writes_nothing(shop: Checked) -> None:
    shop.root.release()
    commit(shop.checkout, {"shop/__init__.py": "NAME = 'two'\n"})
    before = sorted(str(path) for path in shop.path.rglob("*"))
    result = shop.root.release(dry_run=True)
    assert (result.outcome, result.plan) == ("planned", "build")
    assert sorted(str(path) for path in shop.path.rglob("*")) == before


def test_a_failed_build_is_tried_again_after_a_pause(shop: Checked) -> None:
    shop.root.release()
    commit(shop.checkout, {"backend.py": "raise SystemExit('broken')"})
    with pytest.raises(BuildError, match="broken"):
        shop.update()
    with pytest.raises(BuildError, match="not tried again before"):
        shop.update()


# -- without packaging ----------------------------------------------------------------------------------

TREE = {"manage.py": "import site_settings\n", "site_settings.py": "X = 1\n", ".gitignore": "dist/\n*.log\n"}


def test_a_checkout_that_no_release_can_be_made_of_is_tried_again_after_a_pause(shop: Checked) -> None:
    git(shop.checkout, "rm", "-rq", "pyproject.toml", "backend.py", "shop")
    os.symlink("/etc/hostname", shop.checkout / "out.txt")
    commit(shop.checkout, TREE)
    shop.project('build = "tree"')
    with pytest.raises(CheckoutError, match=r"out\.txt"):
        shop.update()
    with pytest.raises(BuildError, match="not tried again before"):
        shop.update()


def test_a_project_without_packaging_is_released_with_what_include_takes(shop: Checked) -> None:
    git(shop.checkout, "rm", "-rq", "pyproject.toml", "backend.py", "shop")
    commit(shop.checkout, TREE)
    write(shop.checkout, {"dist/app.js": "1", "new.py": "", "x.log": ""})
    shop.project('build = "tree"\ninclude = ["dist/"]')
    result = shop.root.release()
    app = (shop.path / "current").resolve() / "app"
    assert (app / "manage.py").exists()
    assert (app / "dist/app.js").read_text() == "1"
    assert not (app / "new.py").exists()
    warned = {warning.slug: warning.message for warning in result.warnings}
    assert "new.py" in warned["untracked-files"]
    assert shop.root.release().outcome == "unchanged"
    write(shop.checkout, {"dist/app.js": "2"})
    assert shop.root.release().outcome == "released"
    assert shop.update().outcome == "unchanged"


def test_included_files_of_a_wheel_project_are_in_its_copy(shop: Checked) -> None:
    commit(shop.checkout, {".gitignore": "*.txt\n"})
    write(shop.checkout, {"shop/made.txt": "1", "shop/other.txt": "1"})
    shop.project('include = ["shop/made.txt"]')
    shop.root.release()
    names = {one.name for one in (shop.path / "current").resolve().rglob("*.txt") if "shop" in one.parts}
    assert names == {"made.txt"}


# -- reports --------------------------------------------------------------------------------------------


def test_reports_name_the_commit_its_subject_and_what_built_it(shop: Checked) -> None:
    git(shop.checkout, "tag", "v1")
    shop.root.release(ref="v1")
    first = git(shop.checkout, "rev-parse", "HEAD")
    commit(shop.checkout, {"other.txt": "x"}, subject="Between")
    second = commit(shop.checkout, {"shop/__init__.py": "NAME = 'two'\n"}, subject="Sell more")
    shop.root.release(force=True)

    listed, shown, status = (shop.run(name).out for name in ("list", "show", "status"))
    there, back = shop.run("diff", "previous").out, shop.run("diff", "current", "previous").out

    assert f"{second[:12]} Sell more" in listed
    assert f"{first[:12]} (v1) Sell things" in listed
    assert f"shop 1.0, {second[:12]}: Sell more" in status
    assert f"commit {second} of {shop.checkout}" in shown
    assert there.index("Sell more") < there.index("Between")
    assert "Commits gone" in back
    data = shop.run("diff", "previous", "--json").data
    assert [one["subject"] for one in data["commits"]] == ["Sell more", "Between"]
    (live, _) = shop.run("list", "--json").data["releases"]
    assert live["project"]["commit"] == second
    assert shop.run("show", "--json").data["built"] == []


def test_a_repository_that_is_gone_leaves_the_commits_out_of_a_diff(shop: Checked) -> None:
    shop.root.release()
    commit(shop.checkout, {"shop/__init__.py": "NAME = 'two'\n"}, subject="Sell more")
    shop.root.release()
    os.rename(shop.checkout, shop.checkout.with_name("moved"))
    done = shop.run("diff", "previous")
    assert (done.code, "Sell more" in done.out) == (0, False)


# -- dependencies that are pinned to a commit -------------------------------------------------------------

PYLOCK = """\
lock-version = "1.0"
created-by = "test"

[[packages]]
name = "lib"
vcs = {{ type = "git", url = "{url}", commit-id = "{commit}" }}
"""


def with_library(shop: Checked, tmp_path: Path, settings: str) -> str:
    """Lock a library at an earlier commit of another repository; returns that commit."""
    path = repository(tmp_path / "lib", project_files("lib"))
    first = git(path, "rev-parse", "HEAD")
    commit(path, {"lib/__init__.py": "later = 1\n"})
    shop.settings(f'lockfile = "pylock.toml"\n[build]\n{settings}\n')
    (shop.path / "pylock.toml").write_text(PYLOCK.format(url=path.as_uri(), commit=first))
    return first


def test_a_dependency_at_a_full_commit_is_built_where_sdists_allows_it(shop: Checked, tmp_path: Path) -> None:
    first = with_library(shop, tmp_path, "")
    assert 'sdists = ["lib"]' in shop.refuses(LockfileError, "lib is a VCS checkout").message
    shop.settings('lockfile = "pylock.toml"\n[build]\nsdists = ["lib"]\n')

    assert shop.root.release().outcome == "released"

    (module,) = (shop.path / "current").resolve().rglob("lib/__init__.py")
    assert module.read_text() == "NAME = 'lib'\n"
    (built,) = shop.manifest.built
    assert (built.name, built.source.commit, shop.manifest.project) == ("lib", first, None)
    os.rename(tmp_path / "lib", tmp_path / "gone")
    assert shop.root.release().outcome == "unchanged"
    assert shop.update().outcome == "unchanged"


def test_a_repository_that_cannot_be_reached_is_a_failed_build(shop: Checked, tmp_path: Path) -> None:
    with_library(shop, tmp_path, 'sdists = ["lib"]')
    os.rename(tmp_path / "lib", tmp_path / "gone")
    assert shop.refuses(BuildError, "lib, from file://").exit_code == 20


def test_the_lock_tells_which_members_a_release_has(shop: Checked) -> None:
    """One that only a build would name is there, and one of an extra that nobody asked for is not."""
    wheel = shop.wheels["1.0"].path
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    rows = [f'[[packages]]\nname = "{one}"\ndirectory = {{ path = "{one}" }}\n' for one in ("web", "stock")]
    lock = (
        f'lock-version = "1.0"\ncreated-by = "tests"\n{"".join(rows)}'
        '[[packages]]\nname = "app"\nversion = "1.0"\n'
        f'wheels = [{{ path = "{wheel}", hashes = {{ sha256 = "{sha256}" }} }}]\n'
    )
    more = 'dynamic = ["dependencies"]\n[project.optional-dependencies]\ntill = ["till"]\n'
    members = {
        "web": project_files("web", more=more),
        "stock": project_files("stock"),
        "till": project_files("till"),
    }
    files = {f"{folder}/{path}": text for folder, found in members.items() for path, text in found.items()}
    table = '[tool.uv.workspace]\nmembers = ["*"]\n'
    commit(shop.checkout, {**files, "pyproject.toml": table, "pylock.toml": lock})
    shop.project('lockfile = "pylock.toml"\nmember = "web"')
    assert shop.root.release().outcome == "released"
    assert {one.name for one in shop.manifest.built} == {"stock"}
    assert shop.update().outcome == "unchanged"

    commit(shop.checkout, {"till/till/__init__.py": "OPEN = True\n"})
    assert shop.root.release().outcome == "unchanged"
    assert shop.builds == 1
    commit(shop.checkout, {"stock/stock/__init__.py": "FULL = True\n"})
    assert shop.root.release().outcome == "released"
    write(shop.checkout, {"stock/stock/__init__.py": "FULL = False\n"})
    shop.refuses(UncommittedChangesError, "stock/stock")


@pytest.mark.parametrize("lockfile", ["uv.lock", ""], ids=["uv.lock", "the root's own lockfile"])
def test_a_commit_to_another_member_of_a_workspace_is_unchanged(
    shop: Checked, tmp_path: Path, lockfile: str
) -> None:
    """Where uv.lock is in the checkout, it tells the members; else the member's own description does."""
    python = 'requires-python = ">=3.11"'
    source = "[tool.uv.sources]\ncore = { workspace = true }\n"
    members = {
        "web": project_files("web", more=f'{python}\ndependencies = ["core"]', table=source),
        "core": project_files("core", more=python),
        "jobs": project_files("jobs", more=python),
    }
    files = {f"{folder}/{path}": text for folder, found in members.items() for path, text in found.items()}
    shop.checkout = repository(
        tmp_path / "workspace", {**files, "pyproject.toml": '[tool.uv.workspace]\nmembers = ["*"]\n'}
    )
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "uv").symlink_to(Path(sys.executable).parent / "uv")
    shop.environment["PATH"] = f"{tools}:{os.environ['PATH']}"
    if lockfile:
        subprocess.run(
            [tools / "uv", "lock", "--quiet", "--offline", "--python", sys.executable],
            cwd=shop.checkout,
            env={**os.environ, "UV_CACHE_DIR": str(tmp_path / "cache")},
            check=True,
            timeout=300,
        )
        commit(shop.checkout, {})
        shop.project('lockfile = "uv.lock"\nmember = "web"')
    else:
        shop.project('member = "web"')

    def outcome(path: str) -> tuple[str, bool]:
        """The outcome after a commit of a file, and whether anything was built."""
        commit(shop.checkout, {path: f"TEXT = {path!r}\n"})
        result = shop.root.release()
        return result.outcome, "build" in result.timings

    assert shop.root.release().outcome == "released"
    assert {one.name for one in shop.manifest.built} == {"core"}
    assert outcome("jobs/jobs/__init__.py") == ("unchanged", False)
    assert outcome("core/core/__init__.py") == ("released", True)
    assert outcome("web/web/__init__.py") == ("released", True)
    assert outcome("jobs/jobs/again.py") == ("unchanged", False)
    assert shop.update().outcome == "unchanged"


def test_an_upgrade_of_the_lockfile_has_the_project_too(shop: Checked) -> None:
    wheels = shop.wheels["dep"].path.parent
    shop.project(more='[lock]\ninputs = ["requirements.in"]\n')
    (shop.path / "requirements.in").write_text(f"--find-links {wheels}\napp\ndep\n")
    shop.lock("1.0")
    shop.root.release()
    result = shop.root.update(upgrade=True)
    assert result.outcome == "released"
    assert [p.name for p in shop.manifest.packages] == ["app", "dep", "shop"]
    assert result.diff.phrases() == ["app 1.0 → 1.3"]
