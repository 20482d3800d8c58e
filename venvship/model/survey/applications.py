"""The application objects and servers that a checkout shows: Flask, FastAPI and the like."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Collection
from typing import Final, NamedTuple

from venvship.model.survey.expressions import dotted
from venvship.model.survey.files import Files

FRAMEWORKS: Final = {
    "Flask": "flask",
    "FastAPI": "fastapi",
    "Starlette": "starlette",
    "Quart": "quart",
    "Sanic": "sanic",
    "Litestar": "litestar",
    "Celery": "celery",
}
"""Classes whose instance is an application, each with the distribution that it comes from."""

SERVERS: Final = ("gunicorn", "uvicorn", "granian", "hypercorn", "waitress", "uwsgi", "pyuwsgi", "daphne")
"""The distributions of servers that start an application."""

_ASIDE: Final = frozenset({"tests", "test", "docs", "doc", "examples", "example", "scripts", "benchmarks"})
_MOST_FILES: Final = 2000


class Application(NamedTuple):
    """An application object.

    Attributes:
        module: Its module.
        name: The variable or, of a factory, the function.
        framework: The class that it is an instance of.
        factory: Whether `name` is a function that makes it.
    """

    module: str
    name: str
    framework: str
    factory: bool = False

    @property
    def target(self) -> str:
        """As servers name it: `shop.main:app`, `shop:create_app()`."""
        return f"{self.module}:{self.name}{'()' if self.factory else ''}"


def find_applications(files: Files, folder: str, dependencies: Collection[str]) -> tuple[Application, ...]:
    """Find the application objects of a project.

    Args:
        files: The checkout.
        folder: The project's.
        dependencies: The normalised names of what it asks for: without a framework among them nothing is
            looked for.

    Returns:
        Those nearest to the top of the tree first; objects before factories.
    """
    classes = {name for name, distribution in FRAMEWORKS.items() if distribution in dependencies}
    if not classes:
        return ()
    below = f"{folder}/" if folder else ""
    names = [
        name
        for name in files.names
        if name.endswith(".py")
        and name.startswith(below)
        and not _ASIDE & set(name.removeprefix(below).split("/")[:-1])
        and not posixpath.basename(name).startswith(("test_", "conftest"))
    ]
    names.sort(key=lambda name: (name.count("/"), name))
    found: list[Application] = []
    for name in names[:_MOST_FILES]:
        text = files.text(name) or ""
        if any(f"{one}(" in text for one in classes) and (parsed := files.python(name)) is not None:
            found += _applications(parsed, module_name(name, folder), classes)
    return tuple(sorted(found, key=lambda one: one.factory))


def module_name(file: str, folder: str) -> str:
    """The module that a file of a project is imported as: `src/` and `__init__` do not count."""
    parts = file.removeprefix(f"{folder}/" if folder else "").removesuffix(".py").split("/")
    if parts[0] == "src" and len(parts) > 1:
        del parts[0]
    if parts[-1] == "__init__":
        del parts[-1]
    return ".".join(parts)


def _applications(parsed: ast.Module, module: str, classes: Collection[str]) -> list[Application]:
    found: list[Application] = []
    for statement in parsed.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=func))
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.Call(func=func))
            ) if (kind := dotted(func).rpartition(".")[2]) in classes:
                found.append(Application(module, name, kind))
            case ast.FunctionDef(name=name, body=body) if name.startswith(("create_", "make_", "get_")):
                made = {
                    dotted(node.func).rpartition(".")[2]
                    for one in body
                    for node in ast.walk(one)
                    if isinstance(node, ast.Call)
                }
                if kinds := sorted(made & set(classes)):
                    found.append(Application(module, name, kinds[0], factory=True))
    return found
