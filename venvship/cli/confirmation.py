"""Asking a person, before something that cannot be undone."""

from __future__ import annotations

import select
import sys
from typing import Final

from venvship.cli.options import Call
from venvship.cli.terminal import write
from venvship.errors import UsageError

TICK: Final = 0.1
"""Seconds between two looks at the signals that came."""


def require_name(call: Call, name: str, *, question: str) -> None:
    """Have the name of a root typed on the terminal.

    Args:
        call: The call.
        name: The name.
        question: What is about to happen.

    Raises:
        UsageError: Another text was typed, or nobody is there to type it.
        InterruptedByError: A signal came.
    """
    hint = f"type its name, {name}, when asked; a script confirms with --yes"
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError("not confirmed: standard input is not a terminal; nothing was removed", hint=hint)
    write(sys.stderr, [question, f"Type its name, {name}, to go on:"], call.terminal(sys.stderr))
    while not select.select([sys.stdin], [], [], TICK)[0]:
        call.signals.raise_if_received()
    if sys.stdin.readline().strip() != name:
        raise UsageError("not confirmed: that is not its name; nothing was removed", hint=hint)
