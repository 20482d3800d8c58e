"""Real git repositories with projects in them, whose build backend lies in the tree: they build offline."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

BACKEND = '''\
"""A build backend in the tree: it packs the modules beside it, and needs nothing."""
import base64, hashlib, os, pathlib, sys, time, tomllib, zipfile


def hashed(text):
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
    return "sha256=" + digest.decode().rstrip("=")


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    project = tomllib.loads(pathlib.Path("pyproject.toml").read_text())
    options = project.get("tool", {}).get("backend", {})
    exec(options.get("run", ""))
    name, version = project["project"]["name"], project["project"].get("version", "0")
    if "version-from" in options:
        version = pathlib.Path(options["version-from"]).read_text().strip()
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {line}" for line in project["project"].get("dependencies", ())]
    if "requires-python" in project["project"]:
        lines.append(f"Requires-Python: {project['project']['requires-python']}")
    members = {f"{info}/METADATA": "\\n".join([*lines, "", ""])}
    members[f"{info}/WHEEL"] = (
        "Wheel-Version: 1.0\\nGenerator: tests\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    )
    for path in sorted(pathlib.Path(".").rglob("*.py")) + sorted(pathlib.Path(".").rglob("*.txt")):
        if path.parts[0] not in {"backend.py", "packages", ".git"}:
            members[str(path)] = path.read_text()
    scripts = project["project"].get("scripts", {})
    if scripts:
        lines = [f"{key} = {value}" for key, value in scripts.items()]
        members[f"{info}/entry_points.txt"] = "\\n".join(["[console_scripts]", *lines, ""])
    filename = f"{module}-{version}-py3-none-any.whl"
    stamp = time.gmtime(int(os.environ["SOURCE_DATE_EPOCH"]))[:6]
    with zipfile.ZipFile(os.path.join(wheel_directory, filename), "w") as archive:
        for path, text in members.items():
            archive.writestr(zipfile.ZipInfo(path, stamp), text)
        rows = "".join(f"{path},{hashed(text)},{len(text.encode())}\\n" for path, text in members.items())
        archive.writestr(zipfile.ZipInfo(f"{info}/RECORD", stamp), f"{rows}{info}/RECORD,,\\n")
    return filename
'''

GIT_ENVIRONMENT = {
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "C",
    "GIT_COMMITTER_EMAIL": "c@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}
"""Nothing of this machine's configuration of git."""


def git(path: Path, *arguments: str, **variables: str) -> str:
    """Run git in a directory, and return its output."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **GIT_ENVIRONMENT, **variables}
    done = subprocess.run(
        ["git", *arguments], cwd=path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def pyproject(
    name: str = "shop",
    version: str | None = "1.0",
    *,
    backend: str = "backend",
    more: str = "",
    table: str = "",
) -> str:
    """The text of a pyproject.toml. `more` goes into `[project]`, `table` behind it."""
    given = f'version = "{version}"' if version is not None else 'dynamic = ["version"]'
    return (
        f'[build-system]\nrequires = []\nbuild-backend = "{backend}"\nbackend-path = ["."]\n'
        f'[project]\nname = "{name}"\n{given}\n{more}\n{table}\n'
    )


def project_files(name: str = "shop", version: str | None = "1.0", **options: str) -> dict[str, str]:
    """The files of a project with one module, which says its version."""
    module = name.replace("-", "_")
    return {
        "pyproject.toml": pyproject(name, version, **options),
        "backend.py": BACKEND,
        f"{module}/__init__.py": f"NAME = {name!r}\n",
    }


def write(path: Path, files: Mapping[str, str]) -> None:
    """Write files below a directory."""
    for name, text in files.items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def repository(path: Path, files: Mapping[str, str], *, subject: str = "Begin") -> Path:
    """Make a git repository with one commit of these files."""
    path.mkdir(parents=True, exist_ok=True)
    git(path, "init", "--quiet", "--initial-branch=main")
    commit(path, files, subject=subject)
    return path


def commit(path: Path, files: Mapping[str, str], *, subject: str = "Change") -> str:
    """Write files and commit everything; returns the commit's id."""
    write(path, files)
    git(path, "add", "--all")
    git(path, "commit", "--quiet", "--allow-empty", "--message", subject)
    return git(path, "rev-parse", "HEAD")
