"""Progress as plain lines: one for each step that is over. For logs, pipes and terminals that cannot move."""

from __future__ import annotations

from typing import TextIO

from venvship.cli.steps import step_line
from venvship.cli.terminal import Terminal, write
from venvship.model.progress import DONE, Step


class PlainProgress:
    """Prints a line for each step that is over.

    Args:
        stream: Where to.
        terminal: What it can show.
        verbose: Whether steps that did nothing are printed too.
    """

    def __init__(self, stream: TextIO, terminal: Terminal, *, verbose: bool = False) -> None:
        self._stream = stream
        self._terminal = terminal
        self._verbose = verbose

    def __call__(self, step: Step) -> None:
        """Print a step that is over."""
        if step.state == DONE:
            line = step_line(step, self._terminal.width, verbose=self._verbose)
            if line is not None:
                write(self._stream, [line], self._terminal)

    def close(self) -> None:
        """Nothing is left to be put back."""
