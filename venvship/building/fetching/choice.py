"""Which of the files that are on offer is the one for a pin. A part of the downloader's process."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from packaging.specifiers import SpecifierSet
from packaging.utils import (
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

from venvship.building.fetching.download_task import Wanted

FILENAME_CHARACTERS: Final = 255
_SOURCE: Final = re.compile(r"\.(?:tar\.(?:gz|bz2|xz|Z)|tgz|zip|tar)$")


def rank_of(filename: str, wanted: Wanted, ranks: Mapping[str, int]) -> tuple[Any, ...] | None:
    """The rank of a file, the greater the better; `None` if it is no wheel of this pin, or runs elsewhere."""
    # packaging allows anything in a build number. The tags are a product of three compressed sets: those of a
    # long name would fill the memory.
    if "/" in filename or not filename.isprintable() or len(filename) > FILENAME_CHARACTERS:
        return None
    try:
        name, version, build, tags = parse_wheel_filename(filename)
    except InvalidWheelFilename:
        return None
    matching = [ranks[str(tag)] for tag in tags if str(tag) in ranks]
    # By PEP 440, 1.0+cpu satisfies a pin 1.0.
    pinned = SpecifierSet(f"=={wanted['version']}")
    if name != wanted["name"] or not matching or not pinned.contains(version, prereleases=True):
        return None
    return version, -min(matching), build


def is_of(filename: str, wanted: Wanted) -> bool:
    """Whether a file is of this pin, by its name."""
    if not filename.isprintable() or len(filename) > FILENAME_CHARACTERS:
        return False
    try:
        if filename.lower().endswith(".whl"):
            name, version, _, _ = parse_wheel_filename(filename)
        else:
            name, version = parse_sdist_filename(_SOURCE.sub(".tar.gz", filename))
    except ValueError:
        return False
    return name == wanted["name"] and SpecifierSet(f"=={wanted['version']}").contains(
        version, prereleases=True
    )


def project_of(filename: str) -> str:
    """The normalised name of the project that a wheel is of; `""` for another file."""
    return canonicalize_name(filename.partition("-")[0]) if filename.endswith(".whl") else ""


def algorithms(hashes: Iterable[str]) -> set[str]:
    """The algorithms to hash a file with: those of the allowed hashes, and SHA-256 for the store."""
    return {"sha256", *(value.partition(":")[0] for value in hashes)}
