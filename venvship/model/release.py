"""What a release is: its id, its state, its manifest and its list of files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from venvship.model import json_fields as fields
from venvship.model.environment import RecordedEnvironment
from venvship.model.interpreter import Identity
from venvship.model.source import Built
from venvship.model.spelling import FORMAT, digest_of_list, format_time, parse_time

_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{7}", re.ASCII)


class State(StrEnum):
    """What is known about a release from its checks and from having been live.

    `docs/explanation/states.md` has the meaning of each, and what leads from one to another.
    """

    SEALED = "sealed"
    REJECTED = "rejected"
    UNCHECKED = "unchecked"
    PROVEN = "proven"
    BAD = "bad"
    INCONCLUSIVE = "inconclusive"


def new_release_id(now: datetime, token: str) -> str:
    """Make an id such as `20261122T094143Z-3f9a1c2`.

    Ids are names, not an order: the clock may be set back. Order comes from the journal's `seq`.

    Args:
        now: The time, aware.
        token: Seven random lower-case hexadecimal digits.

    Raises:
        ValueError: The token has another form, or the time is naive.
    """
    if now.tzinfo is None:
        raise ValueError("release ids are made from aware times")
    release_id = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{token}"
    if not is_release_id(release_id):
        raise ValueError(f"not seven hexadecimal digits: {token!r}")
    return release_id


def is_release_id(text: str) -> bool:
    """Whether this is a whole release id."""
    return _ID.fullmatch(text) is not None


class Package(NamedTuple):
    """One installed distribution: its normalised name (PEP 503) and its version."""

    name: str
    version: str


class PackageChange(NamedTuple):
    """One line of a comparison: a package with the version on either side, `None` where it is absent."""

    name: str
    before: str | None
    after: str | None

    def to_json(self) -> dict[str, str | None]:
        """The JSON form."""
        return {"name": self.name, "from": self.before, "to": self.after}

    @property
    def phrase(self) -> str:
        """The change for people: `django 5.2.18 → 5.2.19`, `new: idna 3.10` or `gone: idna 3.10`."""
        if self.before is None:
            return f"new: {self.name} {self.after}"
        if self.after is None:
            return f"gone: {self.name} {self.before}"
        return f"{self.name} {self.before} → {self.after}"


class PackageDiff(NamedTuple):
    """What differs between the packages of two releases, and between their interpreters.

    Attributes:
        added: Packages that only the second has, sorted by name.
        removed: Packages that only the first has, sorted by name.
        changed: Packages in another version, sorted by name.
        python: The interpreter's full versions under the name `"python"`; `None` if it is the same, or where
            the packages of lockfiles are compared.
    """

    added: tuple[PackageChange, ...] = ()
    removed: tuple[PackageChange, ...] = ()
    changed: tuple[PackageChange, ...] = ()
    python: PackageChange | None = None

    def to_json(self) -> dict[str, object]:
        """The JSON form: three lists of `{name, from, to}`, and one or null for Python."""
        lists = {"added": self.added, "removed": self.removed, "changed": self.changed}
        return {
            **{name: [change.to_json() for change in changes] for name, changes in lists.items()},
            "python": self.python.to_json() if self.python else None,
        }

    def phrases(self) -> list[str]:
        """The changes for people, each a phrase: `django 5.2.18 → 5.2.19`, `new: idna 3.10`; never none."""
        parts = [change.phrase for change in (*self.changed, *self.added, *self.removed)]
        parts = parts or ["the same packages"]
        if self.python is not None:
            parts.insert(0, f"CPython {self.python.before} → {self.python.after}")
        return parts


def diff_packages(before: Iterable[Package], after: Iterable[Package]) -> PackageDiff:
    """Compare two sets of packages."""
    old = {package.name: package.version for package in before}
    new = {package.name: package.version for package in after}
    changes = [PackageChange(name, old.get(name), new.get(name)) for name in sorted(old.keys() | new.keys())]
    return PackageDiff(
        added=tuple(change for change in changes if change.before is None),
        removed=tuple(change for change in changes if change.after is None),
        changed=tuple(c for c in changes if None not in (c.before, c.after) and c.before != c.after),
    )


def python_change(before: Mapping[str, str], after: Mapping[str, str]) -> PackageChange | None:
    """Compare two interpreters, as manifests record them under `python`; `None` if they are the same.

    Another patch level counts: it makes no other environment, and may be the cause of another behaviour.
    """
    old, new = (python.get("full_version", "?") for python in (before, after))
    if old == new:
        if Identity.of(after).serves(Identity.of(before)):
            return None
        old, new = (
            f"{python.get('full_version', '?')} ({python.get('soabi')})" for python in (before, after)
        )
    return PackageChange("python", old, new)


def sealed_mode(executable: bool) -> int:
    """The permission bits of a file in the store and in a sealed release: no one may write."""
    return 0o555 if executable else 0o444


class FileEntry(NamedTuple):
    """One line of `files.json`. A tuple, since a release has 20,000 of them.

    Attributes:
        path: Relative to the release, with `/`.
        type: `"file"`, `"dir"` or `"link"`.
        mode: Permission bits, such as `0o444`.
        size: Bytes; 0 for directories and links.
        sha256: Of the contents, hexadecimal; empty for directories and links.
        target: Of a link, as `readlink` gives it; empty otherwise.
    """

    path: str
    type: str
    mode: int
    size: int = 0
    sha256: str = ""
    target: str = ""

    @classmethod
    def from_json(cls, row: Any) -> FileEntry:  # noqa: ANN401
        """Read a row `[path, type, mode, size, sha256 or target]`.

        Raises:
            ValueError: The row has another shape, or a value that no file has.
        """
        if type(row) is not list or len(row) != 5:
            raise ValueError("a row of another shape")
        path, kind, mode, size, value = row
        fields.relative_path(path)
        if type(mode) is not str or type(value) is not str:
            raise ValueError("a row with a value of another type")
        bits = int(mode, 8)
        if not 0 <= bits <= 0o7777:
            raise ValueError(f"no mode: {mode!a:.40}")
        if kind == "file":
            if len(value) != 64:
                raise ValueError("a SHA-256 belongs here")
            return cls(path, "file", bits, fields.count(size), value)
        if size != 0:
            raise ValueError("only a file has a size")
        if kind == "link" and value:
            return cls(path, "link", bits, 0, "", fields.plain(value))
        if kind == "dir":
            return cls(path, "dir", bits)
        raise ValueError("a row of an unknown type")


class Manifest(NamedTuple):
    """What a release is made of: `.venvship/manifest.json`, the last file that a build writes.

    Attributes:
        id: The release's id.
        created_at: When its build began; aware, UTC.
        environment: The environment that it was built for.
        tree_digest: Of all files, as they would be at a fixed path; equal on every host.
        files_sha256: Of the bytes of `files.json`, so that one hash in the manifest covers every file.
        packages: Installed distributions, sorted by name.
        wheels: By package name, the SHA-256 of the wheel that it came from; `None` if the release was built
            before this was recorded.
        project: The application's own code, if it was built from a checkout.
        built: The other members that were built from source, sorted by name.
        bytecode: The store's tag of its bytecode; see `building.store.compile.bytecode_tag`.
        path: The directory that it was built for, absolute: its scripts and start-up files hold this path.
            Empty if the release was built before this was recorded; then its start-up files alone have it.
        shared: The names for which it has links to what outlives releases; `[project] shared`.
        warnings: The warnings of the build, each with `slug` and `message`.
        message: The `-m` of the command, or empty.
        venvship: The version that built it.
        extra: Keys this version does not know; kept on rewrite.
        sha256: Of the bytes of its file, which the journal and the system's log have: so one hash that stands
            outside the release covers every file of it. Empty before it is written.
    """

    id: str
    created_at: datetime
    environment: RecordedEnvironment
    tree_digest: str
    files_sha256: str
    packages: tuple[Package, ...]
    wheels: Mapping[str, str] | None = None
    project: Built | None = None
    built: tuple[Built, ...] = ()
    bytecode: str = ""
    path: str = ""
    shared: tuple[str, ...] = ()
    warnings: tuple[Mapping[str, str], ...] = ()
    message: str = ""
    venvship: str = ""
    extra: Mapping[str, Any] = MappingProxyType({})
    sha256: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form that `from_json` reads."""
        origin: dict[str, Any] = (
            {} if self.wheels is None else {"wheels": dict(self.wheels), "bytecode": self.bytecode}
        )
        if self.path:
            origin["path"] = self.path
        if self.shared:
            origin["shared"] = list(self.shared)
        if self.environment.fetched:
            origin["fetched_digest"] = self.environment.fetched
        if self.project is not None or self.built:
            origin["project"] = self.project.to_json() if self.project is not None else None
            origin["built"] = [one.to_json() for one in self.built]
        return {
            **self.extra,
            **origin,
            "format": FORMAT,
            "id": self.id,
            "created_at": format_time(self.created_at),
            "lockfile_sha256": self.environment.lockfile_sha256,
            "environment_digest": self.environment.digest,
            "inputs": self.environment.inputs,
            "tree_digest": self.tree_digest,
            "files_sha256": self.files_sha256,
            "python": dict(self.environment.python),
            "packages": [{"name": p.name, "version": p.version} for p in self.packages],
            "warnings": [dict(w) for w in self.warnings],
            "message": self.message,
            "venvship": self.venvship,
        }

    @property
    def built_names(self) -> list[str]:
        """The names of the members that were built from source."""
        return [one.name for one in (*filter(None, [self.project]), *self.built)]

    def sealed_facts(self) -> dict[str, str]:
        """The facts of the journal's event `sealed`."""
        return {
            "environment_digest": self.environment.digest,
            "lockfile_sha256": self.environment.lockfile_sha256,
            "manifest_sha256": self.sha256,
            "tree_digest": self.tree_digest,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Manifest:
        """Read the JSON form; the caller has checked `format`.

        Raises:
            KeyError: A key is missing.
            ValueError: A value has the wrong type or form.
        """
        wheels, path = data.get("wheels"), data.get("path", "")
        project = data.get("project")
        if not is_release_id(fields.text(data["id"])):
            raise ValueError(f"not a release id: {data['id']!a:.40}")
        manifest = cls(
            id=data["id"],
            created_at=parse_time(fields.text(data["created_at"])),
            environment=RecordedEnvironment(
                digest=fields.plain(data["environment_digest"]),
                lockfile_sha256=fields.plain(data["lockfile_sha256"]),
                python=fields.plain_mapping(data["python"]),
                inputs=fields.plain(data.get("inputs", "")),
                fetched=fields.plain(data.get("fetched_digest", "")),
            ),
            tree_digest=fields.plain(data["tree_digest"]),
            files_sha256=fields.plain(data["files_sha256"]),
            packages=tuple(
                Package(fields.plain(p["name"]), fields.plain(p["version"]))
                for p in map(fields.mapping, fields.items(data["packages"]))
            ),
            wheels=None
            if wheels is None
            else {name: fields.sha256(each) for name, each in fields.mapping(wheels).items()},
            project=None if project is None else Built.from_json(fields.mapping(project)),
            built=tuple(map(Built.from_json, map(fields.mapping, fields.items(data.get("built", []))))),
            bytecode=fields.plain(data.get("bytecode", "")),
            path=fields.absolute_path(path) if path else "",
            shared=tuple(map(fields.relative_path, fields.items(data.get("shared", [])))),
            warnings=tuple(
                {"slug": fields.plain(w["slug"]), "message": fields.text(w["message"])}
                for w in map(fields.mapping, fields.items(data.get("warnings", [])))
            ),
            message=fields.text(data.get("message", "")),
            venvship=fields.plain(data.get("venvship", "")),
        )
        known = {"wheels", "bytecode", "path", "shared", "fetched_digest", "project", "built"}
        known |= manifest.to_json().keys()
        return manifest._replace(extra={k: v for k, v in data.items() if k not in known})


class TreeRow(NamedTuple):
    """One row of the list that a tree digest is taken of.

    Attributes:
        path: Relative to the release, with `/`.
        type: `"file"` or `"link"`.
        executable: Whether it is a program; `False` for links.
        value: The SHA-256 of a file's contents, hexadecimal; the target of a link.
    """

    path: str
    type: str
    executable: bool
    value: str

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        return self._asdict()


def tree_rows(entries: Iterable[FileEntry]) -> list[TreeRow]:
    """The rows that the digest of a tree is taken of, in their order, which is that of the paths.

    Modes enter only as "executable or not": they are the same everywhere once sealed. The entries must be
    those of the canonical tree, the one that would stand at a fixed path with a fixed interpreter path.
    """
    return sorted(
        TreeRow(path, kind, kind == "file" and mode & 0o111 != 0, target or sha256)
        for path, kind, mode, _, sha256, target in entries
    )


def tree_digest(entries: Iterable[FileEntry]) -> str:
    """Digest a tree from its entries, in whatever order they come; see `tree_rows`."""
    return digest_of_rows(tree_rows(entries))


def digest_of_rows(rows: Sequence[TreeRow]) -> str:
    """Digest a tree from its rows."""
    return digest_of_list(rows)  # tuples are lists in JSON
