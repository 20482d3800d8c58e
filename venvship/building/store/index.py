"""The index files of the store: JSON with a format, one for each wheel, bytecode, choice and root."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from venvship.building.store.owners import StoreOwners
from venvship.errors import FormatError, StoreDamagedError
from venvship.model import bounds
from venvship.model.spelling import FORMAT, canonical_json, parse_json
from venvship.system.regular import read_regular


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
