"""Compile the wheels of a release ahead of time, with the interpreter that is going to run them.

A sealed release is read-only, so every process would compile anew any module without bytecode. The bytecode
is in the store beside the wheels, and its bytes depend on nothing but the wheel and the interpreter: not on
the order, the number of jobs, or any path. That keeps the tree digest the same on every host.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

from venvship.building.store.intake import BytecodeImport, adding_bytecode
from venvship.building.store.members import is_module
from venvship.building.store.store import Store
from venvship.errors import BuildError, InterpreterError, ProgramNotFoundError, VenvshipError
from venvship.model import bounds
from venvship.model.interpreter import Interpreter
from venvship.model.progress import Advance, unmeasured
from venvship.model.wheel import StoredBytecode, StoredWheel
from venvship.printable import Lines, enclosed, lines
from venvship.system import process
from venvship.system.faults import build_faults
from venvship.system.files import make_directories, remove_name
from venvship.system.host import host_error_in
from venvship.system.pool import copies_for, processors, working
from venvship.system.signals import Signals

TIMEOUT: Final = 1800.0
"""Seconds for all of it. Two thousand modules take a few."""

_WORKER: Final = os.path.join(os.path.dirname(__file__), "compile_worker.py")
_ENDED = re.compile(rb"^job ([0-9]+) (-?[0-9]+)$", re.MULTILINE)
_ERRNO_BASE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One wheel at one optimisation level."""

    wheel: StoredWheel
    level: int
    sources: tuple[str, ...]
    size: int
    staged: str

    @property
    def report(self) -> str:
        return os.path.join(self.staged, f"report-{self.level}")

    def line(self) -> bytes:
        target = os.path.join(self.staged, "data")
        return os.fsencode("\0".join((str(self.level), self.wheel.data, target, self.report, *self.sources)))


class Compiler(NamedTuple):
    """An interpreter as it compiles.

    Attributes:
        interpreter: The interpreter of the release.
        optimize: Optimisation levels, of 0, 1 and 2.
        environ: The process environment; the interpreter may need its LD_LIBRARY_PATH to start.
        jobs: Processes at once; by default one per processor.
    """

    interpreter: Interpreter
    optimize: Sequence[int]
    environ: Mapping[str, str] = MappingProxyType({})
    jobs: int | None = None


def bytecode_tag(interpreter: Interpreter, optimize: Sequence[int]) -> str:
    """Name the bytecode of one interpreter identity, as in `cpython-311-x86_64-linux-gnu-a70d0d0a-o0.o2`.

    Args:
        interpreter: What compiles it, and runs it.
        optimize: The levels that are there.
    """
    levels = ".".join(f"o{level}" for level in sorted(set(optimize)))
    return f"{interpreter.identity.bytecode}-{levels}"


def levels_of(tag: str) -> tuple[int, ...]:
    """The optimisation levels in a `bytecode_tag`."""
    return tuple(int(level) for level in re.findall(r"o(\d)", tag.rpartition("-")[2]))


