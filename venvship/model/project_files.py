"""Decide which files of a project without packaging are in its releases. Rules on names; nothing is opened.

A name is relative to the project's folder, with `/`; that of a folder ends with one. git's lists of tracked,
untracked and ignored names are taken as they are; without git, `skipped_folder` says what is no part of a
project.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from venvship.model.patterns import Patterns

_SENSITIVE: Final[Mapping[str, tuple[str, ...]]] = {
    "environment files": (r"\.env(?!.*\.(?:example|sample|template|dist)$).*",),
    "keys and passwords": (
        r".*\.(?:pem|key|p12|pfx|jks|keystore|kdbx|ppk)",
        r"id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?",
        r"\.(?:netrc|pgpass|pypirc|htpasswd|git-credentials)",
    ),
    "databases": (r".*\.(?:sqlite3?|db)(?:-journal|-wal|-shm)?",),
}
"""What is left out by its name, unless `include` takes it: every user of the host could read the secrets, and
a database in a release could not be written."""

_SENSITIVE_NAMES: Final = {
    kind: re.compile("|".join(names), re.IGNORECASE | re.DOTALL) for kind, names in _SENSITIVE.items()
}

_CACHES: Final = frozenset(
    {
        "__pycache__",
        ".cache",
        ".eggs",
        ".ipynb_checkpoints",
        ".mypy_cache",
        ".nox",
        ".pytest_cache",
        ".ruff_cache",
        ".tox",
        ".venv",
        "node_modules",
    }
)
_VERSION_CONTROL: Final = frozenset({".git", ".hg", ".svn", ".bzr", "CVS", "_darcs", ".jj"})

_OF_A_ROOT: Final = frozenset(
    {*("venvship.toml", "README", "current", "previous"), *("releases", "state", "store", "log", "shared")}
)

_OUTPUT: Final = frozenset(
    {
        "_build",
        "assets",
        "build",
        "bundle",
        "bundles",
        "dist",
        "out",
        "output",
        "public",
        "static",
        "staticfiles",
    }
)
"""Names of ignored folders that a build may have filled with files that the application needs."""

_FOLLOWED: Final = 40
"""How many links are followed on the way to one file, as by the kernel (path_resolution(7))."""

_EXPANDED: Final = 100_000
"""Files that the links of a project may add."""


class ProjectFile(NamedTuple):
    """One file of a project.

    Attributes:
        path: Its name.
        executable: Whether it has the executable bit.
        target: Of a symbolic link, as it is written; `None`: it is a regular file.
    """

    path: str
    executable: bool = False
    target: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The settings that decide what is in a release; see `[project]`.

    Attributes:
        include: Patterns of files to take although git does not track them, or their name is sensitive.
        exclude: Patterns of files to leave out, whatever else is said of them.
        shared: Names in whose place there is a link to what outlives releases.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The names that are in a release.

    Attributes:
        files: Those that are taken, sorted.
        sensitive: By kind, in words, the tracked names that are left out for it.
        replaced: By name in `Rules.shared`, how many tracked files it stands in the place of.
    """

    files: tuple[str, ...]
    sensitive: Mapping[str, tuple[str, ...]]
    replaced: Mapping[str, int]


def choose(tracked: Iterable[str], others: Iterable[str], rules: Rules) -> Choice:
    """Choose the files of a release.

    Args:
        tracked: The names that git tracks, those of submodules among them; without git, all names.
        others: Names that are there and not tracked. `include` takes them, and nothing else does.
        rules: The settings.

    Returns:
        The names. Each tracked name is in exactly one of: `files`, `sensitive`, a part of `replaced`, matched
        by `exclude`, or below `__pycache__`.
    """
    include, exclude = Patterns(rules.include), Patterns(rules.exclude)
    tracked = frozenset(tracked)
    files: list[str] = []
    sensitive: dict[str, list[str]] = {}
    replaced: dict[str, int] = {}
    for path in sorted(tracked.union(others)):
        wanted = include.match(path)
        if exclude.match(path) or "__pycache__" in path.split("/") or not (wanted or path in tracked):
            continue
        if (name := _shared_at(path, rules.shared)) is not None:
            replaced[name] = replaced.get(name, 0) + (path in tracked)
        elif not wanted and (kind := sensitive_kind(path)) is not None:
            sensitive.setdefault(kind, []).append(path)
        else:
            files.append(path)
    return Choice(
        files=tuple(files),
        sensitive={kind: tuple(paths) for kind, paths in sensitive.items()},
        replaced={name: count for name, count in replaced.items() if count},
    )


