"""Progress as plain lines: one for each step that is over, whether or not a terminal looks on."""

from __future__ import annotations

from typing import TextIO

from venvship.model.progress import DONE, Phase

WIDTH = 78
"""Columns up to the end of the seconds."""


class PlainProgress:
    """Prints a line for each step.

    Args:
        stream: Where to.
        verbose: Whether steps that did nothing are printed too.
    """

    def __init__(self, stream: TextIO, *, verbose: bool = False) -> None:
        self._stream = stream
        self._verbose = verbose

    def __call__(self, phase: Phase) -> None:
        """Print a phase that is over."""
        if phase.state != DONE:
            return
        if phase.name == "plan":
            self._print(str(phase.facts.get("text", "")))
            return
        text = str(phase.facts["text"]) if "text" in phase.facts else describe(phase)
        if not text and not self._verbose:
            return
        mark = "✓" if phase.facts.get("ok", True) else "✗"
        if phase.name == "rollback":
            mark = "↩"
        line = f"  {mark} {phase.name:<9} {text}"
        if phase.seconds >= 0.05:
            line = f"{line:<{WIDTH - 9}} {phase.seconds:6.1f} s"
        self._print(line)

    def _print(self, line: str) -> None:
        encoding = self._stream.encoding or "ascii"
        self._stream.write(line.encode(encoding, "replace").decode(encoding) + "\n")
        self._stream.flush()


def describe(phase: Phase) -> str:
    """What a phase of a build did, in a few words; `""` for nothing worth a line."""
    facts = {key: value for key, value in phase.facts.items() if value not in {0, ""}}
    return ", ".join(_fact(key, value) for key, value in facts.items())


def _fact(key: str, value: object) -> str:
    if key == "bytes" and isinstance(value, int):
        return format_bytes(value)
    return f"{value:,} {key}" if isinstance(value, int) else f"{key} {value}"


def format_bytes(count: int) -> str:
    """Bytes for people: `"4.1 MB"`."""
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
