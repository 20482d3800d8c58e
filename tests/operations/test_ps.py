"""`ps`: real processes of real releases, and what is said where they cannot be seen."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import alive, eventually, waiting
from tests.support.roots import Finished, NewSite, Site, finish, make_removable
from tests.support.users import NOBODY, as_root_only
from venvship import PsResult
from venvship.errors import HostError, NoSuchReleaseError
from venvship.model import bounds

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc here")

READY = "print('ready', flush=True); import sys; sys.stdin.read()"

RENAMED = """
import ctypes
fields = open("/proc/self/stat", "rb").read().rpartition(b")")[2].split()
begin, end = int(fields[45]), int(fields[46])  # arg_start and arg_end, proc(5)
title = TITLE.encode("utf-8", "surrogateescape")[: end - begin - 1]
ctypes.memset(begin, 0, end - begin)
ctypes.memmove(begin, title, len(title))
"""
"""What setproctitle does, for a title that is shorter than the command line was."""

SCRIPT = "#!/bin/sh\necho ready\nread line\n"


@dataclass
class Shop:
    """A root with two releases; the second one is live.

    Attributes:
        site: It.
        old: The id of the first.
        live: The id of the second.
    """

    site: Site
    old: str
    live: str

    @property
    def python(self) -> Path:
        """The live interpreter, as units name it."""
        return self.site.path / "current" / "bin" / "python"

    def python_of(self, release_id: str) -> Path:
        """The interpreter of a release."""
        return self.site.path / "releases" / release_id / "bin" / "python"

    def ps(self, *arguments: Any, **options: Any) -> PsResult:
        """The result of the API."""
        return self.site.open().ps(*arguments, **options)


@pytest.fixture(scope="module")
def roots(new_site: NewSite) -> Shop:
    site = new_site("ps")
    return Shop(site, site.release("1.0"), site.release("1.1"))


@pytest.fixture
def shop(roots: Shop) -> Shop:
    """The root, from which nothing runs; no test switches it."""
    assert [(one.pid, one.command) for one in roots.ps().processes] == []
    return roots


def rows(result: PsResult) -> list[tuple[int, str | None, str, str]]:
    """Of each process that is listed: its number, release, how that stands, and what showed it."""
    return [(one.pid, one.release, one.standing, one.seen_by) for one in result.processes]


def by_pid(result: PsResult) -> dict[int, Any]:
    found = {one.pid: one for one in result.processes}
    assert len(found) == len(result.processes), "one line a process"
    return found


# -- what runs from where -----------------------------------------------------------------------------------


def test_a_python_of_each_release_is_listed_the_live_one_first(shop: Shop) -> None:
    before = datetime.now(UTC)
    with (
        waiting(shop.python_of(shop.old), "-c", READY) as old,
        waiting(shop.python, "-c", f"import app; {READY}", "argument") as live,
    ):
        result = shop.ps()

        assert rows(result) == [
            (live.pid, shop.live, "current", "lease"),
            (old.pid, shop.old, "old", "lease"),
        ]
        assert result.current == shop.live
        first = result.processes[0]
        assert first.command == f"{shop.python} -c import app; {READY} argument"
        assert first.since is not None
        assert abs(first.since - before) < timedelta(seconds=60)
        assert first.user == finish("id", "-un", cwd=Path("/"), env=shop.site.environment).out.strip()
        assert rows(shop.ps(old=True)) == [(old.pid, shop.old, "old", "lease")]
        for name in ("current", shop.live, shop.live[:-1], "@{0}"):
            assert rows(shop.ps(name)) == [(live.pid, shop.live, "current", "lease")], name
        assert rows(shop.ps("previous")) == [(old.pid, shop.old, "old", "lease")]
        assert rows(shop.ps("current", old=True)) == []


def test_a_fork_and_a_script_are_listed_and_a_program_of_the_host_is_not(shop: Shop) -> None:
    child = (
        "import os, subprocess, sys\n"
        "other = subprocess.Popen(['sleep', '100'])\n"
        "fork = os.fork()\n"
        "if fork: print(fork, other.pid, flush=True)\n"
        "sys.stdin.read()\n"
        "if fork: other.kill(); other.wait()\n"
    )
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([shop.python, "-c", child], **pipes) as process:
        assert process.stdout is not None
        fork, other = map(int, process.stdout.readline().split())
        found = by_pid(shop.ps())
        process.communicate("")

    assert set(found) == {process.pid, fork}
    assert other not in found
    assert {one.seen_by for one in found.values()} == {"lease"}
    assert eventually(lambda: not alive(fork))


def test_a_daemon_whose_parent_has_ended_is_listed_and_status_knows_it(shop: Shop) -> None:
    """The kernel goes on to show the parent's number beside the lock."""
    daemon = (
        "import os, sys, time\n"
        "if os.fork(): os._exit(0)\n"
        "os.setsid()\n"
        "if os.fork(): os._exit(0)\n"
        "print(os.getpid(), flush=True)\n"
        "os.closerange(0, 3)\n"
        "time.sleep(100)\n"
    )
    done = finish(shop.python_of(shop.old), "-c", daemon, cwd=Path("/"), env=shop.site.environment)
    pid = int(done.out)
    try:
        assert rows(shop.ps()) == [(pid, shop.old, "old", "lease")]
        status = shop.site.open().status()
        assert dict(status.old_processes) == {shop.old: (pid,)}
        assert status.unseen_leases == ()
    finally:
        os.kill(pid, 9)
    assert eventually(lambda: not alive(pid))
    assert not shop.site.open().status().old_processes


