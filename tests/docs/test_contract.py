"""What the pages say of commands, options, exit codes, slugs, keys and settings is what the code has."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import Any, Final

import click
import command_parts
import json_parts
import pytest
import reference_parts
from json_texts import DATA, ENVELOPE, ERROR_KEYS, OBJECTS, TITLES
from reference_texts import EVENTS, FACTS, WARNINGS

from tests.docs.conftest import DOCS, REPOSITORY
from tests.docs.test_examples import STORED
from venvship import errors
from venvship.model.event import EventName
from venvship.model.settings_reading import parse_settings
from venvship.operations.promote import PromoteResult
from venvship.operations.release_result import ReleaseResult
from venvship.operations.rollback import RollbackResult

PACKAGE = REPOSITORY / "venvship"
PAGES = [path for path in [*DOCS.rglob("*.md"), REPOSITORY / "README.md"] if "adr" not in path.parts]
NAMES = [path.relative_to(REPOSITORY).as_posix() for path in PAGES]
SHELL_WORDS = {"-c", "-V", "--version", "-h", "--help"}


# -- JSON ---------------------------------------------------------------------------------------------------


def test_the_data_of_every_command_is_described() -> None:
    assert DATA.keys() == command_parts.command_tree().keys() - {"run"}
    assert TITLES.keys() == OBJECTS.keys()


def test_the_keys_that_are_described_are_those_that_are_printed(recording: Any) -> None:
    recorded, _, _ = recording

    for name, printed in [*STORED.items(), *recorded.items()]:
        where = f"{name}: data"
        assert json_parts.misfits(printed, ENVELOPE, name) == []
        if printed["data"]:
            assert json_parts.misfits(printed["data"], DATA[printed["command"]], where) == []
    assert {printed["command"] for printed in recorded.values()} >= DATA.keys()


REST: Final = {"trusted": [], "found": [], "left_out": [], "lockfile": None, "changed": True}
"""The keys of `init` besides its root and what it made."""


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (
            {"root": "/srv", "created": ["README"], **REST, "more": 1},
            "data.more is not described",
        ),
        ({"root": "/srv", **REST}, "data has no key created"),
        ({"root": 1, "created": [], **REST}, "data.root is no string, but 1"),
        (
            {"root": "/srv", "created": [None], **REST},
            "data.created[] is no string, but None",
        ),
    ],
)
def test_a_table_that_does_not_fit_stops_the_build(value: dict[str, Any], complaint: str) -> None:
    assert json_parts.misfits(value, DATA["init"], "data") == [complaint]


def test_the_outcomes_of_release_are_those_of_the_code() -> None:
    page = (DOCS / "reference" / "json.md").read_text()
    rows = page.partition("(json-outcomes)=")[2].partition("(json-switch-outcomes)=")[0]
    said = (ReleaseResult.__doc__ or "").partition("outcome:")[2].partition("`None`")[0]

    assert set(re.findall(r"^\| `([\w-]+)` \|", rows, re.MULTILINE)) - {"outcome"} == set(
        re.findall(r"`([\w-]+)`", said)
    )


@pytest.mark.parametrize("result", [PromoteResult, RollbackResult])
def test_the_outcomes_of_a_switch_are_those_of_the_code(result: type) -> None:
    page = (DOCS / "reference" / "json.md").read_text()
    rows = page.partition("(json-switch-outcomes)=")[2].partition("(json-changed)=")[0]
    command = result.__name__.removesuffix("Result").lower()
    said = set(re.findall(rf"^\| `([\w-]+)` \| (?:`{command}`|both)", rows, re.MULTILINE))

    assert said == set(re.findall(r"'([\w-]+)'", str(result.__annotations__["outcome"])))


def test_the_further_keys_of_errors_are_those_that_the_code_gives() -> None:
    classes = {error.__name__ for error in reference_parts.error_classes()}
    # Of render.py, of a trial, a refusal, InterruptedByError, and of what a hook or a check has printed.
    found = {"live", "log", "traceback", "signal", "output", "check"}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Name(id=name), keywords=keywords) if name in classes:
                    found |= {keyword.arg for keyword in keywords if keyword.arg}
                case ast.keyword(arg="data", value=ast.Dict(keys=keys)):  # of a diagnosis of pip's log
                    found |= {ast.literal_eval(key) for key in keys if key}
                case ast.FunctionDef(name="facts", body=[*_, ast.Return(value=ast.Dict(keys=keys))]):
                    found |= {ast.literal_eval(key) for key in keys if key}

    assert found - {"hint"} == ERROR_KEYS.keys()


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_keys_of_data_that_a_page_names_exist(page: Path) -> None:
    known = {key for keys in DATA.values() for key in keys}

    assert set(re.findall(r"\bdata\.([a-z_]+)", page.read_text())) <= known


# -- commands -----------------------------------------------------------------------------------------------


def written_commands(text: str) -> list[list[str]]:
    """The words of every `venvship …` in code: in blocks, and within lines."""
    blocks = re.findall(r"^```(?:console|text|sh|yaml)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    inline = re.findall(
        r"`(venvship [^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    )
    lines = [line for block in blocks for line in block.splitlines() if "venvship" in line]
    found = []
    for line in [*lines, *inline]:
        for said in re.findall(r"(?:^|[\s/`])venvship ([^|>`#&]*)", line):
            found.append(re.sub(r"\"[^\"]*\"|'[^']*'", "TEXT", said).split("   ")[0].split())
    return found


def options_of(name: str) -> dict[str, bool]:
    """The options of a command, each with whether it takes a value."""
    command = command_parts.command_tree()[name]
    options = [p for p in command.params if isinstance(p, click.Option)]
    return {spelling: not option.is_flag for option in options for spelling in option.opts}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_and_options_in_code_exist(page: Path) -> None:
    tree = command_parts.command_tree()
    everywhere = options_of("status")
    for words in written_commands(page.read_text()):
        name = ""
        skip = False
        for word in words:
            if skip:
                skip = False
            elif word == "--":
                break
            elif word.startswith("-") and word.strip("-"):
                option = word.rstrip(",.;)…")
                known = options_of(name) if name else everywhere
                assert option in known or option in SHELL_WORDS, f"venvship {' '.join(words)}"
                skip = known.get(option, False)
            elif not name and re.fullmatch(r"[a-z]+[,.;)]?", word):
                name = word.rstrip(",.;)")
                assert name in tree, f"venvship {' '.join(words)}"


def test_the_finder_of_commands_finds_them() -> None:
    text = 'Type `venvship hold -m "x y"`.\n```console\n$ venvship -C /srv/shop release\nvenvship: no\n```\n'

    assert written_commands(text) == [["-C", "/srv/shop", "release"], ["hold", "-m", "TEXT"]]


# -- exit codes, slugs, events, settings --------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_exit_codes_that_a_page_names_exist(page: Path) -> None:
    known = {0, 1, 126, 127, 129, 130, 143} | {error.exit_code for error in reference_parts.error_classes()}

    text = " ".join(page.read_text().split())
    named = re.findall(r"exit(?: |-)(?:code|status) (\d+)|\(exit status (\d+)\)|exits with (\d+)", text)
    assert {int(code) for group in named for code in group if code} - {
        75,
        76,
    } <= known  # of a check, of a hook


def test_slugs_are_unique_and_each_has_one_meaning() -> None:
    classes = reference_parts.error_classes()

    assert len({error.slug for error in classes}) == len(classes)
    assert all(reference_parts.meaning(error) for error in classes)
    assert errors.VenvshipError.slug not in {error.slug for error in classes}


def test_the_lists_of_events_and_of_their_keys_are_those_of_the_code() -> None:
    assert EVENTS.keys() == {name.value for name in EventName}
    assert {key for _, _, keys in EVENTS.values() for key in keys} == FACTS.keys()


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_slugs_and_events_that_a_page_names_exist(page: Path) -> None:
    known = {error.slug for error in reference_parts.error_classes()} | WARNINGS.keys() | EVENTS.keys()
    text = " ".join(page.read_text().split())

    assert set(re.findall(r"(?:slug is|fails with|slug|event) `([a-z]+-[a-z-]+)`", text)) <= known


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_settings_in_a_page_are_accepted(page: Path) -> None:
    blocks = re.findall(
        r"^```(?:\{code-block\} )?toml\n((?::[^\n]*\n)*)\n?(.*?)^```",
        page.read_text(),
        re.MULTILINE | re.DOTALL,
    )
    for options, body in blocks:
        if "pyproject" in options or "[project]" in body:
            continue
        assert tomllib.loads(body)
        # A file that others extend is a part: its checks may be those of another file.
        part = "caption" in options and "venvship.toml" not in options
        parse_settings(f"extends = ['x']\n{body}" if part else body, path="x.toml", folder_name="shop")


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_programs_within_scripts_are_python(page: Path) -> None:
    for program in re.findall(r"python3 -c '([^']*)'", page.read_text()):
        ast.parse(program)
