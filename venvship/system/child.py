"""One started program, from its start to its reaping. For `process.run`, which decides when it has to end."""

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
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from venvship.system.guard import SCRIPT, Guard
from venvship.system.output import MEBIBYTE, CappedLog, Head, Tail
from venvship.system.stragglers import VARIABLE, group_lives, kill_group, kill_stragglers

if TYPE_CHECKING:
    from venvship.model.redaction import StreamRedactor

TERM_GRACE: Final = 2.0
"""Seconds between SIGTERM and SIGKILL, and for the kernel to let a killed process go."""

_SHELL: Final = "/bin/sh"
_GATE: Final = 'read -r _ && exec "$@"'
_GATE_WITHOUT_INPUT: Final = 'read -r _ && exec "$@" </dev/null'
_SHELL_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

_WATCH_TICK: Final = 0.02
"""Seconds between two looks at a log that the child itself writes, or for its end where there is no pidfd."""

_CHUNK: Final = 1 << 16

_Sinks = Sequence[Callable[[bytes], None]]


class Program(NamedTuple):
    """A program to run, and what becomes of its output.

    Attributes:
        argv: Program and arguments. The program is looked up in the PATH of `env`, relative to `cwd`.
        env: The whole environment of the child, but for `VENVSHIP_CHILD`: with `survivors="kill"` it is set,
            so that processes which the child leaves running are found, and otherwise taken out.
        cwd: The directory it runs in.
        stdin: Its standard input; `None` is /dev/null.
        log: Path of a file that its output is appended to; mode 0600. Best effort: a full disk is no reason
            to fail.
        heading: Written to the log before the output.
        keep: How many bytes of output the result keeps.
        output_cap: Largest size of the log, and of `ProcessResult.stdout`, in bytes.
        survivors: The fate of processes that the program leaves running when it ends without being ended:
            `"kill"` them, daemons in sessions of their own included (on Linux); or `"leave"` them, for a
            program that starts a service. Then the log file itself is the child's standard output, since a
            pipe would break when we end; without a log, or if it cannot be written, that is /dev/null.
        separate_stderr: Keep standard output and error apart. Not with `survivors="leave"`.
        secrets: Texts that are masked in what it prints, before any of it is kept: see `redaction.spellings`.
            With `survivors="leave"` they are masked in the log as long as it runs, a moment after they came.
        memory: Bytes of data that each of its processes may have (RLIMIT_DATA, setrlimit(2)); Linux only. An
            allocation beyond them fails, in Python with a `MemoryError`.
        file_size: Bytes that each of its processes may write to one file (RLIMIT_FSIZE, setrlimit(2)); Linux
            only. A write beyond them fails with EFBIG in Python, and ends most other programs.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str
    stdin: bytes | None = None
    log: str | None = None
    heading: bytes = b""
    keep: int = _CHUNK
    output_cap: int = MEBIBYTE
    survivors: Literal["kill", "leave"] = "kill"
    separate_stderr: bool = False
    memory: int | None = None
    secrets: Sequence[str] = ()
    file_size: int | None = None


class Child:
    """One started program, from its gate to its reaping.

    The gate: a child that ran before the guard knew of it would outlive a SIGKILL in between. So what is
    started is `sh`, which waits for one line on its standard input, sees the end of file instead if we die,
    and becomes the program only when it is on the guard's list.

    A shell would drop variables that it cannot name (`A.B`, exported functions of bash). With one of them the
    program is started directly: a SIGKILL between two adjacent system calls is a risk taken.
    """

    _numbers = itertools.count()

    def __init__(
        self, program: Program, path: str, log: CappedLog, listener: Callable[[bytes], None] | None
    ) -> None:
        self._log = log
        self._listener = listener
        self._finishing = False
        self._unheard = bytearray()
        self._log_start = log.size
        self._keep = program.keep
        self._tail = Tail(program.keep)
        self.stdout = Head(program.output_cap)
        self._own_log = program.survivors == "leave"
        self._secrets = tuple(program.secrets)
        self._redactors: list[tuple[StreamRedactor, _Sinks]] = []
        if self._own_log:
            log.mask(self._secrets)
        self._tag = None if self._own_log else f"{GUARD.mark}.{next(self._numbers)}"
        # A venvship may run in a child of ours. Processes that its hook leaves running belong to neither.
        variables = {name: value for name, value in program.env.items() if name != VARIABLE}
        if self._tag is not None:
            variables[VARIABLE] = self._tag
        gated = all(_SHELL_NAME.fullmatch(name) for name in variables)
        argv = [path, *program.argv[1:]]
        if gated:
            gate = _GATE_WITHOUT_INPUT if program.stdin is None else _GATE
            argv = [_SHELL, "-c", gate, _SHELL, *argv]
        self._input = memoryview((b"\n" if gated else b"") + (program.stdin or b""))
        stdout = subprocess.PIPE
        if self._own_log:
            stdout = subprocess.DEVNULL if log.fd is None else log.fd
        GUARD.start()
        self._process = subprocess.Popen(
            argv,
            env=variables,
            cwd=program.cwd,
            stdin=subprocess.PIPE if gated or program.stdin is not None else subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE if program.separate_stderr else subprocess.STDOUT,
            bufsize=0,
            close_fds=True,
            start_new_session=True,
        )
        self._group = self._process.pid
        _limit(self._process.pid, program)
        self._selector = selectors.DefaultSelector()
        self._pidfd: int | None = None
        try:
            GUARD.add(self._group)
            self._register(program.separate_stderr)
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
            raise RuntimeError("other code reaps our children, or SIGCHLD is ignored") from error

    def serve(self, seconds: float) -> None:
        """Move data through the pipes, or wait for data or the program's end, so many seconds at most."""
        if self._own_log or self._pidfd is None:
            seconds = min(seconds, _WATCH_TICK)
        for key, _ in self._selector.select(seconds):
            key.data()
        self._trim()

    def _trim(self) -> None:
        """Mask and cut down the log that the child itself writes."""
        if self._own_log:
            with contextlib.suppress(OSError):
                self._log.trim()

    def finish(self, *, by_itself: bool) -> int | None:
        """End the rest of its processes, in the order that makes each step safe, and reap it.

        Args:
            by_itself: Whether the program has ended already.

        Returns:
            The exit status as `subprocess` gives it; `None` if it could not be killed: another user's
            process, or one that the kernel does not let go.
        """
        self._finishing = True
        if not by_itself:
            self._terminate()
        if not by_itself or not self._own_log:
            # Before reaping: the unreaped leader keeps its number from becoming another group's.
            kill_group(self._group)
            kill_stragglers(self._group, self._tag)
        self._drain()
        self._trim()
        GUARD.remove(self._group)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=TERM_GRACE)
        self._selector.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        return self._process.returncode

    def pass_on_the_rest(self) -> None:
        """Let the listener hear the output that came during the clean-up."""
        if self._listener is not None and self._unheard:
            self._listener(bytes(self._unheard))

    def _register(self, separate_stderr: bool) -> None:
        output = [self._tail.write, self._log.write]
        if self._process.stdout is not None:
            # Kept apart, standard output is data for the caller, who redacts what comes of it.
            sinks = [self.stdout.write, self._hear] if separate_stderr else self._redacted(output)
            self._listen(self._process.stdout.fileno(), sinks)
        if self._process.stderr is not None:
            self._listen(self._process.stderr.fileno(), self._redacted(output))
        if self._process.stdin is not None:
            os.set_blocking(self._process.stdin.fileno(), False)
            self._selector.register(self._process.stdin.fileno(), selectors.EVENT_WRITE, self._feed)
        if hasattr(os, "pidfd_open"):
            # Only wakes us at once when the program ends; without it we look fifty times a second.
            with contextlib.suppress(OSError):
                self._pidfd = os.pidfd_open(self._process.pid)
                fd = self._pidfd
                self._selector.register(fd, selectors.EVENT_READ, lambda: self._selector.unregister(fd))

    def _redacted(self, sinks: _Sinks) -> _Sinks:
        """Sinks that get a stream without the secrets in it."""
        if not self._secrets:
            return sinks
        from venvship.model.redaction import StreamRedactor  # late: `status` starts no hook

        redactor = StreamRedactor(self._secrets)
        self._redactors.append((redactor, sinks))

        def write(data: bytes) -> None:
            # Nothing comes after the end of the stream.
            decided = redactor(data) if data else redactor.rest()
            for sink in sinks:
                sink(decided)

        return [write]

    def _hear(self, data: bytes) -> None:
        """Pass output on, but what comes during the clean-up only after it: the listener may raise."""
        if self._finishing:
            self._unheard += data
        elif self._listener is not None:
            self._listener(data)

    def _listen(self, fd: int, sinks: _Sinks) -> None:
        os.set_blocking(fd, False)
        self._selector.register(fd, selectors.EVENT_READ, lambda: self._take(fd, sinks))

    def _take(self, fd: int, sinks: _Sinks) -> bool:
        """Read once; false at the end, or when there is nothing now."""
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self._selector.unregister(fd)
        for sink in sinks:
            sink(data)
        return bool(data)

    def _feed(self) -> None:
        stream = self._process.stdin
        if stream is None:
            return
        try:
            self._input = self._input[os.write(stream.fileno(), self._input[:_CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # the program reads no further, and may
            self._input = memoryview(b"")
        if not self._input:
            self._selector.unregister(stream.fileno())
            stream.close()

    def _terminate(self) -> None:
        kill_group(self._group, signal.SIGTERM)
        end = time.monotonic() + TERM_GRACE
        # The whole group gets the grace, not only its leader: a shell dies at once, and the dump that it
        # started has files to remove.
        while time.monotonic() < end and group_lives(self._group):
            self.serve(_WATCH_TICK * 2)

    def _drain(self) -> None:
        """Read the rest of the pipes. Bounded: a daemon that we may not kill could write for ever."""
        for key in list(self._selector.get_map().values()):
            if key.events & selectors.EVENT_READ and key.fd != self._pidfd:
                for _ in range(MEBIBYTE // _CHUNK):
                    if not key.data():
                        break
        for redactor, sinks in self._redactors:  # a daemon that we may not kill keeps its end open
            held = redactor.rest()
            for sink in sinks:
                sink(held)


def _limit(pid: int, program: Program) -> None:
    """Limit a child that waits at its gate; the processes that it starts inherit the limits (prlimit(2))."""
    if program.memory is None and program.file_size is None:
        return
    import resource  # late: few children have a limit

    if not hasattr(resource, "prlimit"):
        return
    for kind, most in ((resource.RLIMIT_DATA, program.memory), (resource.RLIMIT_FSIZE, program.file_size)):
        if most is not None:
            with contextlib.suppress(ProcessLookupError):
                hard = resource.prlimit(pid, kind)[1]
                if hard == resource.RLIM_INFINITY or most < hard:
                    resource.prlimit(pid, kind, (most, most))


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


GUARD: Final = Guard(_start_guard)
"""The guard of this process."""

atexit.register(GUARD.close)
os.register_at_fork(after_in_child=GUARD.forget)
