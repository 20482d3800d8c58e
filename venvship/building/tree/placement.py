"""Which file of which wheel stands where in a release, and which wheel wins where two want one place.

It takes the wheels as the store lists them and returns where every file goes. Everything that forbids a
*combination* of wheels is found here, before anything is compiled or written.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from venvship.building.store import members
from venvship.building.tree.namespaces import MAX_STUB, stub_rank
from venvship.building.tree.startup import sorted_outside
from venvship.errors import InvalidWheelError
from venvship.model.interpreter import Interpreter
from venvship.model.wheel import StoredBytecode, StoredFile, StoredWheel

SEAL_FOLDER: Final = ".venvship"
"""The folder of a release that describes it: manifest, lockfile, list of files."""

_CODE = re.compile(r".*\.(py|pyc|pth|start|so|dylib|pyd)|.*\.so(\.[0-9]+)+", re.DOTALL)
_PYCACHE = "__pycache__"

_VERSIONED: Final = {
    "pip": (re.compile(r"pip(\d+(\.\d+)?)?"), ("pip", "pip{major}", "pip{minor}")),
    "easy_install": (
        re.compile(r"easy_install(-\d+\.\d+)?"),
        ("easy_install", "easy_install-{minor}"),
    ),
}
"""Console scripts that have the version of Python in their names: which names those are, and which ones pip
gives them instead (`get_console_scripts` in its `operations/install/wheel.py`). The names in a wheel are
those of the Python that it was built with."""


class Placed(NamedTuple):
    """One path of a release and the file that a wheel puts there. A tuple: a release has 20,000 of them.

    Attributes:
        path: Relative to the release, with `/`.
        wheel: Whose it is.
        file: The wheel's file, or its bytecode; `None` for an entry point.
        tree: Absolute path of the tree in the store that the file is in; empty for an entry point.
        entry_point: The console or GUI script to generate instead of a file, as `"module:attribute"`.
        bytecode: Whether it is a `.pyc` that was compiled here.
    """

    path: str
    wheel: StoredWheel
    file: StoredFile | None = None
    tree: str = ""
    entry_point: str = ""
    bytecode: bool = False

    @property
    def source(self) -> str:
        """Absolute path of the file in the store; empty for an entry point."""
        return "" if self.file is None else f"{self.tree}/{self.file.path}"

    @property
    def is_script(self) -> bool:
        """Whether its first line may be written anew: in the `scripts` scheme, and of a program in `app/`."""
        if self.file is None:
            return True
        return self.file.path.startswith("scripts/") or (
            self.file.executable and self.file.path.startswith(members.APP)
        )

    def same_content(self, other: Placed) -> bool:
        """Whether both would put the same bytes there."""
        if self.file is None or other.file is None:
            return self.entry_point == other.entry_point
        return self.file.sha256 == other.file.sha256


class Conflict(NamedTuple):
    """A path that several wheels want, and cannot share.

    Attributes:
        path: The path.
        files: The files of all wheels that bring it, by the names of the wheels. Where some wheels need a
            directory there, then the first file of each below it.
    """

    path: str
    files: tuple[Placed, ...]

    @property
    def is_directory(self) -> bool:
        """Whether a file of it needs a directory there; no setting allows that."""
        return bool(self.below)

    @property
    def below(self) -> tuple[Placed, ...]:
        """The files below the path."""
        return tuple(one for one in self.files if one.path != self.path)

    @property
    def names(self) -> tuple[str, ...]:
        """The packages, each once."""
        return tuple(dict.fromkeys(one.wheel.name for one in self.files))


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where every file of every wheel goes.

    Attributes:
        site_packages: Relative path of the one site-packages directory.
        files: The files by path; winners only.
        folders: Every directory that these need, relative, sorted: a parent before its children.
        owned: By wheel name, every path that the wheel brings, sorted; also a path that it lost, where the
            other wheel's file stands.
        shared: By path, the names of the wheels that bring it, where there are several.
        warnings: Places that two wheels wanted, each with `slug` and `message`.
        conflicts: Places that several wheels want, one for each place; with any, no release can be made.
    """

    site_packages: str
    files: Mapping[str, Placed]
    folders: tuple[str, ...]
    owned: Mapping[str, tuple[str, ...]]
    shared: Mapping[str, tuple[str, ...]]
    warnings: tuple[Mapping[str, str], ...] = field(default=())
    conflicts: tuple[Conflict, ...] = field(default=())


