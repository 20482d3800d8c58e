"""One release to build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from venvship.model.environment import Environment
from venvship.model.settings import BuildSettings
from venvship.model.trust import NOBODY_ELSE, Trust


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
        wheels: By requirement name, the SHA-256 of the wheel to install, which the store has to have: then
            nothing is fetched. `None`: the store's selections decide, and wheels that it lacks are fetched.
        shared: `[project] shared`: names in whose place the release has links to what outlives it.
        locked_here: Whether `venvship lock` generates the lockfile.
        trust: Who may write the directories on the way to the store, besides this user and root.
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
    wheels: Mapping[str, str] | None = None
    shared: tuple[str, ...] = ()
    locked_here: bool = True
    trust: Trust = NOBODY_ELSE
