"""The root's interpreter: resolved once, recorded in `state/python.json`, and only changed by its setting."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from typing import Final

from venvship.errors import InterpreterError
from venvship.model.interpreter import Interpreter
from venvship.model.release import FORMAT
from venvship.model.settings import Settings
from venvship.system import files
from venvship.system.pool import begun
from venvship.workspace.workspace import Workspace

PATIENCE: Final = 40.0
"""Seconds to wait for the copy that asks; longer than that one waits for the interpreter."""


def settled(workspace: Workspace, settings: Settings, *, record: bool = True) -> Interpreter:
    """The interpreter that releases of this root are built for.

    PATH under cron is not the PATH of a shell, so what `python = "3.11"` means is found out once. It is
    found out again when the setting changes, and at no other time.

    Args:
        workspace: The root.
        settings: What it should be.
        record: Whether to write down what was found.

    Crash: `python.json` is missing, old or new; all three are fine.

    Raises:
        InterpreterError: There is none such, or the recorded one is gone.
        StateError: `python.json` is damaged.
    """
    known = workspace.layout.interpreter()
    if known is not None and known[0] == settings.python:
        interpreter = known[1]
        if os.access(interpreter.path, os.X_OK):
            return interpreter
        what = "may not be run by you" if os.path.lexists(interpreter.path) else "is gone, or out of reach"
        raise InterpreterError(
            f"the interpreter of this root, {interpreter.path}, {what}",
            hint=f'install it again, or set another python = "…" in {workspace.layout.settings_file}',
        )
    from venvship.building.interpreter import resolve_interpreter

    found = resolve_interpreter(
        settings.python, environ=workspace.runtime.environ, signals=workspace.runtime.signals
    )
    if record:
        _record(workspace, settings.python, found)
    return found


@contextlib.contextmanager
def asking_again(workspace: Workspace, interpreter: Interpreter) -> Iterator[Callable[[], Interpreter]]:
    """Ask the interpreter again before building for it: an upgrade may have changed it in place.

    It takes its time to answer, so a copy of this process asks while the block does something else.

    Args:
        workspace: The root.
        interpreter: What is known of it.

    Yields:
        What waits for the answer, and returns what it is now. A new patch level is recorded and warned about.
        Another kind under the same path is an `InterpreterError`, as is one that does not run: that would be
        another environment than the one that was decided on. `InterruptedByError`: a signal came.
    """
    from venvship.building.interpreter import probe

    signals = workspace.runtime.signals
    ask = functools.partial(probe, interpreter.path, environ=workspace.runtime.environ, signals=signals)
    with begun(ask, patience=PATIENCE) as answer:

        def wait() -> Interpreter:
            now = answer(signals.raise_if_received)
            _require_same_kind(workspace, interpreter, now)
            return now

        yield wait


def _require_same_kind(workspace: Workspace, interpreter: Interpreter, now: Interpreter) -> None:
    if now.identity() != interpreter.identity():
        raise InterpreterError(
            f"{interpreter.path} is now {now.implementation} {now.version} ({now.soabi}), "
            f"and was {interpreter.version} ({interpreter.soabi})",
            hint=f"if that is what you want: rm {workspace.layout.python_file}",
        )
    if now.version != interpreter.version:
        workspace.warn(
            "interpreter-changed",
            f"{interpreter.path} was {interpreter.version} and is {now.version} now, for old releases too",
        )
        known = workspace.layout.interpreter()
        _record(workspace, known[0] if known else None, now)


def _record(workspace: Workspace, setting: str | None, interpreter: Interpreter) -> None:
    data = {"format": FORMAT, "setting": setting, **interpreter.to_json()}
    files.write_json(workspace.layout.python_file, data)