def version_folder(interpreter: Interpreter) -> str:
    """The name of an interpreter's folder below `lib/` and `include/`, such as `"python3.11"`."""
    threads = "t" if re.match(r"cpython-\d+t", interpreter.soabi) else ""
    return f"python{interpreter.minor}{threads}"


def site_packages_path(version: str) -> str:
    """Where packages are in a virtualenv on POSIX, relative to it.

    Args:
        version: The interpreter's `version_folder`.
    """
    return f"lib/{version}/site-packages"


def place_of(file: StoredFile, wheel: StoredWheel, version: str) -> str:
    """Translate a path in the store, scheme first, to a path in a release.

    The schemes are those of a virtualenv (sysconfig's `venv`) with pip's place for headers.

    Raises:
        InvalidWheelError: The path has an unknown scheme, or climbs out of its scheme.
    """
    scheme, _, rest = file.path.partition("/")
    base = {
        "site": site_packages_path(version),
        "scripts": "bin",
        "headers": f"include/site/{version}/{wheel.name}",
        "data": "",
    }.get(scheme)
    inside = (
        rest == posixpath.normpath(rest)
        and rest != "."
        and not rest.startswith(("/", ".."))
        and "\0" not in rest
    )
    if base is None or not inside:
        raise InvalidWheelError(
            f"{wheel.filename}: a file with an impossible path: {file.path!r}",
            hint=f"Pin another version of {wheel.name}.",
            package=wheel.name,
        )
    return f"{base}/{rest}" if base else rest


def place(
    wheels: Iterable[StoredWheel],
    *,
    version: str,
    overlap: Collection[str],
    read: Callable[[str], bytes],
) -> Placement:
    """Decide where every file goes, and find all places that several wheels want and cannot share.

    Two wheels may bring one path. The same bytes: once, and both own it. Different bytes: a conflict where it
    is code, since the order of installation would decide which one runs; otherwise the first by name wins. An
    `__init__.py` that only declares a namespace is the same in all words.

    Args:
        wheels: The wheels to install.
        version: The interpreter's `version_folder`.
        overlap: `[build] overlap`: paths (of a release, or of site-packages) or package names whose code may
            be brought twice.
        read: Returns the contents of a small file, by its `Placed.source`.

    Raises:
        InvalidWheelError: A wheel brings a file that is venvship's own, or stands in for the interpreter.
    """
    site = site_packages_path(version)
    files: dict[str, Placed] = {}
    owned: dict[str, set[str]] = {}
    wanted: dict[str, list[Placed]] = {}  # by more than one
    warnings: list[Mapping[str, str]] = []
    refused: dict[str, None] = {}
    for wheel in sorted(wheels, key=lambda w: w.name):
        mine = owned.setdefault(wheel.name, set())
        for placed in _wanted(wheel, version):
            mine.add(placed.path)
            first = files.setdefault(placed.path, placed)
            if first is placed:
                continue
            wanted.setdefault(placed.path, [first]).append(placed)
            if first.same_content(placed):
                # Of equal files, the script's first line gets the release's path.
                files[placed.path] = placed if placed.is_script and not first.is_script else first
                continue
            if (stub := _serving_stub(first, placed, site, read)) is not None:
                files[placed.path] = stub
            elif (is_code(first) or is_code(placed)) and _is_refused(first, placed, site, overlap):
                refused[placed.path] = None
            else:
                warnings.append(_overlap_warning(first, placed))
    _refuse_out_of_order(files, site)
    folders = parents(files)
    # All that bring the path, also those with the bytes that stand there: the user has to choose among all.
    conflicts = [Conflict(path, _unless_allowed(wanted[path], overlap)) for path in refused]
    conflicts += _files_as_directories(files, folders, wanted)
    return Placement(
        site_packages=site,
        files=files,
        folders=tuple(sorted(folders)),
        owned={name: tuple(sorted(paths)) for name, paths in owned.items()},
        shared={path: tuple(sorted({one.wheel.name for one in them})) for path, them in wanted.items()},
        warnings=tuple(warnings),
        conflicts=tuple(conflicts),
    )


