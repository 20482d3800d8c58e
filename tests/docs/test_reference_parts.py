"""The generators of the reference."""

from __future__ import annotations

import re

import command_parts
import pytest
import reference_parts
import reference_texts
from docstrings import is_remark, read_docstring

from venvship.errors import BusyError


def documented() -> None:
    """Do a thing,
    and another.

    More about it.

    Crash: everything is gone.

    Args:
        first: One line.
        second: Two
            lines: with a colon.

    Returns:
        Nothing.

    Raises:
        BusyError: Somebody else is at it.
    """


def test_a_docstring_is_taken_apart() -> None:
    said = read_docstring(documented)

    assert said.summary == "Do a thing, and another."
    assert said.text == ("More about it.", "Crash: everything is gone.")
    assert said.entries["Args"] == {"first": "One line.", "second": "Two lines: with a colon."}
    assert said.entries["Raises"] == {"BusyError": "Somebody else is at it."}
    assert [is_remark(p, "Crash") for p in said.text] == [False, True]


def test_what_has_no_docstring_cannot_be_documented() -> None:
    with pytest.raises(ValueError, match="no docstring"):
        read_docstring(lambda: None)


def test_a_cell_holds_what_would_end_it() -> None:
    assert reference_parts.table(("a",), [("x | y\nz",)]) == "| a |\n| --- |\n| x \\| y z |"


@pytest.mark.parametrize("name", reference_parts.PARTS)
def test_every_part_says_something(name: str) -> None:
    text = reference_parts.PARTS[name]()

    assert len(text.splitlines()) > 2 or name.endswith("-options")  # a command may have none of its own
    assert text.endswith((".", "|", "```", ")"))
    assert not re.search(r"(?<!`)(?<!\| )(?<!= )(?<!-> )(?<!\], )None", text)


def test_defaults_are_those_of_the_code() -> None:
    keys = {
        f"{key.table}.{key.name}".removeprefix("."): key.default
        for table in reference_parts.settings_tables().values()
        for key in table
    }

    assert keys["keep"] == "`5`"
    assert keys["lockfile"] == '`"requirements.txt"`'
    assert keys["build.optimize"] == "`[0]`"
    assert keys["build.timeout"] == "`600`"
    assert keys["hooks.restart"] == "none"
    assert keys["check.deadline"] == "`30` live, `0` candidate"
    assert keys["check.when"] == '`"live"`'
    assert keys["check.required"] == "`true`"


def test_a_table_of_settings_appears_with_the_command_that_it_is_for() -> None:
    assert ("lock" in reference_parts.settings_tables()) == ("lock" in command_parts.command_tree())


def test_an_event_without_a_text_stops_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(reference_texts.EVENTS, "sealed")

    with pytest.raises(ValueError, match=r"without a text \['sealed'\]"):
        reference_parts.events()


def test_options_of_every_command_are_not_repeated_for_each() -> None:
    release = command_parts.command_tree()["release"]

    names = {name for option in release.own_options for name in option.opts}

    assert {"--no-promote", "--rebuild", "-m"} <= names
    assert not names & {"--json", "-C", "--help"}


def test_an_error_is_explained_in_the_words_of_its_class() -> None:
    assert reference_parts.meaning(BusyError) == read_docstring(BusyError).summary


def test_a_signature_is_shown_as_it_was_written() -> None:
    def short(self: object, name: str = "", *rest: int, key: bool = False) -> None: ...

    def long(first_of_many: str, *, second_of_many: str | None = None, third_of_many: int = 3) -> None: ...

    assert reference_parts.signature_block("f", short) == (
        "```python\nf(name: str = '', *rest: int, key: bool = False) -> None\n```"
    )
    assert reference_parts.signature_block("f", long).splitlines()[1:4] == [
        "f(",
        "    first_of_many: str,",
        "    *,",
    ]
