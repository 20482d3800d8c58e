"""Other commands in a root while a search goes on, which holds no mutex between its trials."""

from __future__ import annotations

from typing import NamedTuple

from venvship.errors import SupersededError
from venvship.model.event import EventName
from venvship.model.settings import Settings
from venvship.operations.planning.environment import lockfile_paths
from venvship.operations.planning.lock import read_if_there
from venvship.workspace.workspace import Workspace


class Seen(NamedTuple):
    """The root as a search found it.

    Attributes:
        seq: The `seq` of the journal's last event that counts.
        settings: The settings.
        lockfile: The bytes of the lockfile; `None` without one.
    """

    seq: int
    settings: Settings
    lockfile: bytes | None


def seen(workspace: Workspace) -> Seen:
    """Look at a root.

    Raises:
        RootError: The journal is damaged.
        SettingsError: The settings are wrong by now.
        UntrustedError: Others can write the lockfile.
        OSError: A file cannot be read.
    """
    settings = workspace.settings()
    path = lockfile_paths(workspace, settings)[0]
    return Seen(_last(workspace), settings, read_if_there(path, workspace.trusted.read))


def require_left_alone(workspace: Workspace, before: Seen) -> None:
    """End a search if another command has done something in the root since, or a person has changed it.

    Args:
        workspace: The root.
        before: What the search has found.

    Raises:
        SupersededError: That is so.
        RootError: The journal is damaged.
    """
    if _last(workspace) != before.seq:
        what = "another command has worked in this root meanwhile"
    elif seen(workspace) != before:
        what = "the settings or the lockfile were changed meanwhile"
    else:
        return
    raise SupersededError(
        f"the search for the upgrades that fail was ended: {what}. Nothing was held back or released",
        hint="the next `venvship update --upgrade` begins anew",
    )


def _last(workspace: Workspace) -> int:
    """The last event; that an update reports something is none that counts."""
    events = workspace.journal.read().events
    return max((event.seq for event in events if event.event != EventName.REFUSED), default=0)
