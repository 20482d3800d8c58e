"""Copy the files of wheels into an environment that runs code of others, and is thrown away afterwards.

A release has hard links to the store, since nothing writes to a release. A build may write to its own
environment. With links, it would write to the store, and to every release.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from venvship.building.store.owners import StoreOwners
from venvship.building.tree.assemble import scripts_to_write
from venvship.building.tree.generated import generate_installed
from venvship.building.tree.link import damage_error
from venvship.building.tree.placement import Placed, Placement
from venvship.model.wheel import StoredFile, StoredWheel
from venvship.system.files import create_file, create_from_chunks, make_directory
from venvship.system.pool import copies_for, working

_CHUNK: Final = 1 << 20

_LINKS: Final = 5
"""A copy takes as long as so many hard links, of which `copies_for` knows how many are worth a process."""


def copy_wheels(
    placement: Placement,
    wheels: Sequence[StoredWheel],
    prefix: str,
    owners: StoreOwners,
    between: Callable[[], None],
) -> None:
    """Install wheels of the store into a virtual environment, each file as a copy that was hashed on the way.

    Crash: part of it is there; the environment is the caller's to remove. Nothing is synced.

    Args:
        placement: Where the files go, bytecode included.
        wheels: The wheels.
        prefix: The environment; absolute.
        owners: Asked whose each file is.
        between: Called between files; an exception from it ends the copying. For signals.

    Raises:
        StoreDamagedError: A file of the store is gone, or is another one than came in.
        ForeignStoreError: A file of the store belongs to another user, or can be written by others.
        OSError: Something could not be written, or there is no room.
    """
    scripts = scripts_to_write(placement, owners)
    for folder in placement.folders:
        make_directory(f"{prefix}/{folder}", 0o700)
    files = [
        (path, placed, placed.file)
        for path, placed in placement.files.items()
        if placed.file is not None and path not in scripts
    ]

    def copy(file: tuple[str, Placed, StoredFile]) -> None:
        path, placed, stored = file
        _copy(placed, stored, f"{prefix}/{path}", owners)

    with working(copy, files, copies=copies_for(len(files) * _LINKS)) as copying:
        copying.join_in(between)
        copying.results(between)
    for path, written in generate_installed(placement, wheels, scripts, prefix).items():
        create_file(f"{prefix}/{path}", written.data, mode=0o755 if written.executable else 0o644)


def _copy(placed: Placed, stored: StoredFile, target: str, owners: StoreOwners) -> None:
    digest = hashlib.sha256()

    def chunks() -> Iterator[bytes]:
        with open(placed.source, "rb") as file:
            owners.require(placed.source, os.fstat(file.fileno()))
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                yield chunk

    try:
        create_from_chunks(target, chunks(), mode=0o755 if stored.executable else 0o644)
    except FileNotFoundError as error:
        if os.path.lexists(placed.source):
            raise
        raise damage_error(placed.source, stored, "it is gone") from error
    if digest.hexdigest() != stored.sha256:
        raise damage_error(placed.source, stored, "its contents have changed")
