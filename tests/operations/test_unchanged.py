"""A `release` with nothing to do: it says so at once, and says what it said when it looked at everything."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.checkouts import GIT_ENVIRONMENT, commit, git, project_files, repository, write
from tests.support.processes import script_at
from tests.support.roots import Site
from tests.torture import kills
from venvship.errors import UncommittedChangesError

IS_AT_ONCE = """
import sys
from venvship import Root
outcome = Root.open(sys.argv[1]).release().outcome
print(outcome, "at once" if "packaging" not in sys.modules else "after a look at the lockfile")
"""


def answer(site: Site) -> str:
    """The outcome of a plain release, and whether it parsed the lockfile for that."""
    done = subprocess.run(
        [sys.executable, "-c", IS_AT_ONCE, site.path],
        env={**site.environment, **GIT_ENVIRONMENT},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


AT_ONCE = "unchanged at once"


@pytest.fixture
def checked(site: Site, tmp_path: Path) -> tuple[Site, Path]:
    """A root of a checkout, released once."""
    checkout = repository(tmp_path / "src", {**project_files(), "docs/other.txt": "x\n"})
    site.environment.update(GIT_ENVIRONMENT)
    site.settings(f'[project]\npath = "{checkout}"\ntimeout = 300\n')
    assert site.open(environ=site.environment).release().outcome == "released"
    return site, checkout


def fetches(site: Site, script: Path, text: str) -> None:
    """Let `[project] fetch` be a script of this text."""
    settings = site.path / "venvship.toml"
    line = f'timeout = 300\nfetch = ["{script_at(script, text)}"]'
    settings.write_text(settings.read_text().replace("timeout = 300", line))


def test_what_it_says_and_its_json_are_those_of_a_release_that_looks_at_everything(
    checked: tuple[Site, Path],
) -> None:
    site, _ = checked
    assert answer(site) == AT_ONCE
    # --force is about holds alone, and looks at everything.
    for line in (["release"], ["release", "--json"]):
        at_once, looked = site.run(*line), site.run(*line, "--force")
        assert (at_once.code, at_once.out, at_once.err) == (looked.code, looked.out, looked.err)
        assert at_once.code == 0


@pytest.mark.skipif(bool(kills.reason_to_skip()), reason=kills.reason_to_skip())
def test_it_writes_nothing_below_the_root(site: Site, tmp_path: Path) -> None:
    site.release("1.0")
    log = tmp_path / "log"
    assert kills.strace(site, ["release"], "-f", "-y", "-o", str(log)).returncode == 0
    lines = [line for line in log.read_text(errors="replace").splitlines() if " resumed>" not in line]
    # The working directory is told of a name from the root of the file system, too.
    lines = [re.sub(r'AT_FDCWD<[^>]*>, "/', 'AT_FDCWD, "/', line) for line in lines]
    calls = [line for line in lines if str(site.path) in line and "/proc/self/fd/" not in line]
    changing = [line for line in calls if "openat(" not in line or re.search(r"O_(WRONLY|RDWR|CREAT)", line)]
    # A folder that is there is asked for by making it.
    assert [line for line in changing if ".mutex" not in line and "EEXIST" not in line] == []
    assert calls, "it must have read something"


def _damage(site: Site, _checkout: Path) -> None:
    (module,) = (site.path / "current").resolve().rglob("site-packages/app.py")
    module.parent.chmod(0o755)
    module.unlink()


def _change(_site: Site, checkout: Path) -> None:
    commit(checkout, {"shop/__init__.py": "NAME = 'new'\n"})


@pytest.mark.parametrize("happens", [_damage, _change])
def test_a_file_that_is_gone_or_a_new_commit_is_not_unchanged(
    checked: tuple[Site, Path], happens: Callable[[Site, Path], None]
) -> None:
    site, checkout = checked
    happens(site, checkout)
    assert answer(site).startswith("released")
    assert answer(site) == AT_ONCE


def _candidate(root: Path) -> Path:
    return root / "releases/20200101T000000Z-0000000/bin"


def _trash(root: Path) -> Path:
    return root / "releases/.trash-20200101T000000Z-0000000/bin"


def _scratch(root: Path) -> Path:
    return root / "state/scratch-20200101T000000Z-0000000"


def _lease(root: Path) -> Path:
    return root / "state/leases/20200101T000000Z-0000000"


def _temporary_file(root: Path) -> Path:
    return root / "state/.intent.json.0123abcd"


@pytest.mark.parametrize("command", ["release", "update"])
@pytest.mark.parametrize("debris", [_candidate, _trash, _scratch, _lease, _temporary_file])
def test_what_an_interrupted_command_left_is_swept_as_ever(
    site: Site, debris: Callable[[Path], Path], command: str
) -> None:
    site.release("1.0")
    left = debris(site.path)
    if debris in {_lease, _temporary_file}:
        left.touch()
    else:
        left.mkdir(parents=True)
    assert getattr(site.open(), command)().outcome == "unchanged"
    assert not left.exists()
    assert site.debris() == []


def test_files_that_are_not_committed_are_reported_as_ever(checked: tuple[Site, Path]) -> None:
    site, checkout = checked
    (checkout / "shop/__init__.py").write_text("NAME = 'edited'\n")
    with pytest.raises(UncommittedChangesError):
        site.open(environ=site.environment).release()


def test_a_member_beside_the_project_is_looked_at_too(site: Site, tmp_path: Path) -> None:
    table = '[tool.uv.sources]\nlib = { path = "../../lib" }\n'
    members = {
        "apps/shop": project_files(more='dependencies = ["lib"]', table=table),
        "lib": project_files("lib"),
    }
    files = {f"{folder}/{name}": text for folder, found in members.items() for name, text in found.items()}
    source = repository(tmp_path / "src", files)
    site.environment.update(GIT_ENVIRONMENT)
    site.settings(f'[project]\npath = "{source}/apps/shop"\ntimeout = 300\n')
    assert site.open(environ=site.environment).release().outcome == "released"
    assert answer(site) == AT_ONCE
    (source / "lib/lib/__init__.py").write_text("NAME = 'edited'\n")
    with pytest.raises(UncommittedChangesError, match=r"lib/lib/__init__\.py"):
        site.open(environ=site.environment).release()
    write(source, {"lib/lib/__init__.py": files["lib/lib/__init__.py"], "other.txt": "staged\n"})
    git(source, "add", "other.txt")
    assert answer(site).startswith("unchanged after")  # it proves nothing, and the project is looked at


def test_a_hold_of_the_root_is_looked_at(site: Site) -> None:
    site.release("1.0")
    site.release("1.1")
    site.open().rollback()
    site.lock("1.0")  # the root's own lockfile is that of the live release again
    result = site.open().release()
    assert (result.outcome, result.holds.ended is not None) == ("unchanged", True)
    assert site.events()[-1] == "unheld"
    assert answer(site) == AT_ONCE


def test_it_is_busy_while_another_command_builds(site: Site) -> None:
    site.release("1.0")
    holder = subprocess.Popen(
        ["flock", str(site.path / "state/build.mutex"), "sh", "-c", "echo held; sleep 600"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert site.run("release").code == 30
    finally:
        os.killpg(holder.pid, 9)
        holder.communicate()


def test_new_commits_are_fetched_once_whether_there_is_something_to_do_or_not(
    checked: tuple[Site, Path], tmp_path: Path
) -> None:
    site, checkout = checked
    log = tmp_path / "fetched"
    fetches(site, tmp_path / "fetch", f"#!/bin/sh\necho once >> {log}\n")
    assert answer(site).startswith("unchanged")
    commit(checkout, {"shop/__init__.py": "NAME = 'new'\n"})
    assert answer(site).startswith("released")
    assert log.read_text() == "once\nonce\n"


@pytest.mark.parametrize(("is_repository", "leads"), [(True, "include"), (False, "include"), (False, "link")])
@pytest.mark.parametrize("command", ["release", "update"])
def test_a_lockfile_that_leads_out_of_the_checkout_is_read_each_time(
    site: Site, tmp_path: Path, command: str, leads: str, is_repository: bool
) -> None:
    source, site.environment = tmp_path / "src", {**site.environment, **GIT_ENVIRONMENT}
    base = source / "base.txt"
    files = {f"shop/{name}": text for name, text in project_files().items()}
    write(source, {**files, "base.txt": site.lock("1.0").read_text()})
    lockfile = source / "shop/packages/requirements.txt"
    lockfile.parent.mkdir()
    if leads == "link":
        lockfile.symlink_to("../../base.txt")
    else:
        lockfile.write_text("-r ../../base.txt\n")
    if is_repository:
        repository(source, {})
    named = os.path.relpath(lockfile, source / "shop")
    site.settings(f'[project]\npath = "{source}/shop"\nlockfile = "{named}"\ntimeout = 300\n')
    root = site.open(environ=site.environment)
    outcomes = [root.release().outcome, getattr(root, command)().outcome]
    base.write_text(site.lock("1.1").read_text())
    os.utime(base, (base.stat().st_mtime - 60,) * 2)  # `update` leaves alone what has just been written
    assert root.status().lockfile.changed is True
    outcomes += [getattr(root, command)().outcome, getattr(root, command)().outcome]
    assert outcomes == ["released", "unchanged", "released", "unchanged"]


def test_status_shows_it_while_it_fetches(checked: tuple[Site, Path], tmp_path: Path) -> None:
    site, _ = checked
    log = tmp_path / "status"
    fetches(site, tmp_path / "fetch", f"#!/bin/sh\n{site.program} -C {site.path} status --json > {log}\n")
    assert answer(site).startswith("unchanged")
    operation = json.loads(log.read_text())["data"]["operation"]
    assert (operation["operation"], operation["running"]) == ("release", True)
    assert site.open(environ=site.environment).status().operation is None


def test_a_rollback_while_it_fetches_is_judged_with_the_hold_that_it_left(
    checked: tuple[Site, Path], tmp_path: Path
) -> None:
    site, checkout = checked
    first, before = git(checkout, "rev-parse", "HEAD"), os.readlink(site.path / "current")
    commit(checkout, {"shop/__init__.py": "NAME = 'new'\n"})
    root = site.open(environ=site.environment)
    assert root.release().outcome == "released"
    fetch = f"git reset -q --hard {first} && {site.program} -C {site.path} rollback"
    fetches(site, tmp_path / "fetch", f"#!/bin/sh\n{fetch}\n")
    result = root.release()
    assert os.readlink(site.path / "current") == before
    assert (result.outcome, result.holds.ended is not None) == ("unchanged", True)
    assert site.events()[-1] == "unheld"
