"""The check kinds that run a program: command and import."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from venvship.errors import ProgramNotFoundError
from venvship.health.attempt import Attempt
from venvship.health.context import Context
from venvship.health.wording import describe_exit, last_line, shorten, summary
from venvship.model.settings import Check
from venvship.system import process

ASK_AGAIN: Final = 75
"""EX_TEMPFAIL of sysexits(3): "not yet, ask again"."""

_IMPORT: Final = """\
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except SystemExit as error:
        sys.exit(f"importing {name} ends the process: SystemExit({error.code!r})")
"""


def ask_command(check: Check, context: Context, *, heading: str, poll: Callable[[], None]) -> Attempt:
    """Run the check's command; see `kinds.Ask`. Exit status 75 asks to be asked again."""
    return _run(check, context, check.target, shown=summary(check.target), heading=heading, poll=poll)


def ask_import(check: Check, context: Context, *, heading: str, poll: Callable[[], None]) -> Attempt:
    """Import the check's modules with the release's interpreter; see `kinds.Ask`."""
    # -P: not from the working directory, where a release has `lib` and `bin` to stumble over.
    # -B: a module without bytecode must not get any now; a sealed release never changes.
    argv = (f"{context.release_path}/bin/python", "-P", "-B", "-c", _IMPORT, *check.target)
    return _run(check, context, argv, shown=shorten(", ".join(check.target)), heading=heading, poll=poll)


def _run(
    check: Check,
    context: Context,
    argv: tuple[str, ...],
    *,
    shown: str,
    heading: str,
    poll: Callable[[], None],
) -> Attempt:
    try:
        result = process.run(
            process.Program(
                argv,
                env=context.environment(),
                cwd=context.release_path,
                log=context.log_path(check.name),
                heading=f"{heading}: {shown}\n".encode(errors="replace"),
            ),
            timeout=check.timeout,
            signals=context.signals,
            poll=poll,
        )
    except ProgramNotFoundError as error:
        return Attempt(False, error.message)
    except OSError as error:  # no more processes, no memory: counts like an exit status
        return Attempt(False, f"could not be started: {error}")
    if result.timed_out:
        last = last_line(result.output)
        return Attempt(False, f"no end after {check.timeout:g} s" + (f": {last}" if last else ""))
    if result.returncode == 0:
        return Attempt(True, shown)
    not_yet = result.returncode == ASK_AGAIN and check.kind == "command"
    return Attempt(False, describe_exit(result.returncode, result.output), not_yet)
