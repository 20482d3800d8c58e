"""The units that have systemd run an unattended update, and a recovery at boot.

Every value is escaped for where it stands: specifiers (`%`) everywhere, variables (`$`) and quotes in command
lines; see systemd.syntax(7), systemd.unit(5) and systemd.service(5).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from venvship.errors import SettingsError
from venvship.model.schedule import Every, refuse_unwritable

FOLDER: Final = "/etc/systemd/system"
"""Where an administrator's units go."""

MOST_BYTES: Final = 180
"""Bytes of an escaped name: with what stands before and after it, a unit's may have 255."""

_PLAIN: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.-")
_UNIT: Final = re.compile(r"[A-Za-z0-9:_.\\@-]+", re.ASCII)
_SUFFIXES: Final = (".service", ".socket", ".target", ".timer", ".path", ".mount", ".slice", ".scope")
_RESTARTING: Final = frozenset(
    {"restart", "try-restart", "reload", "reload-or-restart", "try-reload-or-restart", "start"}
)
_CHANGE_USER: Final = frozenset({"sudo", "doas", "su", "runuser", "pkexec"})
_ODD_IN_A_PROGRAM: Final = frozenset("\"'\\$")

_SANDBOX: Final = (
    "NoNewPrivileges=yes",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
)
"""Lines without which sudo works: each of them implies the first, for a user who is not root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """What the units are about.

    Attributes:
        name: The application's.
        root: Its root; absolute.
        user: Who owns the root.
        command: venvship with `-C ROOT`; an argument list, its program an absolute path.
        writable: Directories besides the root that an update writes to.
        needed: Absolute paths that venvship, hooks, checks and the build need to see, and what they lead to.
        restart: The restart hook; empty for none.
        hooks: The programs of all hooks and checks that are commands, with their arguments.
    """

    name: str
    root: str
    user: str
    command: tuple[str, ...]
    writable: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    hooks: tuple[tuple[str, ...], ...] = ()

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
        start = f"RequiresMountsFor={_quoted(self.root)} "
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
        return _text(
            "[Unit]",
            f"Description={_specifiers(f'Release what the lockfile of {self.name} says')} (venvship)",
            f"RequiresMountsFor={_paths([self.root, *self.writable])}",
            "Wants=network-online.target",
            f"After=network-online.target {self.boot}.service",
            "",
            "[Service]",
            "Type=oneshot",
            f"User={_specifiers(self.user)}",
            f"ExecStart={_command([*self.command, 'update'])}",
            "# Held, busy, overtaken: nothing to fail of at every run. `venvship status` shows a hold.",
            "SuccessExitStatus=25 30 31",
            *self._kill_mode(),
            "",
            *self._hardening(),
        )

    def _timer(self, every: Every) -> str:
        return _text(
            "[Unit]",
            f"Description={_specifiers(f'When to release what the lockfile of {self.name} says')} (venvship)",
            "",
            "[Timer]",
            f"OnCalendar={every.calendar()}",
            f"RandomizedDelaySec={every.jitter}",
            "# A run that was missed while the host was off is made up for after the next boot.",
            "Persistent=true",
            "",
            "[Install]",
            "WantedBy=timers.target",
        )

    def _boot_service(self) -> str:
        services = restarted_units(self.restart)
        before = (
            [f"Before={' '.join(services)}"]
            if services
            else ["# Name what runs the application, so that this comes first:", "#Before=NAME.service"]
        )
        return _text(
            "[Unit]",
            f"Description={_specifiers(f'Take back an interrupted release of {self.name}')} (venvship)",
            f"RequiresMountsFor={_paths([self.root, *self.writable])}",
            *before,
            "",
            "[Service]",
            "Type=oneshot",
            "RemainAfterExit=yes",
            f"User={_specifiers(self.user)}",
            f"ExecStart={_command([*self.command, 'recover', '--boot'])}",
            "# Taken back: what this unit is for.",
            "SuccessExitStatus=22",
            "",
            *self._hardening(),
            "",
            "[Install]",
            "WantedBy=multi-user.target",
        )

    def _kill_mode(self) -> list[str]:
        """Which processes systemd kills when the unit is stopped, or has ended.

        A restart hook may itself start the service, and leave it running. Where systemd starts it, it is in
        a unit of its own.
        """
        if not self.restart or _calls(self.restart, {"systemctl"}):
            return [
                "# A stop is for venvship alone at first: it finishes, or takes back, what it is doing.",
                "KillMode=mixed",
            ]
        return [
            "# The restart hook may leave the service running, so only venvship is killed.",
            "KillMode=process",
        ]

    def _hardening(self) -> list[str]:
        seen = [self.root, self.command[0], *self.writable, *self.needed]
        home = _below(seen, ("/home", "/root", "/run/user"))
        temporary = _below(seen, ("/tmp", "/var/tmp"))  # noqa: S108 - not a file of ours
        other_user = any(_calls(hook, _CHANGE_USER) for hook in self.hooks)
        lines = [
            "# Whatever a hook or check writes to, outside of the root, has to be named here.",
            "ProtectSystem=strict",
            f"ReadWritePaths={_paths([self.root, *self.writable])}",
            f"ProtectHome={'read-only' if home else 'yes'}",
            "ProtectControlGroups=yes",
        ]
        lines += [f"# PrivateTmp=yes would hide {_comment(temporary)}."] if temporary else ["PrivateTmp=yes"]
        if other_user:
            return [*lines, "# A hook becomes another user, so NoNewPrivileges= and what implies it are off."]
        return [*lines, *_SANDBOX]


def escape_name(name: str) -> str:
    r"""Escape an application's name for the name of a unit, as systemd-escape(1) does, but for `-`.

    A `-` stays as it is: what is escaped here is never taken for a path. Bytes that a unit's name may not
    have become `\xNN`.

    Raises:
        SettingsError: It is too long then.
    """
    escaped = "".join(chr(byte) if byte in _PLAIN else f"\\x{byte:02x}" for byte in name.encode())
    if len(escaped) > MOST_BYTES:
        raise SettingsError(
            f"name: {name!r} is too long for the name of a systemd unit", hint="set a shorter name"
        )
    return escaped


def restarted_units(hook: Sequence[str]) -> list[str]:
    """The units that a hook restarts with `systemctl restart X`; none if it does something else."""
    names = [os.path.basename(word) for word in hook]
    if "systemctl" not in names:
        return []
    rest = list(hook[names.index("systemctl") + 1 :])
    if "--user" in rest:
        return []  # they belong to a user's manager, which the system's cannot order
    words = [word for word in rest if not word.startswith("-")]
    if not words or words[0] not in _RESTARTING:
        return []
    units = [word if word.endswith(_SUFFIXES) else f"{word}.service" for word in words[1:]]
    return [unit for unit in units if _UNIT.fullmatch(unit)]


def _calls(hook: Sequence[str], programs: Iterable[str]) -> bool:
    return any(os.path.basename(word) in programs for word in hook)


def _below(paths: Iterable[str], folders: tuple[str, ...]) -> str:
    """The first path that is in one of the folders, or is one; `""` for none."""
    for path in paths:
        if any(path == folder or path.startswith(f"{folder}/") for folder in folders):
            return path
    return ""


def _command(argv: Sequence[str]) -> str:
    """A command line for `ExecStart=`.

    The program's own name may hold no quote, and no `$` of it is undone, so an odd one is run by sh.
    """
    words = list(argv)
    if _ODD_IN_A_PROGRAM & set(words[0]):
        words = ["/bin/sh", "-c", 'exec "$@"', "venvship", *words]
    first, *rest = words
    return " ".join([_quoted(first), *(_quoted(word).replace("$", "$$") for word in rest)])


def _paths(paths: Sequence[str]) -> str:
    return " ".join(_quoted(path) for path in paths)


def _quoted(word: str) -> str:
    escaped = _specifiers(word)
    if word and not set(word) & set(" \t\"'\\;#"):
        return escaped
    return '"' + escaped.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")


def _comment(path: str) -> str:
    """A path in a comment, which must end with its line."""
    return path if path.isprintable() else repr(path)


def _text(*lines: str) -> str:
    return "\n".join(lines) + "\n"
