"""Parts: what becomes slower as a root grows old, and what clean-up takes."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.bench.inputs import InputError
from tests.bench.measure import OURS, Command, Row, Sample, Turn, alternate, compared, run
from tests.bench.synthetic import age, tiny_lockfile
from tests.bench.workshop import Workshop

FLAT = 1.5
"""How much longer a command may take where it should not depend on the size at all."""

AGED = 2.0
"""How much longer where each line of the journal is parsed."""

LINEAR = 1.5
"""How much longer each one of many may take."""

BATCH = 500
"""So many wheels are imported at once to fill a store."""

TICK = 0.001


@dataclass(frozen=True)
class Sizes:
    """How large "large" is; small is what a root has in its first week.

    Attributes:
        releases: Releases in a root.
        lines: Lines of a journal.
        wheels: Wheels in a store.
        packages: Packages in a lockfile.
        removed: Releases, and wheels, that one prune removes.
    """

    releases: int = 1_000
    lines: int = 10_000
    wheels: int = 5_000
    packages: int = 500
    removed: int = 1_000


SMALL = Sizes(releases=10, lines=100, wheels=10, packages=10, removed=100)
FULL = Sizes()
TRIAL = Sizes(releases=30, lines=1_000, wheels=30, packages=20, removed=20)
"""For `--quick`, which only tries the bench itself."""


def large(shop: Workshop) -> Sizes:
    """The sizes of this run."""
    return TRIAL if shop.quick else FULL


def growth(shop: Workshop) -> Iterator[Row]:
    """`status`, `list` and `rollback` in roots that differ in one size."""
    big = large(shop)
    ten = tiny_lockfile(shop.path / "tiny", [f"pack{n}" for n in range(SMALL.packages)])
    small = _site(shop, "small", ten)
    age(small, releases=SMALL.releases - 2)

    root = _site(shop, "releases", ten)
    age(root, releases=big.releases - 2)
    yield from _compare(shop, small, root, f"{big.releases:,} releases instead of {SMALL.releases}")

    root = _site(shop, "journal", ten)
    age(root, releases=SMALL.releases - 2, pruned=big.lines // 4)
    yield from _compare(shop, small, root, f"{big.lines:,} journal lines instead of {_lines(small)}")

    root = _site(shop, "store", ten)
    _fill_store(shop, root / "store", big.wheels)
    age(root, releases=SMALL.releases - 2)
    yield from _compare(shop, small, root, f"{big.wheels:,} wheels in the store instead of {SMALL.packages}")

    many = tiny_lockfile(shop.path / "tiny", [f"pack{n}" for n in range(big.packages)])
    root = _site(shop, "packages", many)
    age(root, releases=SMALL.releases - 2)
    yield from _compare(shop, small, root, f"{big.packages} packages instead of {SMALL.packages}")


def _site(shop: Workshop, name: str, lockfile: str) -> Path:
    """A root with two releases."""
    root = shop.root(name, lockfile=lockfile)
    run(shop.command(root, "release"))
    run(shop.command(root, "release", "--rebuild"))
    return root


def _lines(root: Path) -> int:
    return (root / "state" / "journal.jsonl").read_bytes().count(b"\n")


def _fill_store(shop: Workshop, store: Path, wheels: int) -> None:
    """Have venvship import so many wheels, in releases of another root."""
    directory = shop.path / "filling"
    for start in range(0, wheels, BATCH):
        names = [f"fill{number}" for number in range(start, min(start + BATCH, wheels))]
        root = shop.root(f"filled-{start}", store=store, lockfile=tiny_lockfile(directory, names))
        run(shop.command(root, "release", "--no-promote"))


def _compare(shop: Workshop, small: Path, big: Path, what: str) -> Iterator[Row]:
    turns: dict[str, Turn] = {}
    for label, root in (("small", small), ("big", big)):
        newest = _believed(shop, root)
        turns[f"{OURS} status {label}"] = partial(_plain, shop, root, "status")
        turns[f"{OURS} list {label}"] = partial(_plain, shop, root, "list")
        turns[f"{OURS} rollback {label}"] = partial(_rollback, shop, root, newest)
    series = alternate(turns, shop.rounds)
    for name in ("status", "list", "rollback"):
        # A list of more releases has more lines, so it cannot be flat there.
        target = None if name == "list" and "releases" in what else AGED if "lines" in what else FLAT
        row = series.row(f"{name}, {what}", f"{OURS} {name} small", target=target, ours=f"{OURS} {name} big")
        row.against = "the small root"
        yield row


def _believed(shop: Workshop, root: Path) -> str:
    """Ask venvship whether a made-up root is one; returns what is current there.

    Raises:
        InputError: It is not.
    """
    status = ask(shop, root, "status")
    listed = ask(shop, root, "list")["data"]
    there = len(os.listdir(root / "releases"))
    if status["warnings"] or listed["debris"] or len(listed["releases"]) != there:
        raise InputError(f"{root} is not what venvship would have made: {status['warnings']}")
    return str(status["data"]["current"]["id"])


def ask(shop: Workshop, root: Path, *arguments: str) -> dict[str, Any]:
    """What a command says with `--json`, without measuring it.

    Raises:
        InputError: It failed.
    """
    done = subprocess.run(
        [str(shop.venvship), *arguments, "--json"],
        cwd=root,
        env=shop.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise InputError(f"venvship {arguments[0]} in {root}: {done.stdout[-300:]}{done.stderr[-300:]}")
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def _plain(shop: Workshop, root: Path, name: str, _: int) -> Command:
    return shop.command(root, name)


def _rollback(shop: Workshop, root: Path, newest: str, _: int) -> Command:
    if os.path.basename(os.path.realpath(root / "current")) != newest:
        run(shop.command(root, "promote", "--force", newest))
    return shop.command(root, "rollback", "--no-checks")


# -- clean-up ---------------------------------------------------------------------------------------------


def clean_up(shop: Workshop) -> Iterator[Row]:
    """`prune`: by how many releases it removes, by how many wheels, and who has to wait meanwhile."""
    many, few = large(shop).removed, SMALL.removed if not shop.quick else 5
    lockfile = tiny_lockfile(shop.path / "tiny", ["pack0", "pack1"])
    samples: dict[int, list[Sample]] = {few: [], many: []}
    rounds = min(shop.rounds, 3)
    for number in range(rounds):
        for size in (few, many):
            root = _site(shop, f"prune-{number}-{size}", lockfile)
            age(root, releases=size + 1)  # the last of them was live until a moment ago, and stays
            os.sync()
            samples[size].append(run(shop.command(root, "prune", "--keep", "2")))
            _require_left(root, 3)
    yield _each(f"prune, for each of {many:,} releases", f"each of {few}", samples, few, many)
    yield from _store(shop, few, many)
    yield _while_deleting(shop)


def _require_left(root: Path, count: int) -> None:
    left = os.listdir(root / "releases")
    if len(left) != count:
        raise InputError(f"prune left {len(left)} releases in {root}, not {count}")


def _each(name: str, against: str, samples: Mapping[int, list[Sample]], few: int, many: int) -> Row:
    ours = [sample.seconds / many for sample in samples[many]]
    return compared(name, against, ours, [sample.seconds / few for sample in samples[few]], target=LINEAR)


def _store(shop: Workshop, few: int, many: int) -> Iterator[Row]:
    """Wheels that nothing has needed for a while. One round: making them takes longer than removing them."""
    name = f"store clean-up, for each of {many:,} wheels"
    samples: dict[int, list[Sample]] = {}
    for size in (few, many):
        root = shop.root(f"clean-{size}", lockfile="")
        for start in range(0, size, BATCH):
            names = [f"gone{number}" for number in range(start, min(start + BATCH, size))]
            shop.lock(root, tiny_lockfile(shop.path / "tiny", names))
            shop.in_the_past(root, 40, "release")
        shop.lock(root, tiny_lockfile(shop.path / "tiny", ["pack0"]))
        # A day or more apart: a rollback goes to an unchecked release that lived as long, and that one stays.
        for days in (30, 25):
            shop.in_the_past(root, days, "release")
        # Two, since the store counts the time between clean-ups, without the longest stretch.
        for days in (20, 10):
            shop.in_the_past(root, days, "prune")
        wheels = root / "store" / "wheels"
        before = len(os.listdir(wheels))
        os.sync()
        samples[size] = [run(shop.command(root, "prune", "--keep", "2"))]
        if before - len(os.listdir(wheels)) != size:
            why = f"{before - len(os.listdir(wheels))} of {size} wheels went from the store"
            yield Row(name, f"each of {few}", target=LINEAR, skipped=why)
            return
    yield _each(name, f"each of {few}", samples, few, many)


def _while_deleting(shop: Workshop) -> Row:
    """For how much of the deletion of a whole release `switch.mutex` is held."""
    root = shop.root("mutex", store=shop.warm / "store")
    for days in (40, 30, 20):
        shop.in_the_past(root, days, "release")
    with Watch(root) as watch:
        run(shop.command(root, "prune", "--keep", "2"))
    _require_left(root, 2)
    row = Row("prune, switch.mutex held while it deletes", "the deletion", target=0.1, rounds=1)
    if not watch.deleting:
        row.skipped = "the deletion was too short to be seen"
        return row
    row.ours, row.peer = watch.held, watch.deleting
    row.ratio = row.low = row.high = watch.held / watch.deleting
    return row


class Watch(threading.Thread):
    """Looks, without taking it, whether `switch.mutex` is held while something is being deleted.

    Attributes:
        deleting: Seconds for which there was a `.trash-…`.
        held: Seconds of those for which the mutex was held.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(daemon=True)
        self.deleting = self.held = 0.0
        self._releases = root / "releases"
        self._lock = f":{os.stat(root / 'state' / 'switch.mutex').st_ino} "
        self._over = threading.Event()

    def __enter__(self) -> Watch:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        before = time.perf_counter()
        while not self._over.wait(TICK):
            trash = any(name.startswith(".trash-") for name in os.listdir(self._releases))
            held = trash and self._lock in Path("/proc/locks").read_text()
            now = time.perf_counter()
            if trash:
                self.deleting += now - before
                self.held += (now - before) if held else 0.0
            before = now
