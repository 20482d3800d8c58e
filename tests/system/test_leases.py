"""Leases between real processes: who may keep whom from what."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import eventually, waiting
from venvship.system.leases import (
    LEASE_MODE,
    MARK,
    Lease,
    is_leased,
    is_marked,
    lease_shared,
    lease_withheld,
    remove_mark,
    take_lease,
)

REPOSITORY = Path(__file__).parents[2]


def another_process(
    script: str, *arguments: str | os.PathLike[str]
) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
    """Run Python code that says "ready" and then waits for its standard input to end."""
    return waiting(sys.executable, "-c", script, *arguments, cwd=REPOSITORY)


LEASE = """
import os, sys
from venvship.system.leases import take_lease
fd, blocked = take_lease(sys.argv[1])
assert fd >= 64, fd
if sys.argv[2] == "exec":
    code = "import os, sys; os.fstat(int(sys.argv[1])); print('ready', flush=True); sys.stdin.read()"
    os.execv(sys.executable, [sys.executable, "-c", code, str(fd)])
if sys.argv[2] == "fork" and os.fork():
    os._exit(0)
print("ready", flush=True)
sys.stdin.read()
"""


STRANGER = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
fcntl.flock(fd, fcntl.LOCK_EX if sys.argv[2] == "alone" else fcntl.LOCK_SH)
print("ready", flush=True)
sys.stdin.read()
"""

