"""What other processes are doing, seen with real ones."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.processes import waiting
from tests.support.users import unprivileged
from venvship.system.proc import (
    Seen,
    ancestors,
    boot_time,
    is_running,
    processes_under,
    service_in,
    start_ticks,
    started_at,
)

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc here")

OF_A_USER = "/user.slice/user-7.slice/user@7.service/app.slice"


def child(
    script: str,
    *arguments: str | os.PathLike[str],
    cwd: Path = Path("/"),
    program: str = sys.executable,
    told: str = "",
) -> contextlib.AbstractContextManager[subprocess.Popen[str]]:
    """Run Python code, then "ready", then wait."""
    script += "\nprint('ready', flush=True); import sys; sys.stdin.read()"
    return waiting(program, "-I", "-S", "-c", script, *arguments, cwd=cwd, told=told)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A directory with one file."""
    path = tmp_path / "releases" / "a"
    path.mkdir(parents=True)
    (path / "module.py").write_bytes(b"x" * 8192)
    return path


def seen(path: Path, process: subprocess.Popen[str]) -> Seen | None:
    return next((found for found in processes_under(str(path)) if found.pid == process.pid), None)


def those_under(path: Path) -> list[Seen]:
    """The processes that are seen below a path; every host has some that cannot be looked into."""
    return [found for found in processes_under(str(path)) if found.paths]


# -- one process --------------------------------------------------------------------------------------------


def test_a_process_runs_until_it_is_dead() -> None:
    with child("") as process:
        ticks = start_ticks(process.pid)
        assert ticks.isdecimal()
        assert start_ticks(process.pid) == ticks
        assert is_running(process.pid, ticks)
        assert is_running(process.pid, ""), "without a start time, the number has to do"

        process.kill()
        process.wait()

        assert not is_running(process.pid, ticks)
        assert not is_running(process.pid, "")
        assert start_ticks(process.pid) == ""


def test_another_process_with_the_same_number_is_another_process() -> None:
    with child("") as process:
        assert not is_running(process.pid, str(int(start_ticks(process.pid)) - 1))


def test_a_process_that_nobody_has_waited_for_does_not_run() -> None:
    with child("") as process:
        ticks = start_ticks(process.pid)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

        assert start_ticks(process.pid) == ticks, "it is still there, as a zombie"
        assert not is_running(process.pid, ticks)
        assert not is_running(process.pid, "")


@pytest.mark.parametrize("pid", [0, -1, -(10**30), 10**30, 2**31 - 1])
def test_a_number_that_can_be_no_process_does_not_run(pid: int) -> None:
    assert not is_running(pid, "")
    assert start_ticks(pid) == ""


def test_a_command_with_parentheses_and_spaces_is_no_trap(tmp_path: Path) -> None:
    program = tmp_path / "a) S (b 1 2"
    program.symlink_to(sys.executable)
    plain = start_ticks(os.getpid())

    with child("", program=str(program)) as process:
        ticks = start_ticks(process.pid)
        assert int(ticks) >= int(plain)
        assert is_running(process.pid, ticks)


def test_processes_of_other_users_run_too() -> None:
    assert is_running(1, start_ticks(1))


# -- who uses a path ----------------------------------------------------------------------------------------


def test_a_working_directory_is_seen(release: Path) -> None:
    with child("", cwd=release) as process:
        found = seen(release, process)
        assert found is not None
        assert found.paths == {str(release)}
        assert not found.opaque
        assert seen(release.parent, process) is not None
        assert seen(release.parent.parent, process) is not None

    assert seen(release, process) is None


# They learn the path from their standard input, so that their command line does not name it.
OPENS = "import os, sys; fd = os.open(sys.stdin.readline().strip(), os.O_RDONLY)"
# mmap keeps a descriptor of its own, which would be seen too.
MAPS = OPENS + "; import mmap; m = mmap.mmap(fd, 0, prot=mmap.PROT_READ); os.closerange(3, 64)"


@pytest.mark.parametrize("script", [OPENS, MAPS], ids=["open", "mapped"])
@pytest.mark.parametrize("removed", [False, True], ids=["there", "removed"])
def test_an_open_and_a_mapped_file_are_seen_also_once_removed(
    release: Path, script: str, removed: bool
) -> None:
    with child(script, told=f"{release}/module.py\n") as process:
        if removed:
            (release / "module.py").unlink()
        found = seen(release, process)
        assert found is not None
        assert {p.removesuffix(" (deleted)") for p in found.paths} == {str(release / "module.py")}


def test_a_file_name_with_spaces_is_seen_whole(release: Path) -> None:
    odd = release / "a b  c.so"
    odd.write_bytes(b"x" * 100)

    with child(MAPS, told=f"{odd}\n") as process:
        found = seen(release, process)
        assert found is not None
        assert found.paths == {str(odd)}


def test_a_command_line_is_seen(release: Path) -> None:
    with child("", "--config", f"--module={release}/module.py") as process:
        found = seen(release, process)
        assert found is not None
        assert found.paths == {f"{release}/module.py"}


