"""The generated parts of the reference that are about the commands, as Markdown.

The group of click is asked, as `--help` asks it: an overview, a page for each command, and the sections of
the manual page.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import click
from markdown_tables import table
from reference_texts import PICTURES

import venvship.cli.commands  # noqa: F401 - the commands register themselves with the group
from venvship.cli.group import SECTIONS, Command, cli


def commands() -> str:
    """The sections of `venvship --help`, each a table of its commands with links to their pages."""
    return "\n\n".join(
        f"## {section}\n\n{table(('command', 'does'), map(_summary, cli.in_section(section).items()))}"
        for section in SECTIONS
    )


def _summary(item: tuple[str, Command]) -> tuple[str, str]:
    name, command = item
    return f"{{ref}}`{name} <command-{name}>`", command.summary


def command_parts(name: str) -> dict[str, Callable[[], str]]:
    """The parts of a command's own page. They have no headings: the page has those."""
    command = command_tree()[name]
    pictures = [
        f"![venvship {name} on a terminal](../../images/{file}.svg)" for file in PICTURES.get(name, ())
    ]
    everywhere = "Every command also has the {ref}`global options <global-options>`."
    return {
        f"command-{name}": lambda: "\n\n".join(
            [_usage(name), *_help_paragraphs(command.help or ""), *pictures]
        ),
        f"command-{name}-options": lambda: "\n\n".join([*_own_options(command), everywhere]),
        f"command-{name}-example": lambda: _code_block(command.example),
        f"command-{name}-exits": lambda: _exits(command),
    }


def manual_commands() -> str:
    """The same, as sections of the manual page."""
    return "\n\n".join(
        "\n\n".join([f"### {name}", *_command(name, command)]) for name, command in command_tree().items()
    )


def manual_description() -> str:
    """The text of `venvship --help` on venvship as a whole."""
    return "\n\n".join(_help_paragraphs(cli.help or ""))


def command_tree() -> dict[str, Command]:
    """The commands by name, in the order of `venvship --help`."""
    return {name: command for section in SECTIONS for name, command in cli.in_section(section).items()}


def global_options() -> str:
    """The options that stand before or after every command."""
    return _options(option for option in _options_of(cli) if "--version" not in option.opts)


def global_option_names() -> frozenset[str]:
    """Their names, and those that every click command has."""
    return frozenset(
        name for option in [*_options_of(cli), cli.get_help_option(click.Context(cli))] if option
        for name in option.opts
    )  # fmt: skip


def _options_of(command: click.Command) -> list[click.Option]:
    return [parameter for parameter in command.params if isinstance(parameter, click.Option)]


def _command(name: str, command: Command) -> list[str]:
    return [
        _usage(name),
        *_help_paragraphs(command.help or ""),
        *_own_options(command),
        _code_block(command.example),
        _exits(command),
    ]


def _usage(name: str) -> str:
    command = command_tree()[name]
    context = click.Context(command, info_name=f"venvship {name}")
    return _code_block(" ".join([f"venvship {name}", *command.collect_usage_pieces(context)]))


def _own_options(command: Command) -> list[str]:
    return [_options(command.own_options)] if command.own_options else []


def _exits(command: Command) -> str:
    return table(("exit code", "means"), [(str(code), text) for code, text in command.exits.items()])


def _help_paragraphs(text: str) -> list[str]:
    found = []
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        # click's mark for lines that must not be joined.
        verbatim = paragraph.startswith("\b")
        body = paragraph.removeprefix("\b").strip("\n")
        found.append(_code_block(body) if verbatim else " ".join(body.split()))
    return found


def _code_block(text: str) -> str:
    return f"```text\n{text}\n```"


def _options(options: Iterable[click.Option]) -> str:
    rows = []
    for option in options:
        names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
        value = f" `{option.metavar}`" if option.metavar else ""
        rows.append((names + value, _default_of(option)))
    return table(("option", "means"), rows)


def _default_of(option: click.Option) -> str:
    text = (option.help or "").rstrip()
    if option.show_default and isinstance(option.default, str):
        return f"{text} [default: `{option.default}`]"
    return text


PARTS: Final[Mapping[str, Callable[[], str]]] = {
    "commands": commands,
    **{key: part for name in command_tree() for key, part in command_parts(name).items()},
    "global-options": global_options,
    "manual-commands": manual_commands,
    "manual-description": manual_description,
}
"""The parts by the name that pages ask for them with."""
