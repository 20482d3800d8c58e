"""No interpreter that runs code of ours takes a module from the working directory or from a variable.

Each is started with `-I` (PYTHON… variables, user site and the script's directory are ignored), or with `-P`
and an environment without PYTHON… variables. Hooks, `command` checks and `run` start the operator's programs,
which get the operator's environment.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from venvship.api import own_command
from venvship.building.fetching.pip_environ import pip_environ

PACKAGE = Path(__file__).resolve().parent.parent / "venvship"
INTERPRETERS = {"sys.executable", "interpreter", "interpreter.path", "request.interpreter.path", "path"}


def starts(tree: ast.Module) -> Iterator[tuple[int, set[str]]]:
    """The commands of a module that begin with an interpreter, as their constant words."""
    named = {
        ast.unparse(node.targets[0]): node.value for node in ast.walk(tree) if isinstance(node, ast.Assign)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.List | ast.Tuple) or len(node.elts) < 2:  # one word is a hint to type
            continue
        first = ast.unparse(node.elts[0])
        if first in INTERPRETERS or first.endswith("/bin/python'"):
            parts = [
                named.get(ast.unparse(e.value), e) if isinstance(e, ast.Starred) else e for e in node.elts
            ]
            words = {one.value for e in parts for one in ast.walk(e) if isinstance(one, ast.Constant)}
            if any(str(word).startswith("-") for word in words) or first == "sys.executable":
                yield node.lineno, {str(word) for word in words}


def found() -> dict[str, set[str]]:
    return {
        f"{path.relative_to(PACKAGE)}:{line}": words
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, words in starts(ast.parse(path.read_text(encoding="utf-8")))
    }


def test_every_interpreter_with_code_of_ours_is_isolated_from_the_working_directory() -> None:
    commands = found()
    files = {place.partition(":")[0] for place in commands}
    assert {
        "api/runtime.py",
        "building/fetching/direct.py",
        "building/fetching/pip_fetch.py",
        "building/locking/pip_compile.py",
        "building/store/compile.py",
        "building/tree/startup_bytecode.py",
        "health/network.py",
        "health/programs.py",
        "system/interpreters.py",
    } <= files, "the search no longer finds them"
    assert not {place: words for place, words in commands.items() if not {"-I", "-P"} & words}


@pytest.mark.parametrize(
    "name", ["PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE", "__PYVENV_X"]
)
def test_pip_gets_no_variable_of_python(name: str) -> None:
    assert name not in pip_environ({name: "/elsewhere", "HOME": "/root"}, temporary="/tmp")


@pytest.mark.parametrize("options", [["-P"], []])
def test_python_m_venvship_takes_no_module_from_the_working_directory(
    tmp_path: Path, options: list[str]
) -> None:
    """Without `-P` too, as far as it is in the power of a module: `runpy` comes before it."""
    for name in ("click", "filelock", "shlex", "json"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")

    done = subprocess.run(
        [sys.executable, *options, "-m", "venvship", "-C", str(tmp_path / "root"), "init"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "ran").exists()


def test_the_own_command_is_no_exception() -> None:
    command = own_command()
    assert len(command) == 1 or "-P" in command
