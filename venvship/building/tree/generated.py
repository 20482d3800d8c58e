"""Files that are written for one release, since their bytes depend on where it stands.

Scripts hold the path of the release's interpreter in their first line, start-up files the release's path, and
RECORD the hashes of the scripts. Everything here is a pure function of those places, so the same files can be
produced once as they are and once as they would be at a fixed place: the tree digest is made of the latter.
"""

from __future__ import annotations

import binascii
import csv
import hashlib
import heapq
import io
import json
import os
import posixpath
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from venvship.building.tree.placement import Placement
from venvship.building.tree.project import project_without_packaging
from venvship.building.tree.startup import startup_files
from venvship.model.lockfiles.requirement import Requirement
from venvship.model.wheel import StoredWheel

INSTALLER: Final = b"venvship\n"
"""The contents of `INSTALLER` (PEP 376): the tool to ask about these files."""

SHEBANG_LIMIT: Final = 127
"""The longest first line, with its newline, that every kernel reads whole (execve(2), before Linux 5.1)."""

_ENTRY_POINT: Final = """\
import sys
from {module} import {name}
if __name__ == "__main__":
    sys.exit({attribute}())
"""

# PEP 263: a comment on the first or second line.
_CODING = re.compile(rb"[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The absolute paths that generated files mention.

    Attributes:
        release: The release.
        lease: The file that a running process holds its lease on.
        wheels: Stands in for the directory of a wheel that the lockfile names by path; `None`: as it is.
    """

    release: str
    lease: str
    wheels: str | None = None


CANONICAL: Final = Places(release="/release", lease="/lease", wheels="/wheels")
"""Where every release stands for the tree digest."""


def canonical_python(minor: str) -> str:
    """The target of `bin/python` in the canonical tree."""
    return f"/usr/bin/python{minor}"


def canonical_pyvenv_cfg(minor: str) -> bytes:
    """`pyvenv.cfg` in the canonical tree: the real one names a host's paths and virtualenv's version."""
    return f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {minor}\n".encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedFile:
    """One file to write.

    Attributes:
        data: Its bytes.
        executable: Whether it is a script.
    """

    data: bytes
    executable: bool = False


def generate(
    placement: Placement,
    wheels: Sequence[StoredWheel],
    requirements: Mapping[str, Requirement],
    scripts: Mapping[str, bytes],
    startup_bytecode: Mapping[str, bytes],
    *,
    places: Sequence[Places],
) -> tuple[dict[str, GeneratedFile], ...]:
    """Produce every generated file, by its path in the release.

    Args:
        placement: Where everything goes.
        wheels: The installed wheels.
        requirements: The requirement of each, by package name.
        scripts: By path in the release, the original bytes of scripts from wheels that are to be rewritten.
        startup_bytecode: By path in site-packages, the bytecode of the start-up files.
        places: Where the release stands; for each place, the files are produced once.
    """
    site = f"{placement.site_packages}/"
    app = project_without_packaging(requirements.values()) is not None
    found = tuple(_files_of_release(placement, scripts, startup_bytecode, place, app) for place in places)
    for wheel in wheels:
        requirement = requirements[wheel.name]
        # Most rows are the same wherever the release stands. Those of one wheel at a time: they take memory.
        rows, generated = _fixed_rows(wheel, placement, scripts)
        for place, files in zip(places, found, strict=True):
            written = _files_of_wheel(
                wheel, f"{placement.site_packages}/{wheel.dist_info}", requirement, place
            )
            files.update(written)
            record = _record(rows, (*generated, *written), files, site)
            files[f"{placement.site_packages}/{wheel.dist_info}/RECORD"] = GeneratedFile(data=record)
    return found


def generate_installed(
    placement: Placement, wheels: Sequence[StoredWheel], scripts: Mapping[str, bytes], prefix: str
) -> dict[str, GeneratedFile]:
    """Produce the scripts, and RECORD and INSTALLER of each wheel, for an environment that is no release.

    Args:
        placement: Where everything goes.
        wheels: The installed wheels.
        scripts: As for `generate`.
        prefix: The environment; absolute.
    """
    site = f"{placement.site_packages}/"
    files = _scripts(placement, scripts, f"{prefix}/bin/python")
    for wheel in wheels:
        rows, generated = _fixed_rows(wheel, placement, scripts)
        folder = f"{placement.site_packages}/{wheel.dist_info}"
        files[f"{folder}/INSTALLER"] = GeneratedFile(data=INSTALLER)
        record = _record(rows, (*generated, f"{folder}/INSTALLER"), files, site)
        files[f"{folder}/RECORD"] = GeneratedFile(data=record)
    return files


def _scripts(placement: Placement, scripts: Mapping[str, bytes], python: str) -> dict[str, GeneratedFile]:
    files: dict[str, GeneratedFile] = {}
    for path, placed in placement.files.items():
        if placed.entry_point:
            data = entry_point_script(placed.entry_point, python)
            files[path] = GeneratedFile(data=data, executable=True)
        elif path in scripts:
            files[path] = GeneratedFile(data=rewritten_script(scripts[path], python), executable=True)
    return files


def _files_of_release(
    placement: Placement,
    scripts: Mapping[str, bytes],
    startup_bytecode: Mapping[str, bytes],
    place: Places,
    app: bool,
) -> dict[str, GeneratedFile]:
    """The scripts and the start-up files at one place."""
    files = _scripts(placement, scripts, f"{place.release}/bin/python")
    startup = startup_files(
        place.release, lease_path=place.lease, site_packages=placement.site_packages, app=app
    )
    for name, data in {**startup, **startup_bytecode}.items():
        files[f"{placement.site_packages}/{name}"] = GeneratedFile(data=data)
    return files


def _files_of_wheel(
    wheel: StoredWheel, folder: str, requirement: Requirement, place: Places
) -> dict[str, GeneratedFile]:
    """The files in the `.dist-info` directory of a wheel, RECORD apart, at one place."""
    # A lockfile names every distribution, so each is installed by request, as with `pip install -r`.
    written = {
        f"{folder}/INSTALLER": GeneratedFile(data=INSTALLER),
        f"{folder}/REQUESTED": GeneratedFile(data=b""),
    }
    if requirement.url is not None and not requirement.indexed:
        hashes = _hashes_at_url(requirement, wheel)
        more = {"subdirectory": requirement.subdirectory} if requirement.subdirectory else {}
        data = direct_url(requirement.url, hashes, more, wheels=place.wheels)
        written[f"{folder}/direct_url.json"] = GeneratedFile(data=data)
    return written


def shebang(python: str) -> bytes:
    """The first line or lines of a script that runs with this interpreter, newline included.

    A kernel splits the line at blanks and reads only so much of it. For other paths the script starts as one
    of `sh`, whose first command is a string to Python (distlib's and pip's way).
    """
    line = b"#!" + os.fsencode(python) + b"\n"
    if len(line) <= SHEBANG_LIMIT and not re.search(rb"\s", line[:-1]):
        return line
    return b"#!/bin/sh\n'''exec' " + os.fsencode(shlex.quote(python)) + b' "$0" "$@"\n' + b"' '''\n"


def entry_point_script(entry_point: str, python: str) -> bytes:
    """A script that calls `module:attribute` (the entry points specification, "use for scripts")."""
    module, _, attribute = entry_point.partition(":")
    text = _ENTRY_POINT.format(module=module, name=attribute.partition(".")[0], attribute=attribute)
    return shebang(python) + text.encode()


def needs_rewriting(head: bytes) -> bool:
    """Whether a file of the scripts scheme starts with the placeholder line (the wheel specification).

    Args:
        head: Its first 8 bytes or more.
    """
    return head.startswith(b"#!python")


def rewritten_script(data: bytes, python: str) -> bytes:
    """A wheel's script with its placeholder line replaced. `#!pythonw` means the same on POSIX."""
    _, _, rest = data.partition(b"\n")
    first = shebang(python)
    head, newline, tail = rest.partition(b"\n")
    if first.count(b"\n") > 1 and _CODING.match(head):
        # Python looks for the encoding on two lines only, and `sh` takes it for the comment that it is.
        sh, _, trampoline = first.partition(b"\n")
        return sh + b"\n" + head + newline + trampoline + tail
    return first + rest


def _hashes_at_url(requirement: Requirement, wheel: StoredWheel) -> dict[str, str]:
    """The hash of the file that a requirement names: the wheel, or the source that it was built from.

    None where the pin has several hashes, and none of them is that of the wheel.
    """
    if f"sha256:{wheel.sha256}" in requirement.hashes:
        return {"sha256": wheel.sha256}
    if len(requirement.hashes) > 1:
        return {}
    algorithm, _, digits = requirement.hashes[0].partition(":")
    return {algorithm: digits}


def direct_url(
    url: str, hashes: Mapping[str, str], more: Mapping[str, str] = MappingProxyType({}), *, wheels: str | None
) -> bytes:
    """`direct_url.json` (PEP 610) of a file that the lockfile names by URL or path; credentials left out.

    Args:
        url: The file's URL, or an absolute path.
        hashes: Of the file, by algorithm.
        more: Further keys.
        wheels: See `Places`.
    """
    if url.startswith("/"):
        path = url if wheels is None else posixpath.join(wheels, posixpath.basename(url))
        shown = "file://" + quote(path)
    else:
        parts = urlsplit(url)
        # `hostname` would lower-case the host and lose the brackets of an IPv6 address.
        shown = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, ""))
    archive_info: dict[str, object] = {"hashes": dict(hashes)} if hashes else {}
    for algorithm, digits in hashes.items():
        archive_info["hash"] = f"{algorithm}={digits}"  # for readers of the first version of the format
    info = {"archive_info": archive_info, "url": shown, **more}
    return json.dumps(info, sort_keys=True).encode() + b"\n"