def _shared_at(path: str, shared: Iterable[str]) -> str | None:
    return next((name for name in shared if f"{path}/".startswith(f"{name}/")), None)


def sensitive_kind(path: str) -> str | None:
    """What a file is left out for, in words, such as `"databases"`; `None` for a harmless name."""
    name = posixpath.basename(path)
    return next((kind for kind, names in _SENSITIVE_NAMES.items() if names.fullmatch(name)), None)


_OF_A_STORE: Final = "store.mutex"
"""The file that a store has from its first moment on."""


def skipped_folder(name: str, inside: Collection[str]) -> bool:
    """Whether a folder is no part of a project that is under no version control.

    Args:
        name: Its own name, without the folders above.
        inside: The names in it.
    """
    return (
        name in _CACHES
        or name in _VERSION_CONTROL
        or name.endswith((".egg-info", ".dist-info"))
        or "pyvenv.cfg" in inside
        or bool(names_of_root(inside))  # it may lie in the project
        or _OF_A_STORE in inside  # as a shared one may
    )


def names_of_root(inside: Iterable[str]) -> frozenset[str]:
    """The names in a folder that are those of a root; none if the folder is no root.

    A root may be the folder of the project itself. Its settings are no part of the project: they may have
    secrets in them, and a change of them is no change of the project.

    Args:
        inside: All names in the folder.
    """
    found = frozenset(inside)
    if "venvship.toml" not in found or found.isdisjoint({"state", "releases"}):
        return frozenset()
    return found & _OF_A_ROOT


def outside_of_root(names: Iterable[str], place: str) -> tuple[str, ...]:
    """The names that are none of a root's.

    Args:
        names: Of files and folders of a project.
        place: The root, relative to the project's folder; `"."` for that itself.
    """
    below = "" if place == "." else f"{place}/"
    return tuple(
        name
        for name in names
        if not (name == below or (name.startswith(below) and _top(name, below) in _OF_A_ROOT))
    )


def _top(name: str, below: str) -> str:
    return name.removeprefix(below).partition("/")[0]


def warnings_about(
    choice: Choice, *, untracked: Iterable[str], ignored: Iterable[str], rules: Rules
) -> Iterator[Mapping[str, str]]:
    """Name the files that somebody may miss in a release.

    Args:
        choice: The files that are in it.
        untracked: Names that git neither tracks nor ignores; of a folder with nothing tracked in it, the
            folder alone.
        ignored: Names that git ignores; of a folder, the folder alone.
        rules: The settings.

    Yields:
        Warnings, each with `slug` and `message`.
    """
    if choice.sensitive:
        kinds = "; ".join(f"{kind}: {_shortened(paths)}" for kind, paths in choice.sensitive.items())
        yield _warning(
            "sensitive-files",
            f"tracked files that are not in the release: {kinds}. `exclude` under [project] leaves them out"
            " without this warning, and `include` takes them",
        )
    if choice.replaced:
        names = ", ".join(f"{name} ({count})" for name, count in choice.replaced.items())
        yield _warning(
            "shared-replaces",
            "tracked files that are not in the release, since `shared` under [project] has a link in their"
            f" place: {names}",
        )
    if forgotten := _missed(untracked, rules):
        yield _warning(
            "untracked-files",
            f"not in the release, since git does not track them: {_shortened(forgotten)}. Add them to git or"
            " to .gitignore; or take them by `include` under [project]",
        )
    if outputs := [path for path in _missed(ignored, rules) if is_output(path)]:
        yield _warning(
            "ignored-output",
            f"not in the release, since git ignores them: {_shortened(outputs)}. If the application needs"
            " them, take them by `include` under [project]",
        )


def _missed(paths: Iterable[str], rules: Rules) -> list[str]:
    include, exclude = Patterns(rules.include), Patterns(rules.exclude)
    return sorted(
        path
        for path in paths
        if not (include.match(path) or exclude.match(path))
        and _shared_at(path.rstrip("/"), rules.shared) is None
        # A part of it is taken, so the user knows of it.
        and not any(text.lstrip("/").startswith(path) for text in rules.include)
    )


def is_output(path: str) -> bool:
    """Whether an ignored name looks as if a build had made it for the application: `dist/`, `shop.mo`."""
    if not path.endswith("/"):
        return path.endswith(".mo")
    return posixpath.basename(path.rstrip("/")).lower() in _OUTPUT


def _shortened(paths: Collection[str], most: int = 5) -> str:
    shown = ", ".join(list(paths)[:most])
    return f"{shown} and {len(paths) - most} more" if len(paths) > most else shown


