"""Text from outside, as it is shown."""

from __future__ import annotations

import os
import pickle
import shlex
import shutil
import subprocess
import tempfile
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venvship.errors import InvalidWheelError, UsageError
from venvship.printable import (
    Lines,
    enclosed,
    is_plain,
    is_printable,
    lines,
    lines_of,
    printable,
    removal_line,
    shell_line,
)

ANY = st.text(st.characters(), max_size=40)  # with surrogates

DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}

HOSTILE = {
    "\x1b[2J": r"\x1b[2J",
    "\x1b]0;title\x07": r"\x1b]0;title\x07",
    "\x9b31mred": r"\x9b31mred",
    "\x7f\x00\x08": r"\x7f\x00\x08",
    "one\ntwo": r"one\ntwo",
    "one\rtwo": r"one\rtwo",
    "one\ttwo": r"one\ttwo",
    "\x0b\x0c\x1c\x85": r"\x0b\x0c\x1c\x85",
    "\u2028\u2029": r"\u2028\u2029",
    "\u202egpj.exe": r"\u202egpj.exe",
    "\u2066\u2069\u061c\u200e": r"\u2066\u2069\u061c\u200e",
    "sh\u200bop\ufeff\xad": r"sh\u200bop\ufeff\xad",
    "\u3164\u115f\u180e": r"\u3164\u115f\u180e",
    "\U000e0041": r"\U000e0041",
    "\u034f\u17b4\u180b\u2060\u206a\ufe00\uffa0\ufff0": r"\u034f\u17b4\u180b\u2060\u206a\ufe00\uffa0\ufff0",
    "\U0001bca0\U0001d173\U000e0100": r"\U0001bca0\U0001d173\U000e0100",
    "\udcff\ud800": r"\udcff\ud800",
}
"""Texts, and how they are shown."""

HARMLESS = (
    "plain",
    "Größe → ✓ · …",
    "日本語\u3000の名前",
    "e\u0301",
    "☎\ufe0f ❤\ufe0f",
    "a\xa0b",
    "\\x1b",
    "[red]",
    "שלום",
    "",
)


@pytest.mark.parametrize(("text", "shown"), HOSTILE.items(), ids=HOSTILE.values())
def test_what_is_unprintable_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert not is_printable(text)
    assert not is_plain(text)


@pytest.mark.parametrize("text", HARMLESS)
def test_all_other_text_is_shown_as_it_is(text: str) -> None:
    assert printable(text) == text
    assert is_printable(text)


@given(ANY)
def test_what_is_shown_is_one_line_that_any_utf8_stream_takes_and_is_left_alone_from_then_on(
    text: str,
) -> None:
    shown = printable(text)
    shown.encode()
    assert len(shown.splitlines()) <= 1
    assert printable(shown) == shown


def test_no_control_and_nothing_invisible_is_left() -> None:
    codes = (*range(0x20000), *range(0xE0000, 0xE2000))
    left = [letter for code in codes if is_printable(letter := chr(code))]
    categories = {letter: unicodedata.category(letter) for letter in left}
    assert not {"Cc", "Cs", "Zl", "Zp"} & set(categories.values())
    assert not DIRECTIONS & set(map(unicodedata.bidirectional, left))
    # The format characters that are left are drawn: Arabic, Kaithi signs for numbers, joins
    formats = {ord(letter) for letter in left if categories[letter] == "Cf"}
    assert not {code for code in formats if not 0x600 <= code < 0x900 and not 0x11000 <= code < 0x13500}


def test_lines_are_those_of_ours_alone() -> None:
    assert lines("one", "two\nthree") == "one\ntwo\\nthree"
    assert lines_of(lines("one", "two\nthree")) == ["one", "two\\nthree"]
    assert lines_of("two\nthree") == ["two\\nthree"]
    assert lines(lines("a", "b"), "c\n") == "a\nb\nc\\n"
    assert enclosed("x: ", lines("a", "b"), "; y") == "x: a\nb; y"
    assert enclosed("x\n: ", "a") == "x\\n: a"


def test_a_message_has_no_lines_but_those_that_were_put_there() -> None:
    error = InvalidWheelError("a\nLive: b\x1b[2J", hint="do\x9b1m", path="/a\nb")
    assert error.message == str(error) == "a\\nLive: b\\x1b[2J"
    assert error.hint == "do\\x9b1m"
    assert error.data == {"path": "/a\nb"}, "scripts get it as it is"
    assert UsageError(lines("a", "b")).message == "a\nb"


def test_an_error_from_another_process_keeps_its_lines() -> None:
    error = pickle.loads(pickle.dumps(UsageError(lines("a", "b\x1b"))))
    assert error.message == str(error) == "a\nb\\x1b"
    assert isinstance(error.message, Lines)


@pytest.mark.parametrize("shell", ["bash", "zsh", "ksh"])
def test_a_line_to_type_means_the_same_words(shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell}")
    words = ["printf", r"%s\0", "plain", "two words", "a'b\\n\x1b1", "\u202e\udcff9", "\n"]
    line = shell_line(words)
    assert is_printable(line)
    done = subprocess.run([program, "-c", line], capture_output=True, check=True)
    assert done.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1] == words[2:]


def test_an_ordinary_line_to_type_is_quoted_as_ever() -> None:
    assert shell_line(["a b", "c"]) == shlex.join(["a b", "c"])


def test_the_line_that_removes_a_read_only_tree_works_for_its_owner_and_leaves_what_is_linked() -> None:
    """As nobody, if the test is run by root, to whom modes mean nothing."""
    folder = Path(tempfile.mkdtemp())  # not below a directory that only root may enter
    tree, release = folder / "wheels of\x1b" / "ab", folder / "release"
    (tree / "data").mkdir(parents=True)
    (tree / "data" / "module.py").write_text("x = 1\n")
    (tree / "data" / "module.py").chmod(0o444)
    os.link(tree / "data" / "module.py", release)
    user: dict[str, Any] = {}
    if os.geteuid() == 0:
        user = {"user": 65534, "group": 65534, "extra_groups": []}
        for path in (folder, tree.parent, tree, tree / "data", release):
            os.chown(path, 65534, 65534)
    (tree / "data").chmod(0o555)
    tree.chmod(0o555)
    try:
        bash = shutil.which("bash") or "bash"
        assert subprocess.run(["rm", "-r", tree], **user, stderr=subprocess.DEVNULL, check=False).returncode
        subprocess.run([bash, "-c", removal_line(str(tree))], **user, check=True, cwd="/")
        assert not tree.exists()
        assert release.stat().st_mode & 0o777 == 0o444
    finally:
        subprocess.run([bash, "-c", removal_line(str(folder))], check=True, cwd="/")
