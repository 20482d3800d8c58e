"""Steps on a terminal: a running step is drawn and redrawn, a finished one stays as a line above it.

Imported when the first step begins, since rich takes longer to import than most commands take to run. A step
begins before a switch does, so nothing of this is imported after one.

No thread redraws: this process forks (`system/pool.py`). Every wait looks at the signals ten times a second,
and that look redraws too.
"""

from __future__ import annotations

import time
from typing import Final, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, Task, TaskID, TextColumn
from rich.text import Text

from venvship.cli.steps import NAME, step_lines
from venvship.cli.style import painted
from venvship.cli.terminal import Terminal
from venvship.model.progress import ADVANCED, DONE, Step
from venvship.printable import printable

PERIOD: Final = 0.1
"""Seconds between two drawings of the same steps."""


class LiveSteps:
    """Draws steps. Safe to call from several threads.

    Args:
        stream: The terminal.
        terminal: Its width and colours.
        verbose: Whether steps that did nothing get a line too.
    """

    def __init__(self, stream: TextIO, terminal: Terminal, *, verbose: bool = False) -> None:
        self._terminal = terminal
        self._verbose = verbose
        console = Console(
            file=stream,
            force_terminal=True,
            no_color=not terminal.color,
            width=terminal.width,
            highlight=False,
            markup=False,
            emoji=False,
        )
        self._progress = Progress(
            TextColumn(" "),
            SpinnerColumn(style="none" if not terminal.color else "cyan"),
            TextColumn(f"{{task.description:<{NAME}}}", markup=False),
            _Measure(bar_width=24, style="none", complete_style="green", finished_style="green"),
            _Count(),
            # A column parses markup unless it is told not to, whatever its console does.
            TextColumn("{task.fields[note]}", style="none" if not terminal.color else "dim", markup=False),
            console=console,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
            transient=True,
            expand=False,
        )
        self._tasks: dict[str, TaskID] = {}
        self._drawn = 0.0
        # rich imports these when it first needs them, which may be after a switch.
        Text.from_ansi("")
        cell_len("✓")

    def __call__(self, step: Step) -> None:
        """Draw a running step; print the line of a finished one."""
        if step.state == DONE:
            self._finish(step)
            return
        if step.name not in self._tasks:
            self._progress.start()
            # rich lets most control characters through.
            note = printable(str(step.facts.get("text", "")))
            self._tasks[step.name] = self._progress.add_task(printable(step.name), total=None, note=note)
        if step.state == ADVANCED:
            self._progress.update(self._tasks[step.name], completed=step.done, total=step.total or None)
            self.redraw()

    def redraw(self) -> None:
        """Draw the running steps again, if the last time was a while ago."""
        if self._tasks and time.monotonic() - self._drawn >= PERIOD:
            self._drawn = time.monotonic()
            self._progress.refresh()

    def _finish(self, step: Step) -> None:
        task = self._tasks.pop(step.name, None)
        if task is not None:
            self._progress.remove_task(task)
        for line in step_lines(step, self._terminal.width, verbose=self._verbose):
            self._progress.console.print(Text.from_ansi(painted(line, color=True)), soft_wrap=True)
        if not self._tasks:
            self._progress.stop()

    def close(self, *, incomplete: bool) -> None:
        """Erase the steps that never ended, and show the cursor again.

        Args:
            incomplete: Whether a part of the drawing was dropped, so that a step may still be on the line.
        """
        self._progress.stop()
        if incomplete:
            self._progress.console.file.write("\r\x1b[2K\x1b[?25h")
            self._progress.console.file.flush()


class _Measure(BarColumn):
    """A bar, once it is known how much there is to do."""

    def render(self, task: Task) -> Text:  # type: ignore[override]
        if not task.total:
            return Text("")
        return super().render(task)  # type: ignore[return-value]


class _Count(TextColumn):
    """`12/80`, and the seconds so far."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        count = f"{int(task.completed):,}/{int(task.total):,}  " if task.total else ""
        return Text(f"{count}{task.elapsed or 0:.1f} s", style="dim")
