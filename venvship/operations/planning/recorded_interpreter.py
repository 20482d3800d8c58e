"""The root's interpreter: resolved once, recorded in `state/python.json`, and only changed by its setting."""

from __future__ import annotations

from venvship.errors import InterpreterError
from venvship.model.interpreter import Interpreter
from venvship.model.settings import Settings
from venvship.model.spelling import FORMAT
from venvship.operations.planning.known_interpreter import find_interpreter
from venvship.printable import shell_line
from venvship.system import files
from venvship.workspace.workspace import Workspace


def settled(workspace: Workspace, settings: Settings) -> Interpreter:
    """The interpreter that releases of this root are built for; recorded when it is found.

    Args:
        workspace: The root.
        settings: The setting `python`.

    Crash: `python.json` is missing, old or new; all three are fine.

    Raises:
        VenvshipError: See `find_interpreter`.
    """
    found = find_interpreter(workspace, settings)
    if workspace.layout.interpreter() != (settings.python, found):
        record_interpreter(workspace, settings.python, found)
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
            hint=f"if that is what you want: rm {shell_line([str(workspace.layout.python_file)])}",
        )
    if now.version != interpreter.version:
        workspace.warn(
            "interpreter-changed",
            f"{interpreter.path} was {interpreter.version} and is {now.version} now, for old releases too",
        )
        known = workspace.layout.interpreter()
        record_interpreter(workspace, known[0] if known else None, now)
    return now


def record_interpreter(workspace: Workspace, setting: str | None, interpreter: Interpreter) -> None:
    """Record the root's interpreter, and the setting that it was found by.

    Crash: `python.json` is the old or the new one.

    Raises:
        OSError: It could not be written.
    """
    data = {"format": FORMAT, "setting": setting, **interpreter.to_json()}
    files.write_json(workspace.layout.python_file, data)
