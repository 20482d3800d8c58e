"""Read the variables of hooks, checks and `run`: `[env]`, and the file that `env_file` names.

The file is read at each use, and nothing of it is kept: another program renews it, and it holds secrets.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from venvship.errors import SettingsError
from venvship.model import bounds
from venvship.model.settings import Settings
from venvship.model.variables import Variables, parse_variables, secrets_of
from venvship.printable import shell_line
from venvship.root import RootLayout
from venvship.system.regular import read_regular


def read_variables(
    layout: RootLayout,
    settings: Settings,
    environ: Mapping[str, str],
    *,
    warn: Callable[[str, str], None],
) -> Variables:
    """Read the variables of the settings.

    Args:
        layout: The root. It is asked whose file it is.
        settings: The settings.
        environ: The process environment, which may hold secrets too.
        warn: Gets slug and message of a warning.

    Raises:
        SettingsError: The file is missing, cannot be read, or is not UTF-8.
        UntrustedError: A user who is not trusted can write it.
        HostError: The host has nothing left to read it with.
    """
    tier = settings.tier or ""
    if settings.env_file is None:
        return Variables(settings.env, secrets_of(settings.env, {}, environ), tier)
    path = os.path.join(layout.path, settings.env_file)
    found = parse_variables(_text(layout, path))
    if found.taken or found.nameless:
        warn("env-file-passed-over", _passed_over(path, found.taken, found.nameless))
    secrets = secrets_of(settings.env, found.values, environ)
    return Variables({**settings.env, **found.values}, secrets, tier)


def _text(layout: RootLayout, path: str) -> str:
    try:
        data, status = read_regular(path, bounds.CONFIGURATION)
    except OSError as error:
        shown = shell_line([path])
        hint = f"make it, readable by its owner alone: install -m 600 /dev/null {shown}; or remove `env_file`"
        raise SettingsError(
            f"env_file: cannot read {path}: {error.strerror}",
            hint=hint if isinstance(error, FileNotFoundError) else f"ls -l {shown}",
            path=path,
        ) from error
    layout.ask(path, status)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        # Without its cause, which quotes the file.
        raise SettingsError(f"env_file: {path} is not UTF-8, in line {row}", path=path) from None
    if "\0" in text:
        row = text.count("\n", 0, text.index("\0")) + 1
        raise SettingsError(f"env_file: {path} has a NUL character, in line {row}", path=path)
    return text


def _passed_over(path: str, taken: tuple[str, ...], nameless: tuple[int, ...]) -> str:
    told = [f"{', '.join(taken)}: set by venvship itself"] if taken else []
    if nameless:
        rows = ", ".join(map(str, nameless))
        told.append(f"line{'' if len(nameless) == 1 else 's'} {rows}: no name of a variable before the =")
    return f"not passed on from {path}: {'; '.join(told)}"
