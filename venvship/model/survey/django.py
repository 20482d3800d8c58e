"""What a Django project says of itself in manage.py, wsgi.py, asgi.py and its settings, read and not run."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from venvship.model.survey.expressions import (
    UNKNOWN,
    Evaluator,
    FromVariable,
    InRelease,
    Text,
    Value,
    dotted,
)
from venvship.model.survey.files import Files

SETTINGS_VARIABLE: Final = "DJANGO_SETTINGS_MODULE"
STATIC_FILES: Final = "django.contrib.staticfiles"
GENERATED: Final = "generated"
"""The folder of a release that the generate hook writes to."""

_DOTENV: Final = frozenset({"load_dotenv", "dotenv.load_dotenv", "read_dotenv", "dotenv.read_dotenv"})
_SCHEMES: Final = frozenset({"Env", "FileAwareEnv"})
"""The classes of django-environ, whose arguments declare variables."""

_URL_READERS: Final = frozenset({"config", "parse", "db", "db_url", "dj_db_url"})
_MOST_MODULES: Final = 20
"""How many modules of settings are followed through `from .base import *`."""


class Database(NamedTuple):
    """The default database, as one assignment in the settings names it.

    Attributes:
        engine: `sqlite3`, `postgresql` and the like; empty where a variable decides.
        name: `NAME`; `UNKNOWN` where it is none of the understood expressions.
        variable: The environment variable that holds its URL; empty if none does.
    """

    engine: str
    name: Value = UNKNOWN
    variable: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Django:
    """A Django project.

    Attributes:
        settings: The settings module, such as `shop.settings`.
        file: Its file in the checkout; empty if that was not found.
        manage: `manage.py`, by its path; empty without one.
        wsgi: The module that the server imports, `shop.wsgi`; empty without one.
        asgi: The same for an asynchronous server.
        databases: Every assignment of a default database, in order.
        static_files: Whether `django.contrib.staticfiles` is among the applications.
        static_root: `STATIC_ROOT`; `None` if it is not set.
        media_root: `MEDIA_ROOT`; `None` if it is not set.
        variables: The environment variables without which the settings cannot be imported, sorted: they are
            read without a default, and under no condition.
        reads_dotenv: Whether a file `.env` is read.
        generated: Whether `STATIC_ROOT` is in the part of a release that the generate hook may write to.
    """

    settings: str
    file: str = ""
    manage: str = ""
    wsgi: str = ""
    asgi: str = ""
    databases: tuple[Database, ...] = ()
    static_files: bool = False
    static_root: Value | None = None
    media_root: Value | None = None
    variables: tuple[str, ...] = ()
    reads_dotenv: bool = False
    generated: bool = False


def find_django(files: Files, folder: str = "") -> Django | None:
    """Find the Django project of a checkout; `None` if there is none.

    The settings that wsgi.py or asgi.py name come before those of manage.py: the service starts from them.

    Args:
        files: The checkout.
        folder: Look in this folder of it only; `""` is all of it.
    """
    below = f"{folder}/" if folder else ""
    named: dict[str, dict[str, str]] = {"wsgi.py": {}, "asgi.py": {}, "manage.py": {}}
    for name in sorted(files.names, key=lambda name: (name.count("/"), name)):
        base = posixpath.basename(name)
        if base in named and name.startswith(below) and (settings := _named_settings(files, name)):
            named[base][name] = settings
    found = [*named["wsgi.py"].items(), *named["asgi.py"].items(), *named["manage.py"].items()]
    if not found:
        return None
    settings = found[0][1]
    manage = next(iter(named["manage.py"]), "")
    tops = _tops(found, manage)
    file = _module_file(files, settings, tops)
    facts = _Reading(files, tops).read(file) if file else _Facts()
    return Django(
        settings=settings,
        file=file,
        manage=manage,
        wsgi=_module(next(iter(named["wsgi.py"]), ""), tops),
        asgi=_module(next(iter(named["asgi.py"]), ""), tops),
        databases=tuple(facts.databases),
        static_files=STATIC_FILES in facts.apps,
        static_root=(static_root := facts.values.get("STATIC_ROOT")),
        media_root=facts.values.get("MEDIA_ROOT"),
        variables=tuple(sorted(facts.variables - facts.with_default)),
        reads_dotenv=facts.reads_dotenv,
        generated=_is_generated(static_root) or "VENVSHIP_GENERATED" in facts.read_variables,
    )


def _is_generated(value: Value | None) -> bool:
    match value:
        case InRelease(path):
            return path.partition("/")[0] == GENERATED
        case FromVariable(_, default):
            return _is_generated(default)
    return False


def _named_settings(files: Files, name: str) -> str:
    """The settings module that a file sets as the default; empty if it sets none."""
    module = files.python(name)
    if module is None:
        return ""
    for node in ast.walk(module):
        match node:
            case ast.Call(args=[ast.Constant(value=str(key)), ast.Constant(value=str(settings))]) if (
                key == SETTINGS_VARIABLE
            ):
                return settings
            case ast.Assign(
                targets=[ast.Subscript(slice=ast.Constant(value=str(key)))],
                value=ast.Constant(value=str(settings)),
            ) if key == SETTINGS_VARIABLE:
                return settings
    return ""


def _tops(found: Iterable[tuple[str, str]], manage: str) -> list[str]:
    """The folders that modules may be imported from."""
    tops = [posixpath.dirname(manage)] if manage else []
    for name, settings in found:
        folder = posixpath.dirname(name)
        package = settings.partition(".")[0]
        while folder:
            if posixpath.basename(folder) == package:
                tops.append(posixpath.dirname(folder))
            folder = posixpath.dirname(folder)
    return list(dict.fromkeys([*tops, "src", ""]))


def _module_file(files: Files, module: str, tops: Iterable[str]) -> str:
    path = module.replace(".", "/")
    for top in tops:
        for name in (f"{path}.py", f"{path}/__init__.py"):
            whole = posixpath.join(top, name)
            if whole in files.names:
                return whole
    return ""


def _module(name: str, tops: Iterable[str]) -> str:
    """The dotted name of a module, by its file; empty for none."""
    stem = name.removesuffix(".py")
    # The innermost first: below `src` the name does not begin with it, although every file is below the top.
    for top in sorted(tops, key=lambda top: -len(top)):
        below = f"{top}/" if top else ""
        if stem and stem.startswith(below):
            return stem.removeprefix(below).replace("/", ".")
    return ""


@dataclass(slots=True)
class _Facts:
    values: dict[str, Value] = field(default_factory=dict)
    apps: set[str] = field(default_factory=set)
    databases: list[Database] = field(default_factory=list)
    variables: set[str] = field(default_factory=set)
    with_default: set[str] = field(default_factory=set)
    read_variables: set[str] = field(default_factory=set)
    reads_dotenv: bool = False


class _Reading:
    """Reads a settings module, and those that it takes everything from."""

    def __init__(self, files: Files, tops: list[str]) -> None:
        self._files = files
        self._tops = tops
        self._read: set[str] = set()
        self._facts = _Facts()

    def read(self, file: str) -> _Facts:
        if file in self._read or len(self._read) == _MOST_MODULES:
            return self._facts
        self._read.add(file)
        module = self._files.python(file)
        if module is not None:
            self._variables(module, file)
            for statement in _statements(module.body):
                self._statement(statement, file)
        return self._facts

    def _variables(self, module: ast.Module, file: str) -> None:
        """Every variable that is read anywhere in the module; and whether a `.env` is."""
        evaluator = Evaluator(file, {})
        for node in ast.walk(module):
            if isinstance(node, ast.Call):
                name = dotted(node.func)
                self._facts.reads_dotenv |= name in _DOTENV or name.endswith(".read_env")
                if name.rpartition(".")[2] in _SCHEMES:
                    self._facts.with_default |= _declared(node)
            if isinstance(node, ast.Call | ast.Subscript):
                value = evaluator.value(node)
                if isinstance(value, FromVariable):
                    self._facts.read_variables.add(value.name)
        for statement in _without_variables(module.body, evaluator):
            self._facts.variables |= _needed(statement, evaluator)

    def _statement(self, statement: ast.stmt, file: str) -> None:
        match statement:
            case ast.ImportFrom(names=[ast.alias(name="*")], module=module, level=level):
                if imported := self._imported(module or "", level, file):
                    self.read(imported)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self._assigned(name, value, file)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                self._assigned(name, value, file)
            case ast.AugAssign(target=ast.Name(id="INSTALLED_APPS"), value=value):
                self._facts.apps.update(_strings(value))
            case ast.Assign(
                targets=[ast.Subscript(value=ast.Name(id="DATABASES"), slice=ast.Constant(value="default"))],
                value=value,
            ):
                self._facts.databases.append(self._database(value, file))

    def _imported(self, module: str, level: int, file: str) -> str:
        if not level:
            return _module_file(self._files, module, self._tops)
        folder = file
        for _ in range(level):
            folder = posixpath.dirname(folder)
        return _module_file(self._files, module, [folder]) if module else ""

    def _assigned(self, name: str, node: ast.expr, file: str) -> None:
        if name == "INSTALLED_APPS":
            self._facts.apps.update(_strings(node))
        elif name == "DATABASES":
            match node:
                case ast.Dict(keys=keys, values=values):
                    for key, value in zip(keys, values, strict=True):
                        if isinstance(key, ast.Constant) and key.value == "default":
                            self._facts.databases.append(self._database(value, file))
                case _:
                    self._facts.databases.append(self._database(node, file))
        else:
            self._facts.values[name] = Evaluator(file, self._facts.values).value(node)

    def _database(self, node: ast.expr, file: str) -> Database:
        evaluator = Evaluator(file, self._facts.values)
        match node:
            case ast.Dict(keys=keys, values=values):
                entries = {
                    key.value: evaluator.value(value)
                    for key, value in zip(keys, values, strict=True)
                    if isinstance(key, ast.Constant)
                }
                engine = entries.get("ENGINE", UNKNOWN)
                if isinstance(engine, FromVariable):
                    engine = engine.default or UNKNOWN
                kind = engine.text.rpartition(".")[2] if isinstance(engine, Text) else ""
                return Database(kind, entries.get("NAME", UNKNOWN))
            case ast.Call(func=ast.Attribute(attr=name), args=arguments, keywords=keywords) if (
                name in _URL_READERS
            ):
                return self._by_url(evaluator, arguments, keywords)
        return Database("")

    def _by_url(
        self, evaluator: Evaluator, arguments: list[ast.expr], keywords: list[ast.keyword]
    ) -> Database:
        """`dj_database_url.config(default=…)`, `env.db()`, `dj_database_url.parse(os.environ["…"])`."""
        first = evaluator.value(arguments[0]) if arguments else Text("DATABASE_URL")
        by_name = {keyword.arg: evaluator.value(keyword.value) for keyword in keywords}
        first = by_name.get("env", first)
        default = by_name.get("default")
        variable = ""
        if isinstance(first, FromVariable):
            variable, default = first.name, first.default or default
        elif isinstance(first, Text) and first.text.isidentifier():
            variable = first.text
        url = default if variable else first
        engine, _, rest = url.text.partition("://") if isinstance(url, Text) else ("", "", "")
        engine = {"sqlite": "sqlite3", "postgres": "postgresql"}.get(engine, engine)
        return Database(engine, Text(rest.removeprefix("/")) if engine == "sqlite3" else UNKNOWN, variable)


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module in their order, those under a condition, too."""
    for statement in body:
        yield statement
        match statement:
            case ast.If(body=first, orelse=last):
                yield from _statements([*first, *last])
            case ast.Try(body=first, handlers=handlers, orelse=last, finalbody=end):
                inside = [one for handler in handlers for one in handler.body]
                yield from _statements([*first, *inside, *last, *end])
            case ast.With(body=first):
                yield from _statements(first)


