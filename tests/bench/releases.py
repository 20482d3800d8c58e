"""Parts: what a release takes: cold, warm, and with one package changed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.bench.inputs import another_version, lay_out_index, pin, repinned, serving, typical
from tests.bench.measure import OURS, Command, Row, Turn, alternate, run
from tests.bench.workshop import Workshop
from venvship.system.trees import remove_tree

PEAK = 150.0
"""MiB that no process of a release may exceed."""

COLD_ROUNDS = 3


def cold(shop: Workshop) -> Iterator[Row]:
    """From nothing: store and caches empty, everything fetched from one index on loopback."""

    def ours(number: int) -> Command:
        home = shop.path / f"cold-home-{number}"
        env = shop.with_index(home)
        return shop.command(shop.root(f"cold-{number}"), "release", env=env)

    def uv(number: int, bytecode: bool) -> Command:
        name = f"cold-uv-{number}-{bytecode:d}"
        return shop.uv_environment(name, bytecode=bytecode, env=shop.with_index(shop.path / f"{name}-home"))

    turns: dict[str, Turn] = {OURS: ours}
    if shop.uv.path:
        turns |= {"uv with bytecode": lambda n: uv(n, True), "uv": lambda n: uv(n, False)}
    series = alternate(turns, min(shop.rounds, COLD_ROUNDS), skipped=shop.without)
    yield series.row("cold release", "uv with bytecode", target=1.0)
    yield series.row("cold release", "uv")
    yield series.peak("cold release, largest process", PEAK)


def several(shop: Workshop) -> Iterator[Row]:
    """From nothing, as `cold`: an index of a few packages is asked before the one of all, and a folder."""
    wheels = shop.inputs.files
    private, folder = shop.path / "private", shop.path / "folder"
    for some, into in ((wheels[::20], private / "wheels"), (wheels[1::20], folder)):
        into.mkdir(parents=True)
        for wheel in some:
            shutil.copyfile(wheel, into / wheel.name)
    lay_out_index(private)
    with serving(private) as url:
        yield from _several(shop, {"PIP_INDEX_URL": url, "PIP_FIND_LINKS": str(folder)})


def _several(shop: Workshop, sources: Mapping[str, str]) -> Iterator[Row]:
    def home(name: str, more: Mapping[str, str]) -> dict[str, str]:
        return {**shop.with_index(shop.path / f"{name}-home"), **more}

    further = {"PIP_EXTRA_INDEX_URL": shop.index, **sources}

    def ours(number: int, more: Mapping[str, str]) -> Command:
        name = f"several-{bool(more):d}-{number}"
        return shop.command(shop.root(name), "release", env=home(name, more))

    def uv(number: int, bytecode: bool) -> Command:
        name = f"several-uv-{number}-{bytecode:d}"
        return shop.uv_environment(name, bytecode=bytecode, env=home(name, further))

    one = f"{OURS}: one index"
    turns: dict[str, Turn] = {OURS: lambda n: ours(n, further), one: lambda n: ours(n, {})}
    if shop.uv.path:
        turns |= {"uv with bytecode": lambda n: uv(n, True), "uv": lambda n: uv(n, False)}
    series = alternate(turns, min(shop.rounds, COLD_ROUNDS), skipped=shop.without)
    yield series.row("cold release, two indexes and a folder", "uv with bytecode", target=1.2)
    yield series.row("cold release, two indexes and a folder", "uv")
    row = series.row("cold release, two indexes and a folder", one)
    row.against = "one index"
    yield row


def warm(shop: Workshop) -> Iterator[Row]:
    """All of the lockfile, from a store, or a cache, that has everything."""

    copies = shop.path / "copies"
    copies.mkdir()

    def copy(number: int) -> Command:
        source = os.path.realpath(shop.warm / "current")
        return Command((("cp", "-al", source, str(copies / str(number))),), shop.environment, shop.path)

    turns: dict[str, Turn] = {OURS: lambda _: shop.command(shop.warm, "release", "--rebuild")}
    if shop.uv.path:
        turns |= {
            "uv with bytecode": lambda n: shop.uv_environment(f"warm-uvb-{n}", bytecode=True),
            "uv": lambda n: shop.uv_environment(f"warm-uv-{n}", bytecode=False),
        }
    turns |= {"venv + pip": lambda n: shop.pip_environment(f"warm-pip-{n}"), "cp -al": copy}
    try:
        series = alternate(turns, shop.rounds, skipped=shop.without)
    finally:
        # Every file of a copy is a hard link that `verify` in a later part would report as a finding.
        remove_tree(str(copies))
    for against, target in (
        ("uv with bytecode", 0.05),
        ("uv", 1.0),
        ("venv + pip", 0.02),
        ("cp -al", None),
    ):
        yield series.row("warm release", against, target=target)
    yield series.peak("warm release, largest process", PEAK)


def changed(shop: Workshop) -> Iterator[Row]:
    """One package in another version, the rest as it was: what an upgrade usually is.

    venvship and `pip download` have it from an index on loopback, uv and pip-sync from a folder.
    """
    changing = shop.path / "changing"
    changing.mkdir()
    with serving(changing) as url:
        yield from _changed(
            shop, changing, shop.with_index(shop.path / "changed-home") | {"PIP_INDEX_URL": url}
        )


def _changed(shop: Workshop, changing: Path, env: dict[str, str]) -> Iterator[Row]:
    wheel = typical(shop.inputs.files)
    plenty = f"one package changed ({wheel.name.split('-')[0]})"
    rebuilt = "warm release + fetch"
    made = changing / "wheels"
    local = shop.environment | {"PIP_FIND_LINKS": f"{shop.inputs.wheels} {made}"}
    locked = shop.path / "changed.txt"
    only = shop.path / "only.txt"

    def ours(number: int) -> Command:
        new = another_version(wheel, number, made)
        lay_out_index(changing)
        text = repinned(shop.inputs.text, new)
        shop.lock(shop.warm, text)
        locked.write_text(text)
        only.write_text(pin(new) + "\n")
        return shop.command(shop.warm, "release", env=env)

    def fetched(number: int) -> Command:
        rebuild = shop.command(shop.warm, "release", "--rebuild", env=env)
        pip = (shop.python, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes")
        download = (*pip, "--dest", str(shop.path / f"fetched-{number}"), "-r", str(only))
        return Command((*rebuild.steps, download), env, shop.warm)

    turns: dict[str, Turn] = {OURS: ours, f"{OURS}: {rebuilt}": fetched}
    if shop.uv.path:
        turns |= {
            "uv with bytecode": lambda n: shop.uv_environment(
                f"changed-uvb-{n}", bytecode=True, lockfile=locked, env=local
            )
        }
    turns |= {"pip-sync, in place": lambda _: shop.pip_sync(locked, local)}
    try:
        series = alternate(turns, shop.rounds, skipped=shop.without)
    finally:
        shop.lock(shop.warm, shop.inputs.text)
        run(shop.command(shop.warm, "release"))
    row = series.row(plenty, f"{OURS}: {rebuilt}", target=1.2)
    row.against = rebuilt
    yield row
    yield series.row(plenty, "uv with bytecode")
    yield series.row(plenty, "pip-sync, in place")
