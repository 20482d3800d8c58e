"""`ps` of a user who is neither root nor the owner: the list, and what is said to be missing from it."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.answers import accepted, run_as
from tests.support.processes import alive, eventually, waiting
from tests.support.roots import Site, finish
from tests.support.users import NOBODY

READY = "print('ready', flush=True); import sys; sys.stdin.read()"
DAEMON = """
import os, time
if os.fork(): os._exit(0)
os.setsid()
print(os.getpid(), flush=True)
os.closerange(0, 3)
time.sleep(100)
"""


@contextlib.contextmanager
def daemon(python: Path) -> Iterator[int]:
    """A process of root that has the lease of one that has ended."""
    done = finish(python, "-c", DAEMON, cwd=Path("/"), env={})
    pid = int(done.out)
    try:
        assert eventually(lambda: Path(f"/proc/{pid}").exists())
        yield pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 9)
        assert eventually(lambda: not alive(pid))


def test_another_user_sees_processes_by_their_lease_and_is_told_what_hides(world_readable: Site) -> None:
    python = world_readable.path / "current" / "bin" / "python"
    with (
        waiting(python, "-c", READY, cwd="/") as roots,
        waiting(python, "-c", READY, cwd="/", user=NOBODY, group=NOBODY, extra_groups=[]) as own,
        daemon(world_readable.path / "previous" / "bin" / "python") as behind,
    ):
        data = accepted(run_as(world_readable, NOBODY, "ps", "--json"))
        text = run_as(world_readable, NOBODY, "ps").out
        status = accepted(run_as(world_readable, NOBODY, "status", "--json"))

    found = {one["pid"]: one for one in data["processes"]}
    current, previous = world_readable.current, world_readable.previous
    assert {pid: (one["release"], one["user"]) for pid, one in found.items()} == {
        roots.pid: (current, "root"),
        own.pid: (current, "nobody"),
        behind: (None, "root"),
    }
    assert found[behind]["standing"] == "unknown"
    assert data["unseen"]["leases"] == status["unseen_leases"] == [previous]
    assert status["old_processes"] == []
    assert data["unseen"]["hidden"] > 0
    assert "root" in data["unseen"]["users"]
    assert f"A process that cannot be seen here holds the lease of {previous}.\n" in text
    assert "root sees them: sudo venvship" in " ".join(text.split())


def test_a_proc_that_leaves_processes_out_is_told(world_readable: Site) -> None:
    setpriv, unshare = shutil.which("setpriv"), shutil.which("unshare")
    if setpriv is None or unshare is None:
        pytest.skip("needs unshare and setpriv")
    python = world_readable.path / "current" / "bin" / "python"
    become = [setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    line = 'mount -t proc -o hidepid=2 proc /proc && exec "$@"'
    command = [world_readable.program, "-C", str(world_readable.path), "ps", "--json"]
    with waiting(python, "-c", READY, cwd="/"):
        argv = [unshare, "-m", "sh", "-c", line, "sh", *become, *command]
        done = finish(*argv, cwd=Path("/"), env=world_readable.environment)
    if "mount" in done.err:
        pytest.skip(done.err)

    data = accepted(done)
    assert data["processes"] == []
    assert data["unseen"]["unlisted"] is True
    assert data["unseen"]["leases"] == [world_readable.current]