def with_bytecode(
    placement: Placement, wheels: Iterable[StoredWheel], bytecode: Mapping[str, StoredBytecode], version: str
) -> Placement:
    """Add the bytecode of the files that have their place.

    Args:
        placement: Of the wheels, without conflicts.
        wheels: The wheels.
        bytecode: By the wheel's hash, its bytecode.
        version: The interpreter's `version_folder`.
    """
    files = dict(placement.files)
    owned = {name: set(paths) for name, paths in placement.owned.items()}
    for wheel in wheels:
        compiled = bytecode.get(wheel.sha256)
        for placed, source_path in _compiled(compiled, wheel, version) if compiled else ():
            source = files.get(source_path)
            # Python trusts bytecode without a look at its source (PEP 552, unchecked), so the bytecode of a
            # file that lost its place must not stand beside the file that won it.
            if source is not None and source.wheel is wheel and placed.path not in files:
                files[placed.path] = placed
                # Every wheel that owns a module owns its bytecode, as pip records it.
                for name in placement.shared.get(source_path, (wheel.name,)):
                    owned[name].add(placed.path)
    return replace(
        placement,
        files=files,
        folders=tuple(sorted(parents(files))),
        owned={name: tuple(sorted(paths)) for name, paths in owned.items()},
    )


def _wanted(wheel: StoredWheel, version: str) -> Iterator[Placed]:
    generated = {}
    for name, entry_point in _scripts(wheel, version).items():
        path = f"bin/{name}"
        if "/" in name or name in {"", ".", ".."} or "\0" in name:
            raise InvalidWheelError(
                f"{wheel.filename}: a script with an impossible name: {name!r}", package=wheel.name
            )
        generated[path] = Placed(path=path, wheel=wheel, entry_point=entry_point)
    for placed in generated.values():
        _refuse_ours(placed.path, members.problem_with_script(placed.path.removeprefix("bin/")), wheel)
        yield placed
    for file in wheel.files:
        if members.is_left_out(file.path, wheel.dist_info):
            continue
        path = place_of(file, wheel, version)
        # A wheel that brings a script and declares an entry point of that name means the entry point, as pip
        # reads it.
        if path in generated:
            continue
        _refuse_ours(path, members.problem_with_place(file.path, wheel.dist_info), wheel)
        yield Placed(path, wheel, file, wheel.data)


def _scripts(wheel: StoredWheel, version: str) -> dict[str, str]:
    """The names of the scripts to generate, each with its `module:attribute`."""
    scripts = {name: f"{module}:{attribute}" for name, module, attribute, _kind in wheel.scripts}
    console = {name for name, *_, kind in wheel.scripts if kind == "console"}
    minor = version.removeprefix("python").rstrip("t")
    for name, (pattern, names) in _VERSIONED.items():
        if name in console:
            entry_point = scripts[name]
            for other in filter(pattern.fullmatch, console):
                del scripts[other]
            for each in names:
                scripts[each.format(major=minor.partition(".")[0], minor=minor)] = entry_point
    return scripts


def _compiled(bytecode: StoredBytecode, wheel: StoredWheel, version: str) -> Iterator[tuple[Placed, str]]:
    """Yield a wheel's bytecode in its place, each with the place of its source."""
    for file in bytecode.files:
        path = place_of(file, wheel, version)
        yield Placed(path, wheel, file, bytecode.data, bytecode=True), _source_of(path)


def _refuse_ours(path: str, reason: str | None, wheel: StoredWheel) -> None:
    """Refuse again a file that the store refuses at import: an older venvship may have let it in."""
    if reason is not None:
        raise InvalidWheelError(
            f"{wheel.filename} is refused: {path}: {reason}",
            hint=f"Leave {wheel.name} out of the lockfile, or pin a version without that file.",
            package=wheel.name,
            path=path,
        )


def _serving_stub(first: Placed, second: Placed, site: str, read: Callable[[str], bytes]) -> Placed | None:
    """Of two files that only declare the same namespace, the one that serves best; else `None`."""
    if not (first.path.startswith(f"{site}/") and first.path.endswith("/__init__.py")):
        return None
    ranks = []
    for placed in (first, second):
        if placed.file is None or placed.file.size > MAX_STUB:
            return None
        ranks.append(stub_rank(read(placed.source)))
    if None in ranks:
        return None
    return min(zip(ranks, (first, second), strict=True), key=lambda row: row[0] or 0)[1]


