"""Running other programs.

The only module that starts processes. Every child gets a session and a process group of its own, no
descriptor of ours but its three standard ones, and an end: a time-out, a signal to us, or our death ends its
whole group. Threads may run several at once.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, NamedTuple, NoReturn, Protocol

from venvship.errors import ProgramNotFoundError
from venvship.system.guard import SCRIPT, Guard
from venvship.system.output import MEBIBYTE, CappedLog, Head, Tail
from venvship.system.signals import TICK, Signals
from venvship.system.stragglers import VARIABLE, group_lives, kill_group, kill_stragglers

GRACE: Final = 2.0
"""Seconds between SIGTERM and SIGKILL."""

_SHELL: Final = "/bin/sh"
_GATE: Final = 'read -r _ && exec "$@"'
_GATE_WITHOUT_INPUT: Final = 'read -r _ && exec "$@" </dev/null'
_SHELL_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

_WATCH_TICK: Final = 0.02
"""Seconds between two looks at a log that the child writes by itself, or at its end where no pidfd tells."""

_CHUNK: Final = 1 << 16


class ProcessResult(NamedTuple):
    """How a program ended.

    Attributes:
        returncode: Its exit status, or minus the number of the signal that killed it; `None` if we ended it.
        timed_out: It took too long, and its group was killed.
        seconds: How long it ran.
        output: The last bytes that it printed: standard output and error as they came, or standard error
            alone if the two were to be kept apart.
        stdout: Its standard output from the beginning, if that was to be kept apart.
        truncated: Whether there was more standard output than was kept.
    """

    returncode: int | None
    timed_out: bool
    seconds: float
    output: bytes
    stdout: bytes = b""
    truncated: bool = False


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str,
    timeout: float,
    signals: Signals,
    stdin: bytes | None = None,
    log: str | None = None,
    heading: bytes = b"",
    keep: int = _CHUNK,
    output_cap: int = MEBIBYTE,
    survivors: Literal["kill", "leave"] = "kill",
    separate_stderr: bool = False,
    poll: Callable[[], None] | None = None,
    listener: Callable[[bytes], None] | None = None,
) -> ProcessResult:
    """Run a program to its end, and clean up behind it.

    Returns when the *program* ends, not when its standard output is closed: a daemon that it started may
    hold that open for ever.

    Args:
        argv: Program and arguments. The program is looked up in the PATH of `env`, relative to `cwd`.
        env: The whole environment of the child, but for `VENVSHIP_CHILD`: with `survivors="kill"` it is set,
            so that what the child leaves running is found again, and otherwise taken out.
        cwd: The directory it runs in.
        timeout: Seconds until its group is ended: SIGTERM, two seconds of grace, SIGKILL.
        signals: A signal received there ends it in the same way.
        stdin: What it reads; `None` is /dev/null.
        log: Path of a file that its output is appended to; mode 0600. Best effort: a full disk is no reason
            to fail.
        heading: Written to the log before the output.
        keep: How many bytes of output the result keeps.
        output_cap: Largest size of the log, and of `ProcessResult.stdout`, in bytes.
        survivors: What to do with processes that the program leaves running when it ends by itself:
            `"kill"` them, daemons in sessions of their own included (on Linux); or `"leave"` them, for a
            program that starts a service. Then the log file itself is the child's standard output, since a
            pipe would break when we end; without a log, or if it cannot be written, that is /dev/null.
        separate_stderr: Keep standard output and error apart. Not with `survivors="leave"`.
        poll: Called ten times a second; what it raises ends the group and passes through.
        listener: Gets standard output as it comes, where that is kept apart. What it raises ends the group
            and passes through. It hears nothing more of a program that has to be ended.

    Returns:
        How it ended. A failure of the program is a result, not an exception.

    Raises:
        ProgramNotFoundError: There is no such program, or it is not executable.
        InterruptedByError: A signal came, before or while it ran. Its group is gone.
        OSError: It could not be started: no such directory, no more processes.
    """
    if separate_stderr and survivors == "leave":
        raise TypeError("what is left running has one place to write to")
    signals.raise_if_received()
    program = find_program(argv[0], env=env, cwd=cwd)

    def start() -> ProcessResult:
        log_file = CappedLog(log, cap=output_cap, heading=heading)
        try:
            child = _Child(
                [program, *argv[1:]],
                env=env,
                cwd=cwd,
                stdin=stdin,
                log=log_file,
                keep=keep,
                output_cap=output_cap,
                survivors=survivors,
                separate_stderr=separate_stderr,
                listener=listener,
            )
            began = time.monotonic()
            ended = False
            try:
                ended = _watch(child, until=began + timeout, signals=signals, poll=poll)
            finally:
                # Whatever the reason, a KeyboardInterrupt in somebody else's program among them.
                returncode = child.finish(by_itself=ended)
            if ended and child.listener is not None:
                child.listener.release()
            return ProcessResult(
                returncode=returncode if ended else None,
                timed_out=not ended,
                seconds=time.monotonic() - began,
                output=child.output,
                stdout=child.stdout.value,
                truncated=child.stdout.truncated,
            )
        finally:
            log_file.close()

    result = start()
    if _never_began(result.returncode, signals):
        signals.raise_if_received()
        result = start()
    return result


def _never_began(returncode: int | None, signals: Signals) -> bool:
    """Whether a child died of the very signal that we got.

    A terminal sends Ctrl-C to all of its foreground group, to which a child belongs until it has a session
    of its own. Later none of ours can reach it. So it was hit before it had become the program, and says
    nothing about that: a rollback, which nobody may interrupt, starts it once more.
    """
    return returncode is not None and returncode < 0 and signals.received == -returncode


def find_program(name: str, *, env: Mapping[str, str], cwd: str) -> str:
    """Look a program up as the shell would, for a child with this environment and directory.

    Returns:
        Its absolute path.

    Raises:
        ProgramNotFoundError: There is none, or it is not executable.
    """
    if "/" in name:
        candidates = [os.path.join(cwd, name)]
    else:
        candidates = [os.path.join(cwd, part, name) for part in env.get("PATH", os.defpath).split(":")]
    files = [path for path in candidates if name and os.path.isfile(path)]
    for path in files:
        if os.access(path, os.X_OK):
            return path
    if files:
        raise ProgramNotFoundError(
            f"{files[0]} is not executable", hint=f"chmod +x {files[0]}", program=name, path=files[0]
        )
    where = candidates[0] if "/" in name else f"{name!r} in the PATH {env.get('PATH', os.defpath)}"
    raise ProgramNotFoundError(f"there is no program {where}", program=name)


def exec_replace(path: str, argv: Sequence[str], env: Mapping[str, str]) -> NoReturn:
    """Become another program: same pid, no way back.

    Args:
        path: The program, absolute.
        argv: Its arguments, from `argv[0]` on.
        env: Its whole environment.

    Raises:
        OSError: It could not be executed; this process goes on.
    """
    # The new program must not inherit a child that it never started.
    _GUARD.close()
    # Python ignores these from its start on, and what is ignored stays so through exec: `| head` would
    # never end the new program. `subprocess` does the same.
    before = {signum: signal.signal(signum, signal.SIG_DFL) for signum in (signal.SIGPIPE, signal.SIGXFSZ)}
    try:
        os.execve(path, list(argv), dict(env))  # noqa: S606  # no shell is the point
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _watch(child: _Child, *, until: float, signals: Signals, poll: Callable[[], None] | None) -> bool:
    """Serve a child's pipes until it ends (true), or until its time is over (false)."""
    while not child.has_ended():
        signals.raise_if_received()
        if poll is not None:
            poll()
        left = until - time.monotonic()
        if left <= 0:
            return False
        child.serve(min(left, TICK))
    return True


