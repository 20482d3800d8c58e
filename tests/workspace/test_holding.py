"""A held mutex is a value: a call that forgets it is a type error, and only `holding` makes one."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.roots import Site
from venvship.errors import BusyError
from venvship.root import RootLayout
from venvship.workspace import underway
from venvship.workspace.holding import hold_build, hold_switch
from venvship.workspace.workspace import Workspace

PACKAGE = Path(__file__).resolve().parents[2] / "venvship"

FORGETTING = """
from pathlib import Path
from typing import Any
from venvship.operations.planning.build import build_release
from venvship.operations.planning.lock import compile_lockfile
from venvship.operations.retention.debris import sweep_debris
from venvship.operations.switching import links
from venvship.operations.switching.lockfile_due import put_in_place
from venvship.operations.switching.promotion import Promotion, announce
from venvship.workspace.holding import BuildHeld, SwitchHeld
from venvship.workspace.workspace import Workspace


def switching(it: {}, other: Any) -> None:
    links.arm(it, "a", None)  #
    links.point_current(it, Path("x"), sync=True)  #
    links.point_back(it, "a", None)  #
    links.set_previous(it, "a")  #
    links.sweep_strays(it)  #
    links.new_link(it, ".to.", "a")  #
    links.spare_link(it, ".to.", "a")  #
    announce(it, "a", None, other, tries=1)  #
    Promotion(held=it, history=other, release_id="a", origin_id=None, settings=other, errand=other)  #
    Promotion.resume(it, other, other, settings=other)  #
    put_in_place(it, "a", other)  #


def building(it: {}, other: Any) -> None:
    sweep_debris(it)  #
    compile_lockfile(it, other, other, upgrade=True)  #
    build_release(it, other, other, message="", progress=other)  #
"""
"""Calls, each of which must be an error of types if what `it` is proves nothing."""


def test_a_call_without_the_mutex_that_it_needs_is_a_type_error(tmp_path: Path) -> None:
    cases = {
        "unheld.py": FORGETTING.format("Workspace", "Workspace"),
        "other.py": FORGETTING.format("BuildHeld", "SwitchHeld"),
        "held.py": FORGETTING.format("SwitchHeld", "BuildHeld"),
    }
    for name, text in cases.items():
        (tmp_path / name).write_text(text)
    marked = {number for number, line in enumerate(FORGETTING.splitlines(), 1) if line.endswith("  #")}

    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", f"--cache-dir={tmp_path}", *cases],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=False,
    )

    found: dict[str, set[int]] = {name: set() for name in cases}
    for line in done.stdout.splitlines():
        name, number, _ = line.split(":", 2)
        assert "[arg-type]" in line, line
        found[name].add(int(number))
    assert found == {"unheld.py": marked, "other.py": marked, "held.py": set()}, done.stderr


def test_only_the_context_managers_make_one() -> None:
    made = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        if path != PACKAGE / "workspace" / "holding.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] in {"BuildHeld", "SwitchHeld"}
    ]

    assert not made


@pytest.mark.parametrize("hold", [hold_build, hold_switch])
def test_it_is_held_for_the_length_of_the_block_and_announced_by_its_command(hold: Any, site: Site) -> None:
    workspace = Workspace(RootLayout.at(site.path), site.runtime())
    workspace.open_for_writing()

    with hold(workspace, "release") as held:
        assert held.workspace is workspace
        found = underway.under_way(workspace.layout)
        assert found is not None
        assert found.operation == "release"
        with pytest.raises(BusyError, match="release is under way"), hold(workspace, "lock", wait=0):
            pass

    assert underway.under_way(workspace.layout) is None
    with hold(workspace, None):
        assert underway.under_way(workspace.layout) is None


def test_a_rollback_that_is_under_way_is_named_to_another_one(site: Site) -> None:
    workspace = Workspace(RootLayout.at(site.path), site.runtime())
    workspace.open_for_writing()

    with workspace.mutex("turn-back").hold():
        with pytest.raises(BusyError, match=r"^busy: another rollback is under way$"):
            workspace.mutex("turn-back").hold().__enter__()
        actor = workspace.runtime.actor
        with hold_switch(workspace, "rollback"), pytest.raises(BusyError) as caught:
            workspace.mutex("turn-back").hold().__enter__()
    assert caught.value.message == f"busy: a rollback by {actor}, process {os.getpid()}, is under way"
