"""The units with which systemd runs an unattended update, and a recovery at boot.

Hooks and checks do not change them. A guess from a hook's words is wrong as soon as the hook calls a script,
so every hook can live with these lines, and `docs/how-to/schedule.md` has those that an operator adds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from venvship.errors import UsageError
from venvship.model.schedule import Every, refuse_unwritable
from venvship.model.systemd_syntax import (
    FOLDER,
    command_line,
    escape_name,
    paths,
    quoted,
    specifiers,
    unit_text,
)
from venvship.printable import shell_line

_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]{1,255}", re.ASCII)
_UNIT_TYPES: Final = frozenset({"service", "socket", "target", "slice", "scope", "timer", "path", "mount"})

_SANDBOX: Final = (
    "ProtectSystem=strict",
    "ProtectHome=read-only",
    "ProtectControlGroups=yes",
    "# If no hook or check becomes another user (sudo, su), these hold as well:",
    "#NoNewPrivileges=yes",
    "#ProtectKernelTunables=yes",
    "#ProtectKernelModules=yes",
    "#RestrictSUIDSGID=yes",
    "#LockPersonality=yes",
)
"""For a user who is not root, each comment implies the first of them, and with that sudo fails."""

_TEMPORARY: Final = "ReadWritePaths=-/tmp -/var/tmp"
"""The host's own, since a hook or check may use a socket there. `-`: a host may lack one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """The values in the units.

    Attributes:
        name: The application's.
        root: Its root; absolute.
        user: Who owns the root.
        command: venvship with `-C ROOT`; an argument list, its program an absolute path.
        writable: Directories besides the root that an update writes to.
        before: Names of the units that the recovery at boot comes before.
    """

    name: str
    root: str
    user: str
    command: tuple[str, ...]
    writable: tuple[str, ...] = ()
    before: tuple[str, ...] = ()

    @property
    def update(self) -> str:
        """The name of the unit that updates, without its suffix."""
        return f"venvship-update-{escape_name(self.name)}"

    @property
    def boot(self) -> str:
        """The name of the unit that recovers at boot, without its suffix."""
        return f"venvship-boot-{escape_name(self.name)}"

    def is_of_this_root(self, service: str) -> bool:
        """Whether the text of an installed unit updates the same root, whatever else it says."""
        start = f"RequiresMountsFor={quoted(self.root)} "
        return any(f"{line} ".startswith(start) for line in service.splitlines())

    def files(self, every: Every) -> tuple[tuple[str, str], ...]:
        """The units, each with its path.

        Raises:
            SettingsError: The application's name is too long for a unit's.
            UsageError: A path cannot stand in a unit.
        """
        for path in (self.root, self.user, *self.command, *self.writable):
            refuse_unwritable(path)
        texts = {
            f"{self.update}.service": self._update_service(),
            f"{self.update}.timer": self._timer(every),
            f"{self.boot}.service": self._boot_service(),
        }
        return tuple((f"{FOLDER}/{name}", f"# {FOLDER}/{name}\n{text}") for name, text in texts.items())

    def _update_service(self) -> str:
        return unit_text(
            "[Unit]",
            f"Description={specifiers(f'Release the lockfile of {self.name}')} (venvship)",
            f"RequiresMountsFor={paths([self.root, *self.writable])}",
            "Wants=network-online.target",
            f"After=network-online.target {self.boot}.service",
            "",
            "[Service]",
            "Type=oneshot",
            f"User={specifiers(self.user)}",
            f"ExecStart={command_line([*self.command, 'update'])}",
            "# Held, busy, superseded: no failure of the unit. To see a hold:",
            f"#   {shell_line([*self.command, 'status'])}",
            "SuccessExitStatus=25 30 31",
            "# The restart hook may leave the service running. venvship ends its other children itself.",
            "KillMode=process",
            "",
            *self._sandbox(),
        )

    def _timer(self, every: Every) -> str:
        return unit_text(
            "[Unit]",
            f"Description={specifiers(f'When to release the lockfile of {self.name}')} (venvship)",
            "",
            "[Timer]",
            f"OnCalendar={every.calendar()}",
            f"RandomizedDelaySec={every.jitter}",
            "# Run after the boot if a run was missed while the host was off.",
            "Persistent=true",
            "",
            "[Install]",
            "WantedBy=timers.target",
        )

    def _boot_service(self) -> str:
        return unit_text(
            "[Unit]",
            f"Description={specifiers(f'Undo an interrupted release of {self.name}')} (venvship)",
            f"RequiresMountsFor={paths([self.root, *self.writable])}",
            *self._order(),
            "",
            "[Service]",
            "Type=oneshot",
            "RemainAfterExit=yes",
            f"User={specifiers(self.user)}",
            f"ExecStart={command_line([*self.command, 'recover', '--boot'])}",
            "# Undone: the purpose of this unit.",
            "SuccessExitStatus=22",
            "",
            *self._sandbox(),
            "",
            "[Install]",
            "WantedBy=multi-user.target",
        )

    def _order(self) -> list[str]:
        if self.before:
            return [f"Before={' '.join(map(specifiers, self.before))}"]
        return [
            "# Name the units that run the application, so that this comes first:",
            "#Before=NAME.service",
        ]

    def _sandbox(self) -> list[str]:
        return [
            "# Every other directory that a hook or check writes to has to be named here.",
            f"ReadWritePaths={paths([self.root, *self.writable])}",
            _TEMPORARY,
            *_SANDBOX,
        ]


def unit_name(name: str) -> str:
    """Read the name of a unit; `.service` may be left out, as for systemctl(1).

    Raises:
        UsageError: It cannot be one.
    """
    if not _UNIT.fullmatch(name):
        raise UsageError(f"--before {name}: not the name of a unit", hint="--before NAME.service")
    return name if name.rpartition(".")[2] in _UNIT_TYPES else f"{name}.service"