def test_a_daemon_that_has_closed_its_descriptors_is_of_an_unknown_release(shop: Shop) -> None:
    """Nor is what only starts the program, or reads a file."""
    code = f"import os; os.chdir('/'); os.closerange(3, 4096); {READY}"
    reads = ["sh", "-c", "echo ready; read line", "sh", str(shop.python.parent.parent / "pyvenv.cfg")]
    with waiting(shop.python, "-c", code) as process, waiting(*reads):
        assert rows(shop.ps()) == rows(shop.ps(old=True)) == [(process.pid, None, "unknown", "arguments")]
        assert "unknown release, 1 process\n" in shop.site.run("ps").out


def test_what_run_starts_is_listed_with_its_children(shop: Shop) -> None:
    line = "sleep 100 & echo $!; wait"
    with shop.site.start("run", "--release", shop.old, "--", "sh", "-c", line) as process:
        try:
            assert process.stdout is not None
            child = int(process.stdout.readline())
            found = by_pid(shop.ps())
        finally:
            os.kill(child, 9)
            process.kill()

    assert {pid: (one.release, one.seen_by) for pid, one in found.items()} == {
        process.pid: (shop.old, "lease"),
        child: (shop.old, "lease"),
    }
    assert found[child].command == "sleep 100"


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("gunicorn: worker [shop]", "gunicorn: worker [shop]"),
        ("", "[python]"),
        ("\x1b[31mred\u202e\udcff", "\\x1b[31mred\\u202e\\udcff"),
    ],
    ids=["a title", "nothing", "unprintable"],
)
def test_a_process_that_renames_itself_is_listed_by_its_lease(shop: Shop, title: str, shown: str) -> None:
    code = RENAMED.replace("TITLE", ascii(title))
    with waiting(shop.python_of(shop.old), "-c", f"{code}\n{READY}") as process:
        found = by_pid(shop.ps())[process.pid]
        done = shop.site.run("ps")
        printed = shop.site.run("ps", "--json")

    assert (found.release, found.command) == (shop.old, title or "[python]")
    assert done.out.splitlines()[-1].endswith(f"  {shown}")
    assert done.out.replace("\n", "").isprintable()
    assert printed.data["processes"][0]["command"] == (title or "[python]")


@pytest.mark.parametrize("way", ["isolated", "program", "script", "directory", "file"])
def test_what_shows_a_process_without_a_lease_is_told(shop: Shop, tmp_path: Path, way: str) -> None:
    release = shop.site.path / "releases" / shop.old
    options: dict[str, Any] = {}
    argv: list[str | Path] = [sys.executable, "-ISc", READY]
    if way == "isolated":  # -S: no start-up files
        argv[0] = shop.python_of(shop.old)
    elif way == "program":
        program = release / "bin" / "sleeper"
        argv = ["renamed", "-c", "echo ready; read line"]
        options = {"executable": program}
        with opened(release / "bin"):
            shutil.copy("/bin/sh", program)
    elif way == "script":
        argv = ["/bin/sh", shop.site.path / "previous" / "bin" / "script"]
        with opened(release / "bin"):
            (release / "bin" / "script").write_text(SCRIPT)
    elif way == "directory":
        options = {"cwd": release / "lib"}
    else:
        argv += ["argument"]
    try:
        with contextlib.ExitStack() as stack:
            if way == "file":
                file = stack.enter_context(open(release / "pyvenv.cfg", "rb"))
                options = {"pass_fds": (file.fileno(),)}
            process = stack.enter_context(waiting(*argv, **options))
            found = rows(shop.ps())
            text = shop.site.run("ps").out
    finally:
        with opened(release / "bin"):
            for name in ("sleeper", "script"):
                (release / "bin" / name).unlink(missing_ok=True)

    by, words = {
        "isolated": ("arguments", "arguments"),
        "program": ("program", "program"),
        "script": ("open", "open file"),
        "directory": ("directory", "stands in it"),
        "file": ("open", "open file"),
    }[way]
    assert (process.pid, shop.old, "old", by) in found
    assert f"  {words}  " in text


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[None]:
    """A directory of a sealed release that can be written for the length of a `with` block."""
    folder.chmod(0o755)
    try:
        yield
    finally:
        folder.chmod(0o555)


