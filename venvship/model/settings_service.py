"""`[service]`: two slots behind one socket. Declared as `model/settings.py` says."""

# No `from __future__ import annotations`: the annotations are values here.

from typing import Annotated, Final, NamedTuple

from venvship.model import setting_values as values
from venvship.model.setting import Setting
from venvship.model.toml_table import Table, boolean, line, number
from venvship.printable import shell_line

SLOTS: Final = ("a", "b")
"""The names of the two slots."""

SLOT: Final = "{slot}"
"""In an argument of `start` and `stop`: the name of the slot."""

LONGEST_SOCKET: Final = 107
"""Bytes of the longest path of a Unix socket (unix(7): `sun_path` has 108, with a NUL at the end)."""

OUTPUTS: Final = ("service", "service-start", "service-stop")
"""The names of its outputs in the log folder of a release, where those of the checks are too."""

_TOGETHER: Final = ("start", "stop", "health")


class ServiceSettings(NamedTuple):
    """`[service]`: how venvship starts, asks and stops the application. On exactly when `start` is set."""

    start: Annotated[
        tuple[str, ...] | None,
        Setting(
            values.command,
            "Starts the application in a slot. `{slot}` is `a` or `b`. A name without a path is a program of"
            " the host.",
            example=("/usr/bin/systemctl", "start", "shop@{slot}.service"),
        ),
    ] = None
    stop: Annotated[
        tuple[str, ...] | None,
        Setting(
            values.command,
            "Stops the application in a slot. It is also run where nothing is up.",
            example=("/usr/bin/systemctl", "stop", "shop@{slot}.service"),
        ),
    ] = None
    health: Annotated[
        str | None,
        Setting(
            values.url_path,
            "Path that must answer 200 over the slot's socket, from this release. Its id in the answer says"
            " so, or else whoever holds the socket.",
            example="/healthz",
        ),
    ] = None
    socket_dir: Annotated[
        str,
        Setting(
            values.path,
            "Folder of the slots' links and sockets, and of `live.sock`. Relative to the root or absolute.",
        ),
    ] = "run"
    user: Annotated[
        str | None,
        Setting(
            line(100),
            "User that the application runs as.",
            example="www-data",
            default_text="the root's owner",
        ),
    ] = None
    web_user: Annotated[
        str | None,
        Setting(
            line(100),
            "User who connects to `live.sock`: the web server's. It is looked at whether that user can.",
            example="www-data",
        ),
    ] = None
    timeout: Annotated[
        float,
        Setting(values.seconds, "Seconds for a started slot to answer, three times in a row."),
    ] = 20.0
    drain: Annotated[
        float,
        Setting(number(values.WEEK, zero=True), "Seconds between the switch and the old slot's stop."),
    ] = 10.0
    overlap: Annotated[
        bool,
        Setting(
            boolean,
            "Whether the new slot is up before the old one stops. Without it, requests fail in between.",
        ),
    ] = True

    @property
    def is_on(self) -> bool:
        """Whether venvship starts and stops the application."""
        return self.start is not None


def log_command(service: ServiceSettings, slot: str) -> str:
    """The command that shows what the application in a slot has printed, by its manager; `""` if unknown."""
    words = [word.replace(SLOT, slot) for word in service.start or ()]
    for place, word in enumerate(words):
        program, rest = word.rpartition("/")[2], words[place:]
        if "start" not in rest:
            break
        start = rest.index("start")
        named = next((word for word in reversed(rest[start + 1 :]) if not word.startswith("-")), "")
        if not named:
            break
        if program == "systemctl":
            unit = f"--user-unit={named}" if "--user" in rest else f"--unit={named}"
            return shell_line(["journalctl", unit, "--lines=50"])
        if program == "supervisorctl":
            return shell_line([*rest[:start], "tail", named])
    return ""


NO_SERVICE: Final = ServiceSettings()
"""The application is started and stopped by others."""


def report_incomplete(table: Table) -> None:
    """Report a `[service]` with some of `start`, `stop` and `health`, or the slot in one command alone."""
    missing = [key for key in _TOGETHER if key not in table.values]
    named = {key for key in ("start", "stop") if SLOT in " ".join(_words(table.values.get(key)))}
    if len(named) == 1:
        (with_slot,) = named
        without = "stop" if with_slot == "start" else "start"
        table.report(without, f"does not name the slot, {SLOT}, which {with_slot} does")
    if 0 < len(missing) < len(_TOGETHER):
        table.report(missing[0], f"missing; {', '.join(_TOGETHER[:-1])} and {_TOGETHER[-1]} go together")


def _words(value: object) -> list[str]:
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []
