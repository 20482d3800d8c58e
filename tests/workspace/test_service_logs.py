"""The log that a service keeps as its output, after the restart hook that has started it."""

from __future__ import annotations

import os
from pathlib import Path

from venvship.root import RootLayout
from venvship.system.output import MEBIBYTE
from venvship.workspace.service_logs import cut_service_logs


def test_the_log_of_a_running_service_is_cut_and_goes_on_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log" / "a" / "restart.txt"
    path.parent.mkdir(parents=True)
    service = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(service, b"begin\n" + b"x" * (3 * MEBIBYTE) + b"\nlast words\n")
        cut_service_logs(RootLayout(tmp_path))
        cut = path.read_bytes()
        os.write(service, b"more\n")
        cut_service_logs(RootLayout(tmp_path))
    finally:
        os.close(service)
    assert len(cut) < MEBIBYTE
    assert cut.startswith(b"begin\n")
    assert cut.endswith(b"\nlast words\n")
    assert path.read_bytes() == cut + b"more\n"


def test_only_logs_of_restart_hooks_that_are_too_large_are_touched(tmp_path: Path) -> None:
    cut_service_logs(RootLayout(tmp_path))
    folder = tmp_path / "log" / "a"
    folder.mkdir(parents=True)
    (folder / "restart.txt").write_bytes(b"x" * MEBIBYTE)
    (folder / "answers.txt").write_bytes(b"x" * (MEBIBYTE + 1))
    (tmp_path / "log" / "b").mkdir()
    (tmp_path / "log" / "file").write_text("")
    (tmp_path / "log" / "b" / "restart.txt").symlink_to(folder / "answers.txt")
    before = {path: path.lstat() for path in tmp_path.rglob("*")}
    cut_service_logs(RootLayout(tmp_path))
    assert {path: path.lstat() for path in tmp_path.rglob("*")} == before
