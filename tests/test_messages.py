"""What venvship tells people to type exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import venvship.cli.commands  # noqa: F401 - the commands register themselves
from venvship.cli.main import cli

REPOSITORY = Path(__file__).resolve().parent.parent
ADVICE = re.compile(r"(?:`|: |\$ |&& )venvship(?: -C \S+)? ([a-z]+)((?: --?[a-z][a-z-]*)*)")
SOURCES = sorted(path.relative_to(REPOSITORY).as_posix() for path in REPOSITORY.glob("venvship/**/*.py"))


def texts(source: str) -> Iterator[str]:
    """The strings of a module but for its docstrings, f-strings with a word where a value goes."""
    tree = ast.parse(source)
    docstrings = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "VALUE" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def missing(text: str) -> list[str]:
    """The commands and options in a text that do not exist."""
    found = []
    for name, options in ADVICE.findall(text):
        command = cli.commands.get(name)
        if command is None:
            found.append(name)
            continue
        known = {option for parameter in command.params for option in parameter.opts}
        found += [f"{name} {option}" for option in options.split() if option not in known]
    return found


@pytest.mark.parametrize("path", [*SOURCES, "README.md", "CONTRIBUTING.md"])
def test_commands_that_messages_and_pages_name_exist(path: str) -> None:
    content = (REPOSITORY / path).read_text(encoding="utf-8")
    checked = texts(content) if path.endswith(".py") else [content]
    assert [name for text in checked for name in missing(text)] == []


def test_a_command_that_does_not_exist_is_found() -> None:
    assert missing("run `venvship repair` or: venvship prune --all; `venvship -C ROOT undo`") == [
        "repair",
        "prune --all",
        "undo",
    ]
    found = list(texts('"""Doc."""\nx = f"`venvship {y} now`"\nz = "text"'))
    assert "`venvship VALUE now`" in found
    assert "text" in found
    assert "Doc." not in found


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_the_help_of_a_command_fits_a_screen_and_has_an_example(name: str) -> None:
    context = click.Context(cli.commands[name], info_name=f"venvship {name}", terminal_width=80)
    text = cli.commands[name].get_help(context)
    assert f"Example: venvship {'' if name == 'init' else name}" in text
    assert len(text.splitlines()) <= 35
