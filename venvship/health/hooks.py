"""Running hooks: the commands that act on a release rather than ask about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from venvship.errors import ProgramNotFoundError
from venvship.health.context import Context
from venvship.health.lookup import (
    OF_THE_HOST,
    command_of,
    environment_of,
    find_in_context,
    find_of_the_host,
    shown_command,
)
from venvship.health.running import run_to_end
from venvship.model.settings import HookSettings, Settings
from venvship.model.settings_check import CHECK_KINDS, Check
from venvship.model.settings_service import NO_SERVICE, ServiceSettings
from venvship.printable import lines
from venvship.system import process

LEAVES_RUNNING: Final = frozenset({"restart", "service-start", "service-stop"})
"""The hooks whose left-over processes may be the service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookResult:
    """The result of one hook.

    Attributes:
        ok: Whether it ended with exit status 0.
        seconds: How long it ran.
        output: One short line for people: the command, or how it failed. It has none of the hook's own words.
        said: The last line that a failed hook printed, short and redacted; see `Ended`. The log has the rest.
        inconclusive: Whether the host could not start it, which says nothing about the release.
        code: Its exit status; `None` if it was not started, or took too long. Negative: the signal's number.
    """

    ok: bool
    seconds: float
    output: str
    said: str = ""
    inconclusive: bool = False
    code: int | None = None


def run_hook(
    name: str, argv: tuple[str, ...], context: Context, *, timeout: float, stdin: bytes | None = None
) -> HookResult:
    """Run one hook to its end.

    Processes that a hook of `LEAVES_RUNNING` leaves running may be the service: they stay, and go on writing
    to its log. Processes that another hook leaves running are killed. A hook that takes too long is ended
    with its whole process group. That includes these hooks, which must start the service rather than be it.

    Args:
        name: `"generate"`, `"prepare"`, `"restart"`, `"notify"`, `"service-start"` or `"service-stop"`.
        argv: Its command; see `lookup` for its program.
        context: The release it acts on.
        timeout: Seconds.
        stdin: Its standard input; `None` is /dev/null.

    Returns:
        The result. A program that cannot be started is a failed hook, so that a switch that has already
        been made is still judged; `find_programs` looks for the programs before the switch.

    Raises:
        InterruptedByError: A signal came, and is not deferred.
    """
    shown = shown_command(argv)
    host = name in OF_THE_HOST
    try:
        command = command_of(argv, context, host=host)
    except ProgramNotFoundError as error:
        return HookResult(ok=False, seconds=0.0, output=error.message)
    program = process.Program(
        command,
        env=environment_of(context, host=host),
        cwd=context.release_path,
        stdin=stdin,
        log=context.log_path(name),
        secrets=context.variables.secrets,
        heading=f"== {context.event} {context.release_id}: {shown}\n".encode(),
        survivors="leave" if name in LEAVES_RUNNING else "kill",
    )
    limit = "`[hooks] timeout`" if name.startswith("service-") else f"`[hooks] {name}_timeout`"
    ended = run_to_end(program, timeout=timeout, signals=context.signals, limit=limit)
    return HookResult(
        ok=not ended.problem,
        seconds=ended.result.seconds if ended.result else 0.0,
        output=ended.problem or shown,
        said=ended.said,
        inconclusive=ended.inconclusive,
        code=ended.result.returncode if ended.result and not ended.result.timed_out else None,
    )


def find_programs(
    hooks: HookSettings,
    checks: Sequence[Check],
    context: Context,
    service: ServiceSettings = NO_SERVICE,
) -> None:
    """Look up the programs of hooks and checks, before anything is switched or asked.

    Args:
        hooks: The hooks that may be run.
        checks: The checks that may be asked.
        context: The release that they are about.
        service: The service that may be started and stopped.

    Raises:
        ProgramNotFoundError: Some are missing, not executable, or name an interpreter that is not there;
            `problems` lists all of them.
    """

    def look(argv: tuple[str, ...], host: bool) -> None:
        find_in_context(argv, context, host=host)

    _refuse_missing(hooks, checks, service, look)


def find_programs_of_the_host(settings: Settings, environ: Mapping[str, str], *, root: str) -> None:
    """Look up the programs of hooks and checks that are not in the release, before anything is built.

    Those are the absolute paths, and the bare names of `restart`, `notify`, `start` and `stop`. Others may be
    in the release, which is not there yet.

    Args:
        settings: The settings with the hooks and checks.
        environ: The environment of venvship.
        root: Path of the root.

    Raises:
        ProgramNotFoundError: As for `find_programs`.
    """

    def look(argv: tuple[str, ...], host: bool) -> None:
        if argv[0].startswith("/"):
            process.find_program(argv[0], env=None, cwd=root)
        elif host and "/" not in argv[0]:
            find_of_the_host(argv[0], environ, root)

    _refuse_missing(settings.hooks, settings.checks, settings.service, look)


def _refuse_missing(
    hooks: HookSettings,
    checks: Sequence[Check],
    service: ServiceSettings,
    look: Callable[[tuple[str, ...], bool], None],
) -> None:
    """Look for each command's program; the second argument is whether a bare name is the host's."""
    commands = [
        (f"hooks.{name}", argv, name in OF_THE_HOST)
        for name in ("generate", "prepare", "restart", "notify")
        if (argv := getattr(hooks, name)) is not None
    ]
    commands += [
        (f"service.{name}", argv, True)
        for name in ("start", "stop")
        if (argv := getattr(service, name)) is not None
    ]
    commands += [
        (f"check {check.name}", check.target, False) for check in checks if CHECK_KINDS[check.kind].is_command
    ]
    problems: list[dict[str, str]] = []
    hints: dict[str, None] = {}
    for key, argv, host in commands:
        try:
            look(argv, host)
        except ProgramNotFoundError as error:
            if error.hint:
                hints[error.hint] = None
            problems.append({"key": key, "program": argv[0], "message": error.message})
    if problems:
        raise ProgramNotFoundError(
            lines(*(f"{problem['key']}: {problem['message']}" for problem in problems)),
            hint="; ".join(hints) or None,
            problems=problems,
        )
