"""Evaluate the few expressions by which settings modules name files and variables, without running them.

A settings module says `BASE_DIR = Path(__file__).resolve().parent.parent`, and then
`MEDIA_ROOT = BASE_DIR / "media"`, or `os.environ["MEDIA_ROOT"]`. What is not understood is `UNKNOWN`,
which is never taken for an answer.
"""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Mapping
from typing import Final, NamedTuple


class InTree(NamedTuple):
    """A path in the checkout, relative to it; `""` is the checkout itself."""

    path: str


class InRelease(NamedTuple):
    """A path in the release, relative to `sys.prefix`; `""` is the release itself."""

    path: str


class Text(NamedTuple):
    """A string that stands in the file."""

    text: str


class FromVariable(NamedTuple):
    """The value of an environment variable, or a default.

    Attributes:
        name: Of the variable.
        default: The value without it; `None` where the module fails then.
    """

    name: str
    default: Value | None


class Unknown(NamedTuple):
    """Anything else."""


Value = InTree | InRelease | Text | FromVariable | Unknown

UNKNOWN: Final = Unknown()

_PATH_TO_PATH: Final = frozenset({"resolve", "absolute", "as_posix", "expanduser", "__str__"})
_CONVERSIONS: Final = frozenset({"str", "Path", "pathlib.Path", "os.fspath", "os.path.abspath", "abspath"})
_SAME: Final = _CONVERSIONS | {"os.path.realpath", "realpath", "os.path.normpath", "PurePath", "root"}
_PARENT: Final = frozenset({"os.path.dirname", "dirname"})
_JOIN: Final = frozenset({"os.path.join", "join", "posixpath.join"})
_READERS: Final = frozenset(
    {"os.environ.get", "environ.get", "os.getenv", "getenv", "env", "config", "os.environ", "environ"}
)
_DEPTH: Final = 60
"""How deep an expression is followed; one of a real module has fewer than ten levels."""


def dotted(node: ast.expr) -> str:
    """The dotted name that an expression is, such as `os.path.join`; empty if it is none."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


class Evaluator:
    """Evaluates expressions of one module.

    Args:
        file: The module's path in the checkout.
        known: The values of the names that were assigned so far.
    """

    def __init__(self, file: str, known: Mapping[str, Value]) -> None:
        self._file = file
        self._known = known

    def value(self, node: ast.expr, depth: int = _DEPTH) -> Value:
        """Evaluate an expression."""
        if depth == 0:
            return UNKNOWN
        less = depth - 1
        match node:
            case ast.Constant(value=str(text)):
                return Text(text)
            case ast.Name(id="__file__"):
                return InTree(self._file)
            case ast.Attribute(value=ast.Name(id="sys"), attr="prefix"):
                return InRelease("")
            case ast.Name(id=name):
                return self._known.get(name, UNKNOWN)
            case ast.BinOp(op=ast.Div(), left=left, right=right):
                return _joined([self.value(left, less), self.value(right, less)])
            case ast.BoolOp(op=ast.Or(), values=[first, *_, last]):
                return _or(self.value(first, less), self.value(last, less))
            case ast.Attribute(attr="parent", value=of):
                return _parent(self.value(of, less), 1)
            case ast.Subscript(
                value=ast.Attribute(attr="parents", value=of), slice=ast.Constant(value=int(level))
            ) if 0 <= level < _DEPTH:
                return _parent(self.value(of, less), level + 1)
            case ast.Subscript(value=of, slice=ast.Constant(value=str(name))) if dotted(of) in _READERS:
                return FromVariable(name, None)
            case ast.Call():
                return self._call(node, less)
            case ast.JoinedStr(values=parts):
                return self._formatted(parts, less)
        return UNKNOWN

    def _call(self, node: ast.Call, depth: int) -> Value:
        name = dotted(node.func)
        arguments = [self.value(argument, depth) for argument in node.args]
        if name in _JOIN:
            return _joined(arguments)
        if name in _SAME and len(arguments) == 1:
            return arguments[0]
        if name in _PARENT and len(arguments) == 1:
            return _parent(arguments[0], 1)
        if isinstance(node.func, ast.Attribute):
            of = self.value(node.func.value, depth)
            if node.func.attr in _PATH_TO_PATH and not isinstance(of, Unknown):
                return of
            if node.func.attr == "joinpath" or (name == "root.path" and arguments):
                return _joined([of, *arguments])
        return self._variable(node, name, arguments, depth)

    def _variable(self, node: ast.Call, name: str, arguments: list[Value], depth: int) -> Value:
        """A call that reads a variable: `os.environ.get("X", …)`, `env.str("X", default=…)`."""
        reader = name in _READERS or name.partition(".")[0] in {"env", "config"}
        if not reader or not arguments or not isinstance(arguments[0], Text):
            return UNKNOWN
        default = arguments[1] if len(arguments) > 1 else None
        for keyword in node.keywords:
            if keyword.arg == "default":
                default = self.value(keyword.value, depth)
        if default is None and name.endswith(("environ.get", "getenv")):
            default = UNKNOWN
        return FromVariable(arguments[0].text, default)

    def _formatted(self, parts: list[ast.expr], depth: int) -> Value:
        """An f-string such as `f"{BASE_DIR}/media"`."""
        whole: Value | None = None
        for part in parts:
            value = self.value(part.value if isinstance(part, ast.FormattedValue) else part, depth)
            match whole, value:
                case None, _:
                    whole = value
                case (InTree() | InRelease()) as of, Text(text) if text.startswith("/"):
                    whole = _inside(of, text.lstrip("/"))
                case Text(before), Text(text):
                    whole = Text(before + text)
                case _:
                    return UNKNOWN
        return UNKNOWN if whole is None else whole


def _inside(of: InTree | InRelease, more: str) -> Value:
    joined = posixpath.normpath(posixpath.join(of.path, more))
    if joined.startswith(("..", "/")):
        return UNKNOWN
    return of._replace(path="" if joined == "." else joined)


def _parent(value: Value, levels: int) -> Value:
    if not isinstance(value, InTree):
        return UNKNOWN
    path = value.path
    for _ in range(levels):
        if not path:
            return UNKNOWN
        path = posixpath.dirname(path)
    return InTree(path)


def _joined(values: list[Value]) -> Value:
    if not values:
        return UNKNOWN
    whole = values[0]
    for value in values[1:]:
        match whole, value:
            case _, Text(text) if text.startswith("/"):
                whole = value
            case (InTree() | InRelease()) as of, Text(text):
                whole = _inside(of, text)
            case (InTree() | InRelease()) as of, FromVariable(name, Text(text)):
                whole = FromVariable(name, _inside(of, text))
            case Text(before), Text(text):
                whole = Text(posixpath.join(before, text))
            case FromVariable(name, _), Text(text):
                whole = FromVariable(name, UNKNOWN)
            case _:
                return UNKNOWN
    return whole


def _or(first: Value, last: Value) -> Value:
    return FromVariable(first.name, last) if isinstance(first, FromVariable) else UNKNOWN
