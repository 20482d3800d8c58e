"""Measure venvship beside what people use instead, and print a table of ratios. See scripts/bench.

The parts are in `tests/bench`. Exit status: 0 if everything was measured, whatever came out; 1 if not.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from tests.bench import changed_line, commands, growth, inputs, plot, releases, space  # noqa: E402
from tests.bench.measure import CommandError, Row, labelled  # noqa: E402
from tests.bench.workshop import Workshop, commit, filesystem  # noqa: E402
from venvship.system.trees import remove_tree  # noqa: E402

LOCKFILE = REPOSITORY / "scripts" / "bench-requirements.txt"
BUSY = 0.5
"""A load from which on figures mean little: whatever else runs is measured with them."""

HEADER = f"{'ours':>11} {'peer':>11} {'ratio':>7} {'spread':>16} {'target':>9}  what"


@dataclass(frozen=True)
class Part:
    """Some rows of the table.

    Attributes:
        name: What `--part` calls it.
        run: Measures, and yields them.
    """

    name: str
    run: Callable[[Workshop], Iterator[Row]]


PARTS = (
    Part("cold", releases.cold),
    Part("several", releases.several),
    Part("warm", releases.warm),
    Part("changed", releases.changed),
    Part("changed-line", changed_line.changed_line),
    Part("short", commands.short),
    Part("unchanged", commands.unchanged),
    Part("verify", commands.verify),
    Part("space", space.space),
    Part("growth", growth.growth),
    Part("clean-up", growth.clean_up),
)


def main() -> int:
    """Measure the parts that were asked for, and print their rows as they come."""
    arguments = parse()
    try:
        cache = Path(arguments.cache).expanduser().absolute()
        cache.mkdir(parents=True, exist_ok=True)
        prepared = inputs.prepare(Path(arguments.lockfile), cache)
        uv = inputs.find_uv(cache)
        with working(arguments.dir or cache) as directory, inputs.serving(prepared.index) as index:
            shop = Workshop(
                path=directory,
                inputs=prepared,
                index=index,
                venvship=chosen(arguments.venvship, directory),
                uv=uv,
                rounds=arguments.rounds or (1 if arguments.quick else 5),
                quick=arguments.quick,
            )
            facts = describe(shop)
            rows: list[Row] = []
            try:
                measure(shop, arguments.part or [part.name for part in PARTS], rows)
            finally:
                report(arguments, facts, rows)
    except (inputs.InputError, CommandError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


@contextlib.contextmanager
def working(above: str | Path) -> Iterator[Path]:
    """A directory to work in, which goes at the end with all that was made."""
    parent = Path(above).expanduser().absolute()
    parent.mkdir(parents=True, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="run-", dir=parent))
    try:
        yield directory
    finally:
        print(f"==> removing {directory}", flush=True)
        remove_tree(str(directory))


def measure(shop: Workshop, names: Sequence[str], rows: list[Row]) -> None:
    """Add the rows of some parts, in the table's order, each printed at once."""
    print(HEADER, flush=True)
    for part in PARTS:
        if part.name in names:
            for row in labelled(part.name, part.run(shop)):
                rows.append(row)
                show(row)


def report(arguments: argparse.Namespace, facts: Mapping[str, Any], rows: Sequence[Row]) -> None:
    """Sum the table up, and write the files that were asked for."""
    judged = [row.met for row in rows if row.met is not None]
    print(
        f"{sum(judged)} of {len(judged)} targets met; {sum(bool(row.skipped) for row in rows)} rows skipped"
    )
    if arguments.json:
        written = {**facts, "rows": [{**asdict(row), "met": row.met} for row in rows]}
        Path(arguments.json).write_text(json.dumps(written, indent=1, ensure_ascii=False) + "\n")
    if arguments.plot:
        caption = f"{facts['packages']} packages, {facts['cores']} cores, {facts['filesystem']}; medians"
        Path(arguments.plot).write_text(plot.draw(rows, caption))


