"""Prints results and errors: text for people, or exactly one JSON object for programs."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from venvship._version import __version__
from venvship.cli import style
from venvship.cli.advice import END_IT, addressed
from venvship.cli.fitting import Page, fold, length
from venvship.cli.hold_text import after_failure
from venvship.cli.terminal import Terminal, write
from venvship.errors import (
    EXIT_BUG,
    EXIT_OK,
    HeldError,
    InterruptedByError,
    NotOwnerError,
    OperationWarning,
    OutputError,
    PausedError,
    Result,
    RollbackFailedError,
    RolledBackError,
    UntrustedError,
    VenvshipError,
)
from venvship.model.hold import HELD_UNTIL
from venvship.model.spelling import ascii_json, not_before, parse_time
from venvship.printable import lines, lines_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from venvship.cli.options import Call
    from venvship.operations.monitoring import MonitorResult
    from venvship.operations.reporting.measure import Measurement

ENVELOPE = 1
"""The envelope's version: the value of its key `venvship`."""

MONITOR_UNKNOWN: Final = 3
"""`MonitorState.UNKNOWN`, where that module is not loaded."""

ISSUES = "please report it, with this text, where you got venvship from"


def success(call: Call, result: Result) -> None:
    """Print the result of a command."""
    call.end_steps()
    if call.json:
        _print_json(envelope(call, result=result, warnings=result.warnings))
        return
    _warnings(call, result.warnings)
    _print_result(call, result)
    _late_signal(call)


def figures(call: Call, measured: Measurement) -> None:
    """Print a root for monitoring. Warnings are metrics among the others, and not printed besides."""
    from venvship.cli.prometheus import exposition

    call.end_steps()
    write(sys.stdout, exposition(measured), Terminal())


def monitored(call: Call, result: MonitorResult) -> None:
    """Print the line for a monitoring system, and exit with its state."""
    import click

    call.end_steps()
    write(sys.stdout, [result.line], Terminal())
    click.get_current_context().exit(int(result.state))


def _unknown(message: str) -> int:
    """Print the line for an error, and return the exit code for it."""
    from venvship.operations.monitoring import MonitorState, plugin_line

    write(sys.stdout, [plugin_line(MonitorState.UNKNOWN, message)], Terminal())
    return MonitorState.UNKNOWN


def advise(call: Call, lines: Sequence[str]) -> None:
    """Print advice on a result that was printed, to people only."""
    if not (call.json or call.quiet):
        write(sys.stderr, list(lines), call.terminal(sys.stderr))


def failure(call: Call, error: VenvshipError) -> int:
    """Print the error of a command, and return its exit code.

    The live release comes first, then the reason, then the log, then the advice.
    """
    call.end_steps()
    if call.json or call.monitor:
        return _failure_for_programs(call, error)
    mailed = call.only_summary and call.terminal(sys.stderr).width is None
    if mailed and error.told and not call.verbose:
        return error.exit_code
    if call.only_summary and isinstance(error, HeldError | PausedError):
        return _not_now(call, error)
    if error.result is not None and error.shows_result:
        _print_result(call, error.result)
    _warnings(call, error.warnings)
    terminal = call.terminal(sys.stderr)
    lines = []
    if isinstance(error, InterruptedByError) and terminal.width is not None:
        lines.append("")  # the terminal has printed ^C without an end of line
    if mailed:
        lines.append(f"{_whose(call, error)}: update failed")
    lines += _live_line(call)
    root = call.address(terminal)
    lines += _marked(style.bad("error:"), addressed(error.message, root), terminal)
    # The words of a hook, check or build. Mails and the logs of CI have other readers than a terminal.
    if "output" in error.data and terminal.width is not None:
        lines += _marked("  output:", str(error.data["output"]), terminal, indent=4)
    if "log" in error.data:
        lines.append(f"  log: {error.data['log']}")
    if isinstance(error, RolledBackError | RollbackFailedError) and (held := after_failure(error.result)):
        lines += fold(addressed(held, root), terminal.width)
    if error.hint:
        # A line to type is not broken into two.
        room = Terminal() if isinstance(error, NotOwnerError | UntrustedError) else terminal
        lines += _marked("  →", addressed(error.hint, root), room, indent=4)
    if call.only_summary and "until" in error.data:
        lines.append(f"  not tried again before {not_before(parse_time(str(error.data['until'])))}")
    write(sys.stderr, lines, terminal)
    if isinstance(error, RollbackFailedError):
        _late_signal(call)
    return error.exit_code


