"""What a command costs before it does anything: its imports, and what reading leaves behind (nothing)."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.answers import accepted, released, run_as, together
from tests.support.roots import Site, command

NOBODY = 65534

HEAVY = {"virtualenv", "piptools", "pip", "installer", "rich"}
"""Packages that only building needs."""

READERS = [
    ["status"],
    ["list"],
    ["show"],
    ["show", "previous"],
    ["history"],
    ["diff", "previous"],
    ["ps"],
    ["ps", "--old", "previous"],
    ["config", "--all"],
    ["schedule", "cron", "-q"],
    ["promote", "--dry-run", "previous"],
    ["rollback", "--dry-run"],
    ["release", "--dry-run"],
    ["prune", "--dry-run"],
]


def interpreter_of_the_command() -> str:
    """The Python that the installed command runs with."""
    with open(command(), "rb") as script:
        first = script.readline().decode(errors="replace").strip()
    if first.startswith("#!") and "python" in os.path.basename(first):
        return first.removeprefix("#!").strip()
    return str(Path(command()).with_name("python"))


def imports(site: Site, *arguments: str) -> set[str]:
    """The modules that a command imports."""
    done = subprocess.run(
        [interpreter_of_the_command(), "-X", "importtime", "-m", "venvship", *arguments],
        cwd=site.path,
        env=site.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-1000:]
    return set(re.findall(r"(?m)^import time: .*\| +(\S+)$", done.stderr))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        ["status"],
        ["list"],
        ["rollback"],
        ["history"],
        ["ps"],
        ["config"],
        ["schedule", "systemd"],
    ],
    ids=" ".join,
)
def test_what_must_answer_at_once_imports_nothing_of_the_build(stocked: Site, arguments: list[str]) -> None:
    released(stocked, "1.0", "1.1")
    found = imports(stocked, *arguments)
    assert "venvship.cli.main" in found, "the imports were seen"
    assert not {name for name in found if name.split(".")[0] in HEAVY}
    assert not {name for name in found if name.startswith("venvship.building")}
    if arguments != ["rollback"]:
        assert "venvship.workspace.slots" not in found, "no slot was ever started"


def test_ctrl_c_while_it_starts_ends_it_without_a_word(site: Site, tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")

    done = site.run("status", env={"PYTHONPATH": str(tmp_path)})

    assert (done.code, done.out, done.err) == (-signal.SIGINT, "", "")


@pytest.mark.parametrize("command_line", ["update", "release"])
def test_a_command_with_nothing_to_do_does_not_even_read_the_lockfile(
    stocked: Site, command_line: str
) -> None:
    released(stocked, "1.0")
    found = imports(stocked, command_line)
    assert not {name for name in found if name.split(".")[0] in {*HEAVY, "packaging", "filelock", "pickle"}}
    assert not {name for name in found if name.startswith(("venvship.building", "venvship.model.lockfiles"))}


def test_the_list_of_heavy_imports_is_what_a_build_imports(site: Site, tmp_path: Path) -> None:
    site.store = tmp_path / "a store of its own"
    site.settings()
    found = {name.split(".")[0] for name in imports(site, "release")}
    assert found >= {"virtualenv", "installer"}


def snapshot(root: Path) -> dict[str, tuple[int, ...]]:
    """Every name below a root with its inode, mode, size and times of change."""
    found: dict[str, tuple[int, ...]] = {}
    for folder, _, names in os.walk(root):
        for name in [".", *names]:
            path = os.path.join(folder, name)
            stat = os.lstat(path)
            found[path] = (stat.st_ino, stat.st_mode, stat.st_size, stat.st_mtime_ns)
    return found


def test_reading_writes_nothing(shop: Site) -> None:
    before = snapshot(shop.path), snapshot(shop.store)
    for done in together(shop, *READERS, *([*line, "--json"] for line in READERS)):
        assert done.code == 0, done.err
    assert (snapshot(shop.path), snapshot(shop.store)) == before


@pytest.mark.parametrize("trouble", ["journal", "debris", "link", "no state"])
def test_reading_mends_nothing_either(stocked: Site, trouble: str) -> None:
    released(stocked, "1.0")
    journal = stocked.path / "state" / "journal.jsonl"
    if trouble == "journal":
        journal.write_text(journal.read_text() + '{"torn')
    elif trouble == "debris":
        (stocked.path / "releases" / ".trash-20200101T000000Z-0000000").mkdir()
    elif trouble == "link":
        (stocked.path / ".back.0123456789ab").symlink_to("releases/20200101T000000Z-0000000")
    else:
        journal.unlink()
    before = snapshot(stocked.path)
    *readers, plan = together(stocked, ["status"], ["list"], ["history"], ["prune", "--dry-run"])
    for done in readers:
        assert done.code == 0, done.err
    # Without a journal there is nothing to decide on, and a plan says what the command itself would say.
    assert plan.code == (12 if trouble == "no state" else 0), plan.err
    assert snapshot(stocked.path) == before
    (stocked.path / ".back.0123456789ab").unlink(missing_ok=True)


def test_reading_works_for_who_does_not_own_the_root(stocked: Site) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a root to another user")
    released(stocked, "1.0", "1.1")
    try:
        os.chown(stocked.path, NOBODY, NOBODY)
        for done in together(stocked, *READERS):
            assert done.code == 0, done.err
    finally:
        os.chown(stocked.path, 0, 0)


def test_reading_works_for_who_may_write_nothing(world_readable: Site) -> None:
    before = snapshot(world_readable.path)
    for line in [*READERS[:-1], ["verify", "--all"], ["run", "--", "python", "-c", "import app"]]:
        done = run_as(world_readable, NOBODY, *line)
        assert (done.code, done.err) == (0, ""), line
    assert snapshot(world_readable.path) == before


def test_reading_works_for_who_may_not_even_see_the_interpreter(world_readable: Site, tmp_path: Path) -> None:
    source = Path(accepted(world_readable.run("show", "--json"))["interpreter"]["path"])
    hidden = tmp_path / source.name  # pytest's directories are closed to others
    hidden.write_bytes(source.read_bytes())
    hidden.chmod(0o755)
    world_readable.settings(f"python = '{hidden}'\n")
    released(world_readable, "1.2")
    for line in (["status"], ["list"], ["show"]):
        done = run_as(world_readable, NOBODY, *line)
        assert done.code == 0, done.err


def test_a_root_without_releases_can_be_looked_at(site: Site) -> None:
    before = snapshot(site.path)
    for done in together(site, ["status", "--json"], ["list", "--json"], ["history", "--json"]):
        accepted(done)
    assert snapshot(site.path) == before
