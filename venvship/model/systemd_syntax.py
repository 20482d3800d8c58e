"""How values are written in units of systemd.

Each is escaped for where it stands: specifiers (`%`) everywhere, variables (`$`) and quotes in command lines;
see systemd.syntax(7), systemd.unit(5) and systemd.service(5).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from venvship.errors import SettingsError

FOLDER: Final = "/etc/systemd/system"
"""Where an administrator's units go."""

MOST_BYTES: Final = 180
"""Bytes of an escaped name: with what stands before and after it, a unit's may have 255."""

_PLAIN: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.-")
_ODD_IN_A_PROGRAM: Final = frozenset("\"'\\$")


def escape_name(name: str) -> str:
    r"""Escape an application's name for the name of a unit, as systemd-escape(1) does, but for `-`.

    A `-` stays as it is: what is escaped here is never taken for a path. Bytes that a unit's name may not
    have become `\xNN`.

    Raises:
        SettingsError: It is too long then.
    """
    escaped = "".join(chr(byte) if byte in _PLAIN else f"\\x{byte:02x}" for byte in name.encode())
    if len(escaped) > MOST_BYTES:
        raise SettingsError(
            f"name: {name!r} is too long for the name of a systemd unit", hint="set a shorter name"
        )
    return escaped


def command_line(argv: Sequence[str]) -> str:
    """A command line for `ExecStart=`.

    The program's own name may hold no quote, and no `$` of it is undone, so an odd one is run by sh.
    """
    words = list(argv)
    if _ODD_IN_A_PROGRAM & set(words[0]):
        words = ["/bin/sh", "-c", 'exec "$@"', "venvship", *words]
    first, *rest = words
    return " ".join([quoted(first), *(quoted(word).replace("$", "$$") for word in rest)])


def paths(several: Sequence[str]) -> str:
    """Paths beside each other, as `ReadWritePaths=` takes them."""
    return " ".join(quoted(path) for path in several)


def quoted(word: str) -> str:
    """One word, quoted where it has to be."""
    escaped = specifiers(word)
    if word and not set(word) & set(" \t\"'\\;#"):
        return escaped
    return '"' + escaped.replace("\\", "\\\\").replace('"', '\\"') + '"'


def specifiers(text: str) -> str:
    """A text without specifiers: each `%` stands for itself."""
    return text.replace("%", "%%")


def unit_text(*lines: str) -> str:
    """The lines of a unit."""
    return "\n".join(lines) + "\n"
