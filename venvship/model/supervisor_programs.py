"""The sections with which supervisord runs the application: in two slots, or as one program.

A value ends at a `;` or `#` behind a blank, quoted or not, and `%` begins an expansion. `_words` minds both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from venvship.errors import UsageError
from venvship.model.programs import plain_name
from venvship.model.schedule import refuse_unwritable
from venvship.model.service_units import SLOWEST_TASK, ServiceUnits
from venvship.model.settings_service import SLOTS

FOLDER: Final = "/etc/supervisor/conf.d"

_FREE_PATH: Final = 'rm -f "$0"; exec "$@"'
_READ_FILE: Final = 'set -a && . "$0" && set +a && exec "$@"'


def program_name(units: ServiceUnits, slot: str = "") -> str:
    """The name of a program's section, in which supervisorctl allows few characters."""
    label = "" if units.program.role == "server" else f"-{units.program.label}"
    return plain_name(f"{units.name}{label}") + (f"-{slot}" if slot else "")


def sections(units: ServiceUnits) -> tuple[str, str]:
    """The file with the sections: its path, and its text, which begins with it.

    Raises:
        UsageError: It is a job, or a path cannot stand in a section.
    """
    if units.program.role == "job":
        raise UsageError(
            "--job: supervisor has no programs that run at a time",
            hint="run it from cron: venvship run -- PROGRAM",
        )
    path = f"{FOLDER}/{program_name(units)}.conf"
    lines = [f"# {path}"]
    if units.program.in_slots:
        lines += ["# venvship starts and stops the application in one of the two."]
        for slot in SLOTS:
            lines += [*_section(units, slot), ""]
        lines += [
            "# Brings up the live release when supervisord starts.",
            f"[program:{program_name(units)}-handover]",
            f"command={_words([*units.command, 'handover', 'ensure', '--boot'])}",
            f"user={_plain(units.owner)}",
            "autostart=true",
            "autorestart=false",
            "startsecs=0",
            "redirect_stderr=true",
        ]
    else:
        lines += _section(units, "")
    return path, "\n".join(lines) + "\n"


def _section(units: ServiceUnits, slot: str) -> list[str]:
    program = units.program
    release = f"{units.socket_dir}/{slot}" if slot else f"{units.root}/current"
    argv = program.argv(release, socket=f"{units.socket_dir}/{slot}.sock", extra=units.extra)
    if program.needs_free_path:  # it does not start where a killed one has left its socket
        argv = ["/bin/sh", "-c", _FREE_PATH, f"{units.socket_dir}/{slot}.sock", *argv]
    if units.env:
        argv = ["/usr/bin/env", *(f"{name}={value}" for name, value in sorted(units.env.items())), *argv]
    lines = [f"[program:{program_name(units, slot)}]"]
    if units.env_file:
        lines.append("# Read by sh: a value with blanks or a $ needs quotes there.")
        argv = ["/bin/sh", "-c", _READ_FILE, units.env_file, *argv]
    worker = program.role == "worker"
    return [
        *lines,
        f"command={_words(argv)}",
        f"user={_plain(units.user)}",
        f"autostart={'false' if slot else 'true'}",
        "autorestart=true",
        "startsecs=1",
        f"startretries={1 if slot else 10}",
        "stopsignal=TERM",
        *(
            ["# All of its processes, or a worker outlives it."]
            if program.stops_group
            else ["# The first process alone, which lets its workers finish."]
        ),
        f"stopasgroup={'true' if program.stops_group else 'false'}",
        "killasgroup=true",
        f"stopwaitsecs={SLOWEST_TASK if worker else units.stop}",
        "redirect_stderr=true",
    ]


def _words(argv: Sequence[str]) -> str:
    return " ".join(map(_word, argv))


def _word(word: str) -> str:
    refuse_unwritable(word)
    if re.fullmatch(r"[A-Za-z0-9_./:=,@+-]+", word, re.ASCII):
        return word
    # Between a blank and what would begin a comment, one quotation ends and another begins.
    parts = re.split(r"(?<=\s)(?=[;#])", word)
    return "".join("'" + part.replace("'", "'\"'\"'") + "'" for part in parts).replace("%", "%%")


def _plain(value: str) -> str:
    refuse_unwritable(value)
    return value.replace("%", "%%")
