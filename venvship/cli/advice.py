"""Commands in messages, with the root that they are for.

A message names a command as its reader types it in the root: `venvship release`. Only the command line knows
whether its reader is there: a mail of cron is read elsewhere, and so is the output of `venvship -C ROOT`. So
every text for people comes through here, and gets a `-C ROOT` where the command would not find its root.
"""

from __future__ import annotations

import functools
import re
from typing import Final

from venvship.model.hold import HELD_UNTIL
from venvship.printable import Lines

COMMANDS: Final[set[str]] = set()
"""The names of all commands; each adds its own when it joins the group."""

END_IT: Final = "`venvship unhold`"
"""The command that ends any hold of a root."""


def addressed(text: str, root: str) -> str:
    """Put the root into the commands of a text.

    The sentence that says what ends a hold stays: it is the same in every output and in the documentation.

    Args:
        text: One line, or a `Lines`, which it stays.
        root: As `Call.address` returns it: quoted for a shell; empty where the commands need none.
    """
    if not root or not COMMANDS or "venvship " not in text:
        return text
    found = _commands().sub(lambda match: match["rule"] or f"venvship -C {root} ", text)
    return Lines(found) if isinstance(text, Lines) else found


@functools.cache
def _commands() -> re.Pattern[str]:
    names = "|".join(sorted(COMMANDS))
    # A path to the program, or `-m venvship`, begins a whole command line that has its root.
    return re.compile(
        rf"(?P<rule>{re.escape(HELD_UNTIL)}[^.]*\.)"
        rf"|(?<![\w./@-])(?<!-m )venvship (?=(?:{names})\b(?! --help))"
    )