def compile_wheels(
    store: Store,
    wheels: Sequence[StoredWheel],
    compiler: Compiler,
    *,
    signals: Signals,
    advance: Advance = unmeasured,
) -> dict[str, StoredBytecode]:
    """Compile the wheels that are not compiled yet.

    Sources that do not compile are passed over, as pip does: some packages ship templates, or Python 2. So
    are those that take more memory than `bounds.COMPILING`. `skipped` in `bytecode.json` names them.

    Args:
        store: Has the wheels, and gets the bytecode.
        wheels: The wheels to compile.
        compiler: The interpreter, and how it compiles.
        signals: A signal that came ends the compilation.
        advance: Called with how many modules are compiled, out of those that were not.

    Returns:
        The bytecode by the wheel's hash.

    Raises:
        InterpreterError: The interpreter does not run.
        HostError: The host has no descriptors, memory or processes left.
        BuildError: It failed, or was killed by a source; or the store cannot be written.
        DiskFullError: There is no room.
        StoreDamagedError: The store has bytecode that it cannot read.
        ForeignStoreError: A source belongs to another user, or can be written by others.
        InterruptedByError: A signal came.

    Crash: leaves `.new-…` names in the store, or the bytecode of some wheels, each whole.
    """
    tag = bytecode_tag(compiler.interpreter, compiler.optimize)
    done: dict[str, StoredBytecode] = {}
    missing: dict[str, StoredWheel] = {}
    for wheel in wheels:
        stored = store.bytecode(wheel.sha256, tag)
        if stored is None:
            missing[wheel.sha256] = wheel
        else:
            done[wheel.sha256] = stored
    if not missing:
        return done
    with build_faults("look whose the sources are", store.path):
        _require_ours(store, missing.values())
    with adding_bytecode(store, tag) as batch:
        staged = {sha256: batch.stage(sha256) for sha256 in missing}
        todo = _jobs(missing, staged, compiler.optimize)
        if todo:
            with build_faults("store bytecode", store.path):
                _make_folders(todo)
            _run(todo, compiler, signals=signals, advance=advance)
        done |= _finish(store, batch, staged, todo, signals)
    return done


def _require_ours(store: Store, wheels: Iterable[StoredWheel]) -> None:
    """Refuse sources of another user before they are compiled: the bytecode would be ours, and stay.

    Raises:
        ForeignStoreError: There are some.
        OSError: One cannot be looked at.
    """
    for wheel in wheels:
        for file in wheel.files:
            path = os.path.join(wheel.data, file.path)
            store.owners.require(path, os.lstat(path))


def _jobs(
    missing: Mapping[str, StoredWheel], staged: Mapping[str, str], optimize: Sequence[int]
) -> list[_Job]:
    """List the jobs, the biggest first, so that no other processor waits for it at the end."""
    jobs = []
    for sha256, wheel in missing.items():
        found = [f for f in wheel.files if is_module(f.path)]
        sources, size = tuple(sorted(f.path for f in found)), sum(f.size for f in found)
        if sources:
            jobs += [
                _Job(wheel=wheel, level=level, sources=sources, size=size, staged=staged[sha256])
                for level in sorted(set(optimize))
            ]
    return sorted(jobs, key=lambda job: (-job.size, job.wheel.sha256, job.level))


def _finish(
    store: Store,
    batch: BytecodeImport,
    staged: Mapping[str, str],
    compiled: Sequence[_Job],
    signals: Signals,
) -> dict[str, StoredBytecode]:
    """Hash and list the bytecode, over several processes; by the wheel's hash."""
    skipped: dict[str, dict[str, str]] = {sha256: {} for sha256 in staged}
    with build_faults("store bytecode", store.path):
        for job in compiled:
            skipped[job.wheel.sha256].update(_skipped(job))
            remove_name(job.report)

    def finish(sha256: str) -> StoredBytecode:
        return batch.finish(staged[sha256], sha256, skipped[sha256])

    copies = copies_for(sum(len(job.sources) for job in compiled))
    with working(finish, list(staged), copies=copies) as finishing:
        finishing.join_in(signals.raise_if_received)
        return dict(zip(staged, finishing.results(signals.raise_if_received), strict=True))


def _make_folders(todo: Sequence[_Job]) -> None:
    folders = {
        os.path.join(job.staged, "data", source.rpartition("/")[0], "__pycache__")
        for job in todo
        for source in job.sources
    }
    for folder in sorted(folders):
        make_directories(folder)


