"""The index files of the store: JSON with a format, one for each wheel, bytecode, choice and root."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from venvship.building.store.owners import StoreOwners
from venvship.errors import FormatError, StoreDamagedError
from venvship.model import bounds
from venvship.model.spelling import FORMAT, canonical_json, parse_json
from venvship.printable import shell_line
from venvship.system.regular import read_regular

T = TypeVar("T")


def index_bytes(data: Mapping[str, Any]) -> bytes:
    """The bytes of an index file: sorted keys, on one line, since it may have thousands of rows."""
    return canonical_json({"format": FORMAT, **data}) + b"\n"


def read_index(path: str, owners: StoreOwners | None = None) -> dict[str, Any]:
    """Read an index file; inside `understanding`.

    Args:
        path: The file.
        owners: Asked whose the file is that is read; by default nobody asks.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not a JSON object with a format.
        ForeignStoreError: It belongs to another user, or can be written by others.
        FormatError: A newer venvship wrote it.
    """
    found = read_regular(path, bounds.LISTING)
    if owners is not None:
        owners.require(path, found.status)
    data = parse_json(found.data)
    if not isinstance(data, dict) or type(data.get("format")) is not int:
        raise ValueError("no index")
    if data["format"] > FORMAT:
        raise FormatError(
            f"{path} has format {data['format']}; this venvship knows formats up to {FORMAT}",
            hint="Use the venvship that wrote it, or a newer one.",
            path=path,
        )
    return data


def read_record(path: str, key: str, owners: StoreOwners, parse: Callable[[dict[str, Any]], T]) -> T | None:
    """Read the record of a choice of wheels; `None` if there is none.

    Args:
        path: The file.
        key: The key of the choice, which the record has too.
        owners: As for `read_index`.
        parse: Takes what is wanted from the record; what it raises is damage, as in `understanding`.

    Raises:
        StoreDamagedError: The record is unreadable, or of another choice.
        ForeignStoreError: It belongs to another user, or can be written by others.
        FormatError: A newer venvship wrote it.
    """
    if not os.path.lexists(path):
        return None
    with understanding(path, f"rm {shell_line([path])}"):
        data = read_index(path, owners)
        if data["key"] != key:
            raise ValueError("it is the record of another choice")
        return parse(data)


@contextlib.contextmanager
def understanding(path: str, remove: str) -> Iterator[None]:
    """Report an index file that cannot be read or understood as damage of the store.

    Args:
        path: The index file, read inside the block.
        remove: The command line that removes the thing that the file describes.

    Raises:
        StoreDamagedError: It is missing, unreadable, or makes no sense.
        HostError: The host has nothing left to read it with.
    """
    try:
        yield
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise StoreDamagedError(
            f"the store is damaged: {path}: {error!r}",
            hint=f"Remove it, and the next build makes it again; no release needs it: {remove}",
            path=path,
        ) from error