def _warning(slug: str, message: str) -> Mapping[str, str]:
    return {"slug": slug, "message": message}


# -- links -----------------------------------------------------------------------------------------------


_NOTHING: Final = "it leads to nothing that is in the release"


class _LinkError(Exception):
    """A link that cannot be followed; its text says why."""


def without_links(files: Iterable[ProjectFile]) -> tuple[dict[str, ProjectFile], dict[str, str]]:
    """Replace symbolic links by the files that they lead to: a wheel has no links.

    Args:
        files: The files of a project that were chosen, each name once.

    Returns:
        By the name in the release, the regular file whose contents stand there; and by the name of a link
        that cannot be followed, the reason.
    """
    every = {file.path: file for file in files}
    links = {path: file.target for path, file in every.items() if file.target is not None}
    found = {path: file for path, file in every.items() if file.target is None}
    tree = _Tree(every, links, frozenset(folder for path in every for folder in _above(path)))
    problems: dict[str, str] = {}
    for path in sorted(links):
        try:
            for inner, file in _at_link(path, tree):
                found.setdefault(inner, file)
                if len(found) > len(every) + _EXPANDED:
                    raise _LinkError("the folders that it leads to have too many files")
        except _LinkError as error:
            problems[path] = str(error)
    return found, problems


class _Tree(NamedTuple):
    """The files and links of a project, the targets of the links, and the folders that all these are in."""

    every: Mapping[str, ProjectFile]
    links: Mapping[str, str]
    folders: frozenset[str]


def _above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _at_link(path: str, tree: _Tree, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ProjectFile]]:
    """Yield the regular files at a link or below it, by the name that they have through it.

    Args:
        path: The link, by its own name.
        tree: The project.
        above: The folders that are being listed by way of other links.

    Raises:
        _LinkError: It, or a link below it, cannot be followed.
    """
    real = _real(path, tree)
    if real in tree.every:
        yield path, tree.every[real]
        return
    if real in above:
        raise _LinkError("it leads in a circle")
    prefix = f"{real}/" if real else ""
    below = sorted(name for name in tree.every if name.startswith(prefix))
    if not below:
        raise _LinkError(_NOTHING)
    for name in below:
        through = f"{path}/{name.removeprefix(prefix)}"
        if name in tree.links:
            for inner, file in _at_link(name, tree, (*above, real)):
                yield through + inner.removeprefix(name), file
        else:
            yield through, tree.every[name]


def _real(path: str, tree: _Tree) -> str:
    """Follow a path component by component, as the kernel does; `""` is the top of the project.

    Raises:
        _LinkError: It leads out of the project, in a circle, or through a name that is no folder.
    """
    left = path.split("/")[::-1]
    done: list[str] = []
    followed = 0
    while left:
        if done and "/".join(done) not in tree.folders:
            raise _LinkError(_NOTHING)
        name = left.pop()
        if name in {"", "."}:
            continue
        if name == "..":
            if not done:
                raise _LinkError("it leads out of the project")
            done.pop()
            continue
        done.append(name)
        target = tree.links.get("/".join(done))
        if target is not None:
            followed += 1
            if target.startswith("/"):
                raise _LinkError(f"it leads out of the project: to {target}")
            if followed > _FOLLOWED:
                raise _LinkError("it leads in a circle")
            done.pop()
            left += target.split("/")[::-1]
    return "/".join(done)


# -- contents --------------------------------------------------------------------------------------------

POINTER_SIZE: Final = 1024
"""The most bytes that a pointer of Git LFS has (its specification)."""

_POINTER: Final = re.compile(rb"version https://(?:git-lfs\.github\.com|hawser\.github\.com)/spec/v\d")

_PYTHON_LINE: Final = re.compile(rb"#![ \t]*(?:/\S*/)?(?:env[ \t]+)?python(?:3(?:\.[0-9]+)?)?[ \t]*\r?\n")


def is_lfs_pointer(size: int, head: bytes) -> bool:
    """Whether a file is a pointer of Git LFS in place of the contents that it stands for.

    Args:
        size: Its bytes.
        head: The first of them.
    """
    return size < POINTER_SIZE and _POINTER.match(head) is not None


def first_line_for_release(head: bytes) -> bytes:
    """Let a script name the interpreter of its release, as pip does with the scripts of a wheel.

    Args:
        head: The beginning of an executable file, its first line at least.

    Returns:
        The same with `#!python` for its first line, the placeholder of the wheel format, if that line names a
        Python without options.
    """
    return _PYTHON_LINE.sub(b"#!python\n", head, count=1) if _PYTHON_LINE.match(head) else head
