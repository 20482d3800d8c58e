"""Is the interpreter at a path still the one that a release was built for? Asked at every switch."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Final, TypeAlias

from venvship.errors import ProgramNotFoundError
from venvship.model.interpreter import Identity
from venvship.system import proc
from venvship.system.signals import Signals

SECONDS: Final = 20.0
"""How long an interpreter may take to answer."""

_USAGE: Final = 2
"""The exit status of Python for a command line that it does not take, or a program that it cannot read."""

_File: TypeAlias = tuple[str, int, int, int]
"""A path, and the facts of its file that change with its contents."""


class NotAskedError(Exception):
    """An interpreter could not be asked, so its identity may be unchanged; the message has the reason."""


class InterpreterIdentities:
    """Asks interpreters for their identity.

    An interpreter that has answered once is not asked again, even if its libraries have since been removed,
    unless its file has changed. The one that runs this process is not asked as long as it is still at its
    path.

    Args:
        environ: The environment to run them in.
        signals: Signals that end the wait.
    """

    def __init__(self, environ: Mapping[str, str], signals: Signals) -> None:
        self._environ = environ
        self._signals = signals
        self._known: dict[_File, Identity] = {}

    def ask(self, path: str) -> Identity | str:
        """The identity of the interpreter at a path, or in words why it has none.

        Raises:
            NotAskedError: It could not be asked.
            InterruptedByError: A signal came.
        """
        self._signals.raise_if_received()
        try:
            found = os.stat(path)
        except OSError as error:
            return f"not there ({error.strerror})"
        if path == proc.own_program() and os.access(path, os.X_OK):
            from venvship.system.interpreter_probe import identity

            return Identity(**identity())
        file = (path, found.st_ino, found.st_size, found.st_mtime_ns)
        if file not in self._known:
            try:
                answer = self._ask(path)
            except ProgramNotFoundError:
                return "not executable"
            if answer is None:
                # Not kept: its libraries may be there again, without any change of its file.
                return "not able to run"
            self._known[file] = answer
        return self._known[file]

    def _ask(self, path: str) -> Identity | None:
        from venvship.system.interpreters import run_probe

        try:
            result = run_probe(path, environ=self._environ, signals=self._signals, timeout=SECONDS)
        except OSError as error:
            raise NotAskedError(f"its interpreter {path} could not be started: {error.strerror}") from error
        if result.returncode is None:
            raise NotAskedError(f"its interpreter {path} did not answer in {result.seconds:.0f} s")
        if result.returncode < 0:
            raise NotAskedError(f"its interpreter {path} was killed by signal {-result.returncode}")
        if result.returncode == _USAGE:
            raise NotAskedError(f"its interpreter {path} did not take the question (exit {_USAGE})")
        try:
            return Identity(**json.loads(result.stdout)) if result.returncode == 0 else None
        except (ValueError, TypeError):
            return None