def _failure_for_programs(call: Call, error: VenvshipError) -> int:
    if not call.json:
        return _unknown(error.message)
    body = envelope(call, result=error.result, error=error, warnings=error.warnings)
    code = MONITOR_UNKNOWN if call.monitor else error.exit_code
    _print_json({**body, "exit_code": code})
    return code


def _late_signal(call: Call) -> None:
    """Report a signal that came after the switch of a rollback, which goes on to its end."""
    signum = call.signals.received
    if call.command == "rollback" and signum is not None:
        import signal

        late = f"{signal.Signals(signum).name} came too late to stop the rollback"
        write(sys.stderr, [late], call.terminal(sys.stderr))


def _whose(call: Call, error: VenvshipError) -> str:
    """The application and its root, for a mail: `shop (/srv/shop)`."""
    name = getattr(error.result, "name", "")
    root = str(call.root.path) if call.root is not None else call.root_path or ""
    return f"{name} ({root})" if name and root else name or root or "venvship"


def _not_now(call: Call, error: HeldError | PausedError) -> int:
    """Print one line, for a mail."""
    message = ", ".join(lines_of(error.message)).removesuffix(".")
    # The end of a hold is a sentence, any other advice the rest of one.
    hint = error.hint or ""
    joint = ". " if hint[:1].isupper() else "; "
    if hint.startswith(HELD_UNTIL):
        hint += f" To end it now: {END_IT}."
    terminal = call.terminal(sys.stderr)
    told = f"{_whose(call, error)}: {message}{joint}{hint}"
    write(sys.stderr, [addressed(told, call.address(terminal))], terminal)
    return error.exit_code


_SWITCH: Final = frozenset({"release", "update", "promote", "rollback", "recover"})


def _marked(mark: str, message: str, terminal: Terminal, *, indent: int = 2) -> list[str]:
    """A message after a mark, broken to fit a terminal; its own lines and their indents stay."""
    first, *rest = lines_of(message)
    room = terminal.width
    head, *more = fold(first, None if room is None else room - length(mark) - 1)
    lines = [f"{mark} {head}", *(" " * indent + line for line in more)]
    for line in rest:
        own = " " * (len(line) - len(line.lstrip()))
        parts = fold(line.strip(), None if room is None else room - len(own) - 2)
        lines += [own + parts[0], *(f"{own}  {part}" for part in parts[1:])]
    return lines


def _live(call: Call) -> str | None:
    """The live release after a command that might have changed it; `None` if unknown."""
    if call.root is None or call.command not in _SWITCH:
        return None
    try:
        return call.root.current() or ""
    except VenvshipError:
        return None


def _live_line(call: Call) -> list[str]:
    """The line that names the live release after a command that might have changed it."""
    live = _live(call)
    if live is None:
        return []
    word = "Still live" if live == call.live_before else "Live"
    return [style.strong(f"{word}: {live}" if live else "Nothing is live")]


def unwritten(call: Call, code: int) -> int:
    """Report that standard output could not be written, if so; and return the exit code.

    It is that of the operation, which was completed. A command that only prints did not do what it is for.
    """
    problem = call.outlets.problem("stdout")
    if problem is None:
        return code
    if call.monitor:
        return MONITOR_UNKNOWN  # nobody has read the line
    terminal = call.terminal(sys.stderr)
    if call.only_prints and code == EXIT_OK:
        error = OutputError(f"standard output could not be written: {problem}")
        write(sys.stderr, _marked(style.bad("error:"), error.message, terminal), terminal)
        return error.exit_code
    message = f"standard output could not be written: {problem}. The exit code {code} is that of the command"
    lines = [*_live_line(call), *_marked(style.attention("warning:"), message, terminal)]
    write(sys.stderr, lines, terminal)
    return code