def _is_refused(first: Placed, second: Placed, site: str, overlap: Collection[str]) -> bool:
    names = (first.wheel.name, second.wheel.name)
    return {first.path, first.path.removeprefix(f"{site}/"), *names}.isdisjoint(overlap)


def _unless_allowed(files: Iterable[Placed], overlap: Collection[str]) -> tuple[Placed, ...]:
    return tuple(one for one in files if one.wheel.name not in overlap)


def _overlap_warning(first: Placed, second: Placed) -> Mapping[str, str]:
    names = (first.wheel.name, second.wheel.name)
    return {
        "slug": "file-overlap",
        "message": f"{names[0]} and {names[1]} bring different contents for {first.path}; "
        f"the one of {names[0]} is installed",
    }


def is_code(placed: Placed) -> bool:
    """Whether Python or the system would run it: a module, a library, a start-up file, a script."""
    return placed.is_script or placed.path.startswith("bin/") or _CODE.fullmatch(placed.path) is not None


def parents(paths: Iterable[str]) -> set[str]:
    """Every directory above these relative paths."""
    folders: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    return folders


def _files_as_directories(
    files: Mapping[str, Placed], folders: Collection[str], wanted: Mapping[str, Sequence[Placed]]
) -> Iterator[Conflict]:
    """Find the paths that some wheels bring as a file, and for which others need a directory.

    Args:
        files: The file that stands at each path.
        folders: The directories that these need.
        wanted: The files of each path that several wheels bring.
    """
    for folder in sorted(files.keys() & folders):
        below: dict[str, Placed] = {}
        for path, placed in files.items():
            if path.startswith(f"{folder}/"):
                for one in wanted.get(path, (placed,)):
                    below.setdefault(one.wheel.name, one)
        yield Conflict(folder, (*wanted.get(folder, (files[folder],)), *below.values()))


def refuse_reserved(placement: Placement, reserved: Mapping[str, str]) -> None:
    """Refuse files in the place of virtualenv's files or below one, and in the folder of the seal.

    Args:
        placement: The files of the wheels.
        reserved: The virtualenv's own names: relative path to `"dir"`, `"file"` or `"link"`.

    Raises:
        InvalidWheelError: A wheel brings such a file.
    """
    taken = {path for path, kind in reserved.items() if kind != "dir"} | {SEAL_FOLDER}
    for path in sorted({*reserved, *taken} & placement.files.keys()):
        _refuse_virtualenvs(placement.files[path])
    for folder in sorted(taken.intersection(placement.folders)):
        _refuse_virtualenvs(next(p for path, p in placement.files.items() if path.startswith(f"{folder}/")))


def _refuse_virtualenvs(placed: Placed) -> None:
    _refuse_ours(placed.path, "this file belongs to the virtual environment itself", placed.wheel)


def _refuse_out_of_order(files: Mapping[str, Placed], site: str) -> None:
    """Refuse start-up files that run before the release's own: they could import from the next release."""
    top = {path.rpartition("/")[2]: placed for path, placed in files.items() if path.rfind("/") == len(site)}
    for name in sorted_outside(top):
        wheel = top[name].wheel
        raise InvalidWheelError(
            f"{wheel.filename}: the start-up file {name!r} would run before or after those of the release",
            hint=f"Leave {wheel.name} out of the lockfile, or pin a version without that file.",
            package=wheel.name,
            path=top[name].path,
        )


def _source_of(path: str) -> str:
    """The `.py` that a `__pycache__/x.cpython-311.opt-2.pyc` was compiled from (PEP 3147, PEP 488).

    `importlib.util.source_from_cache` refuses modules with a dot in the file's name, which exist.
    """
    folder, _, name = path.rpartition("/")
    above, _, last = folder.rpartition("/")
    if last == _PYCACHE:
        folder = above
    stem, _, level = name.removesuffix(".pyc").rpartition(".")
    if level.startswith("opt-"):
        stem = stem.rpartition(".")[0]
    return f"{folder}/{stem}.py" if folder else f"{stem}.py"