def _run(todo: Sequence[_Job], compiler: Compiler, *, signals: Signals, advance: Advance) -> None:
    interpreter = compiler.interpreter
    total = sum(len(job.sources) for job in todo)
    printed = b""

    def count(output: bytes) -> None:
        nonlocal printed
        printed += output
        advance(sum(len(todo[int(number)].sources) for number, _ in _ENDED.findall(printed)), total)

    # Not -I: it would ignore PYTHONHASHSEED too, and then the order of a set could get into the bytes. The
    # environment has nothing else in it that -I would have to keep out, and -s and -P are the rest of it.
    env = {"PYTHONHASHSEED": "0", "LC_ALL": "C", "PATH": os.defpath}
    env |= {name: value for name, value in compiler.environ.items() if name == "LD_LIBRARY_PATH"}
    options = ("-s", "-P", "-S", "-B", "-X", "utf8", "-W", "ignore")
    try:
        with build_faults("start the interpreter", interpreter.path):
            result = process.run(
                process.Program(
                    [interpreter.path, *options, _WORKER, str(compiler.jobs or processors())],
                    env=env,
                    cwd="/",
                    stdin=b"\n".join(job.line() for job in todo),
                    separate_stderr=True,
                    memory=bounds.COMPILING,
                ),
                timeout=TIMEOUT,
                signals=signals,
                listener=count,
            )
    except ProgramNotFoundError as error:
        raise _interpreter_error(interpreter, error.message) from error
    ended = {int(number): int(code) for number, code in _ENDED.findall(result.stdout)}
    for number, job in enumerate(todo):
        if (code := ended.get(number, 0)) != 0:
            raise _job_error(job, code, result.output)
    if result.timed_out:
        raise BuildError(f"compiling took longer than {TIMEOUT:.0f} seconds", python=interpreter.path)
    if result.returncode != 0 or len(ended) != len(todo):
        if short := host_error_in(result.output, "compile"):
            raise short
        how = f"it cannot compile, exit status {result.returncode}"
        raise _interpreter_error(interpreter, _with_output(how, result.output))


def _interpreter_error(interpreter: Interpreter, problem: str) -> InterpreterError:
    return InterpreterError(
        enclosed(f"{interpreter.path}: ", problem),
        hint="See whether it runs. If it was moved or removed, set `python` in venvship.toml.",
        python=interpreter.path,
    )


def _job_error(job: _Job, code: int, output: bytes) -> VenvshipError:
    """Build the error of a job that failed: by a fault of the file system, or by a source."""
    wheel = job.wheel
    if code > _ERRNO_BASE:
        number = code - _ERRNO_BASE
        try:
            with build_faults(f"write the bytecode of {wheel.filename}", job.staged):
                raise OSError(number, os.strerror(number))
        except VenvshipError as error:
            return error
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"failed with exit status {code}"
    failed = f"{wheel.filename}: the interpreter {how} while it compiled {_unfinished(job)}"
    return BuildError(
        _with_output(failed, output),
        hint=f"If there was memory enough, that file breaks it: pin another version of {wheel.name}.",
        wheel=wheel.filename,
    )


def _unfinished(job: _Job) -> str:
    """The first source that has neither bytecode nor a reason for having none; best effort."""
    done: set[str] = set()
    with contextlib.suppress(OSError):
        done.update(path for path, _ in _skipped(job))
    for source in job.sources:
        folder, _, name = source.rpartition("/")
        cached = os.path.join(job.staged, "data", folder, "__pycache__")
        with contextlib.suppress(OSError):
            # The names of other versions' bytecode are theirs to choose, but for how they start.
            done.update(source for pyc in os.listdir(cached) if pyc.startswith(name.removesuffix("py")))
    return next((source for source in job.sources if source not in done), "its sources")


def _skipped(job: _Job) -> Iterator[tuple[str, str]]:
    with open(job.report, "rb") as file:
        fields = file.read().decode("utf-8", "replace").split("\0")
    return zip(fields[0:-1:2], fields[1:-1:2], strict=True)


def _with_output(text: str, output: bytes) -> Lines:
    end = output.decode(errors="replace").strip()[-2000:].splitlines()
    return lines(f"{text}:" if end else text, *(f"  {line}" for line in end))
