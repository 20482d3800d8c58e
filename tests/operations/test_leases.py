"""Locks of strangers on leases stop nothing, and a removal is told by what only the owner can write."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import waiting
from tests.support.roots import Site
from venvship.system import failpoints
from venvship.system.leases import LEASE_MODE, MARK

STRANGER = """
import fcntl, os, sys
fds = [os.open(path, os.O_RDONLY) for path in sys.argv[2:]]
for fd in fds:
    fcntl.flock(fd, fcntl.LOCK_EX if sys.argv[1] == "alone" else fcntl.LOCK_SH)
print("ready", flush=True)
sys.stdin.read()
"""
PYTHON = "/usr/bin/python3"  # ours may stand where another user cannot go


def leases(site: Site) -> list[Path]:
    return sorted((site.path / "state" / "leases").iterdir())


@contextlib.contextmanager
def locked(site: Site, how: str, user: str | None = None) -> Iterator[subprocess.Popen[str]]:
    """A process of ours, or of another user, that locks all leases."""
    program = sys.executable if user is None else PYTHON
    options = {} if user is None else {"user": user, "group": "nogroup", "extra_groups": []}
    for folder in (*site.path.parents, site.path):
        if user is not None and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    with waiting(program, "-c", STRANGER, how, *leases(site), cwd="/", **options) as process:
        yield process


USERS = [
    None,
    pytest.param(
        "nobody",
        marks=pytest.mark.skipif(
            os.geteuid() != 0 or not os.access(PYTHON, os.X_OK), reason="only root can be another user, too"
        ),
    ),
]


@pytest.mark.parametrize("user", USERS)
def test_nobody_who_locks_the_leases_stops_a_command_and_all_say_who_it_is(
    site: Site, user: str | None
) -> None:
    first, second = site.release("1.0"), site.release("1.1")
    site.lock("1.0")
    with locked(site, "alone", user) as stranger:
        holder = f"locked by process {stranger.pid}{' of nobody' if user else ''}, "
        for command in (
            ["promote", first],
            ["promote", second, "--force"],
            ["release", "--force"],
            ["run", "--", "python", "-c", "print('ran')"],
        ):
            done = site.run(*command)
            assert done.code == 0, (command, done.err)
            assert holder in done.err, command
            assert "being removed" not in done.err
        assert done.out == "ran\n"
    assert "locked" not in site.run("run", "--", "true").err


@pytest.mark.parametrize("how", ["alone", "shared"])
def test_a_locked_lease_keeps_its_release_and_the_reason_names_who_locked_it(site: Site, how: str) -> None:
    site.settings("keep = 2\n")
    first, *_ = [site.release(version) for version in ("1.0", "1.1", "1.2")]

    def prune() -> dict[str, str]:
        result = site.open(clock=site.later(days=8)).prune()
        return {decision.id: decision.reason for decision in result.kept}

    with locked(site, how) as stranger:
        assert prune()[first] == f"in use: process {stranger.pid}, which holds its lease"
        assert [stat.S_IMODE(path.stat().st_mode) for path in leases(site)] == [LEASE_MODE] * 3
        status = site.open().status()
        # Whoever has it alone is no process of the release.
        assert (first in status.old_processes) == (how == "shared")
    assert first not in prune()


def test_a_command_that_began_beside_a_strangers_lock_keeps_its_release(site: Site) -> None:
    """Also when the stranger lets go, and nothing else shows that the command is of the release."""
    site.settings("keep = 2\n")
    first, *_ = [site.release(version) for version in ("1.0", "1.1", "1.2")]
    run = ["run", "--release", first, "--", "/bin/sh", "-c", "echo ready; exec sleep 100"]
    with locked(site, "alone") as stranger, site.start(*run) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            stranger.kill()
            stranger.wait()
            reasons = {one.id: one.reason for one in site.open(clock=site.later(days=8)).prune().kept}
            assert "in use" in reasons[first]
        finally:
            process.kill()


def test_a_prune_marks_the_lease_before_it_looks_and_removes_it_last(site: Site, tmp_path: Path) -> None:
    """The order that the head of `system/leases.py` argues with."""
    site.settings("keep = 2\n")
    first, *_ = [site.release(version) for version in ("1.0", "1.1", "1.2")]
    failpoints.arm(f"trace:{tmp_path / 'trace'}")
    try:
        site.open(clock=site.later(days=8)).prune()
    finally:
        failpoints.arm("")
    effects = [line.split(" ", 2)[1:] for line in (tmp_path / "trace").read_text().splitlines()]
    about = [name for name, path in effects if path.endswith((f"leases/{first}", f".trash-{first}"))]
    assert about[:3] == ["chmod", "rename", "unlink"]
    assert "chmod" not in [name for name, path in effects if path.endswith(f"leases/{first}")][1:]


def test_the_mark_of_a_killed_prune_is_taken_off_by_the_next_command(site: Site, tmp_path: Path) -> None:
    site.release("1.0")
    leases(site)[0].chmod(LEASE_MODE | MARK)
    assert site.run("update").code == 0
    assert stat.S_IMODE(leases(site)[0].stat().st_mode) == LEASE_MODE
