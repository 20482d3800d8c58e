"""`schedule`: the crontab line or systemd units that run `update`. Reads the settings, writes nothing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal

from venvship.errors import OperationWarning, SettingsError, UsageError
from venvship.model import bounds
from venvship.model.schedule import Every, crontab, parse_every
from venvship.model.settings import Settings
from venvship.model.systemd_syntax import FOLDER
from venvship.model.systemd_units import Units, unit_name
from venvship.model.window import is_open
from venvship.printable import shell_line
from venvship.system.accounts import user_name
from venvship.system.regular import read_regular
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
        before: The units that the recovery at boot comes before.
        files: The files to install.
        advice: How to install them, in lines for people.
        warnings: The warnings of the operation.
    """

    kind: Literal["cron", "systemd"]
    every: str
    user: str
    before: tuple[str, ...]
    files: tuple[ScheduleFile, ...]
    advice: tuple[str, ...]
    warnings: tuple[OperationWarning, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The `data` of `schedule --json`."""
        return {
            "kind": self.kind,
            "every": self.every,
            "user": self.user,
            "before": list(self.before),
            "files": [{"path": file.path, "content": file.content} for file in self.files],
        }


def schedule(
    workspace: ReadingWorkspace,
    kind: Literal["cron", "systemd"],
    *,
    every: str = DEFAULT_EVERY,
    before: Sequence[str] = (),
    command: Sequence[str],
) -> ScheduleResult:
    """Write the crontab line or the systemd units that run `venvship update` on this root.

    Arguments and errors: `Root.schedule`.
    """
    interval = parse_every(every)
    services = tuple(dict.fromkeys(map(unit_name, before)))
    if services and kind == "cron":
        raise UsageError(
            "--before is for systemd: cron runs nothing before the services",
            hint="venvship schedule systemd",
        )
    settings = workspace.settings()
    _warn_of_the_window(workspace, interval, settings)
    root = str(workspace.layout.path)
    owner = os.stat(root).st_uid
    user = user_name(owner)
    base = (*command, "-C", root)
    options = ["--every", every, *(word for name in services for word in ("--before", name))]
    show = shell_line([*base, "schedule", kind, *options])
    if kind == "cron":
        text = crontab(interval, [*base, "update"], title=f"venvship: {settings.name}")
        files = [ScheduleFile(None, text)]
        edit = "crontab"
        if owner != os.geteuid():
            edit = f"{'' if os.geteuid() == 0 else 'sudo '}crontab -u {shell_line([user])}"
        advice = [
            f"To add it to the crontab of {user}:",
            f"  ({edit} -l; {show} -q) | {edit} -",
        ]
    else:
        units = _units(workspace, settings, user=user, command=base, before=services)
        files = [ScheduleFile(path, text) for path, text in units.files(interval)]
        _require_free(units)
        _warn(workspace, interval, units)
        timer, boot = shell_line([f"{units.update}.timer"]), shell_line([f"{units.boot}.service"])
        advice = [
            "Each text begins with the name of its file. To write them, and to start the timer:",
            f"  {show} -q | sudo awk '{SPLIT}'",
            f"  sudo systemctl daemon-reload && sudo systemctl enable --now {timer}",
        ]
        if services:
            advice.append(f"To recover at boot, before {' and '.join(services)}:")
        else:
            advice += [
                "A recovery at boot has to come before the application. Name the application's units with",
                f"  {show} --before NAME.service",
                "and then:",
            ]
        advice.append(f"  sudo systemctl enable {boot}")
    return ScheduleResult(
        kind=kind, every=every, user=user, before=services, files=tuple(files), advice=tuple(advice)
    )


def _warn_of_the_window(workspace: ReadingWorkspace, every: Every, settings: Settings) -> None:
    """Warn of a daily run that is in no window on any day of the week: it would never do anything."""
    windows = settings.update.window
    if not every.is_daily or not windows:
        return
    wanted = time(every.offset // 60, every.offset % 60)
    today = workspace.runtime.clock().astimezone().date()
    days = (datetime.combine(today + timedelta(day), wanted).astimezone(UTC) for day in range(7))
    if not any(is_open(windows, day) for day in days):
        workspace.warn(
            "outside-window",
            f"{every.time_of_day} is in no `[update] window` ({', '.join(windows)}): the update would never "
            "do anything. Take an --every in it, such as --every 5m",
        )


def _warn(workspace: ReadingWorkspace, every: Every, units: Units) -> None:
    """Warn of what keeps the units from starting, or from starting on every day."""
    for path in units.writable:
        if not os.path.isdir(path):
            workspace.warn(
                "store-missing",
                f"the store {path} is not there. The units refer to it, and systemd does not start them "
                f"without it (status=226/NAMESPACE): make it, or make a first release by hand: "
                f"{shell_line(['sudo', 'install', '-d', '-o', units.user, path])}",
            )
    day = missing_day(every, workspace.runtime.clock())
    if day is not None:
        later = every
        while missing_day(later, workspace.runtime.clock()) is not None:
            later = Every(every.minutes, (later.offset + 60) % every.minutes)
        workspace.warn(
            "time-left-out",
            f"{every.time_of_day} does not exist on {day} in the time zone of this host, because summer time "
            f"begins: systemd leaves out the run of that day. It does not with --every {later.time_of_day}",
        )


def missing_day(every: Every, now: datetime) -> date | None:
    """The next day on which the local clock of this host does not show the time of a daily run.

    Args:
        every: The interval; one below a day has another run soon.
        now: The time; aware.

    Returns:
        The day, within the next 400; `None` for none.
    """
    if not every.is_daily:
        return None
    wanted = time(every.offset // 60, every.offset % 60)
    for days in range(400):
        local = datetime.combine(now.astimezone().date() + timedelta(days), wanted)
        # A time that is left out comes back as another one.
        if local.astimezone(UTC).astimezone().replace(tzinfo=None) != local:
            return local.date()
    return None


def _units(
    workspace: ReadingWorkspace,
    settings: Settings,
    *,
    user: str,
    command: tuple[str, ...],
    before: tuple[str, ...],
) -> Units:
    root = workspace.layout.path
    # Where it is, not the link that leads there: mounts and read-only trees are about that.
    store = os.path.realpath(root / settings.store)
    return Units(
        name=settings.name,
        root=str(root),
        user=user,
        command=command,
        before=before,
        writable=() if f"{store}/".startswith(f"{root}/") else (store,),
    )


def _require_free(units: Units) -> None:
    """Refuse to overwrite the units of another root: their names come from the application's.

    Raises:
        SettingsError: There are such.
    """
    path = f"{FOLDER}/{units.update}.service"
    try:
        installed = read_regular(path, bounds.CONFIGURATION).data.decode(errors="replace")
    except OSError:
        return
    if not units.is_of_this_root(installed):
        raise SettingsError(
            f"{path} updates another root that is called {units.name!r}, too",
            hint="set another `name` in venvship.toml; or remove that file if that root is no more",
        )
