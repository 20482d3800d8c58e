"""Names that are no regular files, for inputs that must be refused at once."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _directory(path: Path) -> None:
    path.mkdir()


def _socket(path: Path) -> None:
    # The name of a socket may have 108 bytes, and a temporary folder more.
    here = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f"/proc/self/fd/{here}/{path.name}")
    finally:
        os.close(here)


def _link_to(target: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.symlink_to(target)

    return make


def _fifo_through_a_link(path: Path) -> None:
    _fifo(path.with_name(f"{path.name}.fifo"))
    path.symlink_to(f"{path.name}.fifo")


def _endless(path: Path) -> None:
    """A sparse file of 8 TiB, which takes no room."""
    path.touch()
    os.truncate(path, 8 << 40)


IRREGULAR: dict[str, Callable[[Path], None]] = {
    "FIFO": _fifo,
    "link to a FIFO": _fifo_through_a_link,
    "socket": _socket,
    "directory": _directory,
    "endless device": _link_to("/dev/zero"),
    "empty device": _link_to("/dev/null"),
    "terminal": _link_to("/dev/tty"),
    "file of /proc": _link_to("/proc/self/status"),
    "file of /proc that blocks": _link_to("/proc/kmsg"),
    "file of 8 TiB": _endless,
}
"""By its kind, what makes such a name."""


def replace_by(make: Callable[[Path], None], path: Path) -> None:
    """Put something else in the place of a file; the folder's mode may forbid it."""
    mode = stat.S_IMODE(path.parent.stat().st_mode)
    path.parent.chmod(mode | 0o700)
    path.unlink(missing_ok=True)
    make(path)
    path.parent.chmod(mode)