REMOVER = """
import sys
from venvship.system.leases import lease_withheld
with lease_withheld(sys.argv[1]) as free:
    assert free
    print("ready", flush=True)
    sys.stdin.read()
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def lease(tmp_path: Path) -> Path:
    path = tmp_path / "20261122T094143Z-3f9a1c2"
    path.touch()
    path.chmod(0o444)
    return path


def withheld(lease: Path) -> bool:
    with lease_withheld(str(lease)) as free:
        return free


def taken(lease: Path) -> Lease:
    found = take_lease(str(lease))
    assert found is not None
    return found


@pytest.mark.parametrize("how", ["stays", "exec", "fork"])
def test_a_lease_lasts_as_long_as_the_process_what_it_becomes_or_its_child(lease: Path, how: str) -> None:
    assert withheld(lease)

    with another_process(LEASE, lease, how) as holder:
        if how == "fork":
            holder.wait()  # the parent is gone, the child goes on
        assert not withheld(lease)
        assert holder.stdin is not None
        holder.stdin.close()
        assert eventually(lambda: withheld(lease))


def test_many_processes_have_the_lease_of_one_release(lease: Path) -> None:
    with another_process(LEASE, lease, "stays"):
        second = taken(lease)
        assert not second.blocked
        assert os.get_inheritable(second.fd)
        os.close(second.fd)


def test_low_descriptors_are_left_to_the_program(lease: Path) -> None:
    fds = [taken(lease).fd, taken(lease).fd]
    try:
        assert all(fd >= 64 for fd in fds)
    finally:
        for fd in fds:
            os.close(fd)


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_while_a_release_is_being_removed_there_is_no_lease_to_be_had(lease: Path) -> None:
    before = open_descriptors()
    with lease_withheld(str(lease)) as free:
        assert free
        assert take_lease(str(lease)) is None
    assert open_descriptors() == before

    with pytest.raises(FileNotFoundError):
        take_lease(str(lease.with_name("gone")))


def test_a_lease_whose_file_was_removed_between_opening_and_locking_is_none(lease: Path) -> None:
    """A opens it; B has it alone, removes it and lets go; A gets the flock of a file without a name."""
    fd = os.open(lease, os.O_RDONLY)
    try:
        os.unlink(lease)
        before = open_descriptors()
        assert take_lease(f"/proc/self/fd/{fd}") is None
        assert open_descriptors() == before
    finally:
        os.close(fd)


def test_a_lease_that_nobody_could_have_is_nobodys(lease: Path) -> None:
    assert withheld(lease.with_name("missing"))


def test_a_lease_that_cannot_be_opened_counts_as_taken(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")

    assert not withheld(tmp_path / "loop")


def test_what_is_raised_while_a_lease_is_withheld_comes_through(lease: Path) -> None:
    for path in (lease, lease.with_name("missing")):
        with pytest.raises(OSError, match="no room"), lease_withheld(str(path)):
            raise OSError("no room")
    assert withheld(lease)


# -- strangers ------------------------------------------------------------------------------------------


def test_whoever_locks_a_lease_alone_keeps_nobody_from_starting(lease: Path) -> None:
    """And the release is not removed when the stranger lets go: the lease was had in another way."""
    with another_process(STRANGER, lease, "alone") as stranger:
        second = taken(lease)
        assert second.blocked
        assert not withheld(lease)
        assert stranger.stdin is not None
        stranger.stdin.close()
        stranger.wait()
        assert not withheld(lease)
        assert is_leased(str(lease))
        os.close(second.fd)
        assert withheld(lease)


@pytest.mark.parametrize("how", ["exec", "fork"])
def test_the_lease_beside_a_strangers_lock_outlives_it_too(lease: Path, how: str) -> None:
    with another_process(STRANGER, lease, "alone") as stranger, another_process(LEASE, lease, how) as holder:
        if how == "fork":
            holder.wait()
        assert stranger.stdin is not None
        stranger.stdin.close()
        stranger.wait()
        assert not withheld(lease)
        assert holder.stdin is not None
        holder.stdin.close()
        assert eventually(lambda: withheld(lease))


@pytest.mark.parametrize("how", ["alone", "shared"])
def test_a_strangers_lock_keeps_a_release_from_being_removed_and_no_more(lease: Path, how: str) -> None:
    with another_process(STRANGER, lease, how):
        assert not withheld(lease)
        assert mode(lease) == LEASE_MODE
        with lease_shared(str(lease)) as second:
            assert second is not None
            assert second.blocked == (how == "alone")


def test_a_look_that_removes_nothing_keeps_nobody_waiting_and_leaves_no_mark(lease: Path) -> None:
    assert not is_leased(str(lease))
    assert mode(lease) == LEASE_MODE
    with lease_shared(str(lease)):
        assert is_leased(str(lease))
    assert not is_leased(str(lease.with_name("missing")))


# -- the mark -------------------------------------------------------------------------------------------


def test_a_lease_is_marked_before_it_is_had_alone_and_until_it_is_let_go(lease: Path) -> None:
    with another_process(STRANGER, lease, "shared"), lease_withheld(str(lease)) as free:
        assert not free
        assert is_marked(str(lease))
    assert mode(lease) == LEASE_MODE
    with lease_withheld(str(lease)):
        assert mode(lease) == LEASE_MODE | MARK
    assert mode(lease) == LEASE_MODE


def test_the_mark_stays_on_a_lease_that_was_removed(lease: Path) -> None:
    """A has opened it before, and looks at it after B has let go."""
    fd = os.open(lease, os.O_RDONLY)
    with lease_withheld(str(lease)):
        lease.unlink()
    try:
        assert stat.S_IMODE(os.fstat(fd).st_mode) == LEASE_MODE | MARK
    finally:
        os.close(fd)


def test_a_mark_and_a_refused_flock_together_are_a_removal(lease: Path) -> None:
    lease.chmod(LEASE_MODE | MARK)
    with another_process(STRANGER, lease, "alone"):
        before = open_descriptors()
        assert take_lease(str(lease)) is None
        assert open_descriptors() == before
    second = taken(lease)  # the mark alone is one that a killed removal has left
    assert not second.blocked
    os.close(second.fd)


def test_a_removal_that_finds_the_release_in_use_is_waited_for(lease: Path) -> None:
    with another_process(REMOVER, lease) as remover:
        assert is_marked(str(lease))
        assert remover.stdin is not None
        remover.stdin.close()  # it lets go at once, and A asks again
        second = taken(lease)
        assert not second.blocked
        os.close(second.fd)


def test_the_mark_that_a_killed_removal_leaves_can_be_taken_off(lease: Path) -> None:
    with another_process(REMOVER, lease) as remover:
        remover.kill()
        remover.wait()
    assert is_marked(str(lease))
    remove_mark(str(lease))
    assert mode(lease) == LEASE_MODE
