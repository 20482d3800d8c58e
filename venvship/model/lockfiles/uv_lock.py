"""`uv.lock`, which uv itself exports as a pylock file: its format belongs to uv, and changes with it.

Source: uv's "Exporting a lockfile". See ADR 0046.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from venvship.model.lock_kinds import kind_of
from venvship.model.lock_neighbours import Export
from venvship.model.lockfiles import document
from venvship.model.lockfiles.problems import Problems
from venvship.model.lockfiles.pylock import PylockFile, parse_pylock
from venvship.model.lockfiles.selection import Selection

if TYPE_CHECKING:
    from venvship.model.interpreter import Interpreter

_KIND: Final = "a uv.lock"
_PACKAGE: Final = re.compile(r'(?m)^\[\[package\]\]\r?\nname = "([^"\n]*)"\r?\n(?:version = "([^"\n]*)")?')


@dataclass(frozen=True, slots=True)
class UvLock:
    """A uv.lock that was exported; a `Parsed`.

    Attributes:
        exported: The export, for the extras and groups that are wanted; `None`: it was only looked at.
    """

    exported: PylockFile | None

    def select(
        self,
        interpreter: Interpreter,
        *,
        extras: Sequence[str],  # noqa: ARG002  # uv has resolved them
        groups: Sequence[str],  # noqa: ARG002
        problems: Problems,
    ) -> Selection:
        """Choose the packages whose marker holds. Extras and groups are those of the export."""
        if self.exported is None:
            raise RuntimeError("a uv.lock that was not exported cannot be selected from")
        return self.exported.select(interpreter, extras=(), groups=(), problems=problems)


def parse_uv_lock(
    path: str,
    data: bytes,
    beside: Mapping[str, bytes],
    *,
    sdists: Collection[str],
    export: Export | None,
) -> UvLock:
    """Read a uv.lock.

    Args:
        path: Absolute.
        data: Its bytes.
        beside: The project's files, by their paths relative to its folder.
        sdists: `[build] sdists`.
        export: As for `read_lockfile`.

    Raises:
        LockfileError: It is no TOML, or uv refuses it.
        StaleLockfileError: It is older than the project's files.
        VenvshipError: uv is missing, too old, or failed.
    """
    again = kind_of(path).lock_again(path)
    problems = Problems(path, hint=again)
    text = document.lockfile_text(path, data, problems)
    if export is None:
        document.load_toml(path, text, problems, _KIND)
        return UvLock(None)
    exported = export(path, {**beside, "uv.lock": data})
    numbers = _line_numbers(text)

    def line_of(name: str, version: str) -> int:
        return numbers.get((name, version)) or numbers.get((name, ""), 1)

    parsed = parse_pylock(path, exported, sdists=sdists, by_index=True, line_of=line_of, hint=again)
    return UvLock(parsed)


def _line_numbers(text: str) -> dict[tuple[str, str], int]:
    """The lines of packages by name and version, in one pass over the text."""
    numbers: dict[tuple[str, str], int] = {}
    line, before = 1, 0
    for match in _PACKAGE.finditer(text):
        line += text.count("\n", before, match.start())
        before = match.start()
        numbers[match[1], match[2] or ""] = line
    return numbers
