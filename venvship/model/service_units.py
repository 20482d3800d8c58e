"""The units with which systemd runs the application: in two slots, or as one plain service.

A slot's unit is a template. venvship starts and stops its two instances, so it has no `[Install]`. Nothing
orders it after the unit that brings it up at boot: that one waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from venvship.errors import SettingsError
from venvship.model.programs import Program, plain_name
from venvship.model.schedule import refuse_unwritable
from venvship.model.settings_service import SLOT, SLOTS
from venvship.model.systemd_syntax import (
    FOLDER,
    command_line,
    escape_name,
    paths,
    quoted,
    specifiers,
    unit_text,
)

WEB_SERVERS: Final = ("nginx.service", "caddy.service", "apache2.service", "httpd.service", "haproxy.service")

SLOWEST_TASK: Final = 600
"""Seconds that a worker gets to end what it does."""

_HOMES: Final = ("/home", "/root", "/run/user")
_TEMPORARY: Final = ("/tmp", "/var/tmp")  # noqa: S108 - that is what they are called
_SYSTEM: Final = ("/usr", "/boot", "/efi", "/etc")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceUnits:
    """The values in the units.

    Attributes:
        name: The application's.
        root: Its root; absolute.
        owner: Who owns the root, and runs venvship.
        user: Who the application runs as.
        command: venvship with `-C ROOT`.
        program: What is run.
        socket_dir: The folder of the slots; absolute.
        env: `[env]`.
        env_file: The absolute path of `env_file`; empty for none.
        seen: Paths, links followed, that the application has to see: root, interpreter, slots.
        stop: Seconds in which the application has to end.
        start: Seconds that bringing it up at boot may take.
        extra: More options for the program.
    """

    name: str
    root: str
    owner: str
    user: str
    command: tuple[str, ...]
    program: Program
    socket_dir: str
    env: Mapping[str, str]
    env_file: str
    seen: tuple[str, ...]
    stop: int
    start: int
    extra: tuple[str, ...] = ()

    @property
    def stem(self) -> str:
        """The name of the application's unit, without `@` and suffix."""
        own = escape_name(self.name)
        return own if self.program.role == "server" else f"{own}-{escape_name(self.program.label)}"

    @property
    def unit(self) -> str:
        """The file name of the application's unit."""
        return f"{self.stem}@.service" if self.program.in_slots else f"{self.stem}.service"

    def instance(self, slot: str) -> str:
        """The name of the unit to start and stop; `slot` may be the placeholder of the settings."""
        return f"{self.stem}@{slot}.service" if self.program.in_slots else self.unit

    @property
    def handover(self) -> str:
        """The unit that brings the application up at boot."""
        return f"venvship-handover-{escape_name(self.name)}.service"

    def files(self) -> dict[str, str]:
        """The units, by path, each beginning with it.

        Raises:
            SettingsError: The application's name is too long for a unit's.
            UsageError: A path cannot stand in a unit.
        """
        for word in (self.root, self.user, self.owner, self.socket_dir, self.env_file, *self.command):
            refuse_unwritable(word)
        for word in self.env.values():
            refuse_unwritable(word.replace("\n", ""))
        texts = {self.unit: self._service()}
        if self.program.in_slots:
            texts[self.handover] = self._handover()
        return {f"{FOLDER}/{name}": f"# {FOLDER}/{name}\n{text}" for name, text in texts.items()}

    def _service(self) -> str:
        program = self.program
        release = f"{self.socket_dir}/{SLOT}" if program.in_slots else f"{self.root}/current"
        argv = program.argv(release, socket=f"{self.socket_dir}/{SLOT}.sock", extra=self.extra)
        start = command_line(argv)
        where = ", slot %i" if program.in_slots else ""
        title = self.name if program.role == "server" else f"{self.name}: {program.label}"
        return unit_text(
            *self._remark(),
            "[Unit]",
            f"Description={specifiers(title)}{where} (venvship)",
            f"RequiresMountsFor={paths([self.root])}",
            f"After=network.target{'' if program.in_slots else f' {self._boot}'}",
            *(
                []
                if program.role == "job"
                else ["# Try again for as long as it takes.", "StartLimitIntervalSec=0"]
            ),
            "",
            "[Service]",
            "Type=oneshot" if program.role == "job" else "Type=exec",
            f"User={specifiers(self.user)}",
            *(f"Environment={_assignment(name, value)}" for name, value in sorted(self.env.items())),
            *([f"EnvironmentFile={specifiers(self.env_file)}"] if self.env_file else []),
            *([f"StateDirectory={plain_name(self.name)}"] if program.role == "scheduler" else []),
            *self._free_path(),
            f"ExecStart={start.replace(SLOT, '%i') if program.in_slots else start}",
            *self._life(),
            "",
            *self._sandbox(),
            *(
                []
                if program.in_slots or program.role == "job"
                else ["", "[Install]", "WantedBy=multi-user.target"]
            ),
        )

    def _free_path(self) -> list[str]:
        if not self.program.needs_free_path:
            return []
        remove = command_line(["/bin/rm", "-f", f"{self.socket_dir}/{SLOT}.sock"]).replace(SLOT, "%i")
        return ["# It does not start where a killed one has left its socket.", f"ExecStartPre=-{remove}"]

    @property
    def _boot(self) -> str:
        return f"venvship-boot-{escape_name(self.name)}.service"

    def _remark(self) -> list[str]:
        if self.program.in_slots:
            return [
                "# venvship starts and stops it in slot a or b, so it is not enabled. It must never come",
                f"# After={self.handover}, which starts it and waits for it.",
            ]
        if self.program.role == "job":
            return ["# Runs once and ends. A timer of the same name starts it. A switch does not restart it."]
        return []

    def _life(self) -> list[str]:
        role = self.program.role
        if role == "job":
            return []
        lines = ["Restart=always", "RestartSec=2"]
        if role == "server":
            if self.program.server is not None and not self.program.server.drains:
                lines.append(
                    "# It drops what it has begun: `drain` of [service] has to be longer than any request."
                )
            return [
                *lines,
                "# The first process gets SIGTERM, and lets its workers finish.",
                "KillMode=mixed",
                f"TimeoutStopSec={self.stop}",
            ]
        if role == "worker":
            lines += [
                "# SIGTERM lets running tasks finish, and TimeoutStopSec= ends those that do not. If tasks",
                "# take longer, have celery give them back: worker_soft_shutdown_timeout in its settings,",
                "# below this time, task_acks_late, and KillSignal=SIGQUIT here.",
            ]
        stop = SLOWEST_TASK if role == "worker" else self.stop
        return [*lines, "KillMode=mixed", f"TimeoutStopSec={stop}"]

    def _handover(self) -> str:
        return unit_text(
            "[Unit]",
            f"Description={specifiers(f'Bring up the live release of {self.name}')} (venvship)",
            f"RequiresMountsFor={paths([self.root])}",
            f"After=network.target systemd-tmpfiles-setup.service {self._boot}",
            f"Before={' '.join(WEB_SERVERS)}",
            "# What the application needs to answer:",
            "#After=postgresql.service",
            "",
            "[Service]",
            "Type=oneshot",
            "RemainAfterExit=yes",
            f"User={specifiers(self.owner)}",
            f"ExecStart=-{command_line([*self.command, 'recover', '--boot'])}",
            f"ExecStart={command_line([*self.command, 'handover', 'ensure', '--boot'])}",
            f"TimeoutStartSec={self.start}",
            "# What it starts goes on.",
            "KillMode=process",
            "",
            "[Install]",
            "WantedBy=multi-user.target",
        )

    def _sandbox(self) -> list[str]:
        lines = [
            "# For an application that writes nothing to /usr and /etc, and calls neither sudo nor sendmail.",
        ]
        for setting, folders in (
            ("ProtectSystem=full", _SYSTEM),
            ("ProtectHome=yes", _HOMES),
            ("PrivateTmp=yes", _TEMPORARY),
        ):
            needed = [path for path in self.seen if _is_below(path, folders)]
            if needed and setting != "ProtectSystem=full":
                lines += [f"# Not with {paths([needed[0]])}, which it would hide:", f"#{setting}"]
            elif needed and _is_below(self.root, folders):
                lines += [f"# Not with {paths([self.root])}, which could not be written:", f"#{setting}"]
            else:
                lines.append(setting)
        return [
            *lines,
            "NoNewPrivileges=yes",
            "ProtectControlGroups=yes",
            "ProtectKernelModules=yes",
            "ProtectKernelTunables=yes",
            "RestrictSUIDSGID=yes",
            "LockPersonality=yes",
        ]


