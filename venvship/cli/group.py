"""The group of commands, how a command joins it, and the help of both.

A command's decorator holds everything but its options: section, example, exit codes, and the function that
turns its result into text. The reference is generated from the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import click

from venvship._version import __version__
from venvship.cli import render
from venvship.cli.advice import COMMANDS
from venvship.cli.options import GLOBAL_OPTIONS, Call
from venvship.errors import Result
from venvship.model.hold import SWITCH_HOLD

if TYPE_CHECKING:
    from venvship.cli.text import Text

R = TypeVar("R", bound=Result)

Section = Literal["Release", "Look", "Hold and keep", "Set up"]

SECTIONS: Final[tuple[Section, ...]] = ("Release", "Look", "Hold and keep", "Set up")
"""The sections of `venvship --help`, in their order."""


class Command(click.Command):
    """A command with an example and exit codes in its help.

    Attributes:
        section: The section of `venvship --help` that lists it.
        example: A command line.
        exits: The meaning of each exit code that a caller may want to tell apart.
    """

    section: Section = "Release"
    example: str = ""
    exits: Mapping[int, str] = {}

    @property
    def summary(self) -> str:
        """The first sentence of the help, on one line."""
        return " ".join((self.help or "").partition("\n\n")[0].split())

    @property
    def own_options(self) -> list[click.Option]:
        """The options that not every command has."""
        return [one for one in self.params if isinstance(one, click.Option) and one not in GLOBAL_OPTIONS]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options, and the names of those that every command has."""
        rows = [row for option in self.own_options if (row := option.get_help_record(ctx))]
        if rows:
            with formatter.section("Options"):
                formatter.write_dl(rows)
        names = " ".join(["-h", *(option.opts[0] for option in GLOBAL_OPTIONS)])
        formatter.write_paragraph()
        formatter.write_text(f"Global options, see `venvship --help`: {names}")

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example and the exit codes."""
        formatter.write_paragraph()
        formatter.write(f"Example: {self.example}\n")
        with formatter.section("Exit codes"):
            formatter.write_dl([(f"{code:>3}", meaning) for code, meaning in self.exits.items()])


class Group(click.Group):
    """The commands, listed in sections, each with its whole summary."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """The commands by section, and in a section in the order of their definition."""
        return [name for section in SECTIONS for name in self.in_section(section)]

    def in_section(self, section: Section) -> dict[str, Command]:
        """The commands of a section by name."""
        return {
            name: command
            for name, command in self.commands.items()
            if isinstance(command, Command) and command.section == section
        }

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section."""
        for section in SECTIONS:
            with formatter.section(section):
                formatter.write_dl(
                    [
                        (f"{name:<8}", command.summary.removesuffix("."))
                        for name, command in self.in_section(section).items()
                    ]
                )


@click.group(cls=Group, params=list(GLOBAL_OPTIONS), context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="venvship %(version)s")
def cli() -> None:
    """Immutable virtual-environment releases for one host.

    Each release is a virtual environment built from a hash-pinned lockfile. One atomic switch makes it live,
    health checks decide whether it stays, and a rollback is the same switch the other way.

    \b
    New root:           venvship init
    First release:      venvship release    (needs a requirements.txt)
    Live release:       venvship status
    Back, right now:    venvship rollback
    """


def command(
    name: str,
    section: Section,
    *,
    example: str,
    exits: Mapping[int, str],
    text: Text[R] | None = None,
    only_prints: bool = False,
    **settings: Any,  # noqa: ANN401 - of click.Command
) -> Callable[[Callable[..., R | None]], Command]:
    """Register a command. Its function gets the `Call`, and returns the result to print.

    The function's docstring is the help; `{SWITCH_HOLD}` in it stands for that sentence.

    Args:
        name: The command's name.
        section: Where `venvship --help` lists it.
        example: A command line.
        exits: The meaning of each exit code that a caller may want to tell apart.
        text: Turns the result into lines for people; `None` for a command that prints on its own and returns
            `None`.
        only_prints: Whether the output is all that the command is for. `check` and `verify` are for their
            exit code, too.
        **settings: Further arguments of `click.Command`.
    """

    def register(function: Callable[..., R | None]) -> Command:
        def invoke(call: Call, /, **arguments: Any) -> None:  # noqa: ANN401
            call.command, call.text = name, text
            call.only_prints = only_prints or bool(arguments.get("dry_run"))
            result = function(call, **arguments)
            if result is not None:
                render.success(call, result)

        invoke.__doc__ = function.__doc__
        parameters = list(reversed(getattr(function, "__click_params__", [])))
        made = Command(
            name,
            callback=click.pass_obj(invoke),
            params=[*GLOBAL_OPTIONS, *parameters],
            help=(function.__doc__ or "").replace("{SWITCH_HOLD}", SWITCH_HOLD),
            **settings,
        )
        made.section, made.example, made.exits = section, example, exits
        cli.add_command(made)
        COMMANDS.add(name)
        return made

    return register
