"""Programs to run, whether processes run, and waiting for what they do."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def script_at(path: Path, text: str) -> Path:
    """Write a script that can be run; returns its path."""
    path.write_text(text)
    path.chmod(0o755)
    return path


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def eventually(condition: Callable[[], bool], *, seconds: float = 50.0) -> bool:
    """Wait until something is so; false if it is not in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


@contextlib.contextmanager
def waiting(*argv: str | os.PathLike[str], told: str = "", **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a program that says "ready", then waits for the end of its input; afterwards it is gone.

    Args:
        argv: The program and its arguments.
        told: What it reads before it is ready.
        options: For `subprocess.Popen`.
    """
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True, **options) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(told)
            process.stdin.flush()
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


class ProcessList(threading.Thread):
    """Reads every command line there is, again and again, until it is stopped.

    Args:
        secret: What no command line may have.
    """

    def __init__(self, secret: str) -> None:
        super().__init__(daemon=True)
        self.found: list[str] = []
        self.looks = 0
        self._secret = secret.encode()
        self._ended = threading.Event()

    def run(self) -> None:
        """Read, until `stop`."""
        while not self._ended.is_set():
            self.looks += 1
            for pid in filter(str.isdecimal, os.listdir("/proc")):
                try:
                    line = Path(f"/proc/{pid}/cmdline").read_bytes()
                except OSError:
                    continue
                if self._secret in line:
                    self.found.append(line.decode(errors="replace"))

    def stop(self) -> None:
        """Wait for the last look."""
        self._ended.set()
        self.join()
