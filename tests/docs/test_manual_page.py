"""The manual page is complete, and `man` can show it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import command_parts
import pytest
import reference_parts

from tests.docs.conftest import build

SECTIONS = (
    "NAME",
    "SYNOPSIS",
    "DESCRIPTION",
    "OPTIONS",
    "COMMANDS",
    "ENVIRONMENT",
    "FILES",
    "EXIT STATUS",
    "EXAMPLES",
    "SEE ALSO",
)


@pytest.fixture(scope="module")
def manual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("man", tmp_path_factory.mktemp("man")) / "venvship.1"


@pytest.fixture(scope="module")
def source(manual: Path) -> str:
    """Its source, with what roff writes instead of some characters undone."""
    text = manual.read_text(encoding="utf-8")
    return re.sub(r"\\f[A-Z]|\\&|\\%", "", text).replace("\\-", "-").replace("\\(aq", "'")


def test_it_has_the_sections_that_manual_pages_have(source: str) -> None:
    assert tuple(re.findall(r"^\.SH (.*)$", source, re.MULTILINE)) == SECTIONS


def test_every_command_is_in_it_with_its_options_and_exit_codes(source: str) -> None:
    commands = source.partition(".SH COMMANDS")[2].partition(".SH ENVIRONMENT")[0]
    parts = dict(re.findall(r"^\.SS (\w+)\n(.*?)(?=^\.SS|\Z)", commands, re.MULTILINE | re.DOTALL))

    assert list(parts) == list(command_parts.command_tree())
    for name, command in command_parts.command_tree().items():
        assert f"venvship {name}" in parts[name]
        for meaning in command.exits.values():
            assert meaning in parts[name].replace("\\", ""), f"{name}: {meaning}"
        for option in command.own_options:
            for spelling in option.opts:
                assert re.search(rf"(?<![\w-]){re.escape(spelling)}(?![\w-])", parts[name]), spelling


def test_options_of_every_command_and_all_exit_codes_are_in_it(source: str) -> None:
    options = source.partition(".SH OPTIONS")[2].partition(".SH COMMANDS")[0]
    codes = source.partition(".SH EXIT STATUS")[2].partition(".SH EXAMPLES")[0]

    for spelling in command_parts.global_option_names():
        assert spelling in options, spelling
    for error in reference_parts.error_classes():
        assert error.slug in codes
        assert error.slug == "interrupted" or re.search(rf"^\.B {error.exit_code}$", codes, re.MULTILINE)


def test_it_has_nothing_that_a_terminal_cannot_follow(source: str) -> None:
    assert "#slug-" not in source
    assert ".TS" not in source


def test_man_has_nothing_to_say_against_it(manual: Path) -> None:
    man = shutil.which("man")
    if man is None:
        pytest.skip("there is no man")
    environment = {"LC_ALL": "C.UTF-8", "MANWIDTH": "80", "PATH": "/usr/local/bin:/usr/bin:/bin"}

    shown = subprocess.run(
        [man, "--warnings", "-l", str(manual)], env=environment, capture_output=True, text=True, check=True
    )

    assert shown.stderr == ""
    assert not [line for line in shown.stdout.splitlines() if len(line) > 80]
    assert "venvship rollback [OPTIONS] [RELEASE]" in shown.stdout
