"""Widths and cuts of text, counted as it is shown."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venvship.cli import style
from venvship.cli.fitting import fold, hanging, labelled, length, pad, shorten, table

WORDS = st.lists(st.text("abcxyz-.", min_size=1, max_size=12), min_size=1, max_size=20).map(" ".join)


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("plain", 5),
        ("→ · ✓ … é", 9),
        ("日本", 4),
        ("e\u0301a\u0308", 2),
        ("\u1112\u1161\u11ab", 2),  # one syllable, spelt in parts
        ("한", 2),
        ("\x1b[2J", 7),
        ("a\nb", 4),
        ("\udcff", 6),
        # A mark of a style is another one in every process, and each of them has to name the tests alike.
        pytest.param(style.bad("日本"), 4, id="wide and bad"),
        pytest.param(style.good("a\u202e"), 7, id="turned and good"),
    ],
)
def test_a_length_is_that_of_what_is_shown(text: str, columns: int) -> None:
    assert length(text) == columns
    assert style.unstyled(pad(text, 12))[-(12 - columns) :] == " " * (12 - columns)


def test_a_cut_counts_columns() -> None:
    assert shorten("日本語の名前", 7) == "日本語…"
    assert shorten("日本語の名前", 6) == "日本…"
    assert shorten("日本語", 6) == "日本語"
    assert shorten("e\u0301" * 4, 3) == "e\u0301e\u0301…"
    assert shorten("a\nbcdef", 5) == "a\\nb…"
    assert shorten("a\nb", None) == "a\\nb"


@given(WORDS, st.integers(8, 60))
def test_words_are_broken_as_the_standard_library_breaks_them(text: str, width: int) -> None:
    wrapped = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
    assert fold(text, width) == wrapped


def test_a_fold_counts_columns_and_keeps_a_forged_line_on_its_own() -> None:
    assert fold("日本 語の 名前", 9) == ["日本 語の", "名前"]
    assert fold("a\nLive: b", None) == ["a\\nLive: b"]
    assert fold("why\u2028not", 80) == ["why\\u2028not"]


def test_a_text_from_outside_begins_no_line_of_its_own_however_long_it_is() -> None:
    reason = "why" + " " * 70 + "Live: forged"
    for lines in (hanging(f"HELD: {reason}", 80), labelled("Held", reason, 80), table([("x", reason)], 80)):
        assert len(lines) == 2
        assert lines[1].startswith("  ")


def test_a_table_stays_aligned_and_has_a_line_for_each_row() -> None:
    rows = [("日本", "a\nb"), ("x\x1b", "c"), (style.good("ok"), "d")]
    assert [style.unstyled(line) for line in table(rows)] == [
        "日本   a\\nb",
        "x\\x1b  c",
        "ok     d",
    ]
    assert labelled("Live", "a\nb", None) == ["Live      a\\nb"]
