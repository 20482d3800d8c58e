"""Find the root's interpreter: the recorded one, or the one that the setting means. Writes nothing."""

from __future__ import annotations

import os

from venvship.errors import InterpreterError
from venvship.model.interpreter import Interpreter
from venvship.model.settings import Settings
from venvship.workspace.reading import ReadingWorkspace


def find_interpreter(workspace: ReadingWorkspace, settings: Settings) -> Interpreter:
    """The interpreter that releases of this root are built for; writes nothing.

    PATH under cron is not the PATH of a shell, so `python = "3.11"` is resolved once. It is
    found out again when the setting changes, and at no other time.

    Args:
        workspace: The root.
        settings: The setting `python`.

    Raises:
        InterpreterError: There is none such, or the recorded one is gone.
        StateError: `python.json` is damaged.
        FormatError: A newer venvship wrote it.
        InterruptedByError: A signal came while it was asked.
        NotOwnerError: It would have to be run, by root, and the root is another user's.
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
    # The settings of another user name a program here.
    workspace.layout.refuse_foreign_root()
    from venvship.building.interpreter import resolve_interpreter

    return resolve_interpreter(
        settings.python, environ=workspace.runtime.environ, signals=workspace.runtime.signals
    )