class _Sink(Protocol):
    def write(self, data: bytes) -> None: ...


class _Listener:
    """Passes output on as it comes; what comes once the program is being cleaned up after, only when told.

    Whoever listens may do anything, and raise. A clean-up must go on to its end.
    """

    def __init__(self, call: Callable[[bytes], None]) -> None:
        self._call = call
        self._held: list[bytes] | None = None

    def write(self, data: bytes) -> None:
        if self._held is None:
            self._call(data)
        else:
            self._held.append(data)

    def hold(self) -> None:
        """Pass nothing on from now on, and keep it."""
        self._held = []

    def release(self) -> None:
        """Pass on what was kept."""
        held, self._held = self._held, None
        if held:
            self._call(b"".join(held))


class _Child:
    """One started program, from its gate to its reaping.

    The gate: a child that ran before the guard knew of it would outlive a SIGKILL in between. So what is
    started is `sh`, which waits for one line on its standard input, sees the end of file instead if we die,
    and becomes the program only when it is on the guard's list.

    A shell would drop variables whose names are none to it (`A.B`, exported functions of bash). With one of
    those the program is started directly, and a kill between two adjacent system calls is the risk taken.
    """

    _numbers = itertools.count()

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str,
        stdin: bytes | None,
        log: CappedLog,
        keep: int,
        output_cap: int,
        survivors: str,
        separate_stderr: bool,
        listener: Callable[[bytes], None] | None,
    ) -> None:
        self._log = log
        self.listener = None if listener is None else _Listener(listener)
        self._log_start = log.size
        self._keep = keep
        self._tail = Tail(keep)
        self.stdout = Head(output_cap)
        self._own_log = survivors == "leave"
        self._tag = None if self._own_log else f"{_GUARD.mark}.{next(self._numbers)}"
        # One of ours may run in a child of ours; what it leaves running belongs to neither.
        variables = {name: value for name, value in env.items() if name != VARIABLE}
        if self._tag is not None:
            variables[VARIABLE] = self._tag
        gated = all(_SHELL_NAME.fullmatch(name) for name in variables)
        if gated:
            gate = _GATE_WITHOUT_INPUT if stdin is None else _GATE
            argv = [_SHELL, "-c", gate, _SHELL, *argv]
        self._input = memoryview((b"\n" if gated else b"") + (stdin or b""))
        stdout = subprocess.PIPE
        if self._own_log:
            stdout = subprocess.DEVNULL if log.fd is None else log.fd
        _GUARD.start()
        self._process = subprocess.Popen(
            argv,
            env=variables,
            cwd=cwd,
            stdin=subprocess.PIPE if gated or stdin is not None else subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE if separate_stderr else subprocess.STDOUT,
            bufsize=0,
            close_fds=True,
            start_new_session=True,
        )
        self._group = self._process.pid
        self._selector = selectors.DefaultSelector()
        self._pidfd: int | None = None
        try:
            _GUARD.add(self._group)
            self._register(separate_stderr)
        except BaseException:
            self.finish(by_itself=False)
            raise

    @property
    def output(self) -> bytes:
        """The last bytes of its output."""
        if self._own_log:
            with contextlib.suppress(OSError):
                return self._log.tail(self._keep, since=self._log_start)
        return self._tail.value

    def has_ended(self) -> bool:
        """Whether the program has ended. It is not reaped: its number must stay its own until we are done."""
        if self._process.returncode is not None:
            return True
        if not hasattr(os, "waitid"):  # macOS before 3.13
            return self._process.poll() is not None
        try:
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError as error:
            raise RuntimeError("somebody else reaps our children; SIGCHLD must not be ignored") from error

    def serve(self, seconds: float) -> None:
        """Move what there is to move through the pipes, or wait for it so long."""
        if self._own_log or self._pidfd is None:
            seconds = min(seconds, _WATCH_TICK)
        for key, _ in self._selector.select(seconds):
            key.data()
        self._trim()

    def _trim(self) -> None:
        """Cut the log down that the child writes by itself."""
        if self._own_log:
            with contextlib.suppress(OSError):
                self._log.trim()

    def finish(self, *, by_itself: bool) -> int | None:
        """End what is left of it, in the order that makes each step safe, and reap it.

        Args:
            by_itself: The program has ended, rather than having to be ended.

        Returns:
            The exit status as `subprocess` gives it; `None` if it could not be killed: another user's
            process, or one that the kernel does not let go.
        """
        if self.listener is not None:
            self.listener.hold()
        if not by_itself:
            self._terminate()
        if not by_itself or not self._own_log:
            # Before reaping: the unreaped leader keeps its number from becoming another group's.
            kill_group(self._group)
            kill_stragglers(self._group, self._tag)
        self._drain()
        self._trim()
        _GUARD.remove(self._group)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=GRACE)
        self._selector.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        return self._process.returncode

    def _register(self, separate_stderr: bool) -> None:
        output: list[_Sink] = [self._tail, self._log]
        if self._process.stdout is not None:
            sinks: list[_Sink] = [self.stdout] if separate_stderr else output
            if separate_stderr and self.listener is not None:
                sinks.append(self.listener)
            self._listen(self._process.stdout.fileno(), sinks)
        if self._process.stderr is not None:
            self._listen(self._process.stderr.fileno(), output)
        if self._process.stdin is not None:
            os.set_blocking(self._process.stdin.fileno(), False)
            self._selector.register(self._process.stdin.fileno(), selectors.EVENT_WRITE, self._feed)
        if hasattr(os, "pidfd_open"):
            # Only wakes us at once when the program ends; without it we look fifty times a second.
            with contextlib.suppress(OSError):
                self._pidfd = os.pidfd_open(self._process.pid)
                fd = self._pidfd
                self._selector.register(fd, selectors.EVENT_READ, lambda: self._selector.unregister(fd))

    def _listen(self, fd: int, sinks: Sequence[_Sink]) -> None:
        os.set_blocking(fd, False)
        self._selector.register(fd, selectors.EVENT_READ, lambda: self._take(fd, sinks))

    def _take(self, fd: int, sinks: Sequence[_Sink]) -> bool:
        """Read once; false at the end, or when there is nothing now."""
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self._selector.unregister(fd)
        for sink in sinks:
            sink.write(data)
        return bool(data)

    def _feed(self) -> None:
        stream = self._process.stdin
        if stream is None:
            return
        try:
            self._input = self._input[os.write(stream.fileno(), self._input[:_CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # it reads no further, which is its own affair
            self._input = memoryview(b"")
        if not self._input:
            self._selector.unregister(stream.fileno())
            stream.close()

    def _terminate(self) -> None:
        kill_group(self._group, signal.SIGTERM)
        end = time.monotonic() + GRACE
        # The whole group gets the grace, not just its leader: a shell dies at once, the dump it started
        # has files to remove.
        while time.monotonic() < end and group_lives(self._group):
            self.serve(_WATCH_TICK * 2)

    def _drain(self) -> None:
        """Take what stands in the pipes. Bounded: a daemon that we may not kill could write for ever."""
        for key in list(self._selector.get_map().values()):
            if key.events & selectors.EVENT_READ and key.fd != self._pidfd:
                for _ in range(MEBIBYTE // _CHUNK):
                    if not key.data():
                        break


def _start_guard(stdin: int, mark: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [_SHELL, "-c", SCRIPT, _SHELL, mark],
        stdin=stdin,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={"PATH": os.defpath},
        close_fds=True,
        start_new_session=True,
    )


_GUARD: Final = Guard(_start_guard)

atexit.register(_GUARD.close)
os.register_at_fork(after_in_child=_GUARD.forget)
