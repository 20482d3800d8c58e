"""Fault injection: what is armed happens at exactly that effect, and without it nothing does."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from venvship.system import failpoints, files


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    failpoints.arm("")


def effects(path: Path) -> None:
    files.create_file(path / "one", b"1")
    files.make_link("one", path / "two")
    files.rename(path / "two", path / "three")


def test_unarmed_nothing_happens(tmp_path: Path) -> None:
    failpoints.arm("")
    effects(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["one", "three"]


def test_a_trace_lists_the_effects_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    failpoints.arm(f"trace:{tmp_path}/trace")
    effects(tmp_path / "d")
    lines = (tmp_path / "trace").read_text().splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["1", "create"],
        ["2", "write"],
        ["3", "symlink"],
        ["4", "rename"],
    ]


@pytest.mark.parametrize("name", ["ENOSPC", "EIO", "EROFS", "EDQUOT", "EMFILE", "EACCES"])
def test_an_error_comes_at_its_effect_and_before_it(tmp_path: Path, name: str) -> None:
    failpoints.arm(f"{name}@4")
    with pytest.raises(OSError, match=os.strerror(getattr(errno, name))) as caught:
        effects(tmp_path)
    assert caught.value.errno == getattr(errno, name)
    assert sorted(os.listdir(tmp_path)) == ["one", "two"]
    files.rename(tmp_path / "two", tmp_path / "three")


def test_a_sticky_error_comes_again(tmp_path: Path) -> None:
    failpoints.arm("EIO@1+")
    for _ in range(3):
        with pytest.raises(OSError, match="Input/output"):
            files.create_file(tmp_path / "one", b"")
    assert os.listdir(tmp_path) == []


def test_a_kill_leaves_what_came_before(tmp_path: Path) -> None:
    code = (
        "from venvship.system import failpoints, files\n"
        f"failpoints.arm('kill@4')\nfiles.create_file({str(tmp_path / 'one')!r}, b'1')\n"
        f"files.make_link('one', {str(tmp_path / 'two')!r})\n"
        f"files.rename({str(tmp_path / 'two')!r}, {str(tmp_path / 'three')!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -9
    assert sorted(os.listdir(tmp_path)) == ["one", "two"]


@pytest.mark.parametrize("text", ["kill", "kill@0", "ENOTHING@1", "kill@1-", "EIO@x"])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="failpoint"):
        failpoints.arm(text)