def test_a_process_with_two_leases_is_listed_once_and_under_the_old_release(shop: Shop) -> None:
    """The one of a `venvship run`, and its own."""
    command = ["run", "--release", shop.old, "--", str(shop.python_of(shop.live)), "-c", READY]
    with waiting(shop.site.program, *command, cwd=shop.site.path, env=shop.site.environment) as process:
        assert rows(shop.ps()) == [(process.pid, shop.old, "old", "lease")]


def test_a_release_that_was_never_live_is_new(shop: Shop) -> None:
    shop.site.lock("1.2")
    built = shop.site.open().release(no_promote=True).release
    assert built is not None
    with waiting(shop.python_of(built.id), "-c", READY) as process:
        assert rows(shop.ps()) == [(process.pid, built.id, "new", "lease")]


@pytest.mark.parametrize("how", ["deleted", "trash"])
def test_a_release_that_is_gone_is_removed_and_can_be_named(site: Site, how: str) -> None:
    old, live = site.release("1.0"), site.release("1.1")
    shop = Shop(site, old, live)
    folder = site.path / "releases" / old
    with waiting(shop.python_of(old), "-c", READY) as process:
        (site.path / "state" / "leases" / old).unlink()  # as after a removal that did not look
        if how == "deleted":
            make_removable(folder)
            shutil.rmtree(folder)
        else:
            folder.rename(folder.with_name(f".trash-{old}"))

        assert rows(shop.ps()) == [(process.pid, old, "removed", "lease")]
        assert rows(shop.ps(old[:-2])) == rows(shop.ps(old=True)) == rows(shop.ps())
        assert f"{old}, removed from the disk, 1 process\n" in site.run("ps", old).out
    with pytest.raises(NoSuchReleaseError):
        shop.ps(old)


# -- nothing to see -----------------------------------------------------------------------------------------


def test_without_processes_a_line_says_so_and_the_exit_code_is_zero(shop: Shop) -> None:
    for arguments, which in (
        ([], "a release of this root"),
        (["--old"], "a release that is not current"),
        (["previous"], shop.old),
    ):
        done = shop.site.run("ps", *arguments)
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith(f"No process runs from {which}, as far as can be seen here.\n")
    assert shop.site.run("ps", "--json").data["processes"] == []
    assert shop.site.run("ps", "20200101").code == 13


def in_namespaces(site: Site, setup: str, *arguments: str, options: Sequence[str] = ("-m",)) -> Finished:
    """Run the command as root in namespaces of its own; skips where the host has none."""
    unshare = shutil.which("unshare")
    if os.geteuid() != 0 or unshare is None:
        pytest.skip("needs root and unshare, to mount another /proc")
    line = f'{setup} && exec "$@"'
    done = finish(
        unshare,
        *options,
        "sh",
        "-c",
        line,
        "sh",
        site.program,
        *arguments,
        cwd=site.path,
        env=site.environment,
    )
    if "unshare" in done.err or "mount" in done.err:
        pytest.skip(done.err)
    return done


def test_without_a_proc_it_cannot_be_told_and_leases_say_what_they_know(shop: Shop) -> None:
    with (
        waiting(shop.python_of(shop.old), "-c", READY),
        waiting(shop.python, "-c", READY),
    ):
        done = in_namespaces(shop.site, "mount -t tmpfs none /proc", "ps", "--json")

    error = done.json["error"]
    assert (done.code, error["slug"]) == (12, HostError.slug)
    assert error["message"].startswith("this system has no /proc that lists processes")
    assert error["releases"] == [shop.old]


def test_in_a_container_a_process_outside_is_known_by_its_lease(shop: Shop) -> None:
    options = ("-m", "-p", "-f", "--mount-proc")
    with (
        waiting(shop.python_of(shop.old), "-c", READY),
        waiting(shop.python, "-c", READY),
    ):
        done = in_namespaces(shop.site, "true", "ps", "--json", options=options)
        text = in_namespaces(shop.site, "true", "ps", options=options).out

    assert done.data["processes"] == []
    assert done.data["unseen"]["elsewhere"] is True
    assert done.data["unseen"]["leases"] == [shop.old]
    assert f"A process that cannot be seen here holds the lease of {shop.old}.\n" in text
    assert text.endswith("This is a container: processes outside of it are not listed.\n")


LOOK = """
import os, sys
from venvship import Root
locked = []
def hear(event, arguments):
    if event == "fcntl.flock":
        locked.append(os.path.basename(os.readlink(f"/proc/self/fd/{arguments[0]}")))
sys.addaudithook(hear)
Root.open(sys.argv[1]).ps()
print(*locked)
"""
"""Names the files that `ps` locks, for however short a time."""


