"""All files that decide what runs in a root, looked at together, so that one message can name them all.

Reads only, best effort: a command refuses each file by itself, whatever is found here.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from typing import TypeVar

from venvship.errors import VenvshipError
from venvship.model import bounds
from venvship.model.settings import Settings
from venvship.model.settings_reading import settings_of
from venvship.root import RootLayout
from venvship.system.ownership import Finding, Ownership
from venvship.system.regular import read_regular
from venvship.workspace.settings_files import layers_from

T = TypeVar("T")


def survey(layout: RootLayout, ask: Ownership) -> tuple[Finding, ...]:
    """Find the problems of all files and folders that decide what runs in a root, and of the ways to them.

    Args:
        layout: The root.
        ask: Asks with the trust that counts.
    """
    found: dict[Finding, None] = {}
    for look in (_folders, _state, _named):
        for problems in look(layout, ask):
            found.update(dict.fromkeys(problems))
    return tuple(found)


def glance(layout: RootLayout, settings: Settings | None, ask: Ownership) -> tuple[Finding, ...]:
    """`survey` without the files that lockfiles and inputs include: for `status`, which parses neither.

    Args:
        layout: The root.
        settings: The settings, which count; `None` if there are none.
        ask: Asks with the trust that counts.
    """
    found: dict[Finding, None] = {}
    for problems in (*_folders(layout, ask), *_state(layout, ask)):
        found.update(dict.fromkeys(problems))
    names: tuple[str, ...] = ()
    if settings is not None:
        inputs = (*settings.lockfile, *settings.lock.inputs)
        names = (*settings.extends, *inputs, *settings.files_of_programs)
    for name in (layout.settings_file.name, *names):
        path = os.path.join(layout.path, name)
        found.update(dict.fromkeys(_quietly(functools.partial(_file, path, ask)) or ()))
    return tuple(found)


def _file(path: str, ask: Ownership) -> tuple[Finding, ...]:
    return ask.findings(path, os.stat(path))


def folder_problems(path: str, ask: Ownership, *, way: bool = True) -> tuple[Finding, ...]:
    """The problems of a folder that commands write into, which may be a link.

    Args:
        path: The folder; absolute. A missing one has no problems.
        ask: Asks with the trust that counts.
        way: Whether to ask the directories above it, too.

    Raises:
        OSError: It cannot be looked at.
    """
    try:
        own = (*ask.of_name(path), *ask.of_default_acl(path))
    except FileNotFoundError:
        return ()
    return (*(ask.of_way(path) if way else ()), *own)


def folders(layout: RootLayout) -> tuple[str, ...]:
    """The folders of a root that commands write into."""
    return tuple(map(str, (layout.state, layout.leases, layout.releases, layout.logs)))


def _folders(layout: RootLayout, ask: Ownership) -> Iterator[tuple[Finding, ...]]:
    root, settings = str(layout.path), str(layout.settings_file)
    yield _quietly(lambda: (*ask.of_way(settings), *ask.of_default_acl(root))) or ()
    for path in folders(layout):
        yield _quietly(functools.partial(folder_problems, path, ask)) or ()


def _state(layout: RootLayout, ask: Ownership) -> Iterator[tuple[Finding, ...]]:
    try:
        names = sorted(os.listdir(layout.state))
    except OSError:
        return
    for name in names:
        path = str(layout.state / name)
        if os.path.isfile(path):
            yield _quietly(functools.partial(ask.of_name, path)) or ()


def _named(layout: RootLayout, ask: Ownership) -> Iterator[tuple[Finding, ...]]:
    """The settings, and the files that they name, with those that these include.

    What others have written may name any file of the host. So from there on only files inside of the root
    are looked at: nobody is told to change the owner of another one.
    """
    reader = _Reader(layout, ask)
    settings = reader.settings()
    yield from reader.found
    if settings is None:
        return
    reader.found.clear()
    root = str(layout.path)
    inputs = [os.path.join(root, name) for name in settings.lock.inputs]
    lockfile = [os.path.join(root, name) for name in settings.lockfile]
    _quietly(lambda: _read_lockfile(lockfile, reader.read, settings))
    if inputs:
        for path in _quietly(lambda: _read_inputs(inputs, root, lockfile[0], reader.read)) or ():
            reader.look(path)
    for name in settings.files_of_programs:
        reader.look(os.path.join(root, name))
    yield from reader.found


class _Reader:
    """Reads files for their names of other files, and collects the problems of all."""

    def __init__(self, layout: RootLayout, ask: Ownership) -> None:
        self.found: list[tuple[Finding, ...]] = []
        self._layout = layout
        self._ask = ask
        self._only_inside = False

    def settings(self) -> Settings | None:
        path, name = str(self._layout.settings_file), self._layout.path.name
        layers = _quietly(lambda: layers_from(path, lambda one: self._read(one, bounds.SETTINGS)))
        return None if layers is None else _quietly(lambda: settings_of(layers, folder_name=name))

    def read(self, path: str) -> bytes:
        return self._read(path, bounds.LOCKFILE)

    def look(self, path: str) -> None:
        if self._counts(path):
            self._collect(_quietly(lambda: self._ask.findings(path, os.stat(path))) or ())

    def _read(self, path: str, most: int) -> bytes:
        if not self._counts(path):
            return b""
        data, status = read_regular(path, most)
        self._collect(_quietly(lambda: self._ask.findings(path, status)) or ())
        return data

    def _counts(self, path: str) -> bool:
        root = os.path.realpath(self._layout.path)
        return not self._only_inside or os.path.realpath(path).startswith(f"{root}/")

    def _collect(self, found: tuple[Finding, ...]) -> None:
        self.found.append(found)
        self._only_inside = self._only_inside or bool(found)


def _read_lockfile(paths: list[str], read: Callable[[str], bytes], settings: Settings) -> None:
    from venvship.model.lockfiles.lockfile import read_lockfile  # late: only a refusal looks at all files

    read_lockfile(paths, read=read, sdists=settings.build.sdists, real=os.path.realpath)


def _read_inputs(paths: list[str], root: str, lockfile: str, read: Callable[[str], bytes]) -> tuple[str, ...]:
    from venvship.model.lockfiles.lock_inputs import read_inputs

    inputs = read_inputs(paths, cwd=root, lockfile=lockfile, read=read, exists=os.path.exists)
    return (*sorted(inputs.archives), *map(os.path.expanduser, inputs.folders))


def _quietly(act: Callable[[], T]) -> T | None:
    """The result of a look; `None` where it fails. The command that needs the file reports why."""
    try:
        return act()
    except (OSError, VenvshipError, ValueError):
        return None
