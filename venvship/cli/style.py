"""Colour and weight, where they mean something. Everything reads as well without.

Lines carry their styles from the start; `terminal.write` takes them away where they are not shown.
"""

from __future__ import annotations

from click import style

from venvship.model.release import State


def good(text: str) -> str:
    """Something went well."""
    return style(text, fg="green")


def bad(text: str) -> str:
    """Something went wrong, or somebody has to look."""
    return style(text, fg="red", bold=True)


def attention(text: str) -> str:
    """Something is not as it usually is."""
    return style(text, fg="yellow")


def strong(text: str) -> str:
    """What the eye should find first."""
    return style(text, bold=True)


def faint(text: str) -> str:
    """What may be passed over."""
    return style(text, dim=True)


def state(value: State) -> str:
    """A release's state."""
    paint = {State.PROVEN: good, State.BAD: bad, State.INCONCLUSIVE: attention}.get(value)
    return paint(value.value) if paint else value.value