def test_looking_takes_no_lease_that_a_process_may_just_want(shop: Shop) -> None:
    """A process that starts does without a lease that it is refused."""
    look = replace(shop.site, program=sys.executable)
    arguments = ["-P", "-c", LOOK, str(shop.site.path)]
    env = {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    with waiting(shop.python, "-c", READY), waiting(shop.python_of(shop.old), "-c", READY):
        assert look.run(*arguments, env=env).out == "\n", "both leases are seen to be held"
    done = look.run(*arguments, env=env)
    assert (done.out, done.err) == ("\n", ""), "no lease has a lock on it"
    look.environment = {**look.environment, **env}
    inside = in_namespaces(look, "true", *arguments, options=("-m", "-p", "-f", "--mount-proc"))
    assert shop.old in inside.out.split(), "/proc/locks does not tell"
    assert shop.live not in inside.out.split()


# -- secrets ------------------------------------------------------------------------------------------------


def test_secrets_in_a_command_line_are_masked(shop: Shop) -> None:
    site = shop.site
    (site.path / "service.env").write_text("CANARY=canary-4711-value\n")
    (site.path / "service.env").chmod(0o600)
    site.settings("env_file = 'service.env'\n")
    arguments = ["canary-4711-value", "--token=abcdef", "https://user:secret@example.com/"]
    padding = "x" * (bounds.COMMAND - len(f"{shop.python} -c {READY} ") - 4)
    try:
        with (
            waiting(shop.python, "-c", READY, *arguments) as named,
            waiting(shop.python, "-c", READY, padding, "canary-4711-value", "y" * 5000) as long,
        ):
            found = by_pid(shop.ps())
            printed = site.run("ps").out + site.run("ps", "--json").out
    finally:
        site.settings()
        (site.path / "service.env").unlink()
    tail = "**** --token=**** https://****@example.com/"
    assert found[named.pid].command == f"{shop.python} -c {READY} {tail}"
    assert found[long.pid].command.endswith("x ***…"), "masked before it is cut"
    assert "cana" not in printed


# -- other users --------------------------------------------------------------------------------------------


@as_root_only
def test_a_worker_that_gave_up_roots_rights_is_listed_as_its_user(shop: Shop) -> None:
    """Although most of its files in /proc belong to root then."""
    drop = f"import ctypes, os; os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})"
    hide = "ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)"  # PR_SET_DUMPABLE, as most kernels do
    with waiting(shop.python, "-c", f"{drop}; {hide}; {READY}") as process:
        assert os.stat(f"/proc/{process.pid}/status").st_uid == 0
        assert by_pid(shop.ps())[process.pid].user == "nobody"


@as_root_only
def test_the_service_of_a_process_is_its_unit(shop: Shop) -> None:
    """By its control group, as systemd makes one for each service."""
    group = Path("/sys/fs/cgroup/systemd/shop-test.service")
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        with waiting(shop.python, "-c", READY) as process:
            (group / "cgroup.procs").write_text(str(process.pid))
            text, found = shop.site.run("ps").out, by_pid(shop.ps())[process.pid]
    finally:
        assert eventually(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()
    assert found.unit == "shop-test.service"
    assert "  shop-test.service  " in text
    assert "SERVICE" in text


# -- many ---------------------------------------------------------------------------------------------------


def test_thousands_of_processes_fit_on_a_terminal(shop: Shop) -> None:
    from venvship.cli.fitting import Page, length
    from venvship.cli.process_text import MOST_ROWS, ps_lines

    with waiting(shop.python, "-c", READY):
        one = shop.ps().processes[0]
    many = tuple(
        replace(one, pid=number, command="c" * number, unit="shop-with-a-long-name@1.service")
        for number in range(3000)
    )
    result = replace(shop.ps(), processes=many)
    now = datetime.now(UTC)
    for width in (40, 60, 80, 200):
        lines = ps_lines(result, Page(width, now))
        assert len(lines) <= 2 * MOST_ROWS + 5
        assert max(map(length, lines)) <= max(width, 62), "the columns before the command are not broken"
        assert "2,900 more" in "".join(lines)
    assert len(ps_lines(result, Page(None, now))) == 3000 + 2, "a pipe gets all"


def test_the_json_has_the_keys_of_the_contract(shop: Shop) -> None:
    with waiting(shop.python, "-c", READY) as process:
        data = json.loads(shop.site.run("ps", "--json").out)["data"]
    assert set(data) == {"processes", "current", "unseen"}
    (found,) = data["processes"]
    assert found | {"pid": process.pid, "release": shop.live, "standing": "current"} == found
    assert set(found) == {"pid", "release", "standing", "command", "user", "since", "unit", "seen_by"}
