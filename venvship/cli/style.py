"""Colour and weight, which the text also makes sense without.

Lines carry their styles from the start; `terminal.write` takes them away where they are not shown.
"""

from __future__ import annotations

from click import style

from venvship.model.release import State


def good(text: str) -> str:
    """A success."""
    return style(text, fg="green")


def bad(text: str) -> str:
    """A failure, or a state that needs an operator."""
    return style(text, fg="red", bold=True)


def attention(text: str) -> str:
    """An unusual state."""
    return style(text, fg="yellow")


def strong(text: str) -> str:
    """The most important text of a line."""
    return style(text, bold=True)


def faint(text: str) -> str:
    """The least important text of a line."""
    return style(text, dim=True)


def state(value: State) -> str:
    """A release's state."""
    paint = {
        State.PROVEN: good,
        State.BAD: bad,
        State.INCONCLUSIVE: attention,
        State.REJECTED: attention,
        State.UNCHECKED: attention,
    }.get(value)
    return paint(value.value) if paint else value.value