def _print_result(call: Call, result: Result) -> None:
    assert call.text is not None
    terminal = call.terminal(sys.stdout)
    page = Page(width=terminal.width, now=datetime.now(UTC), root=call.address(terminal))
    write(sys.stdout, call.text(result, page), terminal)


def bug(call: Call, error: Exception) -> int:
    """Report a bug in venvship, with a traceback."""
    call.end_steps()
    warnings = warnings_of(error)
    if call.monitor and not call.json:
        traceback_of(call, error)
        return _unknown(f"this is a bug in venvship {__version__}: {type(error).__name__}: {error}")
    if call.json:
        code = MONITOR_UNKNOWN if call.monitor else EXIT_BUG
        body = envelope(call, warnings=warnings)
        body["ok"] = False
        body["exit_code"] = code
        body["error"] = {
            "slug": "bug",
            "message": f"{type(error).__name__}: {error}",
            "hint": ISSUES,
            "traceback": _formatted(error),
        }
        _print_json(body)
        return code
    _warnings(call, warnings)
    traceback_of(call, error)
    lines = [
        f"{style.bad('error:')} this is a bug in venvship {__version__}: {type(error).__name__}: {error}",
        f"  → {ISSUES}",
    ]
    write(sys.stderr, lines, call.terminal(sys.stderr))
    return EXIT_BUG


def traceback_of(call: Call, error: Exception) -> None:
    """Print where an error came from."""
    call.end_steps()
    write(sys.stderr, _formatted(error).splitlines(), call.terminal(sys.stderr))


def _formatted(error: Exception) -> str:
    import traceback  # late: it takes 2 ms

    return "".join(traceback.format_exception(error))


def warnings_of(error: BaseException) -> tuple[OperationWarning, ...]:
    """The warnings of the operation that a bug or Ctrl-C ended."""
    return tuple(getattr(error, "warnings", ()))


def envelope(
    call: Call,
    *,
    result: Result | None = None,
    error: VenvshipError | None = None,
    warnings: Sequence[OperationWarning] = (),
) -> dict[str, Any]:
    """The JSON object that `--json` prints in all cases."""
    data = result.to_json() if result is not None else {}
    root = call.address(Terminal())
    if error is not None and error.changed is not None:
        data["changed"] = error.changed
    return {
        "venvship": ENVELOPE,
        "command": call.command,
        "ok": error is None,
        "exit_code": error.exit_code if error else EXIT_OK,
        "data": data,
        "warnings": [{"slug": w.slug, "message": addressed(lines(w.message), root)} for w in warnings],
        "error": _error_json(call, error, root) if error else None,
    }


def _error_json(call: Call, error: VenvshipError, root: str) -> dict[str, Any]:
    message, hint = addressed(error.message, root), addressed(error.hint or "", root) or None
    body = {**error.data, "slug": error.slug, "message": message, "hint": hint}
    live = _live(call)
    return body if live is None else {**body, "live": live or None}


def warn(call: Call, warning: OperationWarning) -> None:
    """Print a warning of `run`, whose command takes over then: there is no result to print it with."""
    call.end_steps()
    _warnings(call, [warning])
    sys.stderr.flush()


def _warnings(call: Call, warnings: Sequence[OperationWarning]) -> None:
    terminal = call.terminal(sys.stderr)
    root = call.address(terminal)
    for warning in warnings:
        message = addressed(warning.message, root)
        write(sys.stderr, _marked(style.attention("warning:"), message, terminal), terminal)


def _print_json(body: dict[str, Any]) -> None:
    """Print JSON. It is ASCII, so it is UTF-8 (RFC 8259, section 8.1) in every locale."""
    write(sys.stdout, [ascii_json(body)], Terminal())
