"""Values out of JSON files that a fault, or another user, may have changed: each is checked, or refused.

Everything raises `ValueError` for a value of another type or form, so that the reader of a file turns it into
one error of ours. A value that has passed here can be used: as a path, in an argument list, in a calculation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_LARGEST: Final = (1 << 63) - 1
"""The largest size of a file, and number of a process, that the kernel knows (off_t)."""


def text(value: object) -> str:
    """A string for people. It may have any character: a message may hold what UTF-8 cannot spell (PEP 383).

    Raises:
        ValueError: It is of another type.
    """
    if not isinstance(value, str):
        raise ValueError(f"a string belongs here, not {type(value).__name__}")
    return value


def plain(value: object) -> str:
    """A string that can be a path, a name or an argument: without NUL, and UTF-8 can spell it.

    Raises:
        ValueError: It is of another type, or cannot.
    """
    if not isinstance(value, str):
        raise ValueError(f"a string belongs here, not {type(value).__name__}")
    if "\0" in value:
        raise ValueError(f"a NUL character in {value!a:.80}")
    if not value.isascii():
        value.encode()  # UnicodeEncodeError is a ValueError
    return value


def relative_path(value: object) -> str:
    """A path below a directory, with `/`: it does not climb, and every part has a name.

    Raises:
        ValueError: It is none.
    """
    # A release has 20,000 of them: the usual ones take no further call, and no look at their parts.
    found = value if type(value) is str and value.isascii() and "\0" not in value else plain(value)
    odd = not found or found[0] == "/" or "//" in found or "./" in found or found[-1] in "./"
    if odd and not {"", ".", ".."}.isdisjoint(found.split("/")):
        raise ValueError(f"no relative path: {found!a:.80}")
    return found


def absolute_path(value: object) -> str:
    """An absolute path.

    Raises:
        ValueError: It is none.
    """
    found = plain(value)
    if not found.startswith("/"):
        raise ValueError(f"no absolute path: {found!a:.80}")
    return found


def count(value: object) -> int:
    """A whole number from 0 to the largest that the kernel knows; a boolean is none.

    Raises:
        ValueError: It is none.
    """
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise ValueError(f"a count belongs here, not this {type(value).__name__}")
    return value


def sha256(value: object) -> str:
    """A SHA-256 in hexadecimal digits.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(value, str) or _SHA256.fullmatch(value) is None:
        raise ValueError("a SHA-256 belongs here")
    return value


def items(value: object) -> list[Any]:
    """An array.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(value, list):
        raise ValueError(f"an array belongs here, not {type(value).__name__}")
    return value


def plain_items(value: object) -> tuple[str, ...]:
    """An array of strings that `plain` lets pass.

    Raises:
        ValueError: It is none.
    """
    return tuple(map(plain, items(value)))


def mapping(value: object) -> Mapping[str, Any]:
    """An object; its keys are strings that `plain` lets pass.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(value, Mapping):
        raise ValueError(f"an object belongs here, not {type(value).__name__}")
    for key in value:
        plain(key)
    return value


def plain_mapping(value: object) -> dict[str, str]:
    """An object of strings that `plain` lets pass.

    Raises:
        ValueError: It is none.
    """
    return {key: plain(each) for key, each in mapping(value).items()}