def chosen(given: str | None, directory: Path) -> Path:
    """The venvship that was asked for, or one that is installed from this tree.

    Raises:
        InputError: There is none.
    """
    if given is None:
        print("==> installing venvship from this tree", flush=True)
        return inputs.install_venvship(directory)
    path = Path(given).absolute()
    if not os.access(path, os.X_OK) or not (path.parent / "python").exists():
        raise inputs.InputError(f"{path} is no `venvship` of a virtualenv")
    return path


def describe(shop: Workshop) -> dict[str, Any]:
    """Print and return what the figures depend on."""
    kind = filesystem(shop.path)
    load = os.getloadavg()[0]
    facts = {
        "format": 1,
        "commit": commit(),
        "lockfile": shop.inputs.lockfile.name,
        "packages": len(shop.inputs.files),
        "files": shop.inputs.members,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": os.cpu_count(),
        "filesystem": kind,
        "durable": kind not in {"tmpfs", "ramfs"},
        "load_before": load,
        "rounds": shop.rounds,
        "quick": shop.quick,
    }
    print(
        f"venvship at {facts['commit']}, CPython {facts['python']}, {facts['system']}, {facts['cores']} cores"
    )
    print(
        f"{facts['packages']} packages of {facts['lockfile']}, {shop.rounds} rounds, on {kind}: {shop.path}"
    )
    if not facts["durable"]:
        print("! this file system is in memory: nothing here says what a durable release takes")
    if load > BUSY:
        print(f"! the machine is busy (load {load:.1f}): figures of this run mean little")
    if shop.quick:
        print("! --quick tries the bench itself: figures of this run mean nothing")
    return facts


def show(row: Row) -> None:
    """Print a row of the table, and its notes under it."""
    what = f"{row.name} / {row.against}"
    if row.skipped:
        print(f"{'-':>11} {'-':>11} {'-':>7} {'-':>16} {'-':>9}  {what}: skipped, {row.skipped}", flush=True)
        return
    spread = "" if row.low == row.high else f"{row.low:.3f} to {row.high:.3f}"
    target = "" if row.target is None else f"≤ {row.target:g} {'✓' if row.met else '✗'}"
    figures = f"{amount(row.ours, row.unit):>11} {amount(row.peer, row.unit):>11} {row.ratio:>7.3f}"
    print(f"{figures} {spread:>16} {target:>9}  {what}", flush=True)
    for note in row.notes:
        print(f"{'':60}{note}", flush=True)


def amount(value: float | None, unit: str) -> str:
    """A figure with its unit, short enough for its column."""
    if value is None:
        return "-"
    if unit == "s":
        return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.2f} s"
    return f"{value:.1f} {unit}" if unit == "MiB" else f"{value:.0f} {unit}"


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Measure venvship beside what people use instead."
    )
    names = [part.name for part in PARTS]
    parser.add_argument(
        "--part", action="append", choices=names, metavar="NAME", help=f"only: {', '.join(names)}"
    )
    parser.add_argument("--rounds", type=positive, metavar="N", help="measured rounds; default: 5")
    parser.add_argument(
        "--quick", action="store_true", help="one round and small sizes, to try the bench itself"
    )
    parser.add_argument("--lockfile", default=str(LOCKFILE), metavar="FILE", help="what to release")
    parser.add_argument("--json", metavar="FILE", help="write all rows, and what they depend on")
    parser.add_argument("--plot", metavar="FILE.svg", help="draw the main comparison")
    parser.add_argument(
        "--cache",
        default="~/.cache/venvship-bench",
        metavar="DIR",
        help="keeps wheels and peers for the next run; default: %(default)s",
    )
    parser.add_argument(
        "--dir", metavar="DIR", help="where to work, on the file system to measure; default: --cache"
    )
    parser.add_argument(
        "--venvship",
        metavar="FILE",
        help="an installed venvship; default: this tree, in a virtualenv of its own",
    )
    return parser.parse_args()


def positive(text: str) -> int:
    """A number of rounds."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least one")
    return number


if __name__ == "__main__":
    sys.exit(main())