def test_an_executable_is_seen(release: Path) -> None:
    program = release / "sleep"
    program.write_bytes(Path("/bin/sleep").read_bytes())
    program.chmod(0o555)
    process = subprocess.Popen(["not-its-path", "60"], executable=program, cwd="/")
    with process:
        try:
            found = seen(release, process)
            assert found is not None
            assert str(program) in found.paths
        finally:
            process.kill()


def test_a_path_that_only_begins_the_same_is_another_path(release: Path) -> None:
    sibling = release.with_name("ab")
    sibling.mkdir()

    with child("", sibling / "module.py", cwd=sibling) as process:
        assert seen(release, process) is None
        assert seen(sibling, process) is not None


def test_we_do_not_see_ourselves(release: Path) -> None:
    with open(release / "module.py", "rb"):
        assert those_under(release) == []


def test_a_trailing_slash_makes_no_difference(release: Path) -> None:
    with child("", cwd=release) as process:
        assert process.pid in {found.pid for found in processes_under(f"{release}/")}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a process of another user")
def test_a_process_that_hides_is_opaque_and_shows_its_command_line_and_its_start(release: Path) -> None:
    """To whom is not root."""
    with child("", release / "module.py") as naming, child("", cwd=release) as silent:

        def look(_folder: Path) -> None:
            found = {seen.pid: (seen.opaque, len(seen.paths)) for seen in processes_under(str(release))}
            assert (found[naming.pid], found[silent.pid]) == ((True, 1), (True, 0))
            assert started_at(silent.pid, boot_time()) is not None
            assert 2 not in found, "it is the kernel's"

        unprivileged(look)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to change the user, whereupon a process hides")
@pytest.mark.parametrize("named", [[], ["module.py"]], ids=["another program", "a program of the release"])
def test_a_fork_of_a_program_that_hides_is_looked_at_again_once_it_has_started_its_own(
    release: Path, named: list[str]
) -> None:
    """Such as one that a server of sessions is just starting, which has nothing to do with a release."""
    arguments = [str(release / name) for name in named]

    def look(_folder: Path) -> None:
        go, started = os.pipe(), os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(go[1])
            if os.read(go[0], 1):
                os.dup2(started[1], 1)
                os.dup2(go[0], 0)
                os.execv("/bin/sh", ["sh", "-c", "echo started; read -r line", "sh", *arguments])
            os._exit(0)

        def let_start() -> None:
            os.write(go[1], b"!")
            assert os.read(started[0], 100) == b"started\n"

        try:
            hidden = {seen.pid: seen for seen in processes_under(str(release))}
            assert hidden[pid] == Seen(pid, frozenset(), opaque=True)
            found = {seen.pid: seen for seen in processes_under(str(release), let_start=let_start)}
            assert found.get(pid) == (Seen(pid, frozenset(arguments), opaque=False) if arguments else None)
        finally:
            os.close(go[1])
            os.waitpid(pid, 0)

    unprivileged(look)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a process of another user")
def test_a_process_of_another_user_is_known_to_run() -> None:
    """Though it takes no signal of ours."""
    with child("") as process:

        def look(_folder: Path) -> None:
            assert is_running(process.pid, start_ticks(process.pid))
            assert not is_running(process.pid, "1")

        unprivileged(look)


def test_the_start_of_a_process_is_known_to_a_second() -> None:
    before = datetime.now(UTC)
    with child("") as process:
        started = started_at(process.pid, boot_time())
        assert started is not None
        assert abs(started - before) < timedelta(seconds=30)
    assert started_at(process.pid, boot_time()) is None


def test_processes_that_come_and_go_meanwhile_do_not_disturb(release: Path) -> None:
    busy = subprocess.Popen(["sh", "-c", "while :; do /bin/true; done"], cwd="/")
    with busy:
        try:
            for _ in range(10):
                assert those_under(release) == []
        finally:
            busy.kill()


@pytest.mark.parametrize(
    ("text", "service"),
    [
        ("0::/system.slice/shop.service\n", "/system.slice/shop.service"),
        ("0::/system.slice/shop.service/workers\n", "/system.slice/shop.service"),
        ("0::/x.slice/shop@1.service\n", "/x.slice/shop@1.service"),
        ("9:name=systemd:/a.service\n4:memory:/b.service\n0::/\n", "/a.service"),
        (f"0::{OF_A_USER}/shop.service\n", f"{OF_A_USER}/shop.service"),
        (f"0::{OF_A_USER}/tmux.scope\n", None),
        ("0::/user.slice/user-7.slice/session-3.scope\n", None),
        ("0::/\n", None),
        ("", None),
    ],
)  # fmt: skip
def test_the_service_of_a_process_is_the_innermost_unit_if_it_is_one(text: str, service: str | None) -> None:
    assert service_in(text) == service


def test_the_ancestors_of_a_process_begin_with_its_parent() -> None:
    with child("") as process:
        assert next(ancestors(process.pid)) == os.getpid()
