"""The source of a requirement that is built from a checkout or a repository, and not fetched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple

from venvship.model import json_fields as fields
from venvship.model.spelling import digest

SOURCE_DATE_EPOCH: Final = 1_577_836_800
"""The time of every file that a build makes: the start of 2020. A constant, so that the time of a commit,
which is no part of its tree, enters no wheel. Zip archives cannot have a time before 1980."""

ABBREVIATED: Final = 12
"""Digits of a commit that people see."""

SourceKind = Literal["wheel", "tree"]


class Source(NamedTuple):
    """The files that a wheel is built from, and how.

    Attributes:
        repository: Absolute path of the checkout or the bare repository; of a dependency, its URL.
        commit: The full id; `""` without git.
        folder: The folder of the project in it, relative; `""` for the top.
        tree: Git's id of the folder's tree, with `dirty` of its contents now. Without git, `sha256:` and a
            digest over names, modes and contents.
        describe: The output of `git describe --tags --long --always` where the version is dynamic, else `""`.
        kind: `"wheel"`: the project's own build backend makes the wheel. `"tree"`: venvship does.
        recipe: Digest of everything else that the wheel follows from; see `recipe_digest`.
        dirty: Whether `tree` has changes in it that `commit` has not.
        ref: The name that led to the commit, such as `HEAD` or a tag; `""` without git.
        subject: The first line of the commit's message.
        committed_at: Its committer's time, as `format_time` writes it; `""` without git.
    """

    repository: str
    commit: str
    folder: str
    tree: str
    describe: str = ""
    kind: SourceKind = "wheel"
    recipe: str = ""
    dirty: bool = False
    ref: str = ""
    subject: str = ""
    committed_at: str = ""

    @property
    def digest(self) -> str:
        """The part of the environment digest, and of the store's selection key, that stands for the source.

        The repository, the commit and the folder do not enter: the same files make the same wheel on every
        host, and a commit that changes other files changes nothing.
        """
        return digest(
            {"tree": self.tree, "describe": self.describe, "kind": self.kind, "recipe": self.recipe}
        )


def recipe_digest(
    *,
    before: Iterable[str] | None = None,
    constraints: str = "",
    include: Iterable[str] = (),
    exclude: Iterable[str] = (),
    shared: Iterable[str] = (),
    beside: Mapping[str, str] | None = None,
) -> str:
    """Digest the settings that change the wheel of a source.

    Args:
        before: `[project] before`.
        constraints: SHA-256 of the lock of the build requirements; `""` for none.
        include: `[project] include`, sorted or not.
        exclude: `[project] exclude`.
        shared: `[project] shared`, where files in its place are left out.
        beside: Further contents that the wheel is made from, by name, each as a digest.
    """
    return digest(
        {
            "before": None if before is None else list(before),
            "constraints": constraints,
            "include": sorted(include),
            "exclude": sorted(exclude),
            "shared": sorted(shared),
            "beside": dict(beside or {}),
            "epoch": SOURCE_DATE_EPOCH,
        }
    )


class BuildRequirement(NamedTuple):
    """A distribution that was installed for a build: its normalised name and its version."""

    name: str
    version: str


class Built(NamedTuple):
    """A member of a release that was built from source, as the manifest records it.

    Attributes:
        name: Normalised.
        version: As the wheel has it.
        source: The files that it was built from; of a repository's URL, without credentials.
        wheel_sha256: The SHA-256 of the wheel.
        build_requirements: The distributions that built it, sorted; empty for a tree.
        pinned: Whether the build requirements were installed by hash.
    """

    name: str
    version: str
    source: Source
    wheel_sha256: str
    build_requirements: tuple[BuildRequirement, ...] = ()
    pinned: bool = False

    @property
    def label(self) -> str:
        """The commit for people, such as `1f2e3d4c5b6a (v2.1) with uncommitted changes`; `""` without git."""
        commit, ref = self.source.commit, self.source.ref
        if not commit:
            return ""
        named = f" ({ref})" if ref not in {"", "HEAD"} and not commit.startswith(ref) else ""
        changes = " with uncommitted changes" if self.source.dirty else ""
        return f"{commit[:ABBREVIATED]}{named}{changes}"

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "name": self.name,
            "version": self.version,
            **self.source._asdict(),
            "wheel_sha256": self.wheel_sha256,
            "build_requirements": [one._asdict() for one in self.build_requirements],
            "pinned": self.pinned,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Built:
        """Read the JSON form.

        Raises:
            KeyError: A key is missing.
            ValueError: A value has the wrong type or form.
        """
        kind = data["kind"]
        if kind not in {"wheel", "tree"}:
            raise ValueError(f"no kind of source: {kind!a:.40}")
        source = Source(
            repository=fields.plain(data["repository"]),
            commit=fields.plain(data["commit"]),
            folder=fields.plain(data["folder"]),
            tree=fields.plain(data["tree"]),
            describe=fields.plain(data["describe"]),
            kind="tree" if kind == "tree" else "wheel",
            recipe=fields.plain(data["recipe"]),
            dirty=bool(data["dirty"]),
            ref=fields.text(data["ref"]),
            subject=fields.text(data["subject"]),
            committed_at=fields.plain(data["committed_at"]),
        )
        return cls(
            name=fields.plain(data["name"]),
            version=fields.plain(data["version"]),
            source=source,
            wheel_sha256=fields.sha256(data["wheel_sha256"]),
            build_requirements=tuple(
                BuildRequirement(fields.plain(one["name"]), fields.plain(one["version"]))
                for one in map(fields.mapping, fields.items(data["build_requirements"]))
            ),
            pinned=bool(data["pinned"]),
        )
