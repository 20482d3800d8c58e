"""Store to release: a virtualenv, links to stored files, and the files that are written for each release.

The place of every file is decided before the first one is linked (`placement.py`, `generated.py`, both pure).
`seal.py` makes the result durable.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from venvship.building.request import BuildRequest
from venvship.building.store.owners import StoreOwners
from venvship.building.tree.assembled import Assembled
from venvship.building.tree.closing import DIRECTORY_MODE
from venvship.building.tree.combination import Combination
from venvship.building.tree.foundation import Foundation
from venvship.building.tree.generated import (
    CANONICAL,
    GeneratedFile,
    Places,
    canonical_python,
    canonical_pyvenv_cfg,
    generate,
    needs_rewriting,
)
from venvship.building.tree.link import damage_error
from venvship.building.tree.placement import (
    SEAL_FOLDER,
    Placed,
    Placement,
    parents,
    refuse_reserved,
    site_packages_path,
    version_folder,
    with_bytecode,
)
from venvship.building.tree.project import project_without_packaging, shared_links
from venvship.building.tree.shares import deal_out, link_share
from venvship.errors import BuildError
from venvship.model import bounds
from venvship.model.progress import Advance, unmeasured
from venvship.model.release import FileEntry, sealed_mode, tree_digest
from venvship.model.wheel import StoredBytecode
from venvship.system.faults import build_faults
from venvship.system.files import create_file, hash_file, make_directory, make_link, set_mode
from venvship.system.pool import copies_for, working
from venvship.system.signals import Signals
from venvship.system.trees import walk

LOCKFILE: Final = f"{SEAL_FOLDER}/lockfile"
MADE: Final = f"{SEAL_FOLDER}/requirements.txt"
"""Where a release keeps the bytes of its lockfile."""


def assemble(
    request: BuildRequest,
    combination: Combination,
    bytecode: Mapping[str, StoredBytecode],
    *,
    foundation: Foundation,
    signals: Signals,
    advance: Advance = unmeasured,
) -> Assembled:
    """Fill a release's directory. It is complete afterwards, but neither durable nor sealed.

    Crash: the directory is debris, for recovery to remove; nothing outside it is touched.

    Args:
        request: The release to build.
        combination: The wheels to install, and where their files go.
        bytecode: By the wheel's hash, its bytecode.
        foundation: The virtualenv under the release; waited for here.
        signals: Looked at between wheels.
        advance: Called with how many files are linked, between wheels.

    Raises:
        InvalidWheelError: A wheel brings a file that it must not bring.
        StoreDamagedError: The store holds something else than came in.
        ForeignStoreError: A file of the store belongs to another user, or can be written by others.
        DiskFullError: There is no room.
        BuildError: The release would be too large, or anything else that went wrong.
        InterruptedByError: A signal came.
    """
    selected, interpreter = request.environment.selected, request.environment.interpreter
    version = version_folder(interpreter)
    site = site_packages_path(version)
    wheels = combination.wheels
    with build_faults("assemble the release", request.release_path), contextlib.ExitStack() as stack:
        placement = with_bytecode(combination.placement, wheels.values(), bytecode, version)
        require_bounded(len(placement.files))
        # A wheel's data is in `wheels/<sha256>/data` of the store.
        store = next((os.path.normpath(f"{wheel.data}/../../..") for wheel in wheels.values()), "")
        owners = StoreOwners(request.trust, store)
        scripts = scripts_to_write(placement, owners)
        shared = shared_links(request.shared, app=project_without_packaging(selected) is not None)
        shared_entries = tuple(FileEntry(path, "link", 0o777, target=to) for path, to in shared.items())
        linked = {
            path: placed
            for path, placed in placement.files.items()
            if placed.file is not None and path not in scripts
        }
        # virtualenv puts nothing into a folder of site-packages, so those can be filled meanwhile.
        shares, others = deal_out(linked, placement.folders, site)
        link = functools.partial(link_share, request.release_path, request.link, owners)
        copies = copies_for(len(linked)) if request.copies is None else request.copies
        linking = stack.enter_context(working(link, shares, copies=copies))
        linked_entries = tuple(_linked_entries(linked))
        (startup,) = foundation.results(signals.raise_if_received)
        own = _virtualenv_files(request.release_path, site)
        refuse_reserved(placement, {entry.path: entry.type for entry in own})
        real, canonical = generate(
            placement,
            tuple(wheels.values()),
            {requirement.name: requirement for requirement in selected},
            scripts,
            startup,
            places=(Places(release=request.release_path, lease=request.lease_path), CANONICAL),
        )
        canonical_tree = tree_digest(
            (*_canonical_entries(linked_entries, canonical, interpreter.minor), *shared_entries)
        )
        real[LOCKFILE] = GeneratedFile(data=request.environment.lockfile.content)
        if request.environment.lockfile.made:
            real[MADE] = GeneratedFile(data=request.environment.lockfile.made)
        written_folders = parents([*real, *shared])
        _write(request.release_path, written_folders, real)
        for path, target in shared.items():
            make_link(target, f"{request.release_path}/{path}")
        folders = written_folders.union(placement.folders)
        made = (FileEntry(path, "dir", DIRECTORY_MODE) for path in folders)
        # Some of the directories are virtualenv's as well.
        every = {
            entry.path: entry
            for entry in (*own, *made, *linked_entries, *_written_entries(real), *shared_entries)
        }
        entries = tuple(sorted(every.values()))
        # All that needed one process is done, so this one links with the others.
        parts = [link(others)]

        def between() -> None:
            signals.raise_if_received()
            advance(len(linked) * linking.begun // max(len(shares), 1), len(linked))

        linking.join_in(between)
        parts += linking.results(between)
    return Assembled(
        entries=entries,
        tree_digest=canonical_tree,
        packages=combination.packages,
        wheels={name: wheel.sha256 for name, wheel in wheels.items()},
        warnings=combination.warnings,
        stamps={path: stamp for stamps, _ in parts for path, stamp in stamps.items()},
        linked=sum((counts for _, counts in parts), Counter[str]()),
    )


def require_bounded(files: int) -> None:
    """Refuse a release of too many files, before anything is written.

    Raises:
        BuildError: It would have more than `bounds.RELEASE`.
    """
    if files > bounds.RELEASE:
        raise BuildError(
            f"the release is too large: it would have {files:,} files, and venvship makes none of more than "
            f"{bounds.RELEASE:,}. Nothing that is live was touched",
            hint="have fewer files in it, several roots, or fewer levels in `[build] optimize`",
        )


def _virtualenv_files(release_path: str, site: str) -> tuple[FileEntry, ...]:
    """List the files of virtualenv and make them read-only; directories later, since they are filled first.

    Nothing in site-packages is virtualenv's any more: everything there comes from the wheels.
    """
    entries = []
    for path, status in walk(release_path, but=(site,)):
        absolute = f"{release_path}/{path}"
        if stat.S_ISLNK(status.st_mode):
            # A link has no permissions of its own on Linux.
            entries.append(FileEntry(path, "link", 0o777, target=os.readlink(absolute)))
        elif stat.S_ISDIR(status.st_mode):
            entries.append(FileEntry(path, "dir", DIRECTORY_MODE))
        else:
            mode = sealed_mode(bool(status.st_mode & 0o111))
            set_mode(absolute, mode)
            entries.append(FileEntry(path, "file", mode, status.st_size, hash_file(absolute)))
    return tuple(entries)


def scripts_to_write(placement: Placement, owners: StoreOwners) -> dict[str, bytes]:
    """Scripts of wheels that cannot be links: their first line names the interpreter, wherever that is.

    They get a hash of their own in the list of the release, so what is read has to be what came in.

    Raises:
        StoreDamagedError: A script is another one.
        ForeignStoreError: A script belongs to another user, or can be written by others.
        OSError: A script cannot be read.
    """
    scripts = {}
    for path, placed in placement.files.items():
        if placed.file is None or not placed.is_script:
            continue
        with open(placed.source, "rb") as file:
            head = file.read(16)
            if not needs_rewriting(head):
                continue
            owners.require(placed.source, os.fstat(file.fileno()))
            scripts[path] = head + file.read()
        if hashlib.sha256(scripts[path]).hexdigest() != placed.file.sha256:
            raise damage_error(placed.source, placed.file, "its contents have changed")
    return scripts


def _write(release_path: str, folders: Iterable[str], files: Mapping[str, GeneratedFile]) -> None:
    """Make the missing ones of these directories, whose mode the seal sets, and write these files."""
    # A parent sorts before its children.
    for folder in sorted(folders):
        make_directory(f"{release_path}/{folder}", 0o700)
    for path, written in files.items():
        create_file(f"{release_path}/{path}", written.data, mode=sealed_mode(written.executable))


def _linked_entries(linked: Mapping[str, Placed]) -> Iterator[FileEntry]:
    for path, placed in linked.items():
        if placed.file is not None:
            _, size, sha256, executable = placed.file
            yield FileEntry(path, "file", sealed_mode(executable), size, sha256)


def _written_entries(written: Mapping[str, GeneratedFile]) -> Iterator[FileEntry]:
    for path, file in written.items():
        sha256 = hashlib.sha256(file.data).hexdigest()
        yield FileEntry(path, "file", sealed_mode(file.executable), len(file.data), sha256)


def _canonical_entries(
    linked: Iterable[FileEntry], written: Mapping[str, GeneratedFile], minor: str
) -> Iterator[FileEntry]:
    """The tree that the digest is taken of: the files that the lockfile decides, at a fixed place.

    Files from wheels, with their bytecode, are in it as they are. Scripts, start-up files and `.dist-info`
    records are as they would be at `CANONICAL`. Of virtualenv's files, `bin/python` and `pyvenv.cfg` are in
    it as fixed texts with the interpreter's minor version. Activation scripts and further names of the
    interpreter are left out, since they depend on virtualenv's version. So is `.venvship/`, which describes
    the release. Directories follow from the files. Links to what outlives releases are added to it as they
    are: they are relative.
    """
    yield from linked
    yield from _written_entries({**written, "pyvenv.cfg": GeneratedFile(data=canonical_pyvenv_cfg(minor))})
    yield FileEntry(path="bin/python", type="link", mode=0o777, target=canonical_python(minor))
