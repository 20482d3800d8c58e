"""Reading venvship's own JSON files: `state/*.json` and manifests. Each has a number `format`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from venvship.errors import FormatError, StateError
from venvship.model import bounds
from venvship.model.spelling import FORMAT, is_shallow, parse_json
from venvship.system.regular import read_regular

MOST_LEVELS: Final = 20
"""The depth to which a JSON file of ours may be nested: none has more than four levels, by any version."""

Ask = Callable[[str, os.stat_result], None]
"""Refuses a file that users who are not trusted can write: called with its path and its `fstat`."""


def unasked(_path: str, _status: os.stat_result) -> None:
    """Take a file, whose ever it is: for what decides nothing."""


def read_json(path: Path, ask: Ask = unasked) -> dict[str, Any] | None:
    """Read one of our JSON files; `None` if it is missing.

    Args:
        path: The file.
        ask: Refuses a file that others can write; its error passes through.

    Raises:
        FormatError: A newer venvship wrote it.
        StateError: It cannot be read, or is not such a file.
    """
    raw = read_raw(path, ask)
    return None if raw is None else parsed(path, raw)


def read_raw(path: Path, ask: Ask = unasked) -> bytes | None:
    """Read the bytes of one of our JSON files; `None` if it is missing.

    Raises:
        StateError: It cannot be read.
    """
    try:
        raw, status = read_regular(path, bounds.STATE)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StateError(f"cannot read {path}: {error.strerror}") from error
    ask(str(path), status)
    return raw


def parsed(path: Path, raw: bytes) -> dict[str, Any]:
    """Parse the bytes of one of our JSON files.

    Raises:
        FormatError: A newer venvship wrote it.
        StateError: It is not such a file.
    """
    try:
        data = parse_json(raw)
    except ValueError as error:
        raise StateError(f"{path} is damaged: not JSON") from error
    if not isinstance(data, dict) or type(data.get("format")) is not int:
        raise StateError(f"{path} is damaged: no format number")
    if not is_shallow(data, MOST_LEVELS):
        raise StateError(f"{path} is damaged: nested too deeply")
    if data["format"] > FORMAT:
        raise FormatError(
            f"{path} is of format {data['format']}; this venvship knows up to {FORMAT}",
            hint="use the newer venvship that wrote it",
        )
    return data