_Row = tuple[str, str, str]
_URLSAFE: Final = bytes.maketrans(b"+/", b"-_")


def _fixed_rows(
    wheel: StoredWheel, placement: Placement, scripts: Mapping[str, bytes]
) -> tuple[list[_Row], list[str]]:
    """The rows of a wheel's RECORD that depend on no place, and the paths of its other files."""
    site = f"{placement.site_packages}/"
    rows = [(f"{wheel.dist_info}/RECORD", "", "")]
    generated = []
    for path in placement.owned[wheel.name]:
        placed = placement.files[path]
        if placed.file is None or path in scripts:
            generated.append(path)
        elif placed.bytecode:
            rows.append((_relative(path, site), "", ""))
        else:
            rows.append(_row(path, site, bytes.fromhex(placed.file.sha256), placed.file.size))
    return sorted(rows), generated


def _record(
    rows: Iterable[_Row], others: Iterable[str], files: Mapping[str, GeneratedFile], site: str
) -> bytes:
    """RECORD of one wheel (PEP 376, PEP 627): every file with hash and size, relative to site-packages.

    RECORD itself and bytecode stand there without a hash, as pip writes them: bytecode may be made anew.
    """
    more = []
    for path in others:
        data = files[path].data
        more.append(_row(path, site, hashlib.sha256(data).digest(), len(data)))
    return record_of(heapq.merge(rows, sorted(more)))


def record_of(rows: Iterable[_Row]) -> bytes:
    """RECORD as venvship writes it."""
    # Encoded on the way: a buffer of text has four bytes for each character.
    written = io.BytesIO()
    with io.TextIOWrapper(written, "utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(rows)
        stream.flush()
        return written.getvalue()


def _row(path: str, site: str, digest: bytes, size: int) -> _Row:
    return _relative(path, site), *hash_and_size(digest, size)


def hash_and_size(digest: bytes, size: int) -> tuple[str, str]:
    """The hash and the size of a file as its row in RECORD has them."""
    text = binascii.b2a_base64(digest, newline=False).translate(_URLSAFE, b"=").decode()
    return f"sha256={text}", str(size)


def _relative(path: str, site: str) -> str:
    return path.removeprefix(site) if path.startswith(site) else posixpath.relpath(path, site)
