"""Command lines in texts for people: they can be typed as they stand."""

from __future__ import annotations

import re
import shlex

import click

import venvship.cli.commands  # noqa: F401 - the commands register themselves
from venvship.cli.group import cli

PRINTED = re.compile(
    r"`(venvship [^`\n]*)`"
    r"|(?:: |→ |&& )(venvship (?:(?!, (?:then|or|and) |; |  \(|\. |`)[^\n])*)",
)
"""A command between backquotes, or after a colon, up to where the text goes on."""


def printed(text: str) -> list[str]:
    """The command lines in a text."""
    return [(quoted or after).strip().removesuffix(".") for quoted, after in PRINTED.findall(text)]


def problem(line: str) -> str | None:
    """Why a command line is refused as it stands; `None` if it is not.

    Names in capitals stand for what the reader has to fill in. Values are not looked at, and a command alone
    may be mentioned by its name.
    """
    try:
        words = shlex.split(line.removesuffix(" …"))[1:]
    except ValueError as error:
        return str(error)
    while words[:1] == ["-C"] or (words and words[0].startswith("--") and words[0] != "--help"):
        words = words[2:] if words[0] == "-C" else words[1:]
    if not words or words[0] == "--help":
        return None
    name, *arguments = words
    command = cli.commands.get(name)
    if command is None:
        return f"there is no command {name}"
    try:
        values, rest, _ = command.make_parser(click.Context(command, info_name=name)).parse_args([*arguments])
    except click.UsageError as error:
        return error.message
    missing = [
        parameter.name
        for parameter in command.params
        if arguments
        and isinstance(parameter, click.Argument)
        and parameter.required
        and not (isinstance(given := values.get(str(parameter.name)), str | tuple | list) and given)
    ]
    return f"{missing[0]} is missing" if missing else f"{rest[0]!r} is too much" if rest else None


def refused(text: str) -> list[str]:
    """The command lines of a text that are refused as they stand, each with the reason."""
    return [f"{line}: {why}" for line in printed(text) if (why := problem(line)) is not None]
