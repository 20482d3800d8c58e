"""One release to build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from venvship.model.environment import Environment
from venvship.model.lockfiles.requirement import Requirement
from venvship.model.settings import BuildSettings
from venvship.model.settings_project import ProjectSettings
from venvship.model.source import Built
from venvship.model.trust import NOBODY_ELSE, Trust

NO_SETTINGS: Final = ProjectSettings()


class Changed(NamedTuple):
    """The tracked files of a checkout as they are now, for `--dirty`.

    Attributes:
        tree: Of the whole repository; git's id.
        objects: The directory that has it.
    """

    tree: str
    objects: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectBuild:
    """How the members that come from a checkout are built.

    Attributes:
        settings: `[project]`.
        constraints: The lock of the build requirements, for the interpreter; `None`: there is none.
        options: Option lines of that lock about indexes.
        changed: The files to take in place of the commit's; `None`: the commit's.
        name: The name of the project itself; `""` without one.
        built: The built members of the release that this one takes the place of.
    """

    settings: ProjectSettings = NO_SETTINGS
    constraints: tuple[Requirement, ...] | None = None
    options: tuple[str, ...] = ()
    changed: Changed | None = None
    name: str = ""
    built: tuple[Built, ...] = ()


NO_PROJECT: Final = ProjectBuild()


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
        project: How members with a source are built.
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
    project: ProjectBuild = NO_PROJECT
