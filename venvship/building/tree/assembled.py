"""A release between its assembly and its seal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from venvship.building.tree.link import Stamp
from venvship.model.release import FileEntry, Package


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembled:
    """A release that is complete but not sealed.

    Attributes:
        entries: Everything in it, sorted by path, as it will be once sealed.
        tree_digest: Of the canonical tree.
        packages: The installed packages, sorted by name.
        wheels: By requirement name, the SHA-256 of the wheel that it came from.
        warnings: Each with `slug` and `message`.
        stamps: By path, how each file from the store looked when it was linked.
        linked: How many files were linked in which way: `hardlink`, `reflink`, `copy`.
        hooked: Whether a generate hook has run in it.
    """

    entries: tuple[FileEntry, ...]
    tree_digest: str
    packages: tuple[Package, ...]
    wheels: Mapping[str, str]
    warnings: tuple[Mapping[str, str], ...]
    stamps: Mapping[str, Stamp]
    linked: Mapping[str, int]
    hooked: bool = False