def tmpfiles(name: str, folder: str, *, owner: str, group: str) -> tuple[str, str]:
    """The file of tmpfiles.d(5) that makes the folder of the slots at boot: its path, and its text."""
    path = f"/etc/tmpfiles.d/venvship-{escape_name(name)}.conf"
    return path, unit_text(
        f"# {path}",
        "# Sticky: the application makes its sockets there, and cannot touch venvship's links.",
        f"d {quoted(folder)} 1775 {specifiers(owner)} {specifiers(group)} -",
    )


def sudoers(name: str, *, owner: str, commands: Sequence[Sequence[str]]) -> tuple[str, str]:
    """A file for sudo that lets the root's owner run some commands as root: its path, and its text.

    See sudoers, section 5 of the manual.

    Raises:
        SettingsError: A command has a character with a meaning of its own there.
    """
    # sudo passes over files whose name has a dot.
    path = f"/etc/sudoers.d/venvship-{escape_name(name).replace('.', '_')}"
    lines = []
    for argv in commands:
        line = " ".join(argv)
        if set(line) & set("\\,:=!*?[]\"'#"):
            raise SettingsError(f"sudoers cannot name the command {line}", hint="set a plain `name`")
        lines.append(line)
    user = owner if owner.replace("-", "").replace("_", "").replace(".", "").isalnum() else f"#{owner}"
    user = f"#{user}" if user.isdecimal() else user
    return path, unit_text(f"# {path}", f"{user} ALL=(root) NOPASSWD: " + ", \\\n    ".join(lines))


def both(text: str) -> list[str]:
    """A text of the settings for each of the two slots."""
    return [text.replace(SLOT, slot) for slot in SLOTS]


def _assignment(name: str, value: str) -> str:
    text = specifiers(f"{name}={value}").replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'


def _is_below(path: str, folders: Sequence[str]) -> bool:
    return any(f"{path}/".startswith(f"{folder}/") for folder in folders)
