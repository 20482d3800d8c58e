"""What is built for others to install: the wheel and the source distribution."""

from __future__ import annotations

import email
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
NOT_OURS = shutil.ignore_patterns(".?*", "__pycache__", "*.egg-info", "build-out", "dist")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with both, built from a copy: setuptools writes into the tree that it builds from."""
    work = tmp_path_factory.mktemp("distribution")
    shutil.copytree(REPOSITORY, work / "source", ignore=NOT_OURS)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "build",
            "--no-isolation",
            "--outdir",
            str(work / "out"),
            str(work / "source"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return work / "out"


def test_the_wheel_holds_every_file_of_the_package_but_the_failpoints_and_nothing_else(built: Path) -> None:
    package = REPOSITORY / "venvship"
    wanted = {
        p.relative_to(REPOSITORY).as_posix()
        for p in package.rglob("*")
        if p.is_file() and not {"__pycache__", "failpoints"} & set(p.parts)
    }

    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = {n for n in wheel.namelist() if ".dist-info/" not in n}

    assert names == wanted


@pytest.mark.parametrize(("installed", "code"), [(True, 0), (False, -9)])
def test_no_variable_kills_a_command_of_the_wheel(
    built: Path, tmp_path: Path, installed: bool, code: int
) -> None:
    package = REPOSITORY
    if installed:
        package = tmp_path / "installed"
        with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
            assert not [name for name in wheel.namelist() if b"FAILPOINTS" in wheel.read(name)]
            wheel.extractall(package)
    environ = {"PYTHONPATH": str(package), "VENVSHIP_FAILPOINTS": "kill@1+", "HOME": str(tmp_path)}

    done = subprocess.run(
        [sys.executable, "-P", "-m", "venvship", "-C", str(tmp_path / "root"), "init"],
        env=environ,
        capture_output=True,
        check=False,
    )

    assert done.returncode == code, done.stderr


def test_the_wheel_says_what_it_is(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        (info,) = {n.split("/")[0] for n in wheel.namelist() if ".dist-info/" in n}
        metadata = email.message_from_bytes(wheel.read(f"{info}/METADATA"))
        scripts = wheel.read(f"{info}/entry_points.txt").decode()
        licences = [n for n in wheel.namelist() if n.endswith("/LICENSE")]

    assert metadata["Name"] == "venvship"
    assert metadata["Requires-Python"] == ">=3.11"
    assert "venvship = venvship.__main__:main" in scripts
    assert licences, "the licence's text goes with every copy"


def test_the_source_distribution_can_be_tested_by_others(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    assert {
        "LICENSE",
        "setup.cfg",
        "tests/test_layers.py",
        "venvship/system/failpoints/__init__.py",
        "scripts/test",
        "scripts/requirements-dev.txt",
    } <= names
    assert not [name for name in names if name.endswith(".pyc")]
