"""Reading docstrings in Google's form: the reference takes its texts from them."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from typing import Final

_SECTION: Final = re.compile(r"(Args|Attributes|Returns|Raises|Yields):")
_PARAGRAPH: Final = re.compile(r"[A-Z][a-z]+: ")
_ENTRY: Final = re.compile(r"(\*{0,2}[A-Za-z_][A-Za-z0-9_.]*):\s+(.*)")
_INDENT: Final = " " * 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Docstring:
    """A docstring, taken apart.

    Attributes:
        summary: Its first paragraph, on one line.
        text: The paragraphs after it that belong to no section, each on one line.
        entries: By section, such as `"Raises"`: its names with their texts.
    """

    summary: str
    text: tuple[str, ...] = ()
    entries: dict[str, dict[str, str]] = field(default_factory=dict)


def read_docstring(thing: object) -> Docstring:
    """Take the docstring of a class or function apart.

    Raises:
        ValueError: It has none.
    """
    raw = getattr(thing, "__doc__", None)
    if not raw:
        raise ValueError(f"{thing!r} has no docstring")
    paragraphs: list[list[str]] = [[]]
    entries: dict[str, dict[str, str]] = {}
    section = ""
    for line in inspect.cleandoc(raw).splitlines():
        if match := _SECTION.fullmatch(line):
            section = match[1]
            entries[section] = {}
        elif section and (line.startswith(_INDENT) or not line):
            _add_to(entries[section], line[len(_INDENT) :])
        elif line:
            section = ""
            paragraphs[-1].append(line.strip())
        else:
            paragraphs.append([])
    summary, *text = [" ".join(paragraph) for paragraph in paragraphs if paragraph]
    return Docstring(summary=summary, text=tuple(text), entries=entries)


def _add_to(entries: dict[str, str], line: str) -> None:
    match = _ENTRY.fullmatch(line)
    if match:
        entries[match[1]] = match[2]
    elif line.strip() and entries:
        last = next(reversed(entries))
        entries[last] = f"{entries[last]} {line.strip()}"


def is_remark(paragraph: str, *names: str) -> bool:
    """Whether a paragraph is one of these, such as `Crash: …`, that readers of the code look for."""
    match = _PARAGRAPH.match(paragraph)
    return match is not None and match[0].removesuffix(": ") in names
