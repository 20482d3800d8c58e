"""Refuse a switch whose restart hook, or whose stop of a slot, would end venvship itself.

A restart of a systemd service ends every process in its control group. A venvship that the application has
started, or a line of its unit, is one of them: it would be killed between the switch and the verdict, and
the restart would wait for it meanwhile. The processes of the root's releases show which service is the
application's.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from venvship.errors import OwnServiceError
from venvship.model.settings import Settings
from venvship.printable import shell_line
from venvship.system import proc
from venvship.workspace.reading import ReadingWorkspace

_NEVER_RESTARTED: Final = (
    "venvship-",
    "cron",
    "crond",
    "cronie",
    "anacron",
    "atd",
    "supervisor",
    "supervisord",
)
"""Names of services in which an application may run that is not restarted with them: a restart hook has
started it from there, and left it running. With `-` at the end, beginnings of names."""


def refuse_own_service(workspace: ReadingWorkspace, settings: Settings) -> None:
    """Refuse to go on if this process runs in the service that the restart hook restarts.

    Costs one look at a small file, unless this process is in a service.

    Raises:
        OwnServiceError: It is, as far as control groups tell.
    """
    service = proc.service_of("self")
    if service is None or (settings.hooks.restart is None and not settings.service.is_on):
        return
    unit = service.rpartition("/")[2]
    if _is_never_restarted(unit):
        return
    live = _in_service(str(workspace.layout.releases), service)
    if not live or _is_main_process(workspace, live):
        return
    manager = ["systemd-run"] if "/user@" not in service else ["systemd-run", "--user"]
    mine = [] if os.geteuid() == 0 or "--user" in manager else [f"--uid={os.geteuid()}"]
    pid = min(live)
    command = ["venvship", "-C", str(workspace.layout.path)]
    raise OwnServiceError(
        f"this venvship runs inside of {unit}, the service of the application (pid {pid}): "
        f"{'the stop of its slot' if settings.service.is_on else 'the restart hook'} "
        "would end it in the middle of the switch. Nothing was switched",
        hint="run it outside of the service, from a timer (`venvship schedule systemd`) or with "
        + shell_line([*manager, *mine, "--pipe", "--wait", *command])
        + " …",
        unit=unit,
        pid=pid,
    )


def _is_never_restarted(unit: str) -> bool:
    name = unit.removesuffix(".service")
    return any(name.startswith(known) if known.endswith("-") else name == known for known in _NEVER_RESTARTED)


def _in_service(releases: str, service: str) -> frozenset[int]:
    """The processes of any release in a service; this one as well, if a release has imported venvship."""
    found = {seen.pid for seen in proc.processes_under(releases) if proc.service_of(seen.pid) == service}
    if os.path.realpath(sys.prefix).startswith(f"{releases}/"):
        found.add(os.getpid())
    return frozenset(found)


def _is_main_process(workspace: ReadingWorkspace, live: frozenset[int]) -> bool:
    """Whether the service was started for this venvship, as a job of cron or of a CI runner is.

    The application then was left running there by an earlier restart hook. systemd tells a service's main
    process its own number, and its children inherit that (SYSTEMD_EXEC_PID, systemd.exec(5)); a command of
    `ExecReload=` and the like gets the number of the main process besides (MAINPID).
    """
    environ = workspace.runtime.environ
    above = {os.getpid(), *proc.ancestors(os.getpid())}
    return (
        "MAINPID" not in environ
        and not above & live
        and environ.get("SYSTEMD_EXEC_PID") in set(map(str, above))
    )
