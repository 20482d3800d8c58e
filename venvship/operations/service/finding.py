"""Find the server that a release has, and the application that it would serve. Reads the release only."""

from __future__ import annotations

import contextlib
import csv
import glob
import os
import re
from collections.abc import Collection, Mapping

from venvship.errors import ProgramNotFoundError, SettingsError, VenvshipError
from venvship.model import bounds
from venvship.model.programs import SERVERS, Program, Server
from venvship.model.survey.applications import Application, find_applications
from venvship.model.survey.django import SETTINGS_VARIABLE, find_django
from venvship.model.survey.files import Files
from venvship.printable import shell_line
from venvship.system.regular import read_regular
from venvship.workspace.reading import ReadingWorkspace

_CONTROL_SOCKET = 25
"""The version of gunicorn that opens a control socket."""

_ASGI = frozenset({"FastAPI", "Starlette", "Quart", "Litestar", "Sanic"})
_NO_SERVER_FOR = frozenset({"Celery"})


def find_program(workspace: ReadingWorkspace, kind: str, env: Mapping[str, str]) -> str:
    """The command line for `--app` that fits the live release.

    Args:
        workspace: The root.
        kind: What is printed, for the line to type.
        env: `[env]`.

    Raises:
        SettingsError: Nothing is live, or the release does not show exactly one.
        ReleaseError: The manifest of the release is damaged.
        RootError: `current` cannot be read.
    """
    root = ["venvship", "-C", str(workspace.layout.path)]
    release_id = workspace.layout.current()
    if release_id is None:
        raise SettingsError(
            "nothing is live: there is no release to find the server in",
            hint=f"release first, or name it: {_typed(root, kind, 'gunicorn shop.wsgi')}",
        )
    manifest = workspace.manifest(release_id)
    packages = {package.name for package in manifest.packages}
    servers = [server for server in SERVERS if packages & set(server.distributions)]
    files, modules = _own_files(workspace, release_id, env)
    django = find_django(files)
    targets: dict[str, list[tuple[str, bool]]] = {"wsgi": [], "asgi": []}
    if django is not None:
        for interface, module in (("wsgi", django.wsgi), ("asgi", django.asgi)):
            targets[interface] += [(f"{module}:application", False)] if module else []
    elif modules:
        for found in find_applications(files, "", packages):
            if found.framework not in _NO_SERVER_FOR:
                targets["asgi" if found.framework in _ASGI else "wsgi"].append(_target(found))
    lines = [
        _line(server, interface, *target)
        for server in servers
        for interface in server.interfaces
        for target in targets[interface][:1]
    ]
    # Of one server with both interfaces, the first.
    lines = list({line.split()[0]: line for line in reversed(lines)}.values())[::-1]
    several = any(len(found) > 1 for found in targets.values())
    if len(lines) == 1 and len(servers) == 1 and not several:
        return lines[0]
    if not servers:
        problem = "has none of the servers that venvship knows"
    elif len(servers) > 1:
        problem = f"has several servers: {', '.join(server.program for server in servers)}"
    elif several:
        problem = "has several applications"
    else:
        problem = f"has {servers[0].program}, and does not show which application it serves"
    guess = lines[0] if lines else f"{servers[0].program if servers else 'gunicorn'} MODULE:NAME"
    raise SettingsError(f"{release_id} {problem}", hint=f"name the one to run: {_typed(root, kind, guess)}")


def require_program(workspace: ReadingWorkspace, program: Program) -> None:
    """Refuse a program that the live release has not; warn where nothing is live to look at.

    Raises:
        ProgramNotFoundError: It is not in the release's bin.
        RootError: `current` cannot be read.
    """
    release_id = workspace.layout.current()
    if release_id is None:
        workspace.warn(
            "program-unknown", f"nothing is live: whether a release has {program.head[0]} is not known"
        )
        return
    folder = workspace.layout.release_path(release_id) / "bin"
    if not (folder / program.head[0]).exists():
        known = {name for server in SERVERS for name in (server.program, "celery")}
        there = sorted(known & set(_names(str(folder))))
        raise ProgramNotFoundError(
            f"--app: {release_id} has no program {program.head[0]} in its bin",
            hint=f"its servers are {', '.join(there)}" if there else "is it in the lockfile?",
        )


