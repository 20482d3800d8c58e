"""A wheel: its file on the way into the store, and its description once it is unpacked there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from venvship.model import json_fields as fields


class StoredFile(NamedTuple):
    """One file of an unpacked wheel, as the store holds it. A tuple, since a release has 20,000 of them.

    Attributes:
        path: Where it goes in a release, relative, with `/`, as scheme and path: `site/…` (purelib and
            platlib alike: a virtualenv has one site-packages), `scripts/…`, `headers/…` or `data/…`.
        size: Bytes.
        sha256: Hexadecimal digits, taken at import.
        executable: Whether the archive marked it so.
    """

    path: str
    size: int
    sha256: str
    executable: bool = False

    @classmethod
    def from_json(cls, row: Any) -> StoredFile:  # noqa: ANN401
        """Read a row `[path, size, sha256]`, or one with `executable` behind.

        Raises:
            ValueError: The row has another shape, or a value that no file has.
        """
        if type(row) is not list or len(row) not in {3, 4}:
            raise ValueError("a row of another shape")
        path, size, sha256, executable = row if len(row) == 4 else (*row, False)
        if type(sha256) is not str or len(sha256) != 64 or not (sha256.isascii() and sha256.isalnum()):
            raise ValueError("a SHA-256 belongs here")
        if type(executable) is not bool:
            raise ValueError("a boolean belongs here")
        return cls(fields.relative_path(path), fields.count(size), sha256, executable)


class WheelFile(NamedTuple):
    """A wheel on its way into the store.

    Attributes:
        path: Of the file, absolute.
        sha256: The hash that was found to be allowed, hexadecimal; checked again when it is unpacked.
        source_sha256: Of the source distribution that it was built from: then the lockfile allows that hash.
            `None`: it came as a wheel.
        check_record: Whether its RECORD must be right; not for the names in `[build] bad_record`.
    """

    path: str
    sha256: str
    source_sha256: str | None = None
    check_record: bool = True


class StoredBytecode(NamedTuple):
    """The bytecode of one wheel for one interpreter identity, in the store.

    Attributes:
        files: Its files, sorted by path; paths are those of the wheel's files, below `__pycache__`.
        data: Absolute path of its tree in the store: the file `f` stands at `data/f.path`.
    """

    files: tuple[StoredFile, ...]
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWheel:
    """One wheel in the store.

    Attributes:
        sha256: Of the wheel file; its name in the store.
        filename: The wheel's file name.
        name: Normalised distribution name (PEP 503).
        version: As its METADATA says.
        dist_info: Name of its `.dist-info` directory, which is below `site/`.
        requires_python: Its `Requires-Python`; empty for any. `None`: the index of an older venvship in the
            store does not tell, see `Store.wheel`.
        root_is_purelib: From WHEEL.
        requires: Its `Requires-Dist` lines.
        provides_extra: Its `Provides-Extra` lines.
        scripts: Console and GUI entry points, each `(script name, module, attribute, "console" or "gui")`.
        files: Every file of the wheel but RECORD and its signatures, sorted by path.
        data: Absolute path of its tree in the store: the file `f` stands at `data/f.path`.
    """

    sha256: str
    filename: str
    name: str
    version: str
    dist_info: str
    requires_python: str | None
    root_is_purelib: bool
    requires: tuple[str, ...]
    provides_extra: tuple[str, ...]
    scripts: tuple[tuple[str, str, str, str], ...]
    files: tuple[StoredFile, ...]
    data: str

    def to_json(self) -> dict[str, Any]:
        """The JSON form, without `data`, which is where it was found."""
        return {
            "sha256": self.sha256,
            "filename": self.filename,
            "name": self.name,
            "version": self.version,
            "dist_info": self.dist_info,
            "requires_python": self.requires_python,
            "root_is_purelib": self.root_is_purelib,
            "requires": list(self.requires),
            "provides_extra": list(self.provides_extra),
            "scripts": [list(script) for script in self.scripts],
            "files": [[f.path, f.size, f.sha256, f.executable] for f in self.files],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], *, tree: str) -> StoredWheel:
        """Read the JSON form.

        Raises:
            KeyError: A key is missing.
            ValueError: A value has the wrong type or form.
        """
        requires_python = data.get("requires_python")
        return cls(
            sha256=fields.sha256(data["sha256"]),
            filename=fields.relative_path(data["filename"]),
            name=fields.plain(data["name"]),
            version=fields.plain(data["version"]),
            dist_info=fields.relative_path(data["dist_info"]),
            requires_python=None if requires_python is None else fields.plain(requires_python),
            root_is_purelib=bool(data["root_is_purelib"]),
            requires=fields.plain_items(data["requires"]),
            provides_extra=fields.plain_items(data["provides_extra"]),
            scripts=tuple(
                (name, module, attr, kind)
                for name, module, attr, kind in map(fields.plain_items, fields.items(data["scripts"]))
            ),
            files=tuple(map(StoredFile.from_json, fields.items(data["files"]))),
            data=tree,
        )
