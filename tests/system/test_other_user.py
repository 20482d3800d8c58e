"""The line that runs a command as another user, on hosts with and without sudo."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.users import NOBODY, as_root_only, unprivileged
from venvship.system.other_user import line_as, line_as_root

NAMELESS = 4_000_123
"""The number of no user."""


@pytest.fixture
def host(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A folder of programs that is all of `PATH`, empty at first."""
    os.chmod(tmp_path, 0o755)
    return tmp_path, {"PATH": str(tmp_path)}


def install(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)


@as_root_only
def test_root_becomes_a_user_with_sudo_and_without_it_with_runuser(host: tuple[Path, dict[str, str]]) -> None:
    folder, environ = host
    install(folder, "runuser", "setpriv")
    assert line_as(NOBODY, NOBODY, ["vs", "a b"], environ) == "runuser -u nobody -- vs 'a b'"
    install(folder, "sudo")
    assert line_as(NOBODY, NOBODY, ["vs", "a b"], environ) == "sudo -u nobody vs 'a b'"
    assert line_as(0, 0, ["vs", "a b"], environ) == "vs 'a b'"


@as_root_only
def test_a_user_without_a_name_is_one_for_setpriv(host: tuple[Path, dict[str, str]]) -> None:
    folder, environ = host
    install(folder, "sudo", "setpriv")
    line = line_as(NAMELESS, 77, ["vs"], environ)
    assert line == f"setpriv --reuid {NAMELESS} --regid 77 --clear-groups vs"


@as_root_only
def test_an_ordinary_user_becomes_root_first_with_sudo_or_su() -> None:
    def look(own: Path) -> None:
        environ = {"PATH": str(own)}
        install(own, "runuser", "setpriv")
        assert line_as(0, 0, ["vs", "x y"], environ) == "su -c 'vs '\"'\"'x y'\"'\"''"
        (as_bin,) = shlex.split(line_as(1, 1, ["vs"], environ))[2:]
        assert as_bin == f"runuser -u {_name(1)} -- vs"
        install(own, "sudo")
        assert line_as(1, 1, ["vs"], environ) == f"sudo -u {_name(1)} vs"
        nameless = line_as(NAMELESS, 77, ["vs"], environ)
        assert nameless == f"sudo setpriv --reuid {NAMELESS} --regid 77 --clear-groups vs"
        assert line_as_root([["a"], ["b", "c d"]], environ) == "sudo a && sudo b 'c d'"
        assert line_as(NOBODY, NOBODY, ["vs"], environ) == "vs"

    unprivileged(look)


def _name(uid: int) -> str:
    import pwd

    return pwd.getpwuid(uid).pw_name


@as_root_only
@pytest.mark.parametrize("uid", [NOBODY, NAMELESS])
@pytest.mark.parametrize("sudo", [False, True])
def test_the_line_runs_the_command_as_that_user(tmp_path: Path, uid: int, sudo: bool) -> None:
    if sudo and shutil.which("sudo") is None:
        pytest.skip("there is no sudo")
    names = ("sudo", "runuser", "setpriv") if sudo else ("runuser", "setpriv")
    for name in names:
        if found := shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin"):
            (tmp_path / name).symlink_to(found)
    line = line_as(uid, 77, ["id", "-u"], {"PATH": str(tmp_path)})
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout == f"{uid}\n"
