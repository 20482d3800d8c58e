"""Running hooks: the commands that act on a release rather than ask about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from venvship.errors import ProgramNotFoundError
from venvship.health.context import Context
from venvship.health.wording import describe_exit, last_line, summary
from venvship.model.settings import Check, HookSettings
from venvship.system import process


@dataclass(frozen=True, slots=True, kw_only=True)
class HookResult:
    """The result of one hook.

    Attributes:
        name: `"prepare"`, `"restart"` or `"notify"`.
        ok: Whether it ended with exit status 0.
        returncode: Its exit status, or minus a signal's number; `None` if it never started or was ended.
        seconds: How long it ran.
        output: One short line for people: the command, or how it failed. The log has the rest.
        timed_out: Whether it took too long, and was ended.
    """

    name: str
    ok: bool
    returncode: int | None
    seconds: float
    output: str
    timed_out: bool = False


def run_hook(
    name: str, argv: tuple[str, ...], context: Context, *, timeout: float, stdin: bytes | None = None
) -> HookResult:
    """Run one hook to its end.

    Processes that a restart hook leaves running may be the service: they stay, and go on writing to its log.
    Processes that another hook leaves running are killed. A hook that takes too long is ended with its whole
    process group. That includes the restart hook, which must start the service rather than be it.

    Args:
        name: `"prepare"`, `"restart"` or `"notify"`.
        argv: Its command.
        context: The release it acts on.
        timeout: Seconds.
        stdin: Its standard input; `None` is /dev/null.

    Returns:
        The result. A program that cannot be started is a failed hook, so that a switch that has already
        been made is still judged; `find_programs` looks for the programs before the switch.

    Raises:
        InterruptedByError: A signal came, and is not deferred.
    """
    shown = summary(argv)
    try:
        result = process.run(
            process.Program(
                argv,
                env=context.environment(),
                cwd=context.release_path,
                stdin=stdin,
                log=context.log_path(name),
                heading=f"== {context.event} {context.release_id}: {shown}\n".encode(),
                survivors="leave" if name == "restart" else "kill",
            ),
            timeout=timeout,
            signals=context.signals,
        )
    except ProgramNotFoundError as error:
        return HookResult(name=name, ok=False, returncode=None, seconds=0.0, output=error.message)
    except OSError as error:
        failure = f"could not be started: {error}"
        return HookResult(name=name, ok=False, returncode=None, seconds=0.0, output=failure)
    if result.timed_out:
        last = last_line(result.output)
        line = f"no end after {timeout:g} s" + (f": {last}" if last else "")
    elif result.returncode == 0:
        line = shown
    else:
        line = describe_exit(result.returncode, result.output)
    return HookResult(
        name=name,
        ok=result.returncode == 0,
        returncode=result.returncode,
        seconds=result.seconds,
        output=line,
        timed_out=result.timed_out,
    )


def find_programs(hooks: HookSettings, checks: Sequence[Check], context: Context) -> None:
    """Look up the programs of hooks and checks, before anything is switched or asked.

    Args:
        hooks: The hooks that may be run.
        checks: The checks that may be asked.
        context: The release that they are about; its `bin` is looked into first.

    Raises:
        ProgramNotFoundError: Some are missing or not executable; `problems` lists all of them.
    """
    commands = {
        f"hooks.{name}": argv
        for name in ("prepare", "restart", "notify")
        if (argv := getattr(hooks, name)) is not None
    }
    commands |= {f"check {check.name}": check.target for check in checks if check.kind == "command"}
    env = context.environment()
    problems: list[dict[str, str]] = []
    for key, argv in commands.items():
        try:
            process.find_program(argv[0], env=env, cwd=context.release_path)
        except ProgramNotFoundError as error:
            problems.append({"key": key, "program": argv[0], "message": error.message})
    if problems:
        raise ProgramNotFoundError(
            "\n".join(f"{problem['key']}: {problem['message']}" for problem in problems),
            hint="they are looked up in the release's bin, then in the PATH of venvship itself",
            problems=problems,
        )
