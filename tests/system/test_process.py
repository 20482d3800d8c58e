"""Running programs: they end when they should, leave nothing behind, and cannot drown us."""

from __future__ import annotations

import contextlib
import itertools
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import alive, eventually, script_at
from venvship.errors import InterruptedByError, ProgramNotFoundError
from venvship.system import process
from venvship.system.child import GUARD
from venvship.system.process import ProcessResult
from venvship.system.signals import Signals

ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
REPOSITORY = Path(__file__).parents[2]


def run(*argv: str, cwd: str | os.PathLike[str] = "/", **options: Any) -> ProcessResult:
    options = {"env": ENV, "timeout": 10.0, "signals": Signals(), **options}
    how = {name: options.pop(name) for name in process.Program._fields if name in options}
    return process.run(process.Program(argv, cwd=os.fspath(cwd), **how), **options)


def sh(script: str, **options: Any) -> ProcessResult:
    return run("sh", "-c", script, **options)


def python(script: str, *arguments: str, **options: Any) -> ProcessResult:
    return run(sys.executable, "-I", "-S", "-c", script, *arguments, **options)


def read_pid(path: Path) -> int:
    assert eventually(lambda: path.exists() and path.read_text().endswith("\n")), f"no pid in {path}"
    return int(path.read_text())


@pytest.fixture
def strays() -> Iterator[list[int]]:
    """Pids that a test may leave behind when it fails."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


# -- results --------------------------------------------------------------------------------------------


def test_a_result_has_exit_status_output_and_duration() -> None:
    result = sh("echo out; echo err >&2; sleep 0.1; exit 3")

    assert (result.returncode, result.output, result.timed_out) == (3, b"out\nerr\n", False)
    assert 0.1 <= result.seconds < 50


def test_a_program_killed_by_a_signal_has_its_negative_number() -> None:
    assert sh("kill -s USR1 $$").returncode == -signal.SIGUSR1


def test_arguments_directory_and_environment_reach_the_program_untouched(tmp_path: Path) -> None:
    script = "import os, sys; print([sys.argv[1:], os.getcwd(), os.environ['A'], os.environ['B b']])"
    odd = ["", "a b", "$HOME", "'\"", "*", "-n", "é\n", "--"]

    result = python(script, *odd, cwd=tmp_path, env={**ENV, "A": "1\n2", "B b": "odd"})

    assert result.output.decode().strip() == str([odd, str(tmp_path), "1\n2", "odd"])


@pytest.mark.parametrize("odd", [{}, {"not.a.shell.name": "x"}], ids=["gated", "ungated"])
@pytest.mark.parametrize("size", [0, 5, 300_000])
def test_standard_input_is_what_was_given_all_of_it(odd: dict[str, str], size: int) -> None:
    data = (b"\nline\n\0" * (size // 7 + 1))[:size]

    result = run("cat", stdin=data, env={**ENV, **odd}, keep=1 << 20)

    assert result.output == data


@pytest.mark.parametrize("odd", [{}, {"not.a.shell.name": "x"}], ids=["gated", "ungated"])
def test_without_input_standard_input_is_empty_and_not_ours(odd: dict[str, str]) -> None:
    kept = os.dup(0)
    read, write = os.pipe()
    os.dup2(read, 0)
    try:
        result = run("readlink", "/proc/self/fd/0", env={**ENV, **odd})
    finally:
        os.dup2(kept, 0)
        for fd in (kept, read, write):
            os.close(fd)

    assert result.output == b"/dev/null\n"


def test_a_program_that_reads_no_input_is_no_problem() -> None:
    assert run("true", stdin=b"x" * 1_000_000).returncode == 0


def test_standard_output_and_error_can_be_kept_apart() -> None:
    result = sh("echo out; echo err >&2", separate_stderr=True)

    assert (result.stdout, result.output, result.truncated) == (b"out\n", b"err\n", False)


def test_separate_standard_output_is_kept_from_its_beginning_and_says_when_it_was_cut() -> None:
    result = sh("printf 123456", separate_stderr=True, output_cap=4)

    assert (result.stdout, result.truncated) == (b"1234", True)


def test_a_listener_hears_all_of_it_and_what_came_last_when_the_program_is_cleaned_up_after() -> None:
    heard: list[bytes] = []

    python(
        "import os; [os.write(1, b'line\\n' * 500) for _ in range(100)]",
        separate_stderr=True,
        listener=heard.append,
    )

    assert b"".join(heard) == b"line\n" * 50_000


@pytest.mark.parametrize("script", ["echo one; sleep 0.3; echo two; sleep 60", "echo one; echo two"])
def test_a_listener_that_raises_ends_the_program_and_hears_nothing_more(script: str) -> None:
    heard: list[bytes] = []
    descriptors = len(os.listdir("/proc/self/fd"))

    def give_up(data: bytes) -> None:
        heard.append(data)
        # What it is about to say meanwhile must not reach us again.
        time.sleep(0.5)
        raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        sh(script, separate_stderr=True, listener=give_up)

    assert len(heard) == 1
    assert GUARD._groups == set()
    assert len(os.listdir("/proc/self/fd")) == descriptors


# -- which program --------------------------------------------------------------------------------------


def test_the_program_is_looked_up_in_the_path_of_the_child(tmp_path: Path) -> None:
    program = tmp_path / "bin/tell"
    program.parent.mkdir()
    script_at(program, "#!/bin/sh\necho found\n")

    assert run("tell", cwd=tmp_path, env={"PATH": "bin"}).output == b"found\n"
    assert run("bin/tell", cwd=tmp_path).output == b"found\n"


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProgramNotFoundError, match="'no-such-program' in the PATH /usr/local/bin"):
        run("no-such-program")
    with pytest.raises(ProgramNotFoundError, match=f"there is no program {tmp_path}/x"):
        run(f"{tmp_path}/x")


def test_a_file_that_is_not_executable_is_no_program(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("#!/bin/sh\n")

    with pytest.raises(ProgramNotFoundError, match="is not executable"):
        run("x", env={"PATH": str(tmp_path)})


def test_a_missing_directory_is_an_error_of_the_operating_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run("true", cwd=tmp_path / "missing")


# -- isolation ------------------------------------------------------------------------------------------


def test_a_child_has_its_own_session_and_group() -> None:
    ids = "import os; print(os.getpid(), os.getpgid(0), os.getsid(0))"

    pid, group, session = python(ids).output.split()

    assert pid == group == session
    assert int(session) != os.getsid(0)


@pytest.mark.parametrize("odd", [{}, {"not.a.shell.name": "x"}], ids=["gated", "ungated"])
def test_a_child_inherits_no_descriptor_not_even_an_inheritable_one(
    tmp_path: Path, odd: dict[str, str]
) -> None:
    with open(tmp_path / "mutex", "w") as file:
        os.set_inheritable(file.fileno(), True)

        result = python("import os; print(sorted(os.listdir('/proc/self/fd')))", env={**ENV, **odd})

    # The fourth is that of the directory being listed.
    assert result.output == b"['0', '1', '2', '3']\n"


def test_signals_that_python_ignores_are_not_ignored_in_a_child() -> None:
    assert sh("yes | head -n 1; kill -s PIPE $$").returncode == -signal.SIGPIPE


# -- time-outs and left-overs ---------------------------------------------------------------------------


def test_a_time_out_ends_the_whole_group(tmp_path: Path, strays: list[int]) -> None:
    def seconds() -> float:
        began = time.monotonic()
        result = sh(f"sleep 60 & echo $! > {tmp_path}/pid; wait", timeout=1.0)
        strays.append(read_pid(tmp_path / "pid"))
        assert (result.returncode, result.timed_out) == (None, True)
        assert not alive(strays[-1])
        return time.monotonic() - began

    # One that ever is quicker than the two seconds of grace shows that nobody waits for those.
    assert any(seconds() < 2.9 for _ in range(20))


def test_a_time_out_leaves_everybody_in_the_group_two_seconds_to_clean_up(tmp_path: Path) -> None:
    # The leader dies at once; what it started is the one with something to do.
    script = f"sh -c 'trap \"sleep 0.5; echo clean > {tmp_path}/file; exit\" TERM; sleep 60 & wait' & wait"

    sh(script, timeout=1.0)

    assert (tmp_path / "file").read_text() == "clean\n"


def test_who_ignores_sigterm_is_killed_after_the_grace(strays: list[int], tmp_path: Path) -> None:
    began = time.monotonic()

    result = sh(f"trap '' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 0.2; done", timeout=1.0)

    strays.append(read_pid(tmp_path / "pid"))
    assert result.timed_out
    assert not alive(strays[0])
    assert 2.0 <= time.monotonic() - began < 50


def test_a_daemon_in_a_session_of_its_own_is_killed_too(tmp_path: Path, strays: list[int]) -> None:
    daemon = (
        "import os, sys, time\n"
        "if os.fork(): time.sleep(0.2); sys.exit()\n"
        "os.setsid()\n"
        "if os.fork(): os._exit(0)\n"
        "os.closerange(0, 3)\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(f'{{os.getpid()}}\\n')\n"
        "time.sleep(60)\n"
    )

    result = python(daemon)

    strays.append(read_pid(tmp_path / "pid"))
    assert result.returncode == 0
    assert not alive(strays[0])


@pytest.mark.parametrize("missing", [(os, "pidfd_open"), (signal, "pidfd_send_signal")], ids=["open", "send"])
def test_a_python_without_pidfds_kills_what_is_left_all_the_same(
    tmp_path: Path, strays: list[int], monkeypatch: pytest.MonkeyPatch, missing: tuple[Any, str]
) -> None:
    """As built with the headers of an older C library, which is how some distributions do it."""
    monkeypatch.delattr(*missing, raising=False)

    daemon = f"setsid sh -c 'echo $$ > {tmp_path}/pid; exec sleep 60' &"

    result = sh(f"{daemon} while ! [ -s {tmp_path}/pid ]; do sleep 0.01; done")

    strays.append(read_pid(tmp_path / "pid"))
    assert result.returncode == 0
    assert not alive(strays[0])


def test_a_service_that_is_left_running_does_not_carry_the_mark_of_another_child(tmp_path: Path) -> None:
    """Or who runs us in a check would kill the service that our restart hook has started."""
    result = sh(
        f"echo ${{VENVSHIP_CHILD-none}} > {tmp_path}/mark",
        survivors="leave",
        env={**ENV, "VENVSHIP_CHILD": "somebody.1"},
    )

    assert result.returncode == 0
    assert (tmp_path / "mark").read_text() == "none\n"


def test_left_overs_of_one_child_are_not_confused_with_another_child(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        long = pool.submit(sh, "sleep 1; echo still here")
        short = [pool.submit(sh, "sleep 9 & sleep 0.02") for _ in range(12)]

        assert all(job.result().returncode == 0 for job in short)
        assert long.result().output == b"still here\n"


def test_a_service_is_left_running_and_goes_on_writing_to_the_log(tmp_path: Path, strays: list[int]) -> None:
    log = tmp_path / "log"
    service = f"(while :; do echo tick; sleep 0.05; done) & echo $! > {tmp_path}/pid; echo started"

    result = sh(service, survivors="leave", log=str(log), heading=b"== restart\n")

    strays.append(read_pid(tmp_path / "pid"))
    assert result.returncode == 0
    assert b"started\n" in result.output
    assert log.read_bytes().startswith(b"== restart\n")
    ticks = log.read_bytes().count(b"tick")
    assert eventually(lambda: log.read_bytes().count(b"tick") > ticks + 3)
    assert alive(strays[0])


def test_what_a_restart_prints_until_it_is_killed_is_cut_down_too(tmp_path: Path) -> None:
    log = tmp_path / "log"
    flood = "trap '' TERM; while :; do head -c 100000000 /dev/zero; done"

    result = sh(flood, survivors="leave", log=str(log), output_cap=100_000, timeout=0.2)

    assert result.timed_out
    assert log.stat().st_size <= 100_000


# -- bounds ---------------------------------------------------------------------------------------------

FLOOD = "import os, sys\nwhile True: os.write(1, b'x' * 65536)"
MEMORY = """\
import resource, sys
from venvship.system.process import Program, run
from venvship.system.signals import Signals
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
flood = [sys.executable, "-ISc", sys.argv[1]]
result = run(Program(flood, env={}, cwd="/", log=sys.argv[2]), timeout=1.0, signals=Signals())
print(result.timed_out, len(result.output), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_flood_of_output_takes_bounded_memory_and_a_bounded_log(tmp_path: Path) -> None:
    log = tmp_path / "log"

    # In a process of its own: its memory can be measured.
    answer = subprocess.run(
        [sys.executable, "-c", MEMORY, FLOOD, log], cwd=REPOSITORY, capture_output=True, check=True
    )

    timed_out, kept, growth = answer.stdout.decode().split()
    assert (timed_out, kept) == ("True", str(65536))
    assert int(growth) < 16 * 1024, "KiB"
    assert 100_000 < log.stat().st_size <= 1 << 20


def test_a_flood_into_the_log_of_a_service_is_cut_while_we_watch(tmp_path: Path) -> None:
    log = tmp_path / "log"
    sizes: list[int] = []
    done = threading.Event()

    def measure() -> None:
        while not done.is_set():
            sizes.append(log.stat().st_size if log.exists() else 0)
            time.sleep(0.005)

    watcher = threading.Thread(target=measure)
    watcher.start()
    slow_flood = "import os, time\nwhile True: os.write(1, b'x' * 4096); time.sleep(0.002)"
    result = python(slow_flood, survivors="leave", log=str(log), output_cap=65536, timeout=1.0)
    done.set()
    watcher.join()

    assert result.timed_out
    cuts = sum(later < earlier for earlier, later in itertools.pairwise(sizes))
    assert cuts > 1, "one cut can be the one at the end"
    assert log.stat().st_size <= 65536 + 4096


def test_a_log_keeps_its_beginning_and_its_end(tmp_path: Path) -> None:
    log = tmp_path / "log"

    for number in range(5):
        script = f"echo first {number}; seq 1000; echo last {number}"
        sh(script, log=str(log), output_cap=8192, heading=b"== attempt\n")

    text = log.read_bytes()
    assert text.startswith(b"== attempt\nfirst 0\n")
    assert text.endswith(b"999\n1000\nlast 4\n")
    assert text.count(b"[... output left out ...]") >= 1
    assert len(text) <= 8192


def test_a_log_is_private_and_never_written_through_a_link(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        sh("echo x", log=str(tmp_path / "log"))
    finally:
        os.umask(old)
    (tmp_path / "link").symlink_to(tmp_path / "victim")

    result = sh("echo x", log=str(tmp_path / "link"))

    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600
    assert result.output == b"x\n"
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize("survivors", ["kill", "leave"])
def test_a_log_that_cannot_be_written_is_no_reason_to_fail(survivors: str) -> None:
    # Opens fine and has no room: what a full disk looks like.
    result = sh(
        "echo x && test ! /dev/full -ef /proc/self/fd/1",
        log="/dev/full",
        heading=b"==\n",
        survivors=survivors,
    )

    assert result.returncode == 0


# -- signals --------------------------------------------------------------------------------------------


def later(seconds: float, *signums: int) -> threading.Thread:
    def send() -> None:
        for signum in signums:
            time.sleep(seconds)
            os.kill(os.getpid(), signum)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


def when(pid: Path, signum: int) -> threading.Thread:
    """Send this process a signal once a child has written its pid."""

    def send() -> None:
        read_pid(pid)
        os.kill(os.getpid(), signum)

    thread = threading.Thread(target=send)
    thread.start()
    return thread


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_child_and_is_raised(signum: int, tmp_path: Path, strays: list[int]) -> None:
    signals = Signals()
    began = time.monotonic()
    with signals.install():
        sender = when(tmp_path / "pid", signum)
        with pytest.raises(InterruptedByError) as caught:
            sh(f"echo $$ > {tmp_path}/pid; exec sleep 60", signals=signals)
        sender.join()

    strays.append(read_pid(tmp_path / "pid"))
    assert caught.value.exit_code == 128 + signum
    assert not alive(strays[0])
    assert time.monotonic() - began < 50


def test_a_signal_reaches_children_that_other_threads_wait_for() -> None:
    signals = Signals()
    with signals.install(), ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(sh, "sleep 60", signals=signals) for _ in range(3)]
        sender = later(0.3, signal.SIGTERM)
        for job in jobs:
            with pytest.raises(InterruptedByError):
                job.result(timeout=50)
        sender.join()


def test_nothing_is_started_after_a_signal(tmp_path: Path) -> None:
    signals = Signals()
    with signals.install():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(InterruptedByError):
            sh("true", signals=signals, log=str(tmp_path / "log"))

    assert not (tmp_path / "log").exists()


def test_deferred_signals_are_noted_and_interrupt_nothing() -> None:
    signals = Signals()
    with signals.install():
        with signals.deferred():
            with signals.deferred():
                sender = later(0.1, signal.SIGINT, signal.SIGINT, signal.SIGTERM)
                assert sh("sleep 0.6; echo reverted", signals=signals).output == b"reverted\n"
                sender.join()
            signals.raise_if_received()
            assert (signals.received, signals.pending) == (signal.SIGINT, False)
        assert signals.pending
        with pytest.raises(InterruptedByError, match="SIGINT"):
            signals.raise_if_received()


def test_a_sleep_ends_soon_after_a_signal() -> None:
    signals = Signals()
    began = time.monotonic()
    with signals.install():
        sender = later(0.1, signal.SIGHUP)
        with pytest.raises(InterruptedByError):
            signals.sleep(60)
        sender.join()

    assert time.monotonic() - began < 50


def test_what_nohup_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        signals = Signals()
        with signals.install():
            os.kill(os.getpid(), signal.SIGHUP)
            signals.raise_if_received()
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert signals.received is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_handlers_are_given_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]

    with Signals().install():
        pass

    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_in_another_thread_signals_are_left_alone() -> None:
    def use() -> None:
        with Signals().install():
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    with ThreadPoolExecutor(1) as pool:
        pool.submit(use).result()


