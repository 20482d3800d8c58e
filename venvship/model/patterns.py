"""Patterns for the names of files, in the syntax of `.gitignore`.

All of gitignore(5) but for two things: a pattern that begins with `!` is refused, since `include` and
`exclude` say which is which, and so are names of classes such as `[[:alpha:]]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_TOKEN: Final = re.compile(
    r"""
    (?P<any>(?:^|(?<=/))\*\*/)          # **/ at the start of a component: any number of folders
    | (?P<below>(?<=/)\*\*$)            # /** at the end: everything inside
    | (?P<several>\*+)
    | (?P<one>\?)
    | \[(?P<not>[!^]?)(?P<set>\]?(?:\\.|[^\]\\])*)\]
    | \\(?P<escaped>.)
    | (?P<plain>[^\[\\])
    """,
    re.VERBOSE | re.DOTALL,
)


def problem_with_pattern(text: str) -> str | None:
    """Find what is wrong with a pattern; `None` if nothing is."""
    if text.startswith("!"):
        return "a pattern cannot begin with `!`: `include` takes files, and `exclude` leaves them out"
    if not text.strip("/ "):
        return "a pattern names at least one file or folder"
    if "[:" in text:
        return "a class of characters such as [:alpha:] is not understood: write the characters themselves"
    if re.search(r"(?:^|/)\.{1,2}(?:/|$)", text):
        return "a pattern is relative to the top of the project, and has no `.` or `..` in it"
    try:
        _expression(text)
    except (ValueError, re.error):
        return "a `[` without its `]`, a backslash at the end, or a range that runs backwards"
    return None


class Patterns:
    """Several patterns; a name matches if one of them does.

    Args:
        texts: The patterns, each without a problem of `problem_with_pattern`.

    Raises:
        ValueError: One of them has a problem.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        texts = tuple(texts)
        for text in texts:
            if problem := problem_with_pattern(text):
                raise ValueError(f"{text!r}: {problem}")
        self._expression = re.compile("|".join(map(_expression, texts)) or "(?!)", re.DOTALL)

    def match(self, path: str) -> bool:
        """Whether a file matches, or a folder that it is in.

        Args:
            path: Relative to the top, with `/`. A folder ends with one, and a pattern for what is inside of a
                folder does not match the folder.
        """
        return self._expression.fullmatch(path) is not None


def _expression(text: str) -> str:
    """The regular expression that matches whole paths.

    Raises:
        ValueError: The pattern is incomplete.
        re.error: A set of characters is none.
    """
    # Spaces at the end do not count unless a backslash stands before them.
    text = re.sub(r"(?<!\\) +$", "", text)
    only_folders = text.endswith("/")
    body = text.rstrip("/") if only_folders else text
    anchored = "/" in body
    body = body.removeprefix("/")
    parts, at = [], 0
    while at < len(body):
        token = _TOKEN.match(body, at)
        if token is None:
            raise ValueError("an incomplete pattern")
        parts.append(_translated(token))
        at = token.end()
    # A folder that matches has all that is below it matched.
    below = "/.*" if only_folders else "(?:/.*)?"
    expression = f"{'' if anchored else '(?:.*/)?'}{''.join(parts)}{below}"
    re.compile(expression)
    return f"(?:{expression})"


def _translated(token: re.Match[str]) -> str:
    if token["any"] is not None:
        return "(?:.*/)?"
    if token["below"] is not None:
        return ".+"
    if token["several"] is not None:
        return "[^/]*"
    if token["one"] is not None:
        return "[^/]"
    if token["set"] is not None:
        inside = re.sub(r"([\[\\^&~|])", r"\\\1", re.sub(r"\\(.)", r"\1", token["set"]))
        if inside.startswith("]"):
            inside = "\\" + inside
        return f"(?!/)[{'^' if token['not'] else ''}{inside}]"
    return re.escape(token["escaped"] if token["escaped"] is not None else token["plain"])
