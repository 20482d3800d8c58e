"""Asking an interpreter about itself. The only caller of `interpreter_probe.py`.

The text of the probe is read when this module is imported. A switch asks later, and venvship can have been
upgraded or removed by then.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from venvship.system.process import ProcessResult, Program, run
from venvship.system.signals import Signals

with open(os.path.join(os.path.dirname(__file__), "interpreter_probe.py"), encoding="utf-8") as _file:
    _PROBE: Final = _file.read()


def run_probe(
    path: str,
    *,
    environ: Mapping[str, str],
    signals: Signals,
    timeout: float,
    library: str | None = None,
) -> ProcessResult:
    """Run the probe in an interpreter, with `-I -S`: no variable, user site or `.pth` file has a say.

    Args:
        path: The interpreter, absolute.
        environ: The environment to run it in, which may have to name the folder of its libraries.
        signals: Signals that end the wait.
        timeout: Seconds that it may take.
        library: The directory that `packaging` is imported from, to ask for all facts; `None`: only for the
            identity.

    Raises:
        ProgramNotFoundError: It is not there, or not executable.
        OSError: It could not be started.
        InterruptedByError: A signal came.
    """
    return run(
        Program(
            [path, "-I", "-S", "-c", _PROBE, *([library] if library is not None else [])],
            env={name: value for name, value in environ.items() if not name.startswith("PYTHON")},
            # Not where we happen to stand: a version file of pyenv there would choose another interpreter.
            cwd="/",
            separate_stderr=True,
        ),
        timeout=timeout,
        signals=signals,
    )
