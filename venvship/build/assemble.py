"""Store to release: a virtual environment, links to stored files, and what every release has of its own.

What is to stand where is decided before the first file is linked (`layout.py`, `generated.py`, both pure).
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from venvship.build.dependencies import installed_packages, unmet_dependencies
from venvship.build.faults import build_faults
from venvship.build.generated import (
    CANONICAL,
    GeneratedFile,
    Places,
    canonical_python,
    canonical_pyvenv_cfg,
    generate,
    needs_rewriting,
)
from venvship.build.layout import SEAL_FOLDER, Layout, lay_out, version_folder
from venvship.build.link import Linker, Stamp
from venvship.build.request import Assembled, BuildRequest
from venvship.build.startup_bytecode import startup_bytecode
from venvship.build.virtualenvs import make_virtualenv
from venvship.model.progress import Advance, unmeasured
from venvship.model.release import FileEntry, tree_digest
from venvship.model.wheel import StoredFile, StoredWheel
from venvship.system.files import create_file, hash_file, make_directory, set_mode, walk
from venvship.system.signals import Signals

LOCKFILE: Final = f"{SEAL_FOLDER}/lockfile"
"""Where a release keeps the bytes of its lockfile."""

_DIRECTORY_MODE: Final = 0o555


def assemble(
    request: BuildRequest,
    wheels: Mapping[str, StoredWheel],
    bytecode: Mapping[str, tuple[StoredFile, ...]],
    bytecode_paths: Mapping[str, str],
    *,
    scratch: str,
    environ: Mapping[str, str],
    signals: Signals,
    advance: Advance = unmeasured,
) -> Assembled:
    """Fill a release's directory. It is complete afterwards, but neither durable nor sealed.

    Crash: the directory is debris, for recovery to remove; nothing outside it is touched.

    Args:
        request: What to build; its directory exists and is empty.
        wheels: By requirement name, what to install.
        bytecode: By the wheel's hash, its compiled files.
        bytecode_paths: By the wheel's hash, the directory that those are relative to.
        scratch: A directory for temporary files, thrown away by the caller.
        environ: The process environment.
        signals: Looked at between wheels.
        advance: Told how many files are linked, between wheels.

    Raises:
        InvalidWheelError: A wheel brings a file that it must not bring.
        FileConflictError: Two wheels bring different code for one path.
        UnmetDependencyError: The lockfile is not closed, and has to be.
        StoreDamagedError: The store holds something else than came in.
        DiskFullError: There is no room.
        BuildError: Anything else that went wrong, such as a wheel of another version than was asked for.
        InterruptedByError: A signal came.
    """
    version = version_folder(request.interpreter)
    packages = installed_packages(request.selected, wheels)
    warnings = unmet_dependencies(request.selected, wheels, request.interpreter, closed=request.build.closed)
    with build_faults("assemble the release", request.release_path):
        make_virtualenv(request.release_path, request.interpreter, scratch=scratch, environ=environ)
        own = _virtualenv_files(request.release_path)
        layout = lay_out(
            tuple(wheels.values()),
            bytecode,
            bytecode_paths,
            version=version,
            reserved={entry.path: entry.type for entry in own},
            overlap=request.build.overlap,
        )
        scripts = _scripts_to_write(layout)
        startup = startup_bytecode(
            request.interpreter,
            optimize=request.build.optimize,
            env=environ,
            cwd=scratch,
            signals=signals,
        )
        real, canonical = (
            generate(
                layout,
                tuple(wheels.values()),
                {requirement.name: requirement for requirement in request.selected},
                scripts,
                startup,
                places=places,
            )
            for places in (Places(release=request.release_path, lease=request.lease_path), CANONICAL)
        )
        linker = Linker(request.link)
        directories = _make_directories(request.release_path, (*layout.files, *real, LOCKFILE))
        stamps = _link_files(request.release_path, layout, real, linker, signals=signals, advance=advance)
        for path, written in real.items():
            create_file(
                os.path.join(request.release_path, path), written.data, mode=_mode(written.executable)
            )
        create_file(os.path.join(request.release_path, LOCKFILE), request.lockfile.content)
        entries = {entry.path: entry for entry in own}
        for directory in directories:
            entries[directory] = FileEntry(path=directory, type="dir", mode=_DIRECTORY_MODE)
        linked = tuple(_linked_entries(layout, real))
        for entry in (*linked, *_written_entries(real)):
            entries[entry.path] = entry
        entries[LOCKFILE] = _written_entry(LOCKFILE, GeneratedFile(data=request.lockfile.content))
    return Assembled(
        entries=tuple(sorted(entries.values(), key=lambda entry: entry.path)),
        tree_digest=tree_digest(_canonical_entries(linked, canonical, request.interpreter.minor)),
        packages=packages,
        wheels={name: wheel.sha256 for name, wheel in wheels.items()},
        warnings=(*layout.warnings, *warnings),
        stamps=stamps,
        linked=dict(linker.counts),
    )


def _virtualenv_files(release_path: str) -> tuple[FileEntry, ...]:
    """What virtualenv made, read-only from now on (but for the directories, which are filled first)."""
    entries = []
    for path, status in walk(release_path):
        absolute = os.path.join(release_path, path)
        if stat.S_ISLNK(status.st_mode):
            # A link has no permissions of its own on Linux.
            entries.append(FileEntry(path=path, type="link", mode=0o777, target=os.readlink(absolute)))
        elif stat.S_ISDIR(status.st_mode):
            entries.append(FileEntry(path=path, type="dir", mode=_DIRECTORY_MODE))
        else:
            mode = _mode(bool(status.st_mode & 0o111))
            set_mode(absolute, mode)
            entries.append(
                FileEntry(path=path, type="file", mode=mode, size=status.st_size, sha256=hash_file(absolute))
            )
    return tuple(entries)


def _mode(executable: bool) -> int:
    return 0o555 if executable else 0o444


def _scripts_to_write(layout: Layout) -> dict[str, bytes]:
    """Scripts of wheels that cannot be links: their first line names the interpreter, wherever that is."""
    scripts = {}
    for path, placed in layout.files.items():
        if placed.file is None or not placed.is_script:
            continue
        with open(placed.source, "rb") as file:
            head = file.read(16)
            if needs_rewriting(head):
                scripts[path] = head + file.read()
    return scripts


def _make_directories(release_path: str, paths: Iterable[str]) -> tuple[str, ...]:
    """Make every directory that these files need; return all of them, relative."""
    needed: set[str] = set()
    for path in paths:
        folder = posixpath.dirname(path)
        while folder and folder not in needed:
            needed.add(folder)
            folder = posixpath.dirname(folder)
    # A parent sorts before what is below it.
    for folder in sorted(needed):
        make_directory(os.path.join(release_path, folder))
    return tuple(sorted(needed))


def _link_files(
    release_path: str,
    layout: Layout,
    written: Mapping[str, GeneratedFile],
    linker: Linker,
    *,
    signals: Signals,
    advance: Advance,
) -> dict[str, Stamp]:
    stamps = {}
    last = ""
    for number, (path, placed) in enumerate(layout.files.items()):
        if placed.wheel.name != last:
            last = placed.wheel.name
            signals.raise_if_received()
            advance(number, len(layout.files))
        if placed.file is not None and path not in written:
            stamps[path] = linker.link(placed.source, os.path.join(release_path, path), placed.file)
    return stamps


def _linked_entries(layout: Layout, written: Mapping[str, GeneratedFile]) -> Iterator[FileEntry]:
    for path, placed in layout.files.items():
        if placed.file is not None and path not in written:
            file = placed.file
            yield FileEntry(
                path=path, type="file", mode=_mode(file.executable), size=file.size, sha256=file.sha256
            )


def _written_entries(written: Mapping[str, GeneratedFile]) -> Iterator[FileEntry]:
    for path, file in written.items():
        yield _written_entry(path, file)


def _written_entry(path: str, file: GeneratedFile) -> FileEntry:
    return FileEntry(
        path=path,
        type="file",
        mode=_mode(file.executable),
        size=len(file.data),
        sha256=hashlib.sha256(file.data).hexdigest(),
    )


def _canonical_entries(
    linked: Iterable[FileEntry], written: Mapping[str, GeneratedFile], minor: str
) -> Iterator[FileEntry]:
    """The tree that the digest is taken of: what the lockfile decides, at a fixed place.

    Files from wheels, with their bytecode, are in it as they are. Scripts, start-up files and `.dist-info`
    records are as they would be at `CANONICAL`. Of what virtualenv makes, `bin/python` and `pyvenv.cfg` are
    in it as fixed texts that say the interpreter's minor version; activation scripts and further names of
    the interpreter depend on virtualenv's version, and are left out. So is `.venvship/`, which is about the
    release and not of it; directories are implied by what is in them.
    """
    yield from linked
    yield from _written_entries(written)
    yield _written_entry("pyvenv.cfg", GeneratedFile(data=canonical_pyvenv_cfg(minor)))
    yield FileEntry(path="bin/python", type="link", mode=0o777, target=canonical_python(minor))
