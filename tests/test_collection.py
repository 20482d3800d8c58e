"""Every test file that git tracks is collected: pytest skips folders with certain names without a word."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


def tracked() -> set[str]:
    """The test files that git tracks, relative to the repository."""
    if shutil.which("git") is None or not (REPOSITORY / ".git").exists():
        pytest.skip("this is no git checkout")
    command = ["git", "ls-files", "-z", "--", "tests/test_*.py", "tests/**/test_*.py"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    return {path for path in listed.split("\0") if path and (REPOSITORY / path).exists()}


def collected(*arguments: str, cwd: Path = REPOSITORY) -> set[str]:
    """The files of the tests that pytest collects, relative to where it runs."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {line.partition("::")[0] for line in done.stdout.splitlines() if "::" in line}


def test_every_tracked_test_file_is_collected() -> None:
    assert collected("-o", "addopts=--import-mode=importlib") == tracked()


def test_a_folder_that_pytest_passes_over_is_noticed(tmp_path: Path) -> None:
    for folder in ("build", "building"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "test_it.py").write_text("def test_it() -> None: ...\n", encoding="utf-8")

    assert collected(cwd=tmp_path) == {"building/test_it.py"}