def test_exit_statuses_survive_a_starter_that_ignored_sigchld() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with Signals().install() as signals:
            assert sh("exit 3", signals=signals).returncode == 3
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_without_handlers_a_keyboard_interrupt_ends_the_child_too(tmp_path: Path, strays: list[int]) -> None:
    sender = when(tmp_path / "pid", signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        sh(f"echo $$ > {tmp_path}/pid; exec sleep 60")
    sender.join()

    strays.append(read_pid(tmp_path / "pid"))
    assert not alive(strays[0])


def test_what_poll_raises_ends_the_child_and_passes_through(tmp_path: Path, strays: list[int]) -> None:
    def poll() -> None:
        if (tmp_path / "pid").exists():
            raise LookupError

    with pytest.raises(LookupError):
        sh(f"echo $$ > {tmp_path}/pid; exec sleep 60", poll=poll)

    strays.append(read_pid(tmp_path / "pid"))
    assert not alive(strays[0])


# -- the guard ------------------------------------------------------------------------------------------

HOST = """\
import sys
from venvship.system.child import GUARD
from venvship.system.process import Program, run
from venvship.system.signals import Signals
script, directory = sys.argv[1:]
GUARD.start()
open(f"{directory}/guard", "w").write(f"{GUARD.pid}\\n")
how = {"env": {"PATH": "/usr/bin:/bin"}, "cwd": "/", "log": f"{directory}/log"}
run(Program(["sh", "-c", script], survivors="leave", **how), timeout=60, signals=Signals())
open(f"{directory}/done", "w").write("1\\n")
sys.stdin.read()
"""


@contextlib.contextmanager
def host(script: str, directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that runs a script through `process.run`, and can be killed."""
    command = [sys.executable, "-c", HOST, script, str(directory)]
    # With whatever is inheritable here: a cron job under flock(1) starts us with such a descriptor.
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, close_fds=False) as started:
        try:
            yield started
        finally:
            started.kill()


def test_children_die_when_we_are_killed(tmp_path: Path, strays: list[int]) -> None:
    script = f"sleep 60 & echo $! > {tmp_path}/grandchild; echo $$ > {tmp_path}/child; wait"
    with host(script, tmp_path) as started:
        strays += [read_pid(tmp_path / name) for name in ("grandchild", "child", "guard")]
        started.send_signal(signal.SIGKILL)
        started.wait()

    assert eventually(lambda: not any(alive(pid) for pid in strays)), [p for p in strays if alive(p)]


def test_the_guard_survives_what_ends_us(tmp_path: Path, strays: list[int]) -> None:
    with host(f"echo $$ > {tmp_path}/child; exec sleep 60", tmp_path) as started:
        strays += [read_pid(tmp_path / name) for name in ("child", "guard")]
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP):
            os.kill(strays[1], signum)
        time.sleep(0.1)
        assert alive(strays[1])
        started.send_signal(signal.SIGKILL)
        started.wait()

    assert eventually(lambda: not any(alive(pid) for pid in strays))


def test_the_guard_holds_nothing_but_its_pipe(tmp_path: Path) -> None:
    inherited = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(inherited, True)
    try:
        with host(f"echo $$ > {tmp_path}/child; exec sleep 60", tmp_path):
            guard = read_pid(tmp_path / "guard")
            read_pid(tmp_path / "child")
            held = {fd: os.readlink(f"/proc/{guard}/fd/{fd}") for fd in os.listdir(f"/proc/{guard}/fd")}
            directory = os.readlink(f"/proc/{guard}/cwd")
            session = os.getsid(guard)
    finally:
        os.close(inherited)

    assert held.pop("0").startswith("pipe:")
    assert set(held.values()) == {"/dev/null"}
    assert (directory, session) == ("/", guard)


def test_a_service_that_was_left_running_outlives_us(tmp_path: Path, strays: list[int]) -> None:
    with host(f"sleep 60 & echo $! > {tmp_path}/service", tmp_path) as started:
        strays += [read_pid(tmp_path / name) for name in ("service", "guard")]
        read_pid(tmp_path / "done")
        started.send_signal(signal.SIGKILL)
        started.wait()

    assert eventually(lambda: not alive(strays[1])), "the guard is done when we are"
    time.sleep(0.1)
    assert alive(strays[0])


def test_ctrl_c_on_the_terminal_reaches_neither_child_nor_guard(tmp_path: Path, strays: list[int]) -> None:
    # A whole terminal session: we lead it, and a Ctrl-C goes to everybody in the foreground.
    script = (
        f"trap 'echo INT > {tmp_path}/interrupted' INT; echo $$ > {tmp_path}/child; sleep 60 & wait; wait"
    )
    note = "lambda *_: open(sys.argv[2] + '/seen', 'w').write('1\\n')"
    code = f"import signal; signal.signal(signal.SIGINT, {note})"
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(REPOSITORY)
        os.execv(sys.executable, [sys.executable, "-c", f"import sys\n{code}\n{HOST}", script, str(tmp_path)])
    try:
        strays += [pid, *(read_pid(tmp_path / name) for name in ("child", "guard"))]
        os.write(terminal, b"\x03")
        read_pid(tmp_path / "seen")
        time.sleep(0.1)
        assert alive(strays[1])
        assert alive(strays[2])
        assert not (tmp_path / "interrupted").exists()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    finally:
        os.close(terminal)

    assert eventually(lambda: not any(alive(p) for p in strays))


def test_a_child_that_is_not_yet_on_the_list_never_runs(tmp_path: Path) -> None:
    # The moment between the start of a child and its registration, held open: `add` never returns.
    script = """\
import os, signal, sys
from venvship.system.child import GUARD
from venvship.system.process import Program, run
from venvship.system.signals import Signals
GUARD.add = lambda group: os.kill(os.getpid(), signal.SIGKILL)
touch = Program(["touch", sys.argv[1]], env={"PATH": "/usr/bin:/bin"}, cwd="/")
run(touch, timeout=9, signals=Signals())
"""
    ended = subprocess.run([sys.executable, "-c", script, tmp_path / "ran"], cwd=REPOSITORY, check=False)
    time.sleep(0.3)

    assert ended.returncode == -signal.SIGKILL
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("between", ["before a child", "while a child runs"])
def test_a_guard_that_was_killed_is_replaced(between: str, tmp_path: Path, strays: list[int]) -> None:
    # With time to die: until then it still reads what it is told.
    kill = "os.kill(GUARD.pid, 9); time.sleep(0.5)"
    code = f"""\
import os, sys, time
from venvship.system.child import GUARD
from venvship.system.process import Program, run
from venvship.system.signals import Signals
def poll():
    global poll
    {kill}
    poll = lambda: None
    run(Program(["true"], **how), timeout=60, signals=Signals())
how = {{"env": {{"PATH": "/usr/bin:/bin"}}, "cwd": "/"}}
GUARD.start()
if sys.argv[2] == "before a child": {kill}; poll = lambda: None
run(Program(["sh", "-c", sys.argv[1]], **how), timeout=60, signals=Signals(), poll=lambda: poll())
"""
    script = f"sleep 0.3; echo $$ > {tmp_path}/pid; exec sleep 60"
    with subprocess.Popen([sys.executable, "-c", code, script, between], cwd=REPOSITORY) as started:
        strays.append(read_pid(tmp_path / "pid"))
        started.kill()

    assert eventually(lambda: not alive(strays[0]))


# -- becoming another program ---------------------------------------------------------------------------


def test_exec_replaces_us_and_takes_neither_guard_nor_ignored_signals_along() -> None:
    script = """\
import sys
from venvship.system.process import Program, exec_replace, run
from venvship.system.signals import Signals
run(Program(["true"], env={"PATH": "/usr/bin:/bin"}, cwd="/"), timeout=9, signals=Signals())
code = '''
import os, sys
print(os.environ["A"], sys.argv[1:], open(f"/proc/self/task/{os.getpid()}/children").read())
'''
if sys.argv[1] == "pipe":
    exec_replace("/bin/sh", ["sh", "-c", "kill -s PIPE $$"], {})
exec_replace(sys.executable, ["python", "-ISc", code, "x"], {"A": "1"})
"""
    answer, killed = (
        subprocess.run([sys.executable, "-c", script, what], cwd=REPOSITORY, capture_output=True, check=False)
        for what in ("exec", "pipe")
    )

    assert answer.stdout.decode().split("\n")[0].rstrip() == "1 ['x']"
    assert killed.returncode == -signal.SIGPIPE


def test_what_cannot_be_executed_leaves_us_as_we_were(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        process.exec_replace(f"{tmp_path}/missing", ["missing"], {})

    assert signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN
    assert sh("echo still").output == b"still\n"


@pytest.mark.parametrize("deferred", [False, True])
def test_a_child_that_our_own_ctrl_c_hit_before_it_began_is_no_verdict(
    tmp_path: Path, deferred: bool
) -> None:
    """A terminal signals the whole group, and until setsid(2) a child is in it."""
    signals, count = Signals(), tmp_path / "count"
    script = f"echo >>{count}; [ $(wc -l <{count}) -gt 1 ] && exit 3; kill -INT $PPID; kill -INT $$"
    with signals.install(), signals.deferred() if deferred else contextlib.nullcontext():
        try:
            result = sh(script, signals=signals)
        except InterruptedByError:
            assert not deferred
        else:
            assert deferred
            assert result.returncode == 3