def extra_options(workspace: ReadingWorkspace, program: Program) -> tuple[str, ...]:
    """Options that the version in the live release needs.

    gunicorn 25 and later opens a control socket, one for each user: two slots would fight for it.

    Raises:
        RootError: `current` cannot be read.
    """
    release_id = workspace.layout.current()
    if program.server is None or program.server.program != "gunicorn":
        return ()
    option = "--no-control-socket"
    if option in program.arguments:
        return ()
    if release_id is None:
        return (option,) if _locked_major(workspace, "gunicorn") >= _CONTROL_SOCKET else ()
    base = workspace.layout.release_path(release_id)
    for path in glob.glob("lib/python*/site-packages/gunicorn/config.py", root_dir=base):
        try:
            text = read_regular(base / path, bounds.CONFIGURATION).data
        except OSError:
            continue
        return (option,) if option.encode() in text else ()
    return ()


def _locked_major(workspace: ReadingWorkspace, name: str) -> int:
    """The first number of the version that a lockfile of the settings pins; 0 if none shows one.

    For a first release, which would have the same unit printed before and after it. Only a look for the line:
    any kind of lockfile has the version beside the name.
    """
    line = re.compile(
        rf"""^\s*(?:name\s*=\s*)?["']?{name}["']?\s*(?:\[.*\]\s*)?(?:==|\n\s*version\s*=\s*["'])(\d{{1,9}})""",
        re.MULTILINE,
    )
    settings = workspace.settings()
    folder = workspace.layout.path / (settings.project.path or "")
    own = [folder / path for path in settings.project.lockfile]
    for path in own or [workspace.layout.path / path for path in settings.lockfile]:
        with contextlib.suppress(OSError, VenvshipError):
            data = read_regular(path, bounds.LOCKFILE).data
            if found := line.search(data.decode(errors="replace")):
                return int(found[1])
    return 0


def _own_files(
    workspace: ReadingWorkspace, release_id: str, env: Mapping[str, str]
) -> tuple[Files, Collection[str]]:
    """The Python files of the application's own code in a release: below app/, else of its wheel."""
    layout = workspace.layout
    manifest = workspace.manifest(release_id)
    base = str(layout.release_path(release_id))
    try:
        listed = [entry.path for entry in layout.files(release_id, manifest)]
    except VenvshipError:
        listed = []
    app = [path for path in listed if path.startswith("app/")]
    if app:
        folder, names = f"{base}/app", [path.removeprefix("app/") for path in app]
    else:
        site = next((p.rpartition("/site-packages/")[0] for p in listed if "/site-packages/" in p), "lib")
        folder, names = f"{base}/{site}/site-packages", []
        within = [p.partition("/site-packages/")[2] for p in listed if "/site-packages/" in p]
        if manifest.project is not None:
            names = _of_wheel(folder, within, manifest.project.name)
        package = env.get(SETTINGS_VARIABLE, "").partition(".")[0]
        if not names and package:
            names = [name for name in within if name.startswith(f"{package}/")]
    own = [name for name in names if name.endswith(".py")]
    return Files(own, lambda name: read_regular(f"{folder}/{name}", bounds.CONFIGURATION).data), own


def _of_wheel(folder: str, within: list[str], name: str) -> list[str]:
    """The files of an installed distribution, by its RECORD."""
    for path in within:
        directory, _, base = path.partition("/")
        if base == "RECORD" and directory.rpartition("-")[0].lower().replace("_", "-") == name:
            try:
                text = read_regular(f"{folder}/{path}", bounds.RECORD).data.decode()
            except (OSError, UnicodeDecodeError):
                return []
            return [row[0] for row in csv.reader(text.splitlines()) if row]
    return []


def _target(found: Application) -> tuple[str, bool]:
    return f"{found.module}:{found.name}", found.factory


def _line(server: Server, interface: str, target: str, factory: bool) -> str:
    words = [server.program, *server.before]
    if server.interfaces == ("wsgi", "asgi"):
        words += ["--interface", interface]
    if factory and server.factory:
        words += server.factory
    return " ".join([*words, f"{target}()" if factory and not server.factory else target])


def _typed(root: list[str], kind: str, app: str) -> str:
    return shell_line([*root, "service", kind, "--app", app])


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
