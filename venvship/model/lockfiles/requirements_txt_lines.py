"""The lines of a requirements file, and the words of a line, as pip reads them.

The lines of a requirement are handed to pip as they stand, so they must mean the same here as to pip:
joining and comments follow its `req_file.py`.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NoReturn

from venvship.model.lock_kinds import is_tool_lock, kind_of
from venvship.model.lockfiles.problems import quote

MAX_LINE: Final = 2**20
"""Characters of one logical line."""
_UNPINNED: Final = {"pyproject.toml", "Pipfile", "setup.py", "setup.cfg"}
_COMMENT = re.compile(r"(?:^|(?<=\s))#")


class RefusedError(Exception):
    """A line cannot be taken; the message says why. Never leaves `requirements_txt`."""


class UnhashedError(RefusedError):
    """A requirement has no hash. They may stand below, cut off: a reason to wait for the next line."""


def refuse(message: str) -> NoReturn:
    """Refuse the line at hand.

    Raises:
        RefusedError: Always.
    """
    raise RefusedError(message)


@dataclass(frozen=True, slots=True)
class LogicalLine:
    """A line as pip reads it, joined from one or several.

    Attributes:
        number: Of its first physical line, from 1.
        text: Joined, without comments and surrounding space; never empty.
        source: Its physical lines as they stand, up to the last one that is not blank.
        hides: Whether a comment in it swallows a line that it is joined with.
    """

    number: int
    text: str
    source: str
    hides: bool


def logical_lines(text: str) -> Iterator[LogicalLine]:
    r"""Join continued lines and drop comments, as pip does.

    A line that is only a comment ends a continued line, even if it ends in a backslash itself.

    Args:
        text: With `\n` as the only line end.
    """
    parts: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not parts and (not line or line[0] == "#"):
            continue  # as below, only faster: files of nothing but comments must not take seconds
        parts.append(line)
        if line.endswith("\\") and not _is_comment(line):
            continue
        yield from _joined(number - len(parts) + 1, parts)
        parts = []
    if parts:
        yield from _joined(text.count("\n") + 2 - len(parts), parts)


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")


def _joined(number: int, parts: list[str]) -> Iterator[LogicalLine]:
    pieces = [f" {part}" if _is_comment(part) else part.rstrip("\\") for part in parts]
    while pieces and (not pieces[-1].strip() or _is_comment(pieces[-1])):
        pieces.pop()
    joined = "".join(pieces)
    comment = _COMMENT.search(joined)
    text = (joined[: comment.start()] if comment else joined).strip()
    if text:
        source = "\n".join([*parts[: len(pieces) - 1], pieces[-1].rstrip()])
        hides = comment is not None and comment.start() < len(joined) - len(pieces[-1])
        yield LogicalLine(number, text, source, hides)


def split_options(text: str) -> tuple[str, list[str]]:
    """Take a line apart as pip does: the requirement up to the first word with a dash, then options.

    Raises:
        RefusedError: The options are no words by the shell's rules.
    """
    words = text.split(" ")
    first = next((position for position, word in enumerate(words) if word.startswith("-")), len(words))
    options = " ".join(words[first:])
    if options.isascii() and not set(options) & set("'\"\\"):
        return " ".join(words[:first]), options.split()
    try:
        return " ".join(words[:first]), shlex.split(options)
    except ValueError:
        refuse(f"an open quotation mark, or a stray backslash, in {quote(options)}")


def refuse_foreign(path: str) -> str | None:
    """The remedy for a file of another kind, by its name; `None` if it may be a requirements file."""
    name = os.path.basename(path)
    if is_tool_lock(name):
        return f'a lockfile of {kind_of(name).tool}, which stands alone: lockfile = "{name}"'
    if name in _UNPINNED:
        return (
            "this declares dependencies and pins none; name it in `[lock] inputs`, and `venvship lock` makes"
            " a lockfile of it"
        )
    if name.endswith(".toml"):
        return "lockfiles in TOML are named pylock.toml or pylock.NAME.toml, and stand alone"
    return None
