"""`service`: the files with which a service manager and a web server run the application. Writes nothing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from venvship.errors import OperationWarning, SettingsError, UsageError, VenvshipError
from venvship.model import bounds
from venvship.model.programs import ADDRESS, Program, plain_name, read_program
from venvship.model.service_units import ServiceUnits, both, sudoers, tmpfiles
from venvship.model.settings import HookSettings, Settings
from venvship.model.settings_form import toml_value
from venvship.model.settings_service import SLOT
from venvship.model.supervisor_programs import program_name, sections
from venvship.model.systemd_syntax import escape_name, paths
from venvship.model.web_servers import WEB_SERVERS, Site
from venvship.operations.service.finding import extra_options, find_program, require_program
from venvship.operations.service.folder import planned_folder
from venvship.operations.service.slots import WAIT
from venvship.printable import shell_line
from venvship.system import access
from venvship.system.accounts import group_name, user_id, user_name
from venvship.system.regular import read_regular
from venvship.workspace.reading import ReadingWorkspace

SPLIT: Final = r"/^# \/etc\// {file = $2} {print > file}"
"""For awk(1): writes each text to the file that its first line names."""

_SYSTEMCTL: Final = "/usr/bin/systemctl"
_SUPERVISORCTL: Final = "/usr/bin/supervisorctl"
_SUDO: Final = ("/usr/bin/sudo", "-n")

_SHORTEST: Final = 5
"""Seconds between the end of the application's time to end and that of the hook that waits for it."""

_LONGEST: Final = 35
"""Seconds to end; gunicorn gives its workers 30."""

Kind = Literal["systemd", "supervisor", "nginx", "caddy"]
KINDS: Final[tuple[Kind, ...]] = ("systemd", "supervisor", "nginx", "caddy")


