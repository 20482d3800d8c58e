"""Where the programs of hooks and checks are looked up.

A wheel can bring a program of any name, `systemctl` included. So a bare name means the release's own program
only in `prepare` and in checks, which are about the release. `restart`, `notify`, and a service's `start` and
`stop` act on the host, often as root: there a bare name is a program of the host, and `{bin}/NAME` is the
release's. The same holds for the programs that they start in their turn: their PATH has no release in it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from venvship.errors import ProgramNotFoundError
from venvship.health.context import Context
from venvship.health.running import shorten
from venvship.printable import shell_line
from venvship.system.process import find_program

BIN: Final = "{bin}/"
"""At the beginning of an argument: the release's `bin`."""

OF_THE_HOST: Final = frozenset({"restart", "notify", "service-start", "service-stop"})
"""The hooks whose programs are the host's; those of `[service]` are hooks as well."""


def outside_path(environ: Mapping[str, str], root: str) -> str:
    """The PATH of venvship, without the directories that are in a release of the root.

    Relative ones are left out as well: a hook works in the release's directory. If nothing is left, this is
    the default PATH: a shell takes an empty one for the directory that it works in.

    Args:
        environ: The environment of venvship.
        root: Path of the root, absolute and real.
    """
    releases = f"{root}/releases/"
    parts = (environ.get("PATH") or os.defpath).split(":")
    outside = (
        part
        for part in parts
        if os.path.isabs(part) and not f"{os.path.realpath(part)}/".startswith(releases)
    )
    return ":".join(outside) or os.defpath


def environment_of(context: Context, *, host: bool) -> dict[str, str]:
    """The environment of a hook's program: with the release's `bin` first in PATH, or without any release.

    Args:
        context: The release that it is about.
        host: Whether a bare name is the host's.
    """
    variables = context.environment()
    return {**variables, "PATH": outside_path(context.environ, context.root)} if host else variables


def find_of_the_host(name: str, environ: Mapping[str, str], root: str, *, own: str = "") -> str:
    """Look a bare name of `restart` or `notify` up.

    Args:
        name: The name.
        environ: The environment of venvship.
        root: Path of the root.
        own: The release's program of that name, to be named in the error; empty for none.

    Returns:
        The program's absolute path.

    Raises:
        ProgramNotFoundError: There is none, or it cannot be started.
    """
    try:
        return find_program(name, env=None, cwd="/", search=outside_path(environ, root))
    except ProgramNotFoundError as error:
        if "path" in error.data:  # there is one that cannot be started
            raise
        written = f"; the release's own is written {BIN}{name}" if own and os.path.isfile(own) else ""
        raise ProgramNotFoundError(
            error.message + written,
            hint="`restart` and `notify` look a name up in the PATH of venvship, never in a release; write "
            f"{BIN}NAME for a program of the release",
            program=name,
        ) from error


def find_in_context(argv: tuple[str, ...], context: Context, *, host: bool) -> str:
    """Look up the program of a command, with a hint that fits the way in which it is written.

    Args:
        argv: As the settings have it.
        context: The release that it is about.
        host: Whether a bare name is the host's.

    Returns:
        The program's absolute path.

    Raises:
        ProgramNotFoundError: There is none, or it cannot be started.
    """
    program = command_of(argv, context, host=host)[0]
    try:
        return find_program(program, env=environment_of(context, host=host), cwd=context.release_path)
    except ProgramNotFoundError as error:
        if "path" not in error.data:  # otherwise there is one that cannot be started
            error.hint = _hint(argv[0])
        elif str(error.data["path"]).startswith(f"{context.release_path}/"):
            error.hint = "a release is never changed: name another program in venvship.toml"
        raise


def _hint(written: str) -> str:
    """The remedy for a program that is not there, by the way in which the settings name it."""
    if written.startswith(BIN):
        return (
            f"{BIN}NAME is a program of the release, and no package of the lockfile brings this one: correct "
            "the name, or add the package"
        )
    if written.startswith("/"):
        return "install the program, or name another one in venvship.toml"
    if "/" in written:
        return (
            "a relative path is looked up in the directory of the release: write "
            f"{BIN}NAME for a program of the release, or an absolute path"
        )
    return "`prepare` and checks look a name up in the release's bin, then in the PATH of venvship itself"


def shown_command(argv: tuple[str, ...]) -> str:
    """The command in a short line for people, as it could be typed in the directory of the release."""
    return shorten(shell_line(f"bin/{one.removeprefix(BIN)}" if one.startswith(BIN) else one for one in argv))


def command_of(argv: tuple[str, ...], context: Context, *, host: bool = False) -> tuple[str, ...]:
    """The command to start, with the release's `bin` filled in, and a program of the host looked up.

    Args:
        argv: As the settings have it.
        context: The release that it is about.
        host: Whether a bare name is the host's.

    Raises:
        ProgramNotFoundError: The host has no such program, or there is no release whose program could run.
    """
    if any(argument.startswith(BIN) for argument in argv):
        if not context.usable:
            raise ProgramNotFoundError(
                f"there is no release whose {argv[0].replace(BIN, 'bin/')} could run", program=argv[0]
            )
        folder = f"{context.release_path}/bin/"
        argv = tuple(
            folder + argument.removeprefix(BIN) if argument.startswith(BIN) else argument for argument in argv
        )
    if host and "/" not in argv[0]:
        own = f"{context.release_path}/bin/{argv[0]}" if context.usable else ""
        argv = (find_of_the_host(argv[0], context.environ, context.root, own=own), *argv[1:])
    return argv
