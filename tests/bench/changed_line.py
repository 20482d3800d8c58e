"""Part: one changed line of a checkout, beside a warm release and the time of the build backend alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench import inputs
from tests.bench.measure import OURS, Command, Row, Turn, alternate, compared
from tests.bench.workshop import Workshop
from tests.support.checkouts import BACKEND, commit, repository

BACKENDS = inputs.REPOSITORY / "scripts" / "bench-backends.txt"
MODULES = 20
LINES = 100
MODULE = "src/line/__init__.py"
TARGET = 1.2

ALONE = """\
import importlib, os, sys
name, wheels, *path = sys.argv[1:]
sys.path[:0] = path
backend = importlib.import_module(name)
for hook, arguments in (("get_requires_for_build_wheel", ()), ("build_wheel", (wheels,))):
    if (child := os.fork()) == 0:
        getattr(backend, hook, lambda: [])(*arguments)
        sys.exit()
    if os.waitpid(child, 0)[1]:
        sys.exit(1)
"""
"""The hooks of a backend that a release calls, with nothing around them.

Each hook runs in a process that no other hook has changed (PEP 517), and the backend is imported once.
"""


@dataclass(frozen=True)
class Backend:
    """A build backend.

    Attributes:
        name: Its distribution, as the table names it.
        module: Its module.
        in_tree: Whether it lies in the checkout.
    """

    name: str
    module: str
    in_tree: bool = False

    @property
    def build_system(self) -> str:
        """The table of that name in pyproject.toml."""
        path = 'backend-path = ["."]\n' if self.in_tree else ""
        requires = "" if self.in_tree else f'"{self.name}"'
        return f'[build-system]\nrequires = [{requires}]\nbuild-backend = "{self.module}"\n{path}'


ALL = (
    Backend("a backend in the tree", "backend", in_tree=True),
    Backend("hatchling", "hatchling.build"),
    Backend("setuptools", "setuptools.build_meta"),
)


def changed_line(shop: Workshop) -> Iterator[Row]:
    """A release of a commit that changes one line, with the wheels of all other packages in the store."""
    problem, wheels = "", shop.inputs.wheels
    try:
        wheels = inputs.prepare(BACKENDS, shop.inputs.index.parent).wheels
    except inputs.InputError as error:
        problem = f"the build backends cannot be had: {error}"
    for number, backend in enumerate(ALL):
        name = f"one changed line ({backend.name}), without the backend's own time"
        if problem and not backend.in_tree:
            yield Row(name, "warm release", target=TARGET, skipped=problem)
        else:
            yield _changed_line(shop, backend, shop.path / f"line-{number}", wheels, name)


def _changed_line(shop: Workshop, backend: Backend, place: Path, wheels: Path, name: str) -> Row:
    checkout, root = place / "checkout", place / "root"
    _make_checkout(checkout, backend)
    shop.root(str(root.relative_to(shop.path)), store=shop.warm / "store")
    with open(root / "venvship.toml", "a") as settings:
        settings.write(f'[project]\npath = "{checkout}"\n')
    env = shop.environment | {"PIP_FIND_LINKS": str(wheels)}
    python = inputs.PYTHON
    if not backend.in_tree:
        venv = place / "prepared"
        inputs.call(shop.python, "-m", "virtualenv", "--quiet", "--no-seed", "--python", inputs.PYTHON, venv)
        inputs.install(venv, "--no-index", "--find-links", wheels, backend.name)
        python = str(venv / "bin" / "python")

    def ours(number: int) -> Command:
        commit(checkout, {MODULE: f"NUMBER = {number}\n"}, subject=f"Change a line, {number}")
        return shop.command(root, "release", env=env)

    def warm(_: int) -> Command:
        return shop.command(root, "release", "--rebuild", env=env)

    def alone(number: int) -> Command:
        copy, out = place / f"copy-{number}", place / f"out-{number}"
        shutil.copytree(checkout, copy)
        out.mkdir()
        argv = (
            python,
            "-I",
            "-c",
            ALONE,
            backend.module,
            str(out),
            *([str(copy)] if backend.in_tree else []),
        )
        return Command((argv,), env | {"SOURCE_DATE_EPOCH": "315532800"}, copy)

    turns: dict[str, Turn] = {OURS: ours, f"{OURS}, warm": warm, f"{OURS}, backend": alone}
    took = {
        who: [sample.seconds for sample in samples]
        for who, samples in alternate(turns, shop.rounds).samples.items()
    }
    besides = [whole - own for whole, own in zip(took[OURS], took[f"{OURS}, backend"], strict=True)]
    row = compared(name, "warm release", besides, took[f"{OURS}, warm"], target=TARGET)
    own = sorted(took[f"{OURS}, backend"])[len(besides) // 2]
    row.notes.append(f"the backend alone takes {own * 1000:.0f} ms")
    return row


def _make_checkout(checkout: Path, backend: Backend) -> None:
    project = '[project]\nname = "line"\nversion = "1.0"\n'
    if backend.name == "hatchling":
        project += '[tool.hatch.build.targets.wheel]\npackages = ["src/line"]\n'
    text = "".join(
        f"def function{number}(one, two):\n    return one + two\n\n\n" for number in range(LINES // 4)
    )
    files = {f"src/line/module{number}.py": text for number in range(MODULES)}
    files |= {"pyproject.toml": backend.build_system + project, MODULE: ""}
    if backend.in_tree:
        files["backend.py"] = BACKEND
    repository(checkout, files)
