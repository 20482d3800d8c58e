"""What is known of a program before the kernel is asked: the interpreter that its first line names."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import script_at
from venvship.system.first_line import program_problem

ENV = {"PATH": "/usr/bin:/bin"}
linux = pytest.mark.skipif(sys.platform != "linux", reason="another system splits a first line otherwise")


def program(folder: Path, content: bytes) -> Path:
    path = folder / "program"
    path.write_bytes(content)
    path.chmod(0o755)
    return path


def starts(path: Path) -> bool:
    """Whether a shell can start a program, as our children are started."""
    argv = ["/bin/sh", "-c", 'exec "$@"', "sh", str(path)]
    return subprocess.run(argv, env=ENV, cwd=path.parent, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (b"#!/bin/sh\r\n", r"'/bin/sh\r' of its first line does not exist: it has Windows line ends"),
        (b"#!/bin/sh -e\r\n", r"the argument '-e\r': it has Windows line ends"),
        (b"#!/usr/bin/env sh\r\n", r"env start 'sh\r', which is not in the PATH: it has Windows line ends"),
        (b"#! /no/such/python3.9\n", "the interpreter /no/such/python3.9 of its first line does not exist"),
        (b"#!/no/such/python3.9 -u", "the interpreter /no/such/python3.9 of"),
        (b"#!/usr\n", "/usr of its first line is not an executable file"),
        (b"#!/usr/bin/env no-such-python\n", "env start no-such-python, which is not in the PATH"),
        (b"#!/usr/bin/env sh -e\n", "env start 'sh -e', which is not in the PATH; for several words"),
        (b"#!/usr/bin/env -S A=b no-such-python -u\n", "env start no-such-python,"),
        (b"\xff\xfe#\0!\0/\0b\0i\0n\0/\0s\0h\0\n\0", "byte order mark"),
        (b"\xef\xbb\xbf#!/usr/bin/env python3\nprint((1))\n", "byte order mark"),
    ],
)  # fmt: skip
@linux
def test_a_program_that_cannot_start_is_known_with_the_reason(
    first: bytes, said: str, tmp_path: Path
) -> None:
    path = program(tmp_path, first + b"exit 0\r\n")

    problem = program_problem(str(path), env=ENV, cwd="/")

    assert said in (problem or "")
    assert not starts(path)


@pytest.mark.parametrize(
    "content",
    [
        b"#!/bin/sh\nexit 0\n",
        b"#!/bin/sh\t-e  \nexit 0\n",
        b"#!/bin/sh",
        b"#!/usr/bin/env sh\n",
        b"#!/usr/bin/env -S sh -e\r\n",
        b"#!/usr/bin/env -S A=b sh -e\n",
        b"#!/usr/bin/env -iS /bin/sh -e\n",
        b"exit 0\n",
        b"\xef\xbb\xbf#!/bin/sh\nexit 0\n",
        b"",
    ],
)
@linux
def test_a_program_that_starts_has_no_problem(content: bytes, tmp_path: Path) -> None:
    path = program(tmp_path, content)

    assert program_problem(str(path), env=ENV, cwd="/") is None
    assert starts(path)


@pytest.mark.parametrize(
    "first", [b"#!" + b"/x" * 200, b"#!/usr/bin/env -u X sh\n", b"#!/usr/bin/env -S $SHELL"]
)
def test_what_only_the_kernel_or_env_knows_is_left_to_them(first: bytes, tmp_path: Path) -> None:
    assert program_problem(str(program(tmp_path, first)), env=ENV, cwd="/") is None


def test_an_interpreter_that_is_a_script_is_looked_at_too(tmp_path: Path) -> None:
    inner = program(tmp_path, b"#!/no/such/interpreter\n").rename(tmp_path / "inner")

    problem = program_problem(str(program(tmp_path, b"#!%b\n" % os.fsencode(inner))), env=ENV, cwd="/")

    assert f"{inner} of its first line cannot be started: the interpreter /no/such/interpreter" in (
        problem or ""
    )


def test_without_a_known_path_only_names_that_no_file_has_are_refused(tmp_path: Path) -> None:
    assert program_problem(str(program(tmp_path, b"#!/usr/bin/env shop\n")), env=None, cwd="/") is None
    assert program_problem(str(program(tmp_path, b"#!/usr/bin/env shop\r\n")), env=None, cwd="/")


@linux
def test_a_program_built_for_another_system_is_named_with_its_loader(tmp_path: Path) -> None:
    content = Path(shutil.which("true") or "").read_bytes()
    begin = content.find(b"/lib")
    loader = content[begin : content.index(b"\0", begin)]
    if not os.path.exists(os.fsdecode(loader)):
        pytest.skip("this program names no loader")
    assert program_problem(str(program(tmp_path, content)), env=ENV, cwd="/") is None
    other = program(tmp_path, content.replace(loader, b"/nib" + loader[4:]))

    assert f"its loader /nib{loader[4:].decode()} does not exist" in (
        program_problem(str(other), env=ENV, cwd="/") or ""
    )
    assert not starts(other)


def test_an_interpreter_below_a_link_that_a_first_release_makes_is_no_fault(tmp_path: Path) -> None:
    script = script_at(tmp_path / "restart", f"#!{tmp_path}/current/bin/python\n")
    assert program_problem(str(script), env=None, cwd=str(tmp_path)) is None
    (tmp_path / "current").mkdir()
    assert "does not exist" in str(program_problem(str(script), env=None, cwd=str(tmp_path)))
