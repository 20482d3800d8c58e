"""The line of each key of a TOML text."""

from __future__ import annotations

import time
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model.test_settings import FULL
from venvship.model import bounds
from venvship.model.settings_form import toml_value
from venvship.model.settings_lines import key_lines

CASES = {
    "plain": ("a = 1\n\n# b = 2\nb = 2", {"a": 1, "b": 4}),
    "windows": ("a = 1\r\nb = 2\r\n", {"a": 1, "b": 2}),
    "table": ("[hooks]\nrestart = ['x']\n", {"hooks": 1, "hooks.restart": 2}),
    "indented": ("  [ hooks ] # here\n\trestart = ['x']\n", {"hooks": 1, "hooks.restart": 2}),
    "dotted": ("hooks.timeout = 1\n'hooks'.restart = ['x']\n", {"hooks.timeout": 1, "hooks.restart": 2}),
    "array": ("a = [\n  1, # ]\n  2,\n]\nb = 1\n", {"a": 1, "b": 5}),
    "array of tables": ("a = [{ x = 1 }, { x = 2 }]\n", {"a": 1, "a[0].x": 1, "a[1].x": 1}),
    "inline table": ("a = { b = 1, c = { d = 2 } }\n", {"a": 1, "a.b": 1, "a.c": 1, "a.c.d": 1}),
    "text": ('a = """\nb = 1\n[c]\n"""\nd = 2\n', {"a": 1, "d": 5}),
    "literal text": ("a = '''\nb = \"\"\"\n'''\nd = 2\n", {"a": 1, "d": 4}),
    "bracket in text": ('a = "[x]"\nb = "]"\n', {"a": 1, "b": 2}),
    "checks": (
        "[[check]]\nname = 'x'\n[check.headers]\nHost = 'h'\n[[check]]\nname = 'y'\n",
        {
            "check[0]": 1,
            "check[0].name": 2,
            "check[0].headers": 3,
            "check[0].headers.Host": 4,
            "check[1]": 5,
            "check[1].name": 6,
        },
    ),
    "other line ends": ("a = '\u2028\u0085'\nb = 1\n", {"a": 1, "b": 2}),
    "nothing": ("", {}),
}


@pytest.mark.parametrize("case", CASES)
def test_each_key_has_the_line_in_which_its_statement_begins(case: str) -> None:
    text, lines = CASES[case]
    found = key_lines(text)
    assert {key: found.get(key) for key in lines} == lines
    assert found.keys() - lines.keys() <= {"hooks"}


def leaves(values: dict[str, Any], at: str = "") -> set[str]:
    found = set()
    for name, value in values.items():
        key = f"{at}.{name}" if at else name
        found.add(key)
        if isinstance(value, dict):
            found |= leaves(value, key)
        elif isinstance(value, list):
            for number, one in enumerate(value):
                found |= leaves(one, f"{key}[{number}]") if isinstance(one, dict) else set()
    return found


def test_every_key_of_a_whole_file_has_one() -> None:
    found, lines = key_lines(FULL), FULL.split("\n")
    assert leaves(tomllib.loads(FULL)) - {"check"} <= found.keys()
    for key, number in found.items():
        name = key.rpartition(".")[2]
        assert name.partition("[")[0] in lines[number - 1]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values = st.integers() | texts | st.lists(st.integers() | texts, max_size=3)
names = st.text("abcdefghij", min_size=1, max_size=3)


@given(st.dictionaries(names, values, max_size=6), st.lists(st.booleans(), min_size=6, max_size=6))
def test_any_values_are_found_in_their_lines(found: dict[str, object], spread: list[bool]) -> None:
    text, expected = "", {}
    for (name, value), apart in zip(found.items(), spread, strict=False):
        expected[name] = text.count("\n") + 1
        if isinstance(value, list) and apart:
            inner = "".join(f"  {toml_value(one)},  # ]\n" for one in value)
            text += f"{name} = [\n{inner}]\n"
        else:
            text += f"{name} = {toml_value(value)}\n"
    assert key_lines(text) == expected


def test_a_value_that_takes_too_much_work_costs_seconds_and_only_its_line() -> None:
    size = bounds.SETTINGS // 8
    text = "first = 1\nlong = [\n" + '"]",\n' * (size // 5) + "]\nlast = 1\n"
    began = time.process_time()
    found = key_lines(text)
    assert time.process_time() - began < 30
    assert found["first"] == 1
    assert "last" not in found
