"""A `venvship` that another user can run, wherever the tests, the repository and the interpreter are.

A clone and an interpreter in a home directory that is closed, such as root's, can be run by the owner alone.
Then they are copied below a directory that is open: hard links where that is possible, which take a second.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from pathlib import Path

from tests.support.roots import command
from tests.support.users import NOBODY

_FACTS = """
import json, os, sys, sysconfig, venvship
print(json.dumps({
    "python": os.path.realpath(sys.executable),
    "prefix": sys.base_prefix,
    "library": os.path.dirname(os.__file__),
    "version": sys.version,
    "packages": sysconfig.get_path("purelib"),
    "venvship": os.path.dirname(venvship.__file__),
}))
"""

_LEFT_OUT = (
    "test",
    "tests",
    "idlelib",
    "tkinter",
    "turtledemo",
    "ensurepip",
    "site-packages",
    "*.a",
    "__editable__*",
)


def _ran(*argv: str | Path) -> subprocess.CompletedProcess[str] | None:
    """The end of a program that another user has run; `None` if that user may not start it."""
    try:
        return subprocess.run(
            argv,
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None


def _runs(*argv: str | Path) -> bool:
    done = _ran(*argv)
    return done is not None and done.returncode == 0


def _is(python: Path, version: str) -> bool:
    """Whether another user who starts an interpreter gets the one of this version."""
    done = _ran(python, "-Ic", "import ssl, sys; print(sys.version)")
    return done is not None and done.returncode == 0 and done.stdout.strip() == version.strip()


def system_interpreter() -> Path:
    """An interpreter of the host that is new enough, and that other users can run.

    Raises:
        AssertionError: There is none.
    """
    new = "import ssl, sys; sys.exit(sys.version_info < (3, 11))"
    for folder in ("/usr/bin", "/usr/local/bin"):
        for name in ("python3.13", "python3.12", "python3.11", "python3"):
            if _runs(f"{folder}/{name}", "-Ic", new):
                return Path(os.path.realpath(f"{folder}/{name}"))
    raise AssertionError("other users can run no Python 3.11 or newer: apt-get install python3")


def command_for_others(folder: Path) -> str:
    """The command under test, or a copy of it and of its interpreter that every user can run.

    Args:
        folder: A directory that others can enter, for the copies.

    Raises:
        AssertionError: Others cannot run the copy either.
    """
    if _runs(command(), "--version"):
        return command()
    script = Path(command()).read_text()
    interpreter = script.partition("\n")[0].removeprefix("#!").strip()
    done = subprocess.run([interpreter, "-Ic", _FACTS], capture_output=True, text=True, check=True)
    facts = json.loads(done.stdout)
    python = Path(facts["python"])
    if not _is(python, facts["version"]):
        python = _copied_interpreter(folder / "python", facts)
        if not _is(python, facts["version"]):  # its shared library is in the closed folder
            python = system_interpreter()
    copy = _copied_environment(folder / "venv", python, facts)
    start = folder / "venv" / "bin" / "venvship"
    start.write_text(f"#!{copy}\n" + script.partition("\n")[2])
    start.chmod(0o755)
    assert _runs(start, "--version"), f"{start} cannot be run by others"
    return str(start)


def _copied_interpreter(folder: Path, facts: dict[str, str]) -> Path:
    python = Path(facts["python"])
    (folder / "bin").mkdir(parents=True)
    target = folder / "bin" / python.name
    _take(str(python), str(target))
    _copy_tree(Path(facts["library"]), folder / "lib" / Path(facts["library"]).name)
    for shared in Path(facts["prefix"]).glob("lib/libpython*.so*"):
        _take(str(shared), str(folder / "lib" / shared.name))
    _open(folder)
    return target


def _copied_environment(folder: Path, python: Path, facts: dict[str, str]) -> Path:
    """A virtualenv of an interpreter, with the packages of the one that runs the command under test."""
    (folder / "bin").mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text(f"home = {python.parent}\ninclude-system-site-packages = false\n")
    own = folder / "bin" / "python"
    own.symlink_to(python)
    asked = [str(python), "-Ic", "import sys; print('python%d.%d' % sys.version_info[:2])"]
    version = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    packages = folder / "lib" / version / "site-packages"
    _copy_tree(Path(facts["packages"]), packages)
    if not (packages / "venvship").exists():  # an editable installation
        _copy_tree(Path(facts["venvship"]), packages / "venvship")
    _open(folder)
    return own


def _copy_tree(source: Path, target: Path) -> None:
    shutil.copytree(
        source, target, symlinks=True, copy_function=_take, ignore=shutil.ignore_patterns(*_LEFT_OUT)
    )


def _take(source: str, target: str) -> str:
    """Link a file that others may read; otherwise copy it, readable."""
    if os.stat(source).st_mode & 0o004:
        with contextlib.suppress(OSError):  # on another file system
            os.link(source, target)
            return target
    shutil.copyfile(source, target)
    os.chmod(target, 0o755 if os.access(source, os.X_OK) and os.stat(source).st_mode & 0o100 else 0o644)
    return target


def _open(folder: Path) -> None:
    for path, _, _ in os.walk(folder):
        os.chmod(path, 0o755)
