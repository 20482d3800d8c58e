"""The line that a finished step leaves on the screen, whoever draws it."""

from __future__ import annotations

from venvship.cli import style
from venvship.cli.fitting import format_bytes, length, pad, shorten
from venvship.cli.terminal import WIDEST_STEP
from venvship.model.progress import Step

USUAL = 80
"""Columns that the seconds are pushed to where nobody says how many there are."""

NAME = 9
"""Columns of a step's name."""

LONG_ENOUGH = 0.05
"""Seconds from which on it is worth saying how long a step took."""

_UNITS = {"wheels": "wheel", "modules": "module", "files": "file", "copied": "copied"}


def step_line(step: Step, width: int | None, *, verbose: bool = False) -> str | None:
    """The line of a step that is over; `None` if it did nothing worth one.

    Args:
        step: One that is done.
        width: Columns; `None` for a line of any length.
        verbose: Whether steps that did nothing get a line too.
    """
    text = str(step.facts.get("text", "")) or describe(step)
    if step.name == "plan":
        return style.strong(text)
    if not text and not verbose:
        return None
    room = min(width or USUAL, WIDEST_STEP) - 1
    ok = bool(step.facts.get("ok", True))
    # What failed says itself how long that took: `12 tries in 60 s`.
    seconds = f"{step.seconds:.1f} s" if ok and step.seconds >= LONG_ENOUGH else ""
    if width is not None:
        text = shorten(text, room - NAME - 6 - (len(seconds) + 1 if seconds else 0))
    line = f"  {_mark(step, ok)} {step.name:<{NAME}} {text}"
    if seconds:
        line = pad(line, max(room - len(seconds), length(line) + 1)) + style.faint(seconds)
    return line


def _mark(step: Step, ok: bool) -> str:
    if not ok:
        return style.bad("✗")
    return style.attention("↩") if step.name == "rollback" else style.good("✓")


def describe(step: Step) -> str:
    """What a step of a build did, in a few words; `""` for nothing worth a line."""
    return ", ".join(_fact(key, value) for key, value in step.facts.items() if value not in {0, ""})


def _fact(key: str, value: object) -> str:
    if key == "bytes" and isinstance(value, int):
        return format_bytes(value)
    if isinstance(value, int):
        return f"{value:,} {_UNITS.get(key, key) if value == 1 else key}"
    return f"{key} {value}"