@dataclass(frozen=True, slots=True)
class ServiceFile:
    """One file to install.

    Attributes:
        path: Where it goes.
        content: Its text, which begins with the path.
    """

    path: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceResult:
    """The result of `Root.service`: the files with which the application is run or reached.

    Attributes:
        kind: `"systemd"`, `"supervisor"`, `"nginx"` or `"caddy"`.
        app: The command line of the application, as it was given or found; `None` for a web server.
        role: `"server"`, `"worker"`, `"scheduler"`, `"daemon"` or `"job"`; `None` for a web server.
        slots: Whether it runs in two slots, or the web server asks one of them.
        user: Who the application runs as.
        files: The files to install.
        settings: The lines for `venvship.toml` that go with them; empty if they are there.
        advice: How to install them, in lines for people.
        warnings: The warnings of the operation.
    """

    kind: Literal["systemd", "supervisor", "nginx", "caddy"]
    app: str | None
    role: str | None
    slots: bool
    user: str
    files: tuple[ServiceFile, ...]
    settings: str
    advice: tuple[str, ...]
    warnings: tuple[OperationWarning, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The `data` of `service --json`."""
        return {
            "kind": self.kind,
            "app": self.app,
            "role": self.role,
            "slots": self.slots,
            "user": self.user,
            "files": [{"path": file.path, "content": file.content} for file in self.files],
            "settings": self.settings,
        }


def service(
    workspace: ReadingWorkspace,
    kind: Kind,
    *,
    app: str | None = None,
    job: bool = False,
    command: Sequence[str],
) -> ServiceResult:
    """Write the files with which a service manager or a web server runs or reaches the application.

    Arguments and errors: `Root.service`.
    """
    settings = workspace.settings()
    slots = planned_folder(workspace.layout, settings.service)
    if kind in WEB_SERVERS:
        if app is not None or job:
            raise UsageError(
                f"--app and --job are for systemd and supervisor; {kind} does not start the application",
                hint=f"venvship service {kind}",
            )
        return _web_server(workspace, settings, kind, slots.folder, command)
    found = app if app is not None else find_program(workspace, kind, settings.env)
    program = read_program(found, job=job, slots=settings.service.is_on)
    require_program(workspace, program)
    units = _units(workspace, settings, program, slots.folder, command=command)
    _warn(workspace, settings, units)
    texts = dict([sections(units)]) if kind == "supervisor" else units.files()
    lines, commands = _settings(kind, settings, units)
    if kind == "systemd":
        _warn_of_existing(workspace, units, texts)
    if program.in_slots and units.socket_dir.startswith(("/run/", "/var/run/")):
        group = access.primary_group(_id_of(units.user))
        path, text = tmpfiles(
            settings.name,
            units.socket_dir,
            owner=units.owner,
            group=group_name(group) if group is not None else units.owner,
        )
        texts[path] = text
    if commands and _needs_sudo(workspace):
        own = settings.name if program.role == "server" else f"{settings.name}-{program.label}"
        try:
            path, text = sudoers(own, owner=units.owner, commands=commands)
            texts[path] = text
        except SettingsError as error:
            workspace.warn("sudo-not-printed", f"{error.message}: {error.hint}")
    return ServiceResult(
        kind=kind,
        app=found,
        role=program.role,
        slots=program.in_slots,
        user=units.user,
        files=tuple(ServiceFile(path, text) for path, text in texts.items()),
        settings=lines,
        advice=tuple(_advice(workspace, kind, settings, units, texts, lines, app=app, job=job)),
    )


def _web_server(
    workspace: ReadingWorkspace, settings: Settings, kind: Kind, folder: str, command: Sequence[str]
) -> ServiceResult:
    on = settings.service.is_on
    site = Site(
        name=settings.name,
        root=str(workspace.layout.path),
        socket_dir=folder if on else "",
        static=settings.hooks.generate is not None,
    )
    path, text = WEB_SERVERS[kind](site)
    reload = {
        "nginx": "sudo nginx -t && sudo systemctl reload nginx",
        "caddy": "sudo systemctl reload caddy",
    }[kind]
    advice = ["The text begins with the name of its file. To write it:"]
    advice += [f"  sudo mkdir -p {os.path.dirname(path)}"] if kind == "caddy" else []
    advice += [
        f"  {shell_line([*command, '-C', site.root, 'service', kind])} -q | sudo awk '{SPLIT}'",
        *(["In /etc/caddy/Caddyfile:", "  import /etc/caddy/conf.d/*.caddy"] if kind == "caddy" else []),
        "Set the name of the site there, and then:",
        f"  {reload}",
    ]
    if not on:
        advice += [f"Without [service], requests go to {ADDRESS}, and some fail at each restart."]
    owner = user_name(os.stat(site.root).st_uid)
    return ServiceResult(
        kind=kind,
        app=None,
        role=None,
        slots=on,
        user=settings.service.user or owner,
        files=(ServiceFile(path, text),),
        settings="",
        advice=tuple(advice),
    )


def _units(
    workspace: ReadingWorkspace,
    settings: Settings,
    program: Program,
    folder: str,
    *,
    command: Sequence[str],
) -> ServiceUnits:
    root = str(workspace.layout.path)
    owner = user_name(os.stat(root).st_uid)
    hook = settings.hooks.timeout
    extra = extra_options(workspace, program)
    if program.role == "scheduler" and not any(
        word == "-s" or word.startswith(("--schedule", "-s=")) for word in program.arguments
    ):
        program = _with_schedule(program, settings.name)
    return ServiceUnits(
        name=settings.name,
        root=root,
        owner=owner,
        user=settings.service.user or owner,
        command=(*command, "-C", root),
        program=program,
        socket_dir=folder,
        env=settings.env,
        env_file=os.path.join(root, settings.env_file) if settings.env_file else "",
        seen=_seen(workspace, settings, folder if program.in_slots else ""),
        stop=max(1, min(_LONGEST, int(hook) - _SHORTEST)),
        start=int(2 * (hook + settings.service.timeout) + WAIT),
        extra=extra,
    )


def _with_schedule(program: Program, name: str) -> Program:
    """The scheduler of celery with a file outside of the release for what it has run last."""
    folder = f"/var/lib/{plain_name(name)}"
    return replace(program, arguments=(*program.arguments, f"--schedule={folder}/celerybeat-schedule"))


def _seen(workspace: ReadingWorkspace, settings: Settings, folder: str) -> tuple[str, ...]:
    """Where root, interpreter and slots really are."""
    seen = [str(workspace.layout.path), _interpreter(workspace, settings), folder]
    return tuple(os.path.realpath(path) for path in seen if path)


def _interpreter(workspace: ReadingWorkspace, settings: Settings) -> str:
    """The interpreter of the live release; before the first one, that of the next, or `""` if it is unknown.

    A service with slots needs its units for the first release already.
    """
    release_id = workspace.layout.current()
    if release_id is not None:
        return str(workspace.layout.release_path(release_id) / "bin" / "python")
    with contextlib.suppress(VenvshipError):
        known = workspace.layout.interpreter()
        if known is not None and known[0] == settings.python:
            return known[1].path
    if settings.python is None:
        return workspace.runtime.executable
    return settings.python if os.path.isabs(settings.python) else ""


def _warn(workspace: ReadingWorkspace, settings: Settings, units: ServiceUnits) -> None:
    user = _id_of(units.user)
    if user == 0:
        workspace.warn(
            "service-as-root",
            "the application would run as root: set `user` of [service] in venvship.toml",
        )
    for path in units.seen[:2]:
        place = path if os.path.isdir(path) else os.path.dirname(path)
        closed = access.first_closed(place, user) if os.path.isdir(place) else None
        if closed is not None:
            workspace.warn(
                "hidden-from-service",
                f"{units.user}, whom the application runs as, cannot reach {path}: {closed} is closed",
            )
    if units.program.server is not None and not units.program.server.drains and settings.service.is_on:
        workspace.warn(
            "drops-requests",
            f"{units.program.server.program} drops what it has begun when it is stopped: set `drain` of "
            f"[service] (now {settings.service.drain:g} s) above the time of the longest request",
        )


def _warn_of_existing(workspace: ReadingWorkspace, units: ServiceUnits, texts: dict[str, str]) -> None:
    """Warn of a unit that is there and is not of this root: it would be replaced."""
    wanted = f"RequiresMountsFor={paths([units.root])}"
    for path in texts:
        try:
            installed = read_regular(path, bounds.CONFIGURATION).data.decode(errors="replace")
        except OSError:
            continue
        if wanted not in installed.splitlines():
            workspace.warn(
                "unit-replaced",
                f"{path} is there, and was not printed for this root: the installation replaces it",
            )


def _needs_sudo(workspace: ReadingWorkspace) -> bool:
    return os.stat(workspace.layout.path).st_uid != 0


def _settings(kind: Kind, settings: Settings, units: ServiceUnits) -> tuple[str, list[list[str]]]:
    """The lines for venvship.toml, and the commands in them that take root."""
    program = units.program
    root_owned = os.stat(units.root).st_uid == 0
    before = () if root_owned else _SUDO
    if kind == "systemd":
        control, own = _SYSTEMCTL, units.instance(SLOT)
    else:
        control, own = _SUPERVISORCTL, program_name(units, SLOT if program.in_slots else "")
    if program.role == "job":
        return "", []
    if program.in_slots:
        lines = _service_lines(settings, [*before, control], own)
        commands = [[control, verb, one] for verb in ("start", "stop") for one in both(own)]
        return lines, commands
    commands = [[control, "restart", own]]
    hook = [*before, *commands[0]]
    if program.role == "worker":  # its tasks may take longer than a hook may
        if kind == "systemd":
            commands = [[control, "--no-block", "restart", own]]
            hook = [*before, *commands[0]]
        else:  # it is started again once it has ended, and now if it does not run
            commands = [[control, "signal", "TERM", own], [control, "start", own]]
            hook = ["/bin/sh", "-c", " || ".join(shell_line([*before, *argv]) for argv in commands)]
    if settings.hooks.restart == tuple(hook):
        return "", commands
    wanted = [f"[hooks]\nrestart = {toml_value(hook)}"]
    if program.role == "server" and not program.binds:
        wanted.append(
            f'[[check]]\nname = "answers"\nhttp = "http://{ADDRESS}/"\nfrom_release = true\nsuccesses = 3'
        )
    return "\n\n".join(wanted) + "\n", commands


def _service_lines(settings: Settings, before: list[str], own: str) -> str:
    wanted = {"start": (*before, "start", own), "stop": (*before, "stop", own)}
    service = settings.service
    if (service.start, service.stop) == (wanted["start"], wanted["stop"]):
        return ""
    return "\n".join(["[service]", *(f"{key} = {toml_value(argv)}" for key, argv in wanted.items())]) + "\n"


def _advice(  # noqa: PLR0913 - all that was found
    workspace: ReadingWorkspace,
    kind: Kind,
    settings: Settings,
    units: ServiceUnits,
    texts: dict[str, str],
    lines: str,
    *,
    app: str | None,
    job: bool,
) -> list[str]:
    options = [*(["--app", app] if app is not None else []), *(["--job"] if job else [])]
    show = shell_line([*units.command, "service", kind, *options])
    advice = [
        "Each text begins with the name of its file. To write them:",
        f"  {show} -q | sudo awk '{SPLIT}'",
    ]
    advice += [
        f"  sudo chmod 0440 {shell_line([path])}" for path in texts if path.startswith("/etc/sudoers.d/")
    ]
    tmp = [path for path in texts if path.startswith("/etc/tmpfiles.d/")]
    advice += [f"  sudo systemd-tmpfiles --create {shell_line([path])}" for path in tmp]
    if kind == "supervisor":
        advice += ["  sudo supervisorctl update"]
        if units.program.role == "scheduler":
            folder = shell_line([f"/var/lib/{plain_name(settings.name)}"])
            advice.insert(1, f"  sudo install -d -o {shell_line([units.user])} {folder}")
    else:
        advice += ["  sudo systemctl daemon-reload"]
        if units.program.in_slots:
            advice += [f"  sudo systemctl enable {shell_line([units.handover])}"]
        elif job:
            advice += [f"A timer {units.stem}.timer runs it; venvship does not restart it."]
        else:
            # A release with nothing to release restarts nothing, so what is live is started here.
            now = "" if workspace.layout.current() is None else "--now "
            advice += [f"  sudo systemctl enable {now}{shell_line([units.unit])}"]
    if lines:
        where = ""
        if not units.program.in_slots and settings.hooks.restart is not None:
            where = ", beside the restart hook that is there"
        elif not units.program.in_slots and settings.hooks != HookSettings():
            where = ", in the [hooks] that is there"
        advice += [
            f"In {workspace.layout.settings_file}{where}:",
            *(f"  {line}" for line in lines.splitlines()),
        ]
    if units.program.role == "server" and not units.program.in_slots:
        advice += _advice_for_slots(kind, settings, sudo=_needs_sudo(workspace))
    elif settings.service.is_on and not units.program.in_slots and not job:
        advice += ["It does not run in slots: for some seconds there would be two of it."]
    return advice


def _advice_for_slots(kind: Kind, settings: Settings, *, sudo: bool) -> list[str]:
    control = [*(_SUDO if sudo else ()), _SYSTEMCTL if kind == "systemd" else _SUPERVISORCTL]
    own = (
        f"{escape_name(settings.name)}@{SLOT}.service"
        if kind == "systemd"
        else f"{plain_name(settings.name)}-{SLOT}"
    )
    return [
        "Requests fail during each restart. To lose none, give it two slots. In venvship.toml, instead:",
        *(f"  {line}" for line in _service_lines(settings, control, own).splitlines()),
        '  health = "/healthz"',
        f'  socket_dir = "/run/{plain_name(settings.name)}"',
        "and then the same command again.",
    ]


def _id_of(name: str) -> int:
    found = user_id(name)
    if found is None:
        raise SettingsError(f"service.user: there is no user {name!r} on this host")
    return found
