"""Recognise the `__init__.py` of a namespace package, which several wheels bring, each in its own words.

Before PEP 420, every distribution of a namespace brought an `__init__.py` that only declares it: through
`pkgutil`, through `pkg_resources`, or by its being there. In a release all of them lie in one directory, so
all of them mean the same.

Source: https://packaging.python.org/en/latest/guides/packaging-namespace-packages/.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Final

MAX_STUB: Final = 4096
"""Bytes that such a file has at most. Most of it is a licence, if it is large."""

_DECLARATIONS: Final = frozenset(
    ast.dump(ast.parse(source).body[0])
    for source in (
        "__import__('pkg_resources').declare_namespace(__name__)",
        "pkg_resources.declare_namespace(__name__)",
        "declare_namespace(__name__)",
        "__path__ = __import__('pkgutil').extend_path(__path__, __name__)",
        "__path__ = pkgutil.extend_path(__path__, __name__)",
        "__path__ = extend_path(__path__, __name__)",
        "import pkg_resources",
        "import pkgutil",
        "from pkg_resources import declare_namespace",
        "from pkgutil import extend_path",
        "pass",
    )
)
_CAUGHT: Final = frozenset({"ImportError", "ModuleNotFoundError", "Exception"})


def stub_rank(source: bytes) -> int | None:
    """Rank an `__init__.py` that does nothing but declare a namespace; `None` if it does more.

    The least rank serves best: 0 for one that works everywhere, 1 for one that needs setuptools at run time,
    which a lockfile often leaves out.
    """
    if len(source) > MAX_STUB:
        return None
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if not _only_declares(body):
        return None
    guarded = all(isinstance(each, ast.Try) or "pkg_resources" not in ast.dump(each) for each in body)
    return 0 if guarded else 1


def _only_declares(body: Sequence[ast.stmt]) -> bool:
    for statement in body:
        match statement:
            case ast.Expr(value=ast.Constant()):  # the docstring
                continue
            case ast.ImportFrom(module="__future__"):
                continue
            case ast.Try(body=tried, handlers=handlers, orelse=orelse, finalbody=finalbody):
                caught = [each for handler in handlers for each in handler.body]
                kinds = [handler.type for handler in handlers if handler.type is not None]
                if not all(isinstance(kind, ast.Name) and kind.id in _CAUGHT for kind in kinds):
                    return False
                if not _only_declares([*tried, *caught, *orelse, *finalbody]):
                    return False
            case _ if ast.dump(statement) not in _DECLARATIONS:
                return False
    return True
