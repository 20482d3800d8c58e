"""What venvship tells people to type exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import venvship.cli.commands  # noqa: F401 - the commands register themselves
from tests.support.commands import printed, problem, refused
from venvship.cli.group import SECTIONS, Command, cli

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


def breaks(source: str) -> list[int]:
    """The lines of a module where an error or a warning is given a text with a line break in it.

    It would be shown as an escape: only a `Lines` has lines of its own, see `venvship/printable.py`.
    """
    found = []
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and re.search(r"(?:Error|\.warn)$", ast.unparse(call.func)):
            queue: list[ast.AST] = [*call.args]
            while queue:
                node = queue.pop()
                if isinstance(node, ast.Call) and ast.unparse(node.func) in {"lines", "enclosed"}:
                    continue
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" in node.value:
                    found.append(node.lineno)
                queue += ast.iter_child_nodes(node)
    return found


def test_a_message_of_several_lines_is_made_of_lines() -> None:
    found = {path: breaks((REPOSITORY / path).read_text(encoding="utf-8")) for path in SOURCES}
    assert not {path: numbers for path, numbers in found.items() if numbers}


def test_a_line_break_in_a_message_is_found() -> None:
    assert breaks('raise UsageError("\\n".join(texts))') == [1]
    assert breaks('x = 1\nworkspace.warn("slug", f"{a}\\n{b}")') == [2]
    assert breaks('raise UsageError(lines(a, "b\\n"), hint=None)') == []


@pytest.mark.parametrize("path", [*SOURCES, "README.md", "CONTRIBUTING.md"])
def test_commands_that_messages_and_pages_name_exist(path: str) -> None:
    content = (REPOSITORY / path).read_text(encoding="utf-8")
    checked = texts(content) if path.endswith(".py") else [content]
    assert [name for text in checked for name in missing(text)] == []


@pytest.mark.parametrize("path", SOURCES)
def test_commands_in_messages_can_be_typed_as_they_stand(path: str) -> None:
    """The texts of tests of the command line are held against this too, once they are whole."""
    for text in texts((REPOSITORY / path).read_text(encoding="utf-8")):
        for line in printed(text):
            whole = "VALUE" not in line and not text.rstrip().endswith(line)
            assert not whole or problem(line) is None, line


def test_a_command_that_cannot_be_typed_is_found() -> None:
    assert refused("look: venvship show X; `venvship pin -q` or `venvship release -m`") == [
        "venvship pin -q: release is missing",
        "venvship release -m: Option '-m' requires an argument.",
    ]
    assert refused("see `venvship -C '/srv/my shop' status now`, or go back: venvship rolback") == [
        "venvship -C '/srv/my shop' status now: 'now' is too much",
        "venvship rolback: there is no command rolback",
    ]
    assert refused("it is gone: venvship promote X; to go there all the same: venvship rollback X") == []
    assert refused("fix it: `venvship release --dry-run` lists its problems, then `venvship lock -P a`") == []


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


COMMANDS = {name: command for name, command in cli.commands.items() if isinstance(command, Command)}


def help_of(name: str) -> str:
    context = click.Context(COMMANDS[name], info_name=f"venvship {name}", terminal_width=80)
    return COMMANDS[name].get_help(context)


def test_every_command_is_in_a_section() -> None:
    assert COMMANDS.keys() == cli.commands.keys()
    assert {command.section for command in COMMANDS.values()} == set(SECTIONS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_fits_a_screen_and_has_an_example(name: str) -> None:
    text = help_of(name)
    assert f"Example: venvship {'' if name == 'init' else name}" in text
    assert len(text.splitlines()) <= 40
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_lists_its_exit_codes_one_a_line(name: str) -> None:
    table = help_of(name).partition("Exit codes:\n")[2].splitlines()
    assert [int(line.split()[0]) for line in table] == list(COMMANDS[name].exits)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_venvship_has_the_whole_summary_of_a_command_on_one_line(name: str) -> None:
    text = cli.get_help(click.Context(cli, info_name="venvship", terminal_width=80))
    summary = COMMANDS[name].summary.removesuffix(".")
    assert re.search(rf"^  {name} +{re.escape(summary)}$", text, re.MULTILINE), summary
