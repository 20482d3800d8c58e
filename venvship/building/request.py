"""The values between the steps of a build: the release that was asked for, and the assembled one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from venvship.building.tree.link import Stamp
from venvship.model.environment import Environment
from venvship.model.release import FileEntry, Package
from venvship.model.settings import BuildSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """One release to build.

    Attributes:
        release_id: Its id.
        release_path: Where it will stand: absolute, no link on the way, and nothing there yet.
        root_path: The root, absolute.
        created_at: The time, aware.
        environment: The requirements to install, and the interpreter to install them for.
        build: `[build]` of the settings.
        link: How files get from the store into the release: `auto`, `hardlink`, `reflink` or `copy`.
        message: The person's `-m`, or empty.
        lease_path: The file that processes of the release hold their lease on; absolute.
        log_dir: An existing directory for the output of the fetch.
        copies: Copies of this process that help to link files and to look at them; by default as many as are
            worth while for the number of files.
    """

    release_id: str
    release_path: str
    root_path: str
    created_at: datetime
    environment: Environment
    build: BuildSettings
    link: str
    message: str
    lease_path: str
    log_dir: str
    copies: int | None = None


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
    """

    entries: tuple[FileEntry, ...]
    tree_digest: str
    packages: tuple[Package, ...]
    wheels: Mapping[str, str]
    warnings: tuple[Mapping[str, str], ...]
    stamps: Mapping[str, Stamp]
    linked: Mapping[str, int]
