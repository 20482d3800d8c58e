"""Every state file of a root cut short, overwritten, replaced or locked away, under every command.

A point is one file, one thing done to it, and one command. Whatever the command does, it ends in time, with
an exit code that means something, and leaves `current` where it was or on a release that can be used. A
journal that cannot be read never stops a rollback. When the file is put back, everything works.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from tests.support.roots import Site
from tests.torture import children, invariants
from tests.torture.lab import Lab, Scenario, lock_by_path, release, write_settings
from tests.torture.tally import Scale, Tally
from venvship.errors import VenvshipError
from venvship.model.spelling import canonical_json
from venvship.root import RootLayout
from venvship.system.journal_lines import checksum
from venvship.system.trees import remove_tree
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.usable import release_problem

BOUND = 10.0
"""Seconds that any command may take."""

CODES = {0, 10, 11, 12, 13, 20, 21, 22, 23, 24, 25, 30, 31, 40}
"""The exit codes that mean something here; 1 is a bug, and nothing is wrong with the command line."""

READERS = (("status",), ("list",), ("show",), ("history",), ("verify",))
WRITERS = (("release",), ("promote", "{other}"), ("prune", "--keep", "2"), ("recover",))
WRITING = {command[0] for command in WRITERS}
ROLLBACKS = (("rollback",), ("rollback", "{other}"))
COMMANDS = (*READERS, *ROLLBACKS, *WRITERS)

JOURNAL = "state/journal.jsonl"
FILES = (
    JOURNAL,
    "state/operation.json",
    "state/python.json",
    "state/settings.toml",
    "state/build.mutex",
    "state/switch.mutex",
    "state/turn-back.mutex",
    "state/journal.mutex",
    *(
        f"{folder}/{{{name}}}{file}"
        for name in ("current", "previous", "other")
        for folder, file in (
            ("releases", "/.venvship/manifest.json"),
            ("releases", "/.venvship/files.json"),
            ("state/leases", ""),
        )
    ),
)
"""The files, relative to the root."""

CAPABILITIES = (0, 1, 2, 3)
"""CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER: without them even root is asked for modes."""


@dataclass(frozen=True)
class Case:
    """One thing done to one file; `detail` is the number of bytes left, for a file that is cut short."""

    file: str
    damage: str
    detail: int = 0

    @property
    def label(self) -> str:
        """How it is called."""
        return f"{self.file}, {self.damage}" + (f" to {self.detail}" if self.damage == "cut" else "")


@dataclass
class Bench:
    """A root with three releases, all its state files there, and a copy of it.

    Attributes:
        scenario: The root and its copy.
        names: `current`, `previous` and `other`: the releases.
    """

    scenario: Scenario
    names: dict[str, str]

    @property
    def site(self) -> Site:
        """The root."""
        return self.scenario.site

    def whole(self, file: str) -> Path:
        """The undamaged copy of a file."""
        return self.scenario.snapshot / file

    def restore(self) -> None:
        """Put everything back; the releases only if a command has added or removed one."""
        site, snapshot = self.site, self.scenario.snapshot
        if set(os.listdir(site.path / "releases")) != set(os.listdir(snapshot / "releases")):
            self.scenario.restore()
            return
        for folder in ("state", "log"):
            remove_tree(site.path / folder)
        names = [
            snapshot / name
            for name in ("state", "log", "current", "previous", "venvship.toml", "requirements.txt")
        ]
        for name in os.listdir(site.path):
            if name.startswith((".to.", ".back.")) or name in {"current", "previous"}:
                os.unlink(site.path / name)
        subprocess.run(
            ["cp", "-a", "--no-target-directory", snapshot / "state", site.path / "state"], check=True
        )
        subprocess.run(["cp", "-a", *names[1:], site.path], check=True)

    def put_back(self, file: str, whole: invariants.Before) -> invariants.Before:
        """Put one file back, with its mode; or everything, if its release is gone.

        Returns:
            What the root was like when it was well, as far as it may be held against what it is now.
        """
        path = self.site.path / file
        if not path.parent.exists():
            return invariants.observe(self.scenario.restore())
        with _writable(path.parent):
            _remove(path)
            shutil.copy2(self.whole(file), path)
        return replace(whole, trees={}) if file.startswith("releases") else whole


def prepare(lab: Lab) -> Bench:
    """Three releases, long live, and a lockfile of a fourth."""
    site = lab.root("root-hostile")
    write_settings(site, keep=3)
    names = [release(site, version, ago=timedelta(days=9)) for version in ("1.0", "1.1", "1.2")]
    site.open().rollback()
    site.open().promote(names[-1], force=True)
    lock_by_path(site, "1.3")
    snapshot = lab.path / "snapshot-hostile"
    subprocess.run(["cp", "-a", site.path, snapshot], check=True)
    return Bench(
        scenario=Scenario(site=site, snapshot=snapshot, command=()),
        names={"other": names[0], "previous": names[1], "current": names[2]},
    )


def cases(bench: Bench, scale: Scale) -> list[Case]:
    """All that is done to all files; one is cut short at every byte, or at some of them if points are few."""
    found = []
    for file in (template.format(**bench.names) for template in FILES):
        size = bench.whole(file).stat().st_size
        step = 1 if scale.points is None else max(1, size // max(3, scale.points // 250))
        cuts = sorted({*range(0, size, step), size - 1} & {*range(size)})
        found += [Case(file, "cut", length) for length in cuts]
        damages = ["nuls", "garbage", "directory", "dangling", "missing", "unreadable"]
        damages += ["foreign"] * (os.geteuid() == 0)
        damages += ["newer"] * (file.endswith((".json", ".jsonl")) and not file.endswith("files.json"))
        damages += ["flipped", "line gone", "line twice"] * (file == JOURNAL)
        found += [Case(file, damage) for damage in damages]
    return found


def run(lab: Lab, scale: Scale) -> Tally:
    """Go through all points, or so many as the scale says."""
    tally = Tally("hostile files")
    with tally.timed():
        bench = prepare(lab)
        points = [(case, command) for case in cases(bench, scale) for command in COMMANDS]
        for index in scale.choose(points):
            case, command = points[index]
            arguments = [part.format(**bench.names) for part in command]
            after = "release" if index % 5 == 0 else "recover"
            tally.point(f"{case.label}, `{' '.join(arguments)}`", one(bench, case, arguments, after=after))
    return tally


def release_with(lab: Lab, damage: str) -> Tally:
    """Release with a journal that is damaged in one way."""
    tally = Tally(f"release with a journal that is {damage}")
    with tally.timed():
        tally.point(damage, one(prepare(lab), Case(JOURNAL, damage), ["release"]))
    return tally


def one(bench: Bench, case: Case, arguments: list[str], *, after: str = "release") -> list[str]:
    """Damage a file, run a command, put the file back and run another one; returns what was wrong."""
    site = bench.site
    bench.restore()
    whole = invariants.observe(site)
    apply(bench, case)
    before = site.current
    ended = children.command(
        ["-C", str(site.path), *arguments], timeout=BOUND, before=lambda: _as_anybody(site.environment)
    )
    wrong = list(_judge(bench, case, arguments, ended, before))
    if case.file == JOURNAL and arguments[0] in WRITING and ended.code == 0:
        return wrong  # it has a new life, of which the old file knows nothing
    whole = bench.put_back(case.file, whole)
    # A rollback holds the root, and a release without a terminal needs --force then.
    force = ["--force"] if after == "release" else []
    ended = children.command(["-C", str(site.path), after, *force], timeout=BOUND)
    if ended.code:
        wrong.append(f"with the file put back, {after} ended with {ended.code}: {ended.said[-600:]}")
    return wrong + [f"with the file put back: {said}" for said in invariants.settled(site, whole)]


def _judge(
    bench: Bench, case: Case, arguments: list[str], ended: children.Ended, before: str | None
) -> Iterator[str]:
    site, name = bench.site, arguments[0]
    if ended.code == children.LATE:
        yield f"it took longer than {BOUND} seconds"
    elif ended.code not in CODES or "Traceback" in ended.said:
        yield f"it ended with {ended.code}: {ended.said[-1500:]}"
    now = site.current
    allowed = _with_such_a_journal(bench, case, name) if case.file == JOURNAL else set()
    if now != before:
        if ended.code not in {0, 23} | (allowed & {25}):
            yield f"I9 it ended with {ended.code}, and current is {now}"
        problem = _problem(site, now)
        if problem:
            yield f"I1 it made {now} current: {problem}"
    elif name == "rollback" and ended.code == 0:
        yield "it ended with 0, and current is what it was"
    if now is None or not (site.path / "releases" / now).is_dir():
        yield f"I1 what is current is gone: {now}"
    if allowed and ended.code not in allowed:
        yield f"I4 it ended with {ended.code} instead of one of {sorted(allowed)}: {ended.said[-600:]}"
    if case.damage == "newer" and case.file == "state/python.json" and name == "release" and ended.code != 12:
        yield f"it ended with {ended.code} instead of 12"


def _with_such_a_journal(bench: Bench, case: Case, name: str) -> set[int]:
    """How a command may end; empty where nothing is said."""
    if name == "rollback":
        return {0, 23}
    if name not in WRITING:
        return {0, 12, 13, 40}
    if case.damage == "foreign":
        return {0, 12}
    if case.damage == "cut":
        # What was cut away may be all that was known of what is live; then it is no torn end any more.
        left = bench.whole(JOURNAL).read_bytes()[: case.detail]
        lines = [json.loads(line) for line in left.split(b"\n")[:-1]]
        current = bench.names["current"]
        if not any(line["event"] == "sealed" and line["release"] == current for line in lines):
            return {0 if name == "recover" else 12}
        # Without the line that made it live, somebody seems to have switched by hand, or to have begun a
        # rollback that recovery ends. Both hold the root.
        switches = [line for line in lines if line["event"] in {"promoted", "rolling-back", "rolled-back"}]
        last = switches[-1]
        made_live = last["event"] == "promoted" and last["release"] == current
        return {0, 13} if made_live else {0, 13, 25}
    if case.damage in {"nuls", "missing"}:
        return {0 if name == "recover" else 12}
    return {12}


def _problem(site: Site, name: str | None) -> str:
    if name is None:
        return "nothing is live"
    try:
        return release_problem(ReadingWorkspace(RootLayout.at(site.path), site.runtime()), name) or ""
    except VenvshipError as error:
        return error.message


def apply(bench: Bench, case: Case) -> None:
    """Do to a file what the case says. The file is replaced, since others may have links to the same one."""
    path, whole = bench.site.path / case.file, bench.whole(case.file)
    data = whole.read_bytes()
    with _writable(path.parent):
        _remove(path)
        if case.damage == "directory":
            path.mkdir()
            (path / "something").touch()
        elif case.damage == "dangling":
            path.symlink_to("no/such/place")
        elif case.damage != "missing":
            path.write_bytes(_damaged(data, case))
            shutil.copymode(whole, path)
            if case.damage == "unreadable":
                path.chmod(0)
            if case.damage == "foreign":
                os.chown(path, 65534, 65534)


def _damaged(data: bytes, case: Case) -> bytes:
    lines = data.splitlines(keepends=True)
    if case.damage == "cut":
        return data[: case.detail]
    if case.damage == "nuls":
        return bytes(len(data))
    if case.damage == "garbage":
        return random.Random(case.file).randbytes(max(len(data), 200))
    if case.damage == "flipped":
        place = len(lines[0]) + len(lines[1]) // 2
        return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    if case.damage == "line gone":
        return b"".join(lines[:1] + lines[2:])
    if case.damage == "line twice":
        return b"".join([*lines[:2], *lines[1:]])
    if case.damage == "newer" and case.file == JOURNAL:
        line = {**json.loads(lines[-1]), "format": 99, "seq": len(lines) + 1}
        return data + canonical_json({**line, "sum": checksum(line)}) + b"\n"
    if case.damage == "newer":
        return json.dumps({**json.loads(data), "format": 99}).encode()
    return data


def _as_anybody(environment: dict[str, str]) -> None:
    """Let modes and owners count for this process, even if it is root's."""
    os.environ.clear()
    os.environ.update(environment)
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)()
    if libc.capget(header, sets):
        raise OSError(ctypes.get_errno(), "capget")
    for number in CAPABILITIES:
        for which in range(3):  # effective, permitted, inheritable; all of ours are in the first word
            sets[which] &= ~(1 << number)
    if libc.capset(header, sets):
        raise OSError(ctypes.get_errno(), "capset")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


class _writable:  # noqa: N801 - used as a function
    """Make a directory writable for the length of a block."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._status = os.stat(path)

    def __enter__(self) -> None:
        os.chmod(self._path, 0o755)

    def __exit__(self, *_error: object) -> None:
        os.chmod(self._path, self._status.st_mode & 0o7777)
