"""The tools that write lockfiles of their own, and the commands of each that a refusal ends in."""

from __future__ import annotations

import os
from typing import Final, NamedTuple

from venvship.printable import shell_line


class LockKind(NamedTuple):
    """One tool's lockfile.

    Attributes:
        tool: The tool.
        lockfile: The name of its lockfile.
        project: The name of the file beside it that the lock follows from.
        lock: The command that brings the lock up to date, with the pins that may stay.
        upgrade: The command that upgrades all pins.
    """

    tool: str
    lockfile: str
    project: str
    lock: tuple[str, ...]
    upgrade: tuple[str, ...]

    def lock_again(self, path: str) -> str:
        """The line that brings the lockfile at a path up to date."""
        return self.in_folder(path, *self.lock)

    def upgrade_all(self, path: str) -> str:
        """The line that upgrades the lockfile at a path."""
        return self.in_folder(path, *self.upgrade)

    def in_folder(self, path: str, *command: str) -> str:
        """The line that runs a command beside the lockfile at a path."""
        return f"cd {shell_line([os.path.dirname(path)])} && {shell_line(command)}"


KINDS: Final = {
    kind.lockfile: kind
    for kind in (
        LockKind("uv", "uv.lock", "pyproject.toml", ("uv", "lock"), ("uv", "lock", "--upgrade")),
        LockKind(
            "poetry", "poetry.lock", "pyproject.toml", ("poetry", "lock"), ("poetry", "update", "--lock")
        ),
        LockKind(
            "pdm",
            "pdm.lock",
            "pyproject.toml",
            ("pdm", "lock", "--update-reuse"),
            ("pdm", "update", "--no-sync"),
        ),
        LockKind("pipenv", "Pipfile.lock", "Pipfile", ("pipenv", "lock"), ("pipenv", "lock")),
    )
}
"""By the name of the lockfile."""


def kind_of(path: str) -> LockKind:
    """The kind of a lockfile that `is_tool_lock` is true of."""
    return KINDS[os.path.basename(path)]


def is_tool_lock(path: str) -> bool:
    """Whether a lockfile is one of another tool, by its name."""
    return os.path.basename(path) in KINDS
