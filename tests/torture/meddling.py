"""One fault in one file of a real release, for every file and every fault in turn: `verify` finds each.

And the other side: while the application runs, in all the ways in which Python would like to write beside its
modules, `verify` finds nothing. A release of a lockfile gets each fault in each of its files as
well: in many files at a time, and `verify` has to name these and no other.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.forging import writable
from tests.support.roots import Site
from tests.torture.lab import Lab, release
from tests.torture.tally import Scale, Tally
from venvship.errors import VenvshipError
from venvship.operations.verify import VerifyResult

NOBODY = 65534

CAPABILITY = struct.pack("<5I", 0x0200_0001, 1 << 7, 0, 0, 0)
"""`cap_setuid=ep`, as the kernel keeps it in `security.capability` (VFS_CAP_REVISION_2)."""

TOGETHER = 1_000
"""So many names of a large release have a fault at the same time."""

RUNS = 100
"""So often the application runs, with a `verify` after each time."""

Undo = Callable[[], None]
Do = Callable[[Path, Path], Undo]


@dataclass(frozen=True)
class Fault:
    """One thing to do to a name of a release.

    Attributes:
        name: How it is called.
        kinds: `f`, `d` and `l`: the kinds of names that it can be done to.
        do: Does it, and returns what undoes it. The second path is an empty directory elsewhere.
        as_root: Whether only root can do it.
    """

    name: str
    kinds: str
    do: Do
    as_root: bool = False


def _rewritten(path: Path, data: bytes) -> None:
    """Write to a file in its place: every other name of it changes, too."""
    status = path.stat()
    path.chmod(0o644)
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    path.chmod(stat.S_IMODE(status.st_mode))


def _flip(path: Path, _elsewhere: Path) -> Undo:
    data = path.read_bytes()
    middle = len(data) // 2
    _rewritten(path, data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :] if data else b"\0")
    return lambda: _rewritten(path, data)


def _truncate(path: Path, _elsewhere: Path) -> Undo:
    data = path.read_bytes()
    _rewritten(path, data[:-1] if data else b"x")
    return lambda: _rewritten(path, data)


def _remove(path: Path, elsewhere: Path) -> Undo:
    aside = elsewhere / "removed"
    mode = stat.S_IMODE(path.lstat().st_mode)

    def move(source: Path, target: Path) -> None:
        with contextlib.ExitStack() as stack:
            stack.enter_context(writable(path.parent))
            if stat.S_ISDIR(source.lstat().st_mode):
                source.chmod(0o755)  # or it could not move to another parent
            source.rename(target)
        if stat.S_ISDIR(target.lstat().st_mode):
            target.chmod(mode)

    move(path, aside)
    return lambda: move(aside, path)


def _chmod(path: Path, _elsewhere: Path) -> Undo:
    mode = stat.S_IMODE(path.stat().st_mode)
    path.chmod(mode | 0o200)
    return lambda: path.chmod(mode)


def _chown(path: Path, _elsewhere: Path) -> Undo:
    status = path.lstat()
    os.chown(path, NOBODY, -1, follow_symlinks=False)

    def undo() -> None:
        os.chown(path, status.st_uid, -1, follow_symlinks=False)

    return undo


def _setcap(path: Path, _elsewhere: Path) -> Undo:
    os.setxattr(path, "security.capability", CAPABILITY)
    return lambda: os.removexattr(path, "security.capability")


def _link_elsewhere(path: Path, elsewhere: Path) -> Undo:
    os.link(path, elsewhere / "another-name", follow_symlinks=False)
    return (elsewhere / "another-name").unlink


def _retarget(path: Path, _elsewhere: Path) -> Undo:
    target = os.readlink(path)

    def point_to(there: str) -> None:
        with writable(path.parent):
            path.unlink()
            path.symlink_to(there)

    point_to("/bin/sh")
    return lambda: point_to(target)


def _add(make: Callable[[Path], object]) -> Do:
    def do(path: Path, _elsewhere: Path) -> Undo:
        with writable(path):
            make(path / "added.py")

        def undo() -> None:
            with writable(path):
                added = path / "added.py"
                added.rmdir() if stat.S_ISDIR(added.lstat().st_mode) else added.unlink()

        return undo

    return do


FAULTS = (
    Fault("one bit flipped", "f", _flip),
    Fault("one byte cut off", "f", _truncate),
    Fault("removed", "fdl", _remove),
    Fault("chmod u+w", "fd", _chmod),
    Fault("chown", "fdl", _chown, as_root=True),
    Fault("capability", "f", _setcap, as_root=True),
    Fault("hard link elsewhere", "f", _link_elsewhere),
    Fault("another target", "l", _retarget),
    Fault("file added", "d", _add(lambda path: path.write_text("x = 1\n"))),
    Fault("directory added", "d", _add(Path.mkdir)),
    Fault("link added", "d", _add(lambda path: path.symlink_to("/etc/passwd"))),
)


def names_of(base: Path) -> list[tuple[str, str]]:
    """Every name of a release, the release itself among them, each with its kind: `f`, `d` or `l`."""
    kinds = {stat.S_IFREG: "f", stat.S_IFDIR: "d", stat.S_IFLNK: "l"}
    paths = [base, *sorted(base.rglob("*"))]
    return [(os.path.relpath(path, base), kinds[stat.S_IFMT(path.lstat().st_mode)]) for path in paths]


def run(lab: Lab, scale: Scale) -> Iterator[Tally]:
    """Both sides, on one root with two releases that share most of their files."""
    site = lab.root("root-meddling")
    release(site, "1.0")
    release(site, "1.1")
    yield faults(site, lab.path / "elsewhere", scale)
    yield after_runs(site, scale)


def of_lockfile(lab: Lab, lockfile: Path) -> Iterator[Tally]:
    """Release a lockfile, from the index that pip is set up for, and try each fault in each of its names."""
    site = lab.root("root-lockfile")
    del site.environment["PIP_NO_INDEX"], site.environment["PIP_CONFIG_FILE"]
    kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    site.environment.update(HOME=os.environ.get("HOME", "/"), **kept)
    (site.path / "requirements.txt").write_bytes(lockfile.read_bytes())
    result = site.open().release()
    assert result.release is not None
    yield together(site, lab.path / "elsewhere-lockfile", f"faults in a release of {lockfile.name}")


def together(site: Site, elsewhere: Path, title: str) -> Tally:
    """Every fault in every name of the live release, in many names at the same time.

    The names that `verify` reads before all others are tried one by one: it tells nothing else then.
    """
    tally = Tally(title)
    base = site.path / "releases" / str(site.current)
    elsewhere.mkdir()
    first = {".", ".venvship", ".venvship/manifest.json", ".venvship/files.json"}
    names = names_of(base)
    verified = 0
    with tally.timed():
        for fault in FAULTS:
            if fault.as_root and os.geteuid() != 0:
                continue
            mine = [name for name, kind in names if kind in fault.kinds]
            for some in [[one] for one in mine if one in first] + _apart([n for n in mine if n not in first]):
                if some == ["."] and fault.name == "removed":
                    continue
                tried = _try(site, base, elsewhere, fault, some, alone=some[0] in first)
                verified += 1
                for name in some:
                    missed = "verify did not name it" if name in tried.missed else ""
                    tally.point(f"{fault.name}, {name}", [missed] if missed else [])
                tally.violations += [f"{fault.name} of others: verify named {name}" for name in tried.untrue]
        left = problems(site)
        tally.point("nothing, once all is undone", [f"verify found {left}"] if left else [])
    tally.notes.append(f"{len(names):,} names, verified {verified + 1:,} times, {tally.points:,} faults")
    return tally


@dataclass(frozen=True)
class _Tried:
    """What `verify` did not name, and what it named without a reason."""

    missed: set[str]
    untrue: set[str]


def _try(site: Site, base: Path, elsewhere: Path, fault: Fault, some: list[str], *, alone: bool) -> _Tried:
    """One fault in several names at once, and undone."""
    wanted = {
        os.path.normpath(f"{name}/added.py") if fault.name.endswith(" added") else name for name in some
    }
    undos: list[Undo] = []
    try:
        for number, name in enumerate(some):
            folder = elsewhere / str(number)
            folder.mkdir(exist_ok=True)
            undos.append(fault.do(base / name, folder))
        if alone:
            return _Tried(set() if problems(site) else set(some), set())
        found = named(site)
    finally:
        for undo in reversed(undos):
            undo()
    below = tuple(f"{name}/" for name in some) if fault.name == "removed" else ()
    missed = {want.removesuffix("/added.py") for want in wanted - found}
    return _Tried(missed, {name for name in found - wanted if not name.startswith(below)})


def _apart(names: list[str]) -> list[list[str]]:
    """Cut names into groups in which none is below another one: those of one depth each."""
    depths: dict[int, list[str]] = {}
    for name in names:
        depths.setdefault(name.count("/"), []).append(name)
    return [
        level[start : start + TOGETHER]
        for level in depths.values()
        for start in range(0, len(level), TOGETHER)
    ]


def named(site: Site) -> set[str]:
    """The paths that `verify` names, whatever it says of them."""
    try:
        result = site.open().verify()
    except VenvshipError as error:
        if not isinstance(error.result, VerifyResult):
            raise
        result = error.result
    return {
        path for one in result.releases for path in (*(d.path for d in one.damaged), *one.stray, *one.linked)
    }


def faults(site: Site, elsewhere: Path, scale: Scale) -> Tally:
    """Every fault in every name of the live release in turn."""
    tally = Tally("one fault in one file, found by verify")
    base = site.path / "releases" / str(site.current)
    elsewhere.mkdir()
    points = [
        (fault, name)
        for name, kind in names_of(base)
        for fault in FAULTS
        if kind in fault.kinds
        and (os.geteuid() == 0 or not fault.as_root)
        and (name, fault.name) != (".", "removed")  # then there is no release
    ]
    with tally.timed():
        for index in scale.choose(points):
            fault, name = points[index]
            try:
                undo = fault.do(base / name, elsewhere)
            except OSError as error:
                tally.notes.append(f"{fault.name} of {name} cannot be done here: {error.strerror}")
                continue
            found = problems(site)
            undo()
            tally.point(f"{fault.name}, {name}", [] if found else ["verify did not find it"])
        left = problems(site)
        tally.point("nothing, once all is undone", [f"verify found {left}"] if left else [])
    tally.notes.append(f"{len({name for _, name in points})} names, {len(FAULTS)} kinds of faults")
    return tally


def after_runs(site: Site, scale: Scale) -> Tally:
    """Run the application in its ways, and verify after each."""
    tally = Tally("no false alarm after the application ran")
    program, python = (str(site.path / "current" / "bin" / name) for name in ("app", "python"))
    ways = (
        [program],
        [python, "-c", "import app; app.main()"],
        [python, "-O", "-c", "import app; app.main()"],
        [python, "-OO", "-m", "app"],
        [python, "-B", "-m", "app"],
        [python, "-X", "dev", "-W", "ignore", "-c", "import app; app.main()"],
    )
    with tally.timed():
        for number in range(min(RUNS, scale.points or RUNS)):
            way = ways[number % len(ways)]
            environment = {**site.environment, "PYTHONDONTWRITEBYTECODE": ""}
            ended = subprocess.run(way, env=environment, cwd="/", capture_output=True, text=True, check=False)
            left = problems(site)
            wrong = [f"it ended with {ended.returncode}: {ended.stderr[-300:]}"] if ended.returncode else []
            tally.point(" ".join(way), [*wrong, *([f"verify found {left}"] if left else [])])
    return tally


def problems(site: Site) -> str:
    """What `verify` says of the live release; `""` for nothing."""
    try:
        site.open().verify()
    except VenvshipError as error:
        return error.message
    return ""
