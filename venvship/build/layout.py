"""Which file of which wheel stands where in a release, and who wins where two want one place.

Pure: it takes what the store says about wheels and returns where every file goes. Everything that can be
refused about the *combination* of wheels is refused here, before anything is written.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from venvship.build import members
from venvship.build.startup import sorted_outside
from venvship.errors import FileConflictError, InvalidWheelError
from venvship.model.interpreter import Interpreter
from venvship.model.wheel import StoredFile, StoredWheel

SEAL_FOLDER: Final = ".venvship"
"""The folder of a release that holds what venvship says about it."""

_CODE = re.compile(r".*\.(py|pyc|pth|start|so|dylib|pyd)|.*\.so(\.[0-9]+)+", re.DOTALL)
_PYCACHE = "__pycache__"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPoint:
    """A console or GUI script that has to be generated.

    Attributes:
        module: Where its function is.
        attribute: The function, perhaps with dots.
    """

    module: str
    attribute: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One place of a release and what a wheel puts there.

    Attributes:
        path: Relative to the release, with `/`.
        wheel: Whose it is.
        file: The wheel's file, or its bytecode; `None` for an entry point.
        source: Absolute path of that file in the store; empty for an entry point.
        entry_point: What to generate instead of a file.
        bytecode: Whether it is a `.pyc` that was compiled here.
    """

    path: str
    wheel: StoredWheel
    file: StoredFile | None = None
    source: str = ""
    entry_point: EntryPoint | None = None
    bytecode: bool = False

    @property
    def is_script(self) -> bool:
        """Whether it belongs to the `scripts` scheme: its first line may have to be written anew."""
        return self.entry_point is not None or (
            self.file is not None and self.file.path.startswith("scripts/")
        )

    def same_content(self, other: Placed) -> bool:
        """Whether both would put the same bytes there."""
        if self.file is None or other.file is None:
            return self.entry_point is not None and self.entry_point == other.entry_point
        # A script's bytes depend on the release's path, but equally so for equal sources.
        return self.file.sha256 == other.file.sha256 and self.is_script == other.is_script


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where everything goes.

    Attributes:
        site_packages: Relative path of the one site-packages directory.
        files: What stands where, by path; winners only.
        owned: By wheel name, every path that the wheel brings, sorted; where it lost, too: that path exists.
        warnings: Places that two wheels wanted, each with `slug` and `message`.
    """

    site_packages: str
    files: Mapping[str, Placed]
    owned: Mapping[str, tuple[str, ...]]
    warnings: tuple[Mapping[str, str], ...] = field(default=())


def version_folder(interpreter: Interpreter) -> str:
    """What an interpreter calls its folder below `lib/` and `include/`, such as `"python3.11"`."""
    threads = "t" if re.match(r"cpython-\d+t", interpreter.soabi) else ""
    return f"python{interpreter.minor}{threads}"


def site_packages_path(version: str) -> str:
    """Where packages are in a virtualenv on POSIX, relative to it.

    Args:
        version: The interpreter's `version_folder`.
    """
    return f"lib/{version}/site-packages"


def destination(file: StoredFile, wheel: StoredWheel, version: str) -> str:
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


def lay_out(
    wheels: Sequence[StoredWheel],
    bytecode: Mapping[str, Sequence[StoredFile]],
    bytecode_paths: Mapping[str, str],
    *,
    version: str,
    reserved: Mapping[str, str],
    overlap: Collection[str],
) -> Layout:
    """Decide what stands where.

    Two wheels may bring one path. The same bytes: once, and both own it. Different bytes: an error where it
    is code, since the order of installation would decide what runs; otherwise the first by name wins.

    Args:
        wheels: What to install.
        bytecode: By the wheel's hash, its compiled files.
        bytecode_paths: By the wheel's hash, the absolute path that those are relative to.
        version: The interpreter's `version_folder`.
        reserved: What the virtualenv itself already has: relative path to `"dir"`, `"file"` or `"link"`.
        overlap: `[build] overlap`: paths (of a release, or of site-packages) or package names whose code may
            be brought twice.

    Raises:
        InvalidWheelError: A wheel brings a file that is the virtualenv's or venvship's own.
        FileConflictError: Two wheels bring different code for one path, or a file and a directory.
    """
    site = site_packages_path(version)
    files: dict[str, Placed] = {}
    owned: dict[str, set[str]] = {}
    warnings: list[Mapping[str, str]] = []
    below_files = tuple(f"{path}/" for path, kind in reserved.items() if kind != "dir")
    for wheel in sorted(wheels, key=lambda w: w.name):
        mine = owned.setdefault(wheel.name, set())
        for placed in _wanted(wheel, version):
            _refuse_ours(placed, reserved, below_files)
            mine.add(placed.path)
            first = files.setdefault(placed.path, placed)
            if first is not placed and not first.same_content(placed):
                warnings.append(_settle(first, placed, site, overlap))
    _refuse_files_as_directories(files)
    _refuse_out_of_order(files, site)
    for wheel in wheels:
        root = bytecode_paths.get(wheel.sha256, "")
        for file in bytecode.get(wheel.sha256, ()):
            path = destination(file, wheel, version)
            source = files.get(_source_of(path))
            # Bytecode is trusted without a look at its source (PEP 552, unchecked), so what was compiled from
            # a file that lost its place must not stand beside the file that won it.
            if source is not None and source.wheel is wheel and path not in files:
                files[path] = Placed(
                    path=path, wheel=wheel, file=file, source=posixpath.join(root, file.path), bytecode=True
                )
    _own_bytecode(files, owned)
    return Layout(
        site_packages=site,
        files=files,
        owned={name: tuple(sorted(paths)) for name, paths in owned.items()},
        warnings=tuple(warnings),
    )


def _wanted(wheel: StoredWheel, version: str) -> Iterator[Placed]:
    generated = {}
    for name, module, attribute, _kind in wheel.scripts:
        path = f"bin/{name}"
        if "/" in name or name in {"", ".", ".."} or "\0" in name:
            raise InvalidWheelError(
                f"{wheel.filename}: a script with an impossible name: {name!r}", package=wheel.name
            )
        generated[path] = Placed(
            path=path, wheel=wheel, entry_point=EntryPoint(module=module, attribute=attribute)
        )
    yield from generated.values()
    for file in wheel.files:
        if members.is_left_out(file.path, wheel.dist_info):
            continue
        path = destination(file, wheel, version)
        # A wheel that brings a script and declares an entry point of that name means the entry point, as pip
        # reads it.
        if path not in generated:
            yield Placed(path=path, wheel=wheel, file=file, source=posixpath.join(wheel.data, file.path))


def _refuse_ours(placed: Placed, reserved: Mapping[str, str], below_files: tuple[str, ...]) -> None:
    """Refuse what the store refuses at import, once more, and what virtualenv made here."""
    wheel, path = placed.wheel, placed.path
    if placed.file is None:
        reason = members.script_refusal(path.removeprefix("bin/"))
    else:
        reason = members.refusal(placed.file.path, wheel.dist_info)
    if reason is None and (
        path in reserved or path.partition("/")[0] == SEAL_FOLDER or path.startswith(below_files)
    ):
        reason = "this file belongs to the virtual environment itself"
    if reason is not None:
        raise InvalidWheelError(
            f"{wheel.filename} is refused: {path}: {reason}",
            hint=f"Leave {wheel.name} out of the lockfile, or pin a version without that file.",
            package=wheel.name,
            path=path,
        )


def _settle(first: Placed, second: Placed, site: str, overlap: Collection[str]) -> Mapping[str, str]:
    names = (first.wheel.name, second.wheel.name)
    if is_code(first) or is_code(second):
        short = first.path.removeprefix(f"{site}/")
        allowed = {first.path, short, *names}
        if allowed.isdisjoint(overlap):
            raise FileConflictError(
                f"{names[0]} {first.wheel.version} and {names[1]} {second.wheel.version} both bring "
                f"{first.path}, with different contents",
                hint="Drop one of the two from the lockfile; or, if it does not matter which is used, add "
                f'"{short}" or one of the package names to "overlap" under [build]: then the file of '
                f"{names[0]} is used.",
                packages=list(names),
                path=first.path,
            )
    return {
        "slug": "file-overlap",
        "message": f"{names[0]} and {names[1]} bring different contents for {first.path}; "
        f"the one of {names[0]} is installed",
    }


def is_code(placed: Placed) -> bool:
    """Whether Python or the system would run it: a module, a library, a start-up file, a script."""
    return placed.is_script or placed.path.startswith("bin/") or _CODE.fullmatch(placed.path) is not None


def _refuse_files_as_directories(files: Mapping[str, Placed]) -> None:
    parents: dict[str, Placed] = {}
    for placed in files.values():
        for folder in _parents(placed.path):
            if folder in parents:
                break
            parents[folder] = placed
    for folder, below in parents.items():
        if (file := files.get(folder)) is not None:
            names = sorted({file.wheel.name, below.wheel.name})
            raise FileConflictError(
                f"{file.wheel.name} brings {folder} as a file, and {below.wheel.name} brings {below.path}, "
                "for which it must be a directory",
                hint=f"They cannot be installed together: drop {' or '.join(names)} from the lockfile.",
                packages=names,
                path=folder,
            )


def _refuse_out_of_order(files: Mapping[str, Placed], site: str) -> None:
    """What ran before the release's own start-up file could still import from the next release."""
    top = {
        posixpath.basename(path): placed for path, placed in files.items() if posixpath.dirname(path) == site
    }
    for name in sorted_outside(top):
        wheel = top[name].wheel
        raise InvalidWheelError(
            f"{wheel.filename}: the start-up file {name!r} would run before or after those of the release",
            hint=f"Leave {wheel.name} out of the lockfile, or pin a version without that file.",
            package=wheel.name,
            path=top[name].path,
        )


def _parents(path: str) -> Iterator[str]:
    """Every directory above a path, the nearest first."""
    while path := posixpath.dirname(path):
        yield path


def _source_of(path: str) -> str:
    """The `.py` that a `__pycache__/x.cpython-311.opt-2.pyc` was compiled from (PEP 3147, PEP 488).

    `importlib.util.source_from_cache` refuses modules with a dot in the file's name, which exist.
    """
    folder, _, name = path.rpartition("/")
    folder = posixpath.dirname(folder) if posixpath.basename(folder) == _PYCACHE else folder
    stem = re.sub(r"(\.opt-[A-Za-z0-9]+)?\.pyc$", "", name).rpartition(".")[0]
    return f"{folder}/{stem}.py" if folder else f"{stem}.py"


def _own_bytecode(files: Mapping[str, Placed], owned: Mapping[str, set[str]]) -> None:
    """Let every wheel that owns a module own its bytecode, as pip records it."""
    compiled: dict[str, list[str]] = {}
    for placed in files.values():
        if placed.bytecode:
            compiled.setdefault(_source_of(placed.path), []).append(placed.path)
    for paths in owned.values():
        paths.update([pyc for path in paths if path in compiled for pyc in compiled[path]])
