"""Roots whose releases have nothing but start-up files, for each Python of this machine."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from venvship.building.tree.startup import startup_files

MINORS = ("3.11", "3.12", "3.13", "3.14")


@functools.cache
def interpreters() -> dict[str, str]:
    """The Pythons of this machine that a release could be built with: real path by what we call it."""
    ask = "import sys; assert sys.version_info >= (3, 11); print(sys._base_executable)"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    wanted = {"own": [sys.executable], "system": ["/usr/bin/python3"]}
    for minor in MINORS:
        known = sorted(map(str, pyenv.glob(f"versions/{minor}.*/bin/python3")))
        wanted[minor] = [shutil.which(f"python{minor}") or "", *known]
    found: dict[str, str] = {}
    for name, programs in wanted.items():
        for program in filter(os.path.exists, programs):
            answer = subprocess.run([program, "-I", "-c", ask], capture_output=True, text=True, check=False)
            path = os.path.realpath(answer.stdout.strip())
            if answer.returncode == 0 and path not in found.values():
                found.setdefault(name, path)
    return found


@functools.cache
def version_of(python: str) -> str:
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.check_output([python, "-I", "-c", ask], text=True).strip()


@functools.cache
def virtualenv_of(python: str) -> tuple[Path, tempfile.TemporaryDirectory[str]]:
    """An empty virtualenv, made once to be copied: its path is only in scripts that no test runs."""
    kept = tempfile.TemporaryDirectory()
    subprocess.run([python, "-I", "-m", "venv", "--without-pip", f"{kept.name}/venv"], check=True)
    return Path(kept.name, "venv"), kept


class Root:
    """Releases A and B with different code under the same names, and `current` on A."""

    def __init__(self, path: Path, python: str, *, startup: bool = True, app: bool = False) -> None:
        self.path = path
        self.current = path / "current"
        self.site_packages = f"lib/python{version_of(python)}/site-packages"
        (path / "state" / "leases").mkdir(parents=True)
        for name in ("A", "B"):
            release = self.release(name)
            shutil.copytree(virtualenv_of(python)[0], release, symlinks=True)
            self.lease(name).touch()
            if startup:
                self.write(
                    name,
                    startup_files(
                        str(release),
                        lease_path=str(self.lease(name)),
                        site_packages=self.site_packages,
                        app=app,
                    ),
                )
            self.write(
                name,
                {
                    "late.py": f"WHO = {name!r}\n",
                    "pkg/__init__.py": "__path__ = [*__path__]\n",  # as pkgutil.extend_path leaves it
                    "pkg/late.py": f"WHO = {name!r}\n",
                    "pkg/who.txt": name,
                    "thing-1.0.dist-info/METADATA": f"Name: thing\nVersion: 1.0+{name.lower()}\n",
                },
            )
        self.current.symlink_to("releases/A")

    def release(self, name: str) -> Path:
        return self.path / "releases" / name

    def lease(self, name: str) -> Path:
        return self.path / "state" / "leases" / name

    def write(self, name: str, files: dict[str, str] | dict[str, bytes]) -> None:
        for file, content in files.items():
            path = self.release(name) / self.site_packages / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def switch(self, name: str = "B") -> str:
        """Python statements, on one line, that switch `current`. As bytes, they work in every locale."""
        new, link = os.fsencode(self.path / ".new"), os.fsencode(self.current)
        return f"import os; os.symlink(b'releases/{name}', {new!r}); os.replace({new!r}, {link!r})"

    def switch_once(self) -> str:
        """A line of a `.pth` file that switches to B unless that is done (`site` may run it twice)."""
        new, link = os.fsencode(self.path / ".new"), os.fsencode(self.current)
        return (
            f"import os; os.readlink({link!r}) == b'releases/A' and "
            f"(os.symlink(b'releases/B', {new!r}), os.replace({new!r}, {link!r}))\n"
        )

    def run(
        self,
        *arguments: str | Path,
        program: str | Path | None = None,
        env: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> str:
        """Run a program to its good end; `current/bin/python` unless told otherwise."""
        result = subprocess.run(
            [program or self.current / "bin" / "python", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=cwd,
            env={"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1", **(env or {})},
        )
        assert result.returncode == 0, result.stderr
        assert result.stderr == ""
        return result.stdout

    def ask(self, code: str, *options: str, **how: Any) -> Any:
        """Run code that leaves something in `answer`."""
        return json.loads(self.run(*options, "-c", f"{code}\nimport json; print(json.dumps(answer))", **how))
