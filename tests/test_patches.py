"""Tests patch none of our own modules, but where `tests/support/patches.py` gives a reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
ALLOWED = TESTS / "support" / "patches.py"
BROKEN_ON_PURPOSE = TESTS / "torture" / "mutants.py"
MOST = 5


def patches(source: str) -> Iterator[int]:
    """The lines of a test that put something in the place of what one of our modules has."""
    tree = ast.parse(source)
    ours: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module), names=names) if module.split(".")[0] == "venvship":
                ours |= {alias.asname or alias.name for alias in names}
            case ast.Import(names=names):
                ours |= {alias.asname or "venvship" for alias in names if alias.name.startswith("venvship")}
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="setattr" | "delattr"), args=[target, *_]):
                if isinstance(target, ast.Constant):
                    found = str(target.value).startswith("venvship")
                else:
                    found = ast.unparse(target).split(".")[0] in ours
            case ast.Assign(targets=targets):
                found = any(
                    isinstance(target, ast.Attribute) and ast.unparse(target).split(".")[0] in ours
                    for target in targets
                )
            case _:
                found = False
        if found:
            yield node.lineno  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "line",
    [
        "from venvship.system import proc\npatch.setattr(proc, 'own_program', None)",
        "from venvship.system import proc as p\nmonkeypatch.delattr(p.own_program, 'x')",
        "monkeypatch.setattr('venvship.system.proc.own_program', None)",
        "from venvship.system.mutex import Mutex\nMutex.is_held = None",
        "import venvship.api\npatch.setattr(venvship.api, 'Root', None)",
    ],
)
def test_a_patch_is_seen(line: str) -> None:
    assert [*patches(line)] == [line.count("\n") + 1]


def test_what_is_not_ours_may_be_patched() -> None:
    assert [*patches("import os\nmonkeypatch.setattr(os, 'fork', None)\nself.x = 1")] == []


def test_no_test_patches_our_modules_but_where_it_says_why() -> None:
    found = [
        f"{path.relative_to(TESTS)}:{line}"
        for path in sorted(TESTS.rglob("*.py"))
        if path not in {ALLOWED, BROKEN_ON_PURPOSE}
        for line in patches(path.read_text(encoding="utf-8"))
    ]
    assert found == []
    assert len([*patches(ALLOWED.read_text(encoding="utf-8"))]) <= MOST
