"""`schedule`: the crontab line or systemd units that run `update`. Reads the settings, writes nothing."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from venvship.errors import OperationWarning, SettingsError
from venvship.model.schedule import crontab, parse_every
from venvship.model.settings import Settings
from venvship.model.systemd_units import FOLDER, Units
from venvship.root import user_name
from venvship.workspace.reading import ReadingWorkspace

DEFAULT_EVERY: Final = "5m"
"""An update that has nothing to do costs a fraction of a second, and asks no index."""

SPLIT: Final = r"/^# \/etc\/systemd\// {file = $2} {print > file}"
"""For awk(1): writes each text to the file that its first line names."""


@dataclass(frozen=True, slots=True)
class ScheduleFile:
    """One file to install.

    Attributes:
        path: Where it goes; `None` for a line of a crontab.
        content: Its text.
    """

    path: str | None
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleResult:
    """The result of `Root.schedule`: the files to install, so that updates run automatically.

    Attributes:
        kind: `"cron"` or `"systemd"`.
        every: The interval, as it was asked for.
        user: Who owns the root, and so has to run it.
        files: The files to install.
        advice: How to install them, in lines for people.
        warnings: The warnings of the operation.
    """

    kind: Literal["cron", "systemd"]
    every: str
    user: str
    files: tuple[ScheduleFile, ...]
    advice: tuple[str, ...]
    warnings: tuple[OperationWarning, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The `data` of `schedule --json`."""
        return {
            "kind": self.kind,
            "every": self.every,
            "user": self.user,
            "files": [{"path": file.path, "content": file.content} for file in self.files],
        }


def schedule(
    workspace: ReadingWorkspace,
    kind: Literal["cron", "systemd"],
    *,
    every: str = DEFAULT_EVERY,
    command: Sequence[str],
) -> ScheduleResult:
    """Write the crontab line or the systemd units that run `venvship update` on this root.

    Arguments and errors: `Root.schedule`.
    """
    interval = parse_every(every)
    settings = workspace.settings()
    root = str(workspace.layout.path)
    owner = os.stat(root).st_uid
    user = user_name(owner)
    base = (*command, "-C", root)
    show = " ".join(map(shlex.quote, [*base, "schedule", kind, "--every", every]))
    if kind == "cron":
        text = crontab(interval, [*base, "update"], title=f"venvship: {settings.name}")
        files = [ScheduleFile(None, text)]
        mine = "" if owner == os.geteuid() else f" -u {shlex.quote(user)}"
        advice = [
            f"To add it to the crontab of {user}:",
            f"  (crontab{mine} -l; {show} -q) | crontab{mine} -",
        ]
    else:
        units = _units(workspace, settings, user=user, command=base)
        files = [ScheduleFile(path, text) for path, text in units.files(interval)]
        _require_free(units)
        timer, boot = shlex.quote(f"{units.update}.timer"), shlex.quote(f"{units.boot}.service")
        advice = [
            "Each text begins with the name of its file. To write them, and to start the timer:",
            f"  {show} -q | sudo awk '{SPLIT}'",
            f"  sudo systemctl daemon-reload && sudo systemctl enable --now {timer}",
            "A recovery at boot has to come before the application. Name the application's units in",
            f"  sudo systemctl edit {boot}",
            "as `Before=NAME.service` below `[Unit]`, and then:",
            f"  sudo systemctl enable {boot}",
        ]
    return ScheduleResult(kind=kind, every=every, user=user, files=tuple(files), advice=tuple(advice))


def _units(workspace: ReadingWorkspace, settings: Settings, *, user: str, command: tuple[str, ...]) -> Units:
    root = workspace.layout.path
    # Where it is, not the link that leads there: mounts and read-only trees are about that.
    store = os.path.realpath(root / settings.store)
    return Units(
        name=settings.name,
        root=str(root),
        user=user,
        command=command,
        writable=() if f"{store}/".startswith(f"{root}/") else (store,),
    )


def _require_free(units: Units) -> None:
    """Refuse to overwrite the units of another root: their names come from the application's.

    Raises:
        SettingsError: There are such.
    """
    path = f"{FOLDER}/{units.update}.service"
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            installed = file.read()
    except OSError:
        return
    if not units.is_of_this_root(installed):
        raise SettingsError(
            f"{path} updates another root that is called {units.name!r}, too",
            hint="set another `name` in venvship.toml; or remove that file if that root is no more",
        )
