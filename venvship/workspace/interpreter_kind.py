"""What kind an interpreter is, as it says itself: files built for one kind do not serve another."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Final, TypeAlias

from venvship.errors import ProgramNotFoundError
from venvship.system import proc
from venvship.system.signals import Signals

SECONDS: Final = 20.0
"""How long an interpreter may take to answer."""

# Not from `importlib.util`, which takes longer to import than all the rest.
_QUESTION: Final = (
    "import sys, _frozen_importlib_external as e; print('%d.%d' % sys.version_info[:2], e.MAGIC_NUMBER.hex())"
)


_File: TypeAlias = tuple[str, int, int, int]
"""Which file is meant, and what would change with its contents."""


class NotAskedError(Exception):
    """An interpreter could not be asked what it is, and that says nothing about it; the message says why."""


def _file(path: str) -> _File:
    found = os.stat(path)
    return path, found.st_ino, found.st_size, found.st_mtime_ns


def _our_kind() -> str:
    """Of the interpreter that runs this process: that it is able to run is plain."""
    from importlib.util import MAGIC_NUMBER

    return kind(f"{sys.version_info.major}.{sys.version_info.minor}", MAGIC_NUMBER.hex())


def kind(minor: str | None, magic: str | None) -> str:
    """A kind in words: the interpreter's `X.Y` and its magic number, in hexadecimal digits."""
    return f"{minor} {magic}"


class InterpreterKinds:
    """Asks interpreters for their kind; one that has answered, and whose file has not changed since, once.

    The one that runs this process has answered by that, as long as it is still at its path. Of none that has
    answered it is noticed if its libraries are gone since.

    Args:
        environ: The environment to run them in.
        cwd: Where to run them.
        signals: Signals that end the wait.
    """

    def __init__(self, environ: Mapping[str, str], cwd: str, signals: Signals) -> None:
        self._environ = environ
        self._cwd = cwd
        self._signals = signals
        self._known: dict[_File, str] = {}

    def ask(self, path: str) -> str:
        """The `kind` of the interpreter at a path, or why it is of none.

        Raises:
            NotAskedError: It could not be asked.
            InterruptedByError: A signal came.
        """
        self._signals.raise_if_received()
        try:
            file = _file(path)
        except OSError as error:
            return f"not there ({error.strerror})"
        if path == proc.own_program() and os.access(path, os.X_OK):
            return _our_kind()
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

    def _ask(self, path: str) -> str | None:
        from venvship.system.process import run

        try:
            result = run(
                [path, "-I", "-S", "-c", _QUESTION],
                env=self._environ,
                cwd=self._cwd,
                timeout=SECONDS,
                signals=self._signals,
            )
        except OSError as error:
            raise NotAskedError(f"its interpreter {path} could not be started: {error.strerror}") from error
        if result.returncode is None:
            raise NotAskedError(f"its interpreter {path} did not answer in {result.seconds:.0f} s")
        if result.returncode < 0:
            raise NotAskedError(f"its interpreter {path} was killed by signal {-result.returncode}")
        if result.returncode != 0:
            return None
        return result.output.decode(errors="replace").strip()
