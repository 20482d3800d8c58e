"""One attempt of one check: ask once, and say what came."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from venvship.errors import ProgramNotFoundError
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


class TurnBack(Exception):  # noqa: N818  # a request, not an error: somebody rolls back meanwhile
    """Whoever asked for the checks no longer wants their result."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of asking once.

    Attributes:
        passed: Whether it was what the check wants.
        line: What to tell people: one short line.
        not_yet: The command asked to be asked again; neither a pass nor a failure.
    """

    passed: bool
    line: str
    not_yet: bool = False


def attempt(check: Check, context: Context, *, heading: str, poll: Callable[[], None]) -> Attempt:
    """Ask once.

    Args:
        check: What to ask.
        context: About which release.
        heading: What to write above its output in the log.
        poll: Called ten times a second; what it raises ends the attempt, and leaves nothing running.

    Raises:
        InterruptedByError: A signal came.
        TurnBack: As `poll` raised it.
    """
    match check.kind:
        case "command":
            argv, shown = check.target, summary(check.target)
            return _command(check, context, argv, shown=shown, heading=heading, poll=poll)
        case "import":
            # -P: not from the working directory, where a release has `lib` and `bin` to stumble over.
            # -B: a module without bytecode must not get any now; a sealed release never changes.
            argv = (f"{context.release_path}/bin/python", "-P", "-B", "-c", _IMPORT, *check.target)
            shown = shorten(", ".join(check.target))
            return _command(check, context, argv, shown=shown, heading=heading, poll=poll)
        case "http" | "tcp":
            # Here because it brings http.client, ssl and email: most of the start-up time of a rollback
            # whose checks need none of them.
            from venvship.health import network_attempts

            ask = network_attempts.http if check.kind == "http" else network_attempts.tcp
            return ask(check, context, heading=heading, poll=poll)
        case _:
            raise RuntimeError(f"a check of unknown kind {check.kind!r}")


def _command(
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
            argv,
            env=context.environment(),
            cwd=context.release_path,
            timeout=check.timeout,
            signals=context.signals,
            log=context.log_path(check.name),
            heading=f"{heading}: {shown}\n".encode(errors="replace"),
            poll=poll,
        )
    except ProgramNotFoundError as error:
        return Attempt(False, error.message)
    except OSError as error:  # no more processes, no memory: for this release as bad as an exit status
        return Attempt(False, f"could not be started: {error}")
    if result.timed_out:
        said = last_line(result.output)
        return Attempt(False, f"no end after {check.timeout:g} s" + (f": {said}" if said else ""))
    if result.returncode == 0:
        return Attempt(True, shown)
    not_yet = result.returncode == ASK_AGAIN and check.kind == "command"
    return Attempt(False, describe_exit(result.returncode, result.output), not_yet)
