"""The pictures of terminals show what the commands show, and need nothing from elsewhere."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from click import unstyle

from scripts import screens
from scripts.terminal_screen import Screen
from tests.support.roots import command

DOCS = screens.REPOSITORY / "docs"
STORED = {path.stem: path.read_text(encoding="utf-8") for path in screens.IMAGES.glob("*.svg")}


def letters(text: str) -> str:
    """Its letters: where lines break depends on how long the name of the user is."""
    return "".join(text.split())


def shown(picture: str) -> str:
    return letters(" ".join(html.unescape(text) for text in re.findall(r"<text[^>]*>(.*?)</text>", picture)))


def test_the_pictures_show_what_the_commands_show_now() -> None:
    recorded = screens.record(command())

    assert recorded.keys() == STORED.keys()
    for name, lines in recorded.items():
        assert shown(screens.draw(name, lines)) == shown(STORED[name]), f"{name}: run scripts/screens"
        assert shown(STORED[name]) == letters(unstyle(" ".join(lines)))


@pytest.mark.parametrize("name", STORED)
def test_a_picture_is_small_and_needs_nothing_from_elsewhere(name: str) -> None:
    text = STORED[name].replace("http://www.w3.org/2000/svg", "", 1)

    assert len(text) < 10_000
    assert not re.search(r"url\(|@import|@font-face|href|<script", text)
    assert "<title>venvship " in text
    assert "/tmp/" not in text


def test_every_picture_is_used() -> None:
    pages = [path.read_text(encoding="utf-8") for path in [*DOCS.rglob("*.md"), *DOCS.rglob("*.py")]]

    assert not [name for name in STORED if not any(name in page for page in pages)]


def test_pictures_say_in_words_what_they_show() -> None:
    for path in [*DOCS.rglob("*.md"), DOCS.parent / "README.md"]:
        for said, file in re.findall(r"!\[(.*?)\]\((\S+)\)", path.read_text(encoding="utf-8")):
            assert len(said) > 20, file
            assert (path.parent / file).is_file(), file


# -- the terminal itself ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        ("one\r\ntwo\r\n", ["one", "two"]),
        ("one\rt", ["tne"]),
        ("abcdefgh", ["abcdef", "gh"]),
        ("one\r\ntwo\r\x1b[2K\x1b[1A\x1b[2Kthree", ["three"]),
        ("\x1b[32mgood\x1b[0m x", ["\x1b[0m\x1b[32mgood\x1b[0m x"]),
        ("\x1b[?25lhidden\x1b[?25h", ["hidden"]),
    ],
)
def test_what_is_drawn_over_is_gone(written: str, lines: list[str]) -> None:
    screen = Screen(6)
    screen.write(written)

    assert screen.lines() == lines


@pytest.mark.parametrize("written", ["\x1b[3J", "\x1b]0;title\x07"])
def test_what_the_terminal_does_not_know_is_no_text(written: str) -> None:
    with pytest.raises(ValueError, match="does not know"):
        Screen(80).write(written)


def test_a_root_has_a_path_as_long_as_the_one_that_is_shown() -> None:
    path = screens._as_long_as_shown()
    path.rmdir()

    assert len(str(path)) == len(screens.ROOT_SHOWN)
    assert path.parent == Path("/tmp")
