"""Refuse arguments that the command line would refuse, with its words."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime


def require_range(name: str, value: float | None, minimum: float) -> None:
    """Refuse a number that is too small, or not finite; `None` passes.

    Raises:
        ValueError: It is.
    """
    if value is None:
        return
    if not math.isfinite(value):
        raise ValueError(f"{name}: {value} is not a finite number")
    if value < minimum:
        raise ValueError(f"{name}: {value} is not in the range x>={minimum:g}")


def require_future(name: str, value: datetime, now: datetime) -> None:
    """Refuse a time that is over, or that no clock shows.

    Raises:
        ValueError: It is.
    """
    if value.tzinfo is None:
        raise ValueError(f"{name}: {value} has no time zone")
    if value <= now:
        raise ValueError(f"{name}: {value} is over")


def require_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a word that is none of the choices.

    Raises:
        ValueError: It is none.
    """
    if value not in choices:
        raise ValueError(f"{name}: {value!r} is not one of {', '.join(map(repr, choices))}")


def require_sha256(name: str, value: str) -> str:
    """Read a SHA-256 in hexadecimal digits, with or without `sha256:` before it, and return the digits.

    Raises:
        ValueError: It is none.
    """
    digits = value.removeprefix("sha256:").lower()
    if re.fullmatch(r"[0-9a-f]{64}", digits, re.ASCII) is None:
        raise ValueError(f"{name}: {value!r} is not a SHA-256 of 64 hexadecimal digits")
    return digits


def require_several(name: str, value: Sequence[str]) -> None:
    """Refuse a `str` in place of a sequence of them: it would be read letter by letter.

    Raises:
        TypeError: It is a `str`.
    """
    if isinstance(value, str | bytes):
        raise TypeError(f"{name} is a sequence of str, not one: [{value!r}]")
