"""Is the interpreter at a path still the one that a release was built for? Asked at every switch."""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from venvship.errors import HostError, ProgramNotFoundError, VenvshipError
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


def _file(path: str) -> _File:
    found = os.stat(path)
    return path, found.st_ino, found.st_size, found.st_mtime_ns


def _not_there(error: OSError) -> str:
    return f"not there ({error.strerror})"


@functools.cache
def _our_identity() -> Identity:
    """The identity of the interpreter that runs this process, which therefore can run."""
    from venvship.system.interpreter_probe import identity

    return Identity(**identity())


class InterpreterIdentities:
    """Asks interpreters for their identity.

    An interpreter that has answered once is not asked again, even if its libraries have since been removed,
    unless its file has changed. The one that runs this process is not asked as long as it is still at its
    path.

    Args:
        environ: The environment to run them in.
        signals: Signals that end the wait.
        refuse: Called before one is run; raises an error of ours if this user must not run it.
    """

    def __init__(
        self, environ: Mapping[str, str], signals: Signals, refuse: Callable[[], None] = lambda: None
    ) -> None:
        self._environ = environ
        self._signals = signals
        self._refuse = refuse
        self._known: dict[_File, Identity | str] = {}

    def ask(self, path: str) -> Identity | str:
        """The identity of the interpreter at a path, or in words why it has none.

        Raises:
            NotAskedError: It could not be asked.
            InterruptedByError: A signal came.
        """
        self._signals.raise_if_received()
        known = self.known(path)
        if isinstance(known, Identity):
            return known
        try:
            file = _file(path)
        except OSError as error:
            return _not_there(error)
        # One without an identity is asked again: its libraries may be there again, and its file is the same.
        self._known[file] = self._ask(path)
        return self._known[file]

    def known(self, path: str) -> Identity | str | None:
        """The answer that `ask` gave, without running the interpreter; `None` if it was not asked."""
        try:
            file = _file(path)
        except OSError as error:
            return _not_there(error)
        if path == proc.own_program() and os.access(path, os.X_OK):
            return _our_identity()
        return self._known.get(file)

    def _ask(self, path: str) -> Identity | str:
        from venvship.system.host import host_error_in
        from venvship.system.interpreters import run_probe

        try:
            self._refuse()
        except VenvshipError as error:
            raise NotAskedError(f"its interpreter {path} was not asked: {error.message}") from error
        try:
            result = run_probe(path, environ=self._environ, signals=self._signals, timeout=SECONDS)
        except ProgramNotFoundError:
            return "not executable"
        except HostError as error:
            raise NotAskedError(f"its interpreter {path} was not asked: {error.message}") from error
        except OSError as error:
            raise NotAskedError(f"its interpreter {path} could not be started: {error.strerror}") from error
        if result.returncode is None:
            raise NotAskedError(f"its interpreter {path} did not answer in {result.seconds:.0f} s")
        if result.returncode < 0:
            raise NotAskedError(f"its interpreter {path} was killed by signal {-result.returncode}")
        if result.returncode and (found := host_error_in(result.output, "answer")):
            raise NotAskedError(f"its interpreter {path} {found.message}")
        if result.returncode == _USAGE:
            raise NotAskedError(f"its interpreter {path} did not take the question (exit {_USAGE})")
        with contextlib.suppress(ValueError, TypeError):
            if result.returncode == 0:
                return Identity(**json.loads(result.stdout))
        return "not able to run"
