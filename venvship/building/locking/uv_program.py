"""The uv that exports a uv.lock: found once, asked for its version, and run apart from the user's settings.

venvship does not need uv for other lockfiles, so it is an extra (`venvship[uv]`), and one that the host has
serves as well.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from venvship.errors import ProgramNotFoundError, SettingsError
from venvship.printable import shell_line
from venvship.system.process import ProcessResult, Program, find_program, run
from venvship.system.signals import Signals

MINIMUM: Final = (0, 7, 0)
"""The first uv whose `export` writes all that is read here into a pylock file."""

_VERSION: Final = re.compile(rb"uv (\d{1,6})\.(\d{1,6})\.(\d{1,6})")
_VERSION_SECONDS: Final = 30.0
_OUTPUT_BYTES: Final = 64 << 20


class Uv(NamedTuple):
    """A uv that can be run.

    Attributes:
        path: Absolute.
        version: Its version.
    """

    path: str
    version: tuple[int, int, int]


def uv_paths(environ: Mapping[str, str], recorded: str | None, *, executable: str) -> list[str]:
    """Where a uv is looked for, in order: beside venvship, where the root recorded it, on PATH.

    Args:
        environ: The user's environment variables. cron's PATH is short, hence the record.
        recorded: The path that the root recorded; `None` if it recorded none.
        executable: The interpreter that runs venvship.
    """
    # Not the real path of the interpreter: in a virtualenv that is a link out of it.
    beside = os.path.join(os.path.dirname(executable), "uv")
    found = [
        path for path in (beside, recorded) if path and os.access(path, os.X_OK) and os.path.isfile(path)
    ]
    with contextlib.suppress(ProgramNotFoundError):
        found.append(find_program("uv", env=environ, cwd="/"))
    return list(dict.fromkeys(map(os.path.abspath, found)))


def find_uv(
    environ: Mapping[str, str],
    recorded: str | None,
    *,
    executable: str,
    require: Callable[[str], None],
    directory: str,
    signals: Signals,
) -> Uv:
    """Find a uv that is new enough.

    Args:
        environ: As for `uv_paths`.
        recorded: As for `uv_paths`.
        executable: As for `uv_paths`.
        require: Refuses a program that another user can write; raises `UntrustedError`.
        directory: An empty directory of the caller's, to run it in.
        signals: Signals that end it.

    Raises:
        ProgramNotFoundError: There is none.
        SettingsError: All that there are are too old, or do not answer.
        UntrustedError: The one that was found can be written by others.
        InterruptedByError: A signal came.
    """
    refused = []
    for path in uv_paths(environ, recorded, executable=executable):
        require(path)
        result = run_uv(Uv(path, MINIMUM), ["--version"], directory, _VERSION_SECONDS, signals)
        match = _VERSION.match(result.stdout)
        if match is None:
            refused.append(f"{path} does not answer to --version as uv does")
            continue
        version = int(match[1]), int(match[2]), int(match[3])
        if version >= MINIMUM:
            return Uv(path, version)
        refused.append(f"{path} is uv {'.'.join(map(str, version))}")
    wanted = ".".join(map(str, MINIMUM))
    install = f"{shell_line([executable])} -m pip install --upgrade {shell_line([f'uv>={wanted}'])}"
    if refused:
        raise SettingsError(
            f"a uv.lock needs uv {wanted} or later, and {'; '.join(refused)}; nothing was built",
            hint=f"install one beside venvship: {install}",
        )
    raise ProgramNotFoundError(
        "a uv.lock is read with uv, and there is no uv beside venvship or on PATH; nothing was built",
        hint=f"install it beside venvship: {install}",
        program="uv",
    )


def run_uv(
    uv: Uv, arguments: list[str], directory: str, timeout: float, signals: Signals, *, cwd: str | None = None
) -> ProcessResult:
    """Run uv offline, in a private directory, without the user's settings, cache or credentials.

    Args:
        uv: The uv.
        arguments: From its subcommand on.
        directory: A directory of the caller's; everything that uv writes is in it.
        timeout: Seconds.
        signals: Signals that end it.
        cwd: The directory that it runs in, below the other one; `None`: that one. Paths in an export are
            relative to it.

    Raises:
        SettingsError: It cannot be started.
        InterruptedByError: A signal came.
        OSError: The directory cannot be used.
    """
    env = {
        "PATH": os.defpath,
        "HOME": directory,
        "TMPDIR": directory,
        "XDG_CONFIG_HOME": directory,
        "XDG_CONFIG_DIRS": directory,
        "XDG_DATA_HOME": directory,
        "XDG_CACHE_HOME": directory,
        "UV_CACHE_DIR": os.path.join(directory, "cache"),
        "UV_OFFLINE": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
        "NO_COLOR": "1",
        "LC_ALL": "C.UTF-8",
    }
    program = Program(
        [uv.path, *arguments], env=env, cwd=cwd or directory, separate_stderr=True, output_cap=_OUTPUT_BYTES
    )
    return run(program, timeout=timeout, signals=signals)
