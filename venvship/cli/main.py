"""The only exit: runs a command, and turns its result or error into text or JSON and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from itertools import takewhile
from typing import Final, NoReturn

import click

import venvship.cli.commands  # noqa: F401 - the commands register themselves with the group
from venvship.cli import render
from venvship.cli.group import cli
from venvship.cli.options import Call, as_owner, by_name, by_real_name, root_from_environment
from venvship.cli.terminal import write
from venvship.errors import (
    EXIT_OK,
    DiskFullError,
    HostError,
    InterruptedByError,
    NotOwnerError,
    UntrustedError,
    UsageError,
    VenvshipError,
)
from venvship.system.host import host_error
from venvship.system.outlet import open_missing_descriptors


def main() -> NoReturn:
    """Run the command line of this process, and exit with a code that the reference lists.

    Exit with `os._exit`, which skips interpreter shutdown: a tenth of `status`.
    """
    open_missing_descriptors()
    os._exit(run(sys.argv[1:], to_the_end=True))


def run(arguments: Sequence[str], *, to_the_end: bool = False) -> int:
    """Run the command line; everything but the exit itself.

    Args:
        arguments: As typed, without the program's name.
        to_the_end: Whether this process ends then; see `Signals.install`.

    Returns:
        The exit code: that of the operation, whatever becomes of its output.
    """
    call = Call(
        root_path=root_from_environment(), json=_wants_json(arguments), monitor=_wants_monitor(arguments)
    )
    with call.signals.install(to_the_end=to_the_end), call.outlets.installed(sys):
        try:
            code = _run(call, list(arguments))
        finally:
            call.end_steps()
        return render.unwritten(call, code)


def _run(call: Call, arguments: list[str]) -> int:
    try:
        _follow_the_plan_of_a_test()
        result = cli.main(args=arguments, prog_name="venvship", standalone_mode=False, obj=call)
    except click.exceptions.NoArgsIsHelpError as shown:
        if call.json:
            return render.failure(call, UsageError("no command given", hint="venvship --help"))
        write(sys.stderr, shown.format_message().split("\n"), call.terminal(sys.stderr))
        return UsageError.exit_code
    except click.UsageError as error:
        hint = f"{error.ctx.command_path} --help" if error.ctx else "venvship --help"
        # click puts choices below each other. No other line break in its message is its own.
        message = error.format_message().replace("\n\t", " ")
        return render.failure(call, UsageError(message, hint=hint))
    except click.ClickException as error:
        return render.failure(call, UsageError(error.format_message()))
    except NotOwnerError as error:
        error.hint = as_owner(call, arguments)
        return render.failure(call, error)
    except UntrustedError as error:
        if "root" in error.data:  # a root that was found, and not named
            line = by_name(call, arguments, str(error.data["root"]))
            advice = f"if you trust it, name it: {line}" if line else "" if error.hint else _ANOTHER
            error.hint = "; or, ".join(filter(None, (error.hint, advice)))
        elif "real" in error.data:  # a root that was named through a link of another user
            line = by_real_name(call, arguments, str(error.data["real"]))
            error.hint = f"name the root by its real path: {line}"
        return render.failure(call, error)
    except VenvshipError as error:
        return render.failure(call, error)
    except (KeyboardInterrupt, click.Abort) as error:
        interrupted = InterruptedByError(2)
        interrupted.warnings = render.warnings_of(error.__cause__ or error)  # click raises its own
        return render.failure(call, interrupted)
    except Exception as error:  # noqa: BLE001 - the last line of defence: a bug is reported as one
        refused = _host_error(call, error)
        return render.bug(call, error) if refused is None else render.failure(call, refused)
    except SystemExit as end:  # click prints a script for a shell, or what completes a word, and exits
        return end.code if isinstance(end.code, int) else EXIT_OK
    # In this mode click returns None, or the code of a ctx.exit() such as --version's.
    return result if isinstance(result, int) else EXIT_OK


_ANOTHER: Final = "name another root with -C ROOT: commands that name this one are refused too"


def _follow_the_plan_of_a_test() -> None:
    """Arm the failpoints, in a source tree. A wheel has none.

    Raises:
        UsageError: The plan is none.
    """
    try:
        from venvship.system.failpoints import arm_from
    except ModuleNotFoundError:
        return
    arm_from(os.environ)


def _host_error(call: Call, error: Exception) -> VenvshipError | None:
    """The error for a fault of the host that no operation has named better; `None` for a bug."""
    found: VenvshipError
    match error:
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            found = DiskFullError(f"no room left: {error}", hint="free some space, then try again")
        case OSError():
            refused = HostError(f"the host refused: {error}", hint="`-v` shows where")
            found = host_error(error, f"go on at {error.filename}" if error.filename else "go on") or refused
        case MemoryError():
            found = HostError("the host has no more memory for this command")
        case RecursionError():
            found = HostError("a file is nested too deeply to be read", hint="`-v` shows where")
        case ImportError():
            found = HostError(f"cannot load venvship's modules: {error}", hint="was it upgraded or removed?")
        case RuntimeError(args=("can't start new thread",)):
            found = HostError("the host has no more threads for this command")
        case _:
            return None
    if call.verbose:
        render.traceback_of(call, error)
    found.warnings = render.warnings_of(error)
    return found


def _wants_monitor(arguments: Sequence[str]) -> bool:
    """Whether this is `check --monitor`, before parsing, which may fail."""
    words = iter(arguments)
    for word in words:
        if word in _WITH_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            return word == "check" and "--monitor" in takewhile(lambda after: after != "--", words)
    return False


_WITH_VALUE: Final = frozenset({"-C", "--root", "--wait"})
"""The options before a command that have a value as the next word."""


def _wants_json(arguments: Sequence[str]) -> bool:
    """Whether `--json` is among the options, before parsing, which may fail."""
    own = list(arguments)
    return "--json" in (own[: own.index("--")] if "--" in own else own)
