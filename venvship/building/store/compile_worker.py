"""Compile wheels to bytecode. Run as a script by a release's interpreter, not imported by venvship.

The bytes of a `.pyc` can depend on more than its source: `marshal` marks objects that have more than one
reference, and what else the process compiled or imported before can hold one. So every job gets a process of
its own, forked from this one, which is always in the same state: it imports nothing beyond what the
interpreter has built in, reads its jobs without taking them apart, and never collects garbage. (Hence no
JSON: for a list of strings, that would import a good part of a standard library that patch releases change.)

Standard input: one job per line, fields separated by NUL: optimisation level, directory of the sources,
directory for the bytecode (which has the `__pycache__` folders), file for the report, then the sources'
paths, sorted, which start with their scheme: `site/` or `data/`.
Standard output: a line `job <number> <exit code>` per job, in the order in which they end; negative for a
signal, `64 + errno` if a file could not be read or written.
Report: pairs of a source's path and why it did not compile, each ended by NUL; empty if all did.
"""

from __future__ import annotations

import _frozen_importlib_external as bootstrap
import _imp
import gc
import marshal
import posix
import sys

MAX_SOURCE = 16 << 20
"""Bytes. A larger source is left to the process that imports it: it takes a hundred times the memory."""

MAX_NAME = 255
"""Bytes: NAME_MAX."""

UNCHECKED_HASH = b"\x01\0\0\0"
"""The flags of PEP 552 for "trust this file, whatever the source is now"."""

# The errors of the compiler for sources that are not Python, or are meant to break it.
NOT_COMPILED = (
    SyntaxError,
    ValueError,
    ArithmeticError,
    LookupError,
    RecursionError,
    MemoryError,
    SystemError,
)


def work(job: bytes) -> None:
    """Compile the sources of one job; an `OSError` ends it."""
    fields = job.decode("utf-8", "surrogateescape").split("\0")
    level, sources, target, report = int(fields[0]), fields[1], fields[2], fields[3]
    skipped = posix.open(report, posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL, 0o600)
    for path in fields[4:]:
        try:
            cache = bootstrap.cache_from_source(path, optimization=level or "")
            if len(cache[cache.rindex("/") + 1 :].encode()) > MAX_NAME:
                raise ValueError("its name is too long to have bytecode")
            pyc = compiled(sources + "/" + path, path[path.index("/") + 1 :], level)
        except NOT_COMPILED as error:
            reason = type(error).__name__ + ": " + (str(error) or "it takes more than it may have")
            posix.write(skipped, (path + "\0" + reason.replace("\0", " ") + "\0").encode("utf-8", "replace"))
            continue
        with open(target + "/" + cache, "xb") as file:
            file.write(pyc)
    posix.close(skipped)


def compiled(source: str, name: str, level: int) -> bytes:
    """The `.pyc` of one source, as `py_compile` makes it with `PycInvalidationMode.UNCHECKED_HASH`.

    `name` becomes `co_filename`. It is relative: the importer puts the real path there (`_fix_co_filename`).
    """
    with open(source, "rb") as file:
        data = file.read(MAX_SOURCE + 1)
    if len(data) > MAX_SOURCE:
        raise ValueError("larger than " + str(MAX_SOURCE) + " bytes")
    code = compile(data, name, "exec", dont_inherit=True, optimize=level)
    key = int.from_bytes(bootstrap.MAGIC_NUMBER, "little")
    return bootstrap.MAGIC_NUMBER + UNCHECKED_HASH + _imp.source_hash(key, data) + marshal.dumps(code)


def main() -> None:
    """Run all jobs, at most `argv[1]` of them at once, in the order given."""
    gc.disable()
    limit = int(sys.argv[1])
    jobs = sys.stdin.buffer.read().split(b"\n")
    running: dict[int, int] = {}
    number = 0
    while jobs or running:
        if jobs and len(running) < limit:
            job = jobs.pop(0)
            child = posix.fork()
            if child == 0:
                try:
                    work(job)
                except OSError as error:
                    posix._exit(64 + (error.errno or 0))  # noqa: SLF001
                posix._exit(0)  # noqa: SLF001
            running[child] = number
            number += 1
        else:
            child, status = posix.wait()
            posix.write(1, f"job {running.pop(child)} {posix.waitstatus_to_exitcode(status)}\n".encode())


if __name__ == "__main__":
    main()
