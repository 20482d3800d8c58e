"""Finished steps as lines. On a terminal, `live` draws the running ones as well."""

from __future__ import annotations

from typing import Final, TextIO

from venvship.cli import style
from venvship.cli.fitting import fold, format_bytes, length, pad, shorten
from venvship.cli.terminal import WIDEST_STEP, Terminal, write
from venvship.model.progress import DONE, STARTED, Step

USUAL = 80
"""Columns that the seconds are pushed to where the width is not known."""

NAME = 9
"""Columns of a step's name."""

LONG_ENOUGH = 0.05
"""Seconds from which on the duration of a step is printed."""

WHOLE: Final = frozenset({"hold"})
"""The steps whose text is broken into lines where it does not fit, and never cut."""

_UNITS = {"wheels": "wheel", "modules": "module", "files": "file", "copied": "copied"}


def step_lines(step: Step, width: int | None, *, verbose: bool = False) -> list[str]:
    """The line of a finished step, or its lines, for one of `WHOLE`; none if it did nothing worth a line.

    Args:
        step: The finished step.
        width: Columns; `None` for a line of any length.
        verbose: Whether steps that did nothing get a line too.
    """
    text = str(step.facts.get("text", "")) or describe(step)
    if step.name == "plan":
        return [style.strong(text)]
    if not text and not verbose:
        return []
    room = min(width or USUAL, WIDEST_STEP) - 1
    ok = bool(step.facts.get("ok", True))
    # The text of a failed step has its duration: `12 tries in 60 s`.
    seconds = f"{step.seconds:.1f} s" if ok and step.seconds >= LONG_ENOUGH else ""
    rest: list[str] = []
    if width is not None:
        left = room - NAME - 6 - (len(seconds) + 1 if seconds else 0)
        text, *rest = fold(text, left) if step.name in WHOLE else [shorten(text, left)]
    line = f"  {_mark(step, ok)} {pad(step.name, NAME)} {text}"
    if seconds:
        line = pad(line, max(room - len(seconds), length(line) + 1)) + style.faint(seconds)
    return [line, *(" " * (NAME + 5) + part for part in rest)]


def _mark(step: Step, ok: bool) -> str:
    if not ok:
        return style.bad("✗")
    return style.attention("↩") if step.name == "rollback" else style.good("✓")


def describe(step: Step) -> str:
    """The facts of a build's step in a few words; `""` for nothing worth a line."""
    return ", ".join(_fact(key, value) for key, value in step.facts.items() if value not in {0, ""})


def _fact(key: str, value: object) -> str:
    if key == "bytes" and isinstance(value, int):
        return format_bytes(value)
    if isinstance(value, int):
        return f"{value:,} {_UNITS.get(key, key) if value == 1 else key}"
    return f"{key} {value}"


class PlainSteps:
    """Prints a line for each finished step: for logs, pipes and terminals that cannot move.

    Args:
        stream: The output.
        terminal: Its width and colours.
        verbose: Whether steps that did nothing are printed too.
    """

    def __init__(self, stream: TextIO, terminal: Terminal, *, verbose: bool = False) -> None:
        self._stream = stream
        self._terminal = terminal
        self._verbose = verbose

    def __call__(self, step: Step) -> None:
        """Print the line of a finished step; on a terminal, also of a begun one that has something to say."""
        if step.state == STARTED and step.facts and self._terminal.width is not None:
            line = f"  … {pad(step.name, NAME)} {step.facts.get('text', '')}"
            write(self._stream, [line], self._terminal)
        if step.state == DONE:
            lines = step_lines(step, self._terminal.width, verbose=self._verbose)
            if lines:
                write(self._stream, lines, self._terminal)

    def redraw(self) -> None:
        """Nothing is drawn."""

    def close(self, *, incomplete: bool) -> None:
        """Nothing is left to be put back."""
