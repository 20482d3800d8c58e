"""One file that an index lists, and whether it could have been taken: the evidence of a diagnosis.

The direct downloader reads the pages of the index itself, with their hashes. pip's debug log names every file
that pip looked at; hashes are in it only where the page has them in its URLs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import unquote

from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidSdistFilename
from packaging.version import Version

from venvship.model.filename import parse_sdist_filename, parse_wheel_filename
from venvship.model.interpreter import Interpreter

_SOURCE_ENDINGS: Final = (".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz", ".tar.Z", ".tar")
_HASH = re.compile(r"\b(sha256|sha384|sha512)=([0-9a-fA-F]+)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFile:
    """One wheel or source distribution on an index.

    Attributes:
        filename: Its name, unquoted.
        name: The distribution's, normalised.
        version: The distribution's.
        tags: The tags of a wheel; empty for a source distribution.
        hashes: Its hashes by the index, `<algorithm>:<hex>` in lower case; none if the index, or pip's log,
            does not tell them.
        requires_python: The Python versions that the index gives for it; `""` for all.
    """

    filename: str
    name: str
    version: Version
    tags: frozenset[str] = frozenset()
    hashes: frozenset[str] = frozenset()
    requires_python: str = ""

    @property
    def is_source(self) -> bool:
        """Whether it is a source distribution."""
        return not self.tags

    def may_have_one_of(self, hashes: Collection[str]) -> bool:
        """Whether it has one of some hashes, as far as the index tells: it may know other algorithms."""
        known = {value.partition(":")[0] for value in self.hashes}
        return not self.hashes.isdisjoint(hashes) or not any(h.partition(":")[0] in known for h in hashes)

    def is_for_python(self, interpreter: Interpreter) -> bool:
        """Whether its Requires-Python allows the interpreter; pip ignores one that it cannot read."""
        # As pip compares it: 3.13.0rc1, and 3.13.0+ of a checkout, count as 3.13.0.
        version = Version(interpreter.version.rstrip("+")).base_version
        try:
            return SpecifierSet(self.requires_python).contains(version, prereleases=True)
        except ValueError:
            return True

    def is_for_platform(self, interpreter: Interpreter) -> bool:
        """Whether one of its tags is among the interpreter's; a source distribution is for every platform."""
        return self.is_source or not self.tags.isdisjoint(interpreter.tags)


def listed_file(filename: str, *, hashes: Iterable[str] = (), requires_python: str = "") -> ListedFile | None:
    """Read the name of a file on an index; `None` for other kinds of files, and for odd names.

    Args:
        filename: Its name, unquoted.
        hashes: As of `ListedFile`.
        requires_python: As the index gives it.
    """
    try:
        if filename.lower().endswith(".whl"):
            name, version, _, found = parse_wheel_filename(filename)
            tags = frozenset(map(str, found))
        else:
            name, version = parse_sdist_filename(f"{_stem(filename)}.tar.gz")
            tags = frozenset()
    except ValueError:
        return None
    return ListedFile(
        filename=filename,
        name=name,
        version=version,
        tags=tags,
        hashes=frozenset(hashes),
        requires_python=requires_python,
    )


def listed_by_link(link: str, requires_python: str = "") -> ListedFile | None:
    """Read a file's URL as pip's log has it: quoted (`%2B` for a plus), with a hash or without."""
    filename = unquote(link.partition("#")[0].partition("?")[0].rpartition("/")[2])
    hashes = [f"{algorithm}:{value}".lower() for algorithm, value in _HASH.findall(link.partition("#")[2])]
    return listed_file(filename, hashes=hashes, requires_python=requires_python)


def merged(files: Iterable[ListedFile]) -> list[ListedFile]:
    """Each file once: with its hashes and its Requires-Python where any of its entries has them."""
    known: dict[str, ListedFile] = {}
    for file in files:
        other = known.get(file.filename, file)
        if other.hashes and file.hashes and other.hashes.isdisjoint(file.hashes):
            known[f"{file.filename} {sorted(file.hashes)}"] = file  # two indexes, two files
            continue
        known[file.filename] = replace(
            file,
            hashes=other.hashes | file.hashes,
            requires_python=other.requires_python or file.requires_python,
        )
    return list(known.values())


def _stem(filename: str) -> str:
    for ending in _SOURCE_ENDINGS:
        if filename.endswith(ending):
            return filename.removesuffix(ending)
    raise InvalidSdistFilename(filename)