def _without_variables(body: list[ast.stmt], evaluator: Evaluator) -> Iterator[ast.stmt]:
    """The statements that run where no variable is set, as far as a condition is about one alone."""
    for statement in body:
        match statement:
            case ast.Assign() | ast.AnnAssign() | ast.Expr():
                yield statement
            case ast.If(test=ast.UnaryOp(op=ast.Not(), operand=test), body=first) if _unset(test, evaluator):
                yield from _without_variables(first, evaluator)
            case ast.If(test=test, orelse=last) if _unset(test, evaluator):
                yield from _without_variables(last, evaluator)


def _unset(test: ast.expr, evaluator: Evaluator) -> bool:
    """Whether a condition, such as `env.bool("X", False)`, is false where its variable is not set."""
    if not isinstance(test, ast.Call) or not isinstance(evaluator.value(test), FromVariable):
        return False
    given = [*test.args[1:2], *(one.value for one in test.keywords if one.arg == "default")]
    if not given:
        return dotted(test.func).endswith(("environ.get", "getenv"))
    return isinstance(given[0], ast.Constant) and not given[0].value


def _needed(statement: ast.stmt, evaluator: Evaluator) -> set[str]:
    """The variables that a statement cannot do without."""
    # Of `a or b` and `a if b else c` only the first part is always evaluated.
    optional = {
        inner
        for node in ast.walk(statement)
        if isinstance(node, ast.IfExp | ast.BoolOp | ast.Lambda)
        for inner in ast.walk(node)
    }
    values = [
        evaluator.value(node)
        for node in ast.walk(statement)
        if isinstance(node, ast.Call | ast.Subscript) and node not in optional
    ]
    return {one.name for one in values if isinstance(one, FromVariable) and one.default is None}


def _declared(node: ast.Call) -> set[str]:
    """The variables that `Env(DEBUG=(bool, False))` gives a default to."""
    return {
        one.arg
        for one in node.keywords
        if one.arg and isinstance(one.value, ast.Tuple | ast.List) and len(one.value.elts) > 1
    }


def _strings(node: ast.expr) -> set[str]:
    return {
        one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)
    }
