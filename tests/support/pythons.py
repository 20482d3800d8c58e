"""Other versions of Python, as far as this machine has them."""

from __future__ import annotations

import contextlib
import os
import sys

import pytest

from venvship.building.interpreter import resolve_interpreter
from venvship.errors import InterpreterError
from venvship.model.interpreter import Interpreter
from venvship.system.signals import Signals

THIS = ".".join(map(str, sys.version_info[:2]))
OTHERS = [version for version in ("3.11", "3.12", "3.13", "3.14") if version != THIS]


def python_of(*versions: str) -> Interpreter:
    """A CPython of the first of these versions that is here; skips the test if there is none."""
    for version in versions:
        with contextlib.suppress(InterpreterError):
            return resolve_interpreter(version, environ=os.environ, signals=Signals())
    pytest.skip(f"no CPython {', '.join(versions)} here")
