"""The root's interpreter: resolved once, recorded in `state/python.json`, and only changed by its setting."""

from __future__ import annotations

import os

from venvship.errors import InterpreterError
from venvship.model.interpreter import Interpreter
from venvship.model.settings import Settings
from venvship.model.spelling import FORMAT
from venvship.system import files
from venvship.workspace.workspace import Workspace


def settled(workspace: Workspace, settings: Settings, *, record: bool = True) -> Interpreter:
    """The interpreter that releases of this root are built for.

    PATH under cron is not the PATH of a shell, so `python = "3.11"` is resolved once. It is
    found out again when the setting changes, and at no other time.

    Args:
        workspace: The root.
        settings: The setting `python`.
        record: Whether to record the interpreter that was found.

    Crash: `python.json` is missing, old or new; all three are fine.

    Raises:
        InterpreterError: There is none such, or the recorded one is gone.
        StateError: `python.json` is damaged.
        FormatError: A newer venvship wrote it.
        InterruptedByError: A signal came while it was asked.
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


def asked_again(workspace: Workspace, interpreter: Interpreter) -> Interpreter:
    """Ask the interpreter again before building for it: an upgrade may have changed it in place.

    Args:
        workspace: The root.
        interpreter: The recorded one.

    Returns:
        The interpreter as it is now. A new patch level is recorded and warned about.

    Raises:
        InterpreterError: It does not run, or its identity has changed: that would be another environment than
            the one that was decided on.
        InterruptedByError: A signal came.
    """
    from venvship.building.interpreter import probe

    runtime = workspace.runtime
    now = probe(interpreter.path, environ=runtime.environ, signals=runtime.signals)
    if now.identity != interpreter.identity:
        raise InterpreterError(
            f"{interpreter.path} is now {now.identity}, version {now.version}, "
            f"and was {interpreter.identity}, version {interpreter.version}",
            hint=f"if that is what you want: rm {workspace.layout.python_file}",
        )
    if now.version != interpreter.version:
        workspace.warn(
            "interpreter-changed",
            f"{interpreter.path} was {interpreter.version} and is {now.version} now, for old releases too",
        )
        known = workspace.layout.interpreter()
        _record(workspace, known[0] if known else None, now)
    return now


def _record(workspace: Workspace, setting: str | None, interpreter: Interpreter) -> None:
    data = {"format": FORMAT, "setting": setting, **interpreter.to_json()}
    files.write_json(workspace.layout.python_file, data)
