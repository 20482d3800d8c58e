"""The kinds of check that run a program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from venvship.errors import ProgramNotFoundError
from venvship.health.attempt import Attempt
from venvship.health.context import Context
from venvship.health.lookup import command_of, shown_command
from venvship.health.running import run_to_end, shorten
from venvship.model.settings_check import CHECK_KINDS, Check
from venvship.system.process import Program

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
    shown = shown_command(check.target)
    try:
        argv = command_of(check.target, context)
    except ProgramNotFoundError as error:
        return Attempt(False, error.message, kind="not started")
    return _run(check, context, argv, shown=shown, heading=heading, poll=poll)


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
    program = Program(
        argv,
        env=context.environment(),
        cwd=context.release_path,
        log=context.log_path(check.name),
        secrets=context.variables.secrets,
        heading=f"{heading}: {shown}\n".encode(errors="replace"),
    )
    ended = run_to_end(
        program,
        timeout=check.timeout,
        signals=context.signals,
        limit="the check's `timeout`",
        poll=poll,
    )
    status = ended.result.returncode if ended.result is not None else None
    return Attempt(
        not ended.problem,
        ended.problem or shown,
        kind=ended.kind,
        said=ended.said,
        not_yet=status == ASK_AGAIN and CHECK_KINDS[check.kind].is_command,
        inconclusive=ended.inconclusive,
    )
