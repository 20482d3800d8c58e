r"""Text from outside, on its way to people: messages, names, paths, answers of an index, output of programs.

Such a text may hold anything: sequences that clear the screen or set the title of a terminal, characters that
reverse the direction of what follows, or a line break with a forged line behind it. `printable` shows all of
that as the escape that Python has for it, such as `\x1b` or `\u202e`. It leaves a text alone that it has
escaped before, so that it may be called early and late.

Three places call it, so that no other has to think of it:

* The constructor of `VenvshipError`, for messages and hints. Line breaks of ours are those of `lines`.
* `cli/fitting.py`, before a text is cut or broken to fit into columns.
* `cli/style.py`, for every line before it is written. `cli/terminal.py` is the only module that writes lines.

Other sinks call it themselves: the system's log, labels of metrics, the report for the notify hook.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from typing import Final

UNPRINTABLE: Final = (
    "["
    "\x00-\x1f\x7f-\x9f"  # controls: C0, with line breaks and tabs; DEL; C1, among them an eight-bit ESC [
    "\u2028\u2029"  # separators of lines and paragraphs
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # the direction of text
    # Drawn as nothing (Default_Ignorable_Code_Point of Unicode), so that two names look like one. But for
    # U+FE0E and U+FE0F, the style of the emoji before them, which telephones type.
    "\xad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u2065\u206a-\u206f\u3164"
    "\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "\ufff9-\ufffb"  # annotations between lines
    "\ud800-\udfff"  # bytes that are not UTF-8 (PEP 383), and other halves of pairs
    "]"
)
"""Matches a character that is shown as an escape. A backslash stays as it is: exact text is in `--json`."""

_LETTERS_DRAWN_AS_NOTHING: Final = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0"
    + "".join(map(chr, (*range(0xFE00, 0xFE0E), *range(0xE0100, 0xE01F0))))
)
"""The characters of `UNPRINTABLE` for which `str.isprintable` says that they are printable."""

_SHORT: Final = {0x09: "\\t", 0x0A: "\\n", 0x0D: "\\r"}


class Lines(str):
    """A text of several lines that were made printable one by one; see `lines`."""

    __slots__ = ()


def escape(match: re.Match[str]) -> str:
    """The escape for a match of `UNPRINTABLE`, as `repr` has it."""
    code = ord(match[0])
    if code <= 0xFF:
        return _SHORT.get(code, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def printable(text: str) -> str:
    """A text as one line of printable characters, all others as escapes."""
    # The usual cases without the expression, which takes time to compile and to search.
    if text.isprintable() and (text.isascii() or _LETTERS_DRAWN_AS_NOTHING.isdisjoint(text)):
        return text
    return re.sub(UNPRINTABLE, escape, text)


def is_printable(text: str) -> bool:
    """Whether a text is one line that is shown as it is."""
    return printable(text) == text


def is_plain(text: str) -> bool:
    """Whether a text is printable, and has no other blanks than spaces: a name that others have to type."""
    return text.isprintable() and is_printable(text)


def lines(*parts: str) -> Lines:
    """Put lines below each other.

    Args:
        parts: Each is one line, whatever is in it; a `Lines` is as many as it has.
    """
    if len(parts) == 1 and isinstance(parts[0], Lines):
        return parts[0]
    return Lines("\n".join(line for part in parts for line in lines_of(part)))


def lines_of(text: str) -> list[str]:
    """The lines of a `Lines`; of any other text the one line that it is shown as."""
    return text.split("\n") if isinstance(text, Lines) else [printable(text)]


def enclosed(before: str, text: str, after: str = "") -> Lines:
    """Put words before the first line of a text, and behind its last one."""
    first, *rest = lines_of(text)
    *most, last = [before + first, *rest]
    return lines(*most, last + after)


def shell_line(words: Iterable[str]) -> str:
    r"""A command line to type. As `shlex.join`, but an unprintable word is written as `$'\033'`.

    bash, zsh and ksh know this form, and POSIX since 2024.
    """
    return " ".join(map(_shell_word, words))


def removal_line(path: str) -> str:
    """A command line to type that removes a tree of ours, whose directories are read-only.

    Its files keep their modes: releases share them by hard links.
    """
    quoted = shell_line([path])
    return f"find {quoted} -type d -exec chmod u+w {{}} + && rm -rf {quoted}"


def _shell_word(word: str) -> str:
    if is_printable(word):
        return shlex.quote(word)
    plain = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{re.sub(UNPRINTABLE, _shell_escape, plain)}'"


def _shell_escape(match: re.Match[str]) -> str:
    # Three octal digits: of hexadecimal ones some shells take more than two.
    errors = "surrogateescape" if "\udc80" <= match[0] <= "\udcff" else "surrogatepass"
    return "".join(f"\\{byte:03o}" for byte in match[0].encode("utf-8", errors))
