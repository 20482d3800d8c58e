"""The canonical tree of a sealed release, found again: the rows that its tree digest is made of.

`assemble.py` makes the digest of files as they would be at a fixed place, and only the digest is kept. To
name the file in which two trees differ, the rows are needed. Most of them are those of `files.json`. The
others are of files that hold the path of the release: they are read, and that path is replaced.

Reads only. A file is used if it has the hash that it was sealed with.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from venvship.building.tree.generated import (
    CANONICAL,
    canonical_python,
    canonical_pyvenv_cfg,
    hash_and_size,
    record_of,
    shebang,
)
from venvship.building.tree.placement import site_packages_path
from venvship.building.tree.project import APP, shared_links
from venvship.building.tree.startup import MODULE_NAME, STARTUP_NAMES, startup_files
from venvship.errors import ReleaseError
from venvship.model import bounds
from venvship.model.release import FileEntry, Manifest, TreeRow, tree_rows
from venvship.root import RootLayout
from venvship.system.regular import open_regular, read_regular

_PYTHON: Final = "bin/python"
_CFG: Final = "pyvenv.cfg"
_LOCAL: Final = "file:///"


def canonical_tree(layout: RootLayout, manifest: Manifest, built_for: str) -> list[TreeRow]:
    """The rows of a release's tree digest, in their order.

    The caller compares their digest with that of the manifest: a release of another version of venvship may
    have files of another form, and then the rows are not those of its digest.

    Args:
        layout: The root of the release.
        manifest: The release's, held against its anchor.
        built_for: The directory that the release was built for, absolute: its files hold this path.

    Raises:
        ReleaseError: The list of its files, or one of the files that hold its path, is missing, cannot be
            read, or is not as it was sealed.
    """
    return tree_rows(_Tree(layout, manifest, built_for).entries())


class _Tree:
    """The files of one sealed release."""

    def __init__(self, layout: RootLayout, manifest: Manifest, built_for: str) -> None:
        self._manifest = manifest
        self._path = str(layout.release_path(manifest.id))
        self._built_for = built_for
        self._lease = str(RootLayout(Path(built_for).parent.parent).lease(manifest.id))
        self._listed = {entry.path: entry for entry in layout.files(manifest.id, manifest)}
        self._minor = manifest.environment.python.get("version", "")
        # A `t`: an interpreter without the global lock. A wheel may bring a folder of another version.
        places = (site_packages_path(f"python{self._minor}{threads}") for threads in ("", "t"))
        site = next((place for place in places if f"{place}/{MODULE_NAME}.py" in self._listed), None)
        if site is None:
            raise self._error(f"its list of files has no {MODULE_NAME}.py")
        self._site = site
        built = (*filter(None, [manifest.project]), *manifest.built)
        self._app = any(one.source.kind == "tree" for one in built)

    def entries(self) -> Iterator[FileEntry]:
        """The entries of the canonical tree, in no order."""
        records = {path: self._record_of(path) for path in self._listed if self._is_record(path)}
        owned = {self._place(row[0]) for rows in records.values() for row in rows}
        changed = dict(self._moved(owned))
        for path, rows in records.items():
            changed[path] = record_of(self._moved_rows(rows, changed))
        startup = {path for path in self._listed if self._is_startup(path)}
        changed |= self._moved_startup(startup)
        changed[_CFG] = canonical_pyvenv_cfg(self._minor)
        links = shared_links(self._manifest.shared, app=self._app)
        for path in {*owned, *startup, *links, _CFG} & self._listed.keys():
            entry = self._listed[path]
            if path in changed:
                entry = entry._replace(sha256=hashlib.sha256(changed[path]).hexdigest())
            yield entry
        yield FileEntry(_PYTHON, "link", 0o777, target=canonical_python(self._minor))

    def _is_record(self, path: str) -> bool:
        folder, _, name = path.rpartition("/")
        return name == "RECORD" and folder.endswith(".dist-info") and posixpath.dirname(folder) == self._site

    def _is_startup(self, path: str) -> bool:
        folder, _, name = path.rpartition("/")
        if folder == self._site:
            return name in STARTUP_NAMES
        return folder == f"{self._site}/__pycache__" and name.startswith(f"{MODULE_NAME}.")

    def _place(self, named: str) -> str:
        """The path in the release of a file that a RECORD names."""
        return posixpath.normpath(f"{self._site}/{named}")

    def _record_of(self, path: str) -> list[tuple[str, str, str]]:
        data = self._read(path, bounds.RECORD)
        try:
            text = data.decode()
            return [
                (named, digest, size) for named, digest, size in csv.reader(io.StringIO(text, newline=""))
            ]
        except (ValueError, csv.Error) as error:
            raise self._error(f"{path} is no RECORD of venvship's") from error

    def _moved_rows(
        self, rows: list[tuple[str, str, str]], changed: dict[str, bytes]
    ) -> Iterator[tuple[str, str, str]]:
        for named, digest, size in rows:
            data = changed.get(self._place(named))
            if data is None or not digest:  # RECORD stands in RECORD without a hash
                yield named, digest, size
            else:
                yield named, *hash_and_size(hashlib.sha256(data).digest(), len(data))

    def _moved(self, owned: set[str]) -> Iterator[tuple[str, bytes]]:
        """The files of wheels that hold a path, as they would be at the canonical place."""
        for path in sorted(owned & self._listed.keys()):
            entry = self._listed[path]
            if entry.type != "file":
                continue
            if path.startswith(("bin/", f"{APP}/")) and entry.mode & 0o111:
                data = self._moved_script(entry)
            elif path.endswith(".dist-info/direct_url.json"):
                data = self._moved_url(path)
            else:
                continue
            if data is not None:
                yield path, data

    def _moved_script(self, entry: FileEntry) -> bytes | None:
        """A script with another first line; `None` for a program that does not hold the release's path."""
        first = shebang(f"{self._built_for}/bin/python")
        line, _, trampoline = first.partition(b"\n")
        if self._head(entry.path, len(line) + 1) != line + b"\n":
            return None
        data = self._read(entry.path, max(entry.size, bounds.RECORD))
        moved = shebang(f"{CANONICAL.release}/bin/python")
        if data.startswith(first):
            return moved + data[len(first) :]
        # A declaration of the encoding stands between the two parts of a long first line.
        coding, _, rest = data[len(line) + 1 :].partition(b"\n")
        if trampoline and rest.startswith(trampoline):
            return moved + coding + b"\n" + rest[len(trampoline) :]
        return None

    def _moved_url(self, path: str) -> bytes | None:
        """`direct_url.json` of a local file with the canonical folder; `None` for one that has a URL."""
        try:
            info = json.loads(self._read(path, bounds.METADATA))
            url = info["url"]
            if not url.startswith(_LOCAL):
                return None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        info["url"] = "file://" + quote(f"{CANONICAL.wheels}/{posixpath.basename(unquote(url))}")
        return json.dumps(info, sort_keys=True).encode() + b"\n"

    def _moved_startup(self, startup: set[str]) -> Iterator[tuple[str, bytes]]:
        """The start-up files that hold a path.

        Those of this version of venvship are written anew. In those of another one the path is replaced,
        which is exact unless it has a quotation mark or a backslash.
        """
        try:
            here, there = (
                startup_files(release, lease_path=lease, site_packages=self._site, app=self._app)
                for release, lease in (
                    (self._built_for, self._lease),
                    (CANONICAL.release, CANONICAL.lease),
                )
            )
        except ValueError as error:
            raise self._error(f"its manifest has a path that no release has: {error}") from error
        for path in startup:
            name = posixpath.basename(path)
            if name == f"{MODULE_NAME}.py" or posixpath.dirname(path) != self._site:
                continue  # the module, and its bytecode, are the same in all releases
            sealed = self._listed[path].sha256
            if name in here and hashlib.sha256(here[name]).hexdigest() == sealed:
                yield path, there[name]
                continue
            data = self._read(path, bounds.STARTUP)
            for place, fixed in ((self._lease, CANONICAL.lease), (self._built_for, CANONICAL.release)):
                data = data.replace(os.fsencode(place), fixed.encode())
            yield path, data

    def _head(self, path: str, size: int) -> bytes:
        try:
            fd, _ = open_regular(f"{self._path}/{path}")
            with open(fd, "rb") as file:
                return file.read(size)
        except OSError as error:
            raise self._error(f"cannot read {self._path}/{path}: {error.strerror}") from error

    def _read(self, path: str, most: int) -> bytes:
        try:
            data = read_regular(f"{self._path}/{path}", most).data
        except OSError as error:
            raise self._error(f"cannot read {self._path}/{path}: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != self._listed[path].sha256:
            raise self._error(f"{path} is not as it was sealed; `venvship verify {self._manifest.id}`")
        return data

    def _error(self, problem: str) -> ReleaseError:
        return ReleaseError(f"the files of {self._manifest.id}: {problem}", release=self._manifest.id)
