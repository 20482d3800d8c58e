"""The only exit: runs a command, turns what came of it into text or JSON and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from venvship._version import __version__
from venvship.cli import render
from venvship.cli.options import GLOBAL_OPTIONS, Call, root_from_environment
from venvship.errors import EXIT_OK, InterruptedByError, OutputError, UsageError, VenvshipError
from venvship.system import failpoints
from venvship.system.signals import Signals


class Commands(click.Group):
    """The group: lists commands in the order in which people meet them."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """The commands, in the order of their definition."""
        return list(self.commands)


@click.group(
    cls=Commands, params=list(GLOBAL_OPTIONS), context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, "-V", "--version", message="venvship %(version)s")
def cli() -> None:
    """Immutable virtual-environment releases for one host.

    Each release is a virtual environment built from a hash-pinned lockfile. One atomic switch makes it live,
    health checks decide whether it stays, and a rollback is the same switch the other way.

    \b
    First release:      venvship init && venvship release
    What is live:       venvship status
    Back, right now:    venvship rollback
    """


def main() -> NoReturn:
    """Run the command line of this process, and end it, with an exit code that the reference lists.

    Without the interpreter's own ending, which takes apart one by one what the kernel gives back at once: a
    tenth of what `status` takes. Nothing of ours waits for it.

    Raises:
        SystemExit: The output could not be written; the interpreter says so.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # whoever started us had closed it
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - as long as we live
    code = run(sys.argv[1:])
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        sys.exit(code)
    os._exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run the command line; everything but the exit itself.

    Returns:
        The exit code.
    """
    import venvship.cli.commands  # noqa: F401 - the commands register themselves with the group

    signals = Signals()
    call = Call(signals, root_path=root_from_environment(), json=_wants_json(arguments))
    with signals.install():
        try:
            return _run(call, _spelled_out(arguments))
        finally:
            call.end_progress()


def _run(call: Call, arguments: list[str]) -> int:
    try:
        failpoints.arm(os.environ.get("VENVSHIP_FAILPOINTS", ""))
    except ValueError as error:
        return _failed(call, UsageError(str(error), hint="unset VENVSHIP_FAILPOINTS"))
    try:
        result = cli.main(args=arguments, prog_name="venvship", standalone_mode=False, obj=call)
    except click.exceptions.NoArgsIsHelpError as shown:
        if call.json:
            return _failed(call, UsageError("no command given", hint="venvship --help"))
        print(shown.format_message(), file=sys.stderr)  # noqa: T201
        return UsageError.exit_code
    except click.UsageError as error:
        hint = f"{error.ctx.command_path} --help" if error.ctx else "venvship --help"
        return _failed(call, UsageError(error.format_message(), hint=hint))
    except click.ClickException as error:
        return _failed(call, UsageError(error.format_message()))
    except VenvshipError as error:
        return _failed(call, error)
    except (KeyboardInterrupt, click.Abort):
        return _failed(call, InterruptedByError(2))
    except Exception as error:  # noqa: BLE001 - the last line of defence: a bug is reported as one
        return render.bug(call, error)
    # In this mode click returns what the command returned, or the code of a ctx.exit() such as --version's.
    return result if isinstance(result, int) else EXIT_OK


def _failed(call: Call, error: VenvshipError) -> int:
    """Print why, and return the exit code, which is right whether or not anybody could be told."""
    try:
        return render.failure(call, error)
    except OutputError:
        return error.exit_code


def _spelled_out(arguments: Sequence[str]) -> list[str]:
    """The arguments, with `--root` for a `-C` at their beginning.

    At every short option click looks for a long one of a similar name first, and imports difflib for that: a
    fiftieth of what `status` takes.
    """
    first, *rest = arguments or [""]
    return ["--root", *rest] if first == "-C" and rest else list(arguments)


def _wants_json(arguments: Sequence[str]) -> bool:
    """Whether `--json` is among the options, known before anything is parsed that may fail."""
    own = list(arguments)
    return "--json" in (own[: own.index("--")] if "--" in own else own)
