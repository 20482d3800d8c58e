"""The tools that write lockfiles of their own, and the commands of each that a refusal ends in."""

from __future__ import annotations

import os
from collections.abc import Mapping
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
        pin: The command that moves packages alone, before these.
        each: Its words for one package, with `{name}` and `{version}`; a tool without the latter takes the
            newest version that the project allows.
    """

    tool: str
    lockfile: str
    project: str
    lock: tuple[str, ...]
    upgrade: tuple[str, ...]
    pin: tuple[str, ...]
    each: tuple[str, ...]

    def lock_again(self, path: str) -> str:
        """The line that brings the lockfile at a path up to date."""
        return self.in_folder(path, *self.lock)

    def upgrade_all(self, path: str) -> str:
        """The line that upgrades the lockfile at a path."""
        return self.in_folder(path, *self.upgrade)

    def pin_packages(self, path: str, versions: Mapping[str, str]) -> str:
        """The line that moves packages of the lockfile at a path to versions, by name."""
        words = [
            word.format(name=name, version=version)
            for name, version in versions.items()
            for word in self.each
        ]
        return self.in_folder(path, *self.pin, *words)

    def in_folder(self, path: str, *command: str) -> str:
        """The line that runs a command beside the lockfile at a path."""
        return f"cd {shell_line([os.path.dirname(path)])} && {shell_line(command)}"


KINDS: Final = {
    kind.lockfile: kind
    for kind in (
        LockKind(
            tool="uv",
            lockfile="uv.lock",
            project="pyproject.toml",
            lock=("uv", "lock"),
            upgrade=("uv", "lock", "--upgrade"),
            pin=("uv", "lock"),
            each=("-P", "{name}=={version}"),
        ),
        LockKind(
            tool="poetry",
            lockfile="poetry.lock",
            project="pyproject.toml",
            lock=("poetry", "lock"),
            upgrade=("poetry", "update", "--lock"),
            pin=("poetry", "update", "--lock"),
            each=("{name}",),
        ),
        LockKind(
            tool="pdm",
            lockfile="pdm.lock",
            project="pyproject.toml",
            lock=("pdm", "lock", "--update-reuse"),
            upgrade=("pdm", "update", "--no-sync"),
            pin=("pdm", "update", "--no-sync"),
            each=("{name}",),
        ),
        LockKind(
            tool="pipenv",
            lockfile="Pipfile.lock",
            project="Pipfile",
            lock=("pipenv", "lock"),
            upgrade=("pipenv", "lock"),
            pin=("pipenv", "upgrade", "--lock-only"),
            each=("{name}=={version}",),
        ),
    )
}
"""By the name of the lockfile."""


def kind_of(path: str) -> LockKind:
    """The kind of a lockfile that `is_tool_lock` is true of."""
    return KINDS[os.path.basename(path)]


def is_tool_lock(path: str) -> bool:
    """Whether a lockfile is one of another tool, by its name."""
    return os.path.basename(path) in KINDS
