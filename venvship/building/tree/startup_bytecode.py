"""Bytecode of the start-up module, so that no process has to compile it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Final

from venvship.building.tree.startup import MODULE_NAME, startup_source
from venvship.errors import InterpreterError, ProgramNotFoundError
from venvship.model.interpreter import Interpreter
from venvship.printable import shell_line
from venvship.system import process
from venvship.system.host import host_error_in
from venvship.system.signals import Signals

_COMPILE: Final = """\
import base64, importlib.util, json, marshal, os, sys
source = sys.stdin.buffer.read()
pycs = {}
for level in map(int, sys.argv[2:]):
    path = importlib.util.cache_from_source(sys.argv[1], optimization=level or "")
    code = compile(source, sys.argv[1], "exec", dont_inherit=True, optimize=level)
    header = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + importlib.util.source_hash(source)
    pycs[path] = base64.b64encode(header + marshal.dumps(code)).decode("ascii")
print(json.dumps(pycs))
"""
"""Run by the release's interpreter. Flag 1 is an unchecked hash (PEP 552): the source is never looked at."""


def startup_bytecode(
    interpreter: Interpreter, *, optimize: Sequence[int], env: Mapping[str, str], cwd: str, signals: Signals
) -> dict[str, bytes]:
    """Compile the module of the start-up files with the release's interpreter.

    A release without these files works, but each of its processes compiles the module again: more than a
    millisecond, in place of a fifth of one.

    Args:
        interpreter: The release's.
        optimize: Optimisation levels, as in `[build] optimize`.
        env: Environment for the interpreter.
        cwd: Directory to run it in.
        signals: A signal received there ends it.

    Returns:
        Contents by path relative to site-packages, such as `__pycache__/_venvship.cpython-311.pyc`. They
        depend on the interpreter's version only, not on the release.

    Raises:
        InterpreterError: It is gone, does not run, or gave no sensible answer.
        HostError: The host has nothing left to run it.
        InterruptedByError: A signal came.
    """
    name = f"{MODULE_NAME}.py"
    try:
        result = process.run(
            process.Program(
                [interpreter.path, "-I", "-S", "-c", _COMPILE, name, *map(str, optimize)],
                env=env,
                cwd=cwd,
                stdin=startup_source(),
                separate_stderr=True,
            ),
            timeout=60,
            signals=signals,
        )
        if result.returncode != 0:
            if short := host_error_in(result.output, f"run {interpreter.path}"):
                raise short
            raise ValueError(result.output.decode(errors="replace"))
        return {path: base64.b64decode(data) for path, data in json.loads(result.stdout).items()}
    except (ProgramNotFoundError, OSError, ValueError) as error:
        raise InterpreterError(
            f"{interpreter.path} could not compile the start-up module of the release",
            hint=f"see whether it runs: {shell_line([interpreter.path])} -I -S -c 'print(1)'",
        ) from error
