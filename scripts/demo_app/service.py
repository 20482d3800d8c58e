#!/usr/bin/env python3
"""Start, stop or restart the demo's web server.

    service start|stop|restart

It does what `systemctl restart shop.service` does elsewhere, with a `shop.socket` beside it: the listening
socket belongs to somebody else, here to the demo, who hands it out through `run/listener.sock`. Connections
that come in while no server runs wait in the kernel's queue; none is refused. So this may stop the old server
first.

It is venvship's restart hook: $VENVSHIP_RELEASE_PATH says which release to start. It needs nothing but the
standard library, so the interpreter of any release can run it. Its files lie in `run`, beside it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TextIO

RUN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "run")
PATIENCE = 60.0
"""Seconds that the old server has to answer what it has accepted."""


def main(action: str) -> None:
    """Do as the command line says."""
    os.chdir(RUN)
    with open("server.pid", "a+", encoding="ascii") as pid_file:
        if action in {"stop", "restart"}:
            stop(pid_file)
        if action in {"start", "restart"}:
            start(pid_file, os.environ["VENVSHIP_RELEASE_PATH"])


def stop(pid_file: TextIO) -> None:
    """End the server that runs, if one does, and wait until it is gone.

    The server and its workers hold a lock on the file with its process id. So the id is believed only while
    it is true, and the lock is free once the last of them is gone, whoever their parent was.
    """
    end = time.monotonic() + PATIENCE
    asked = False
    while not try_lock(pid_file):
        pid_file.seek(0)
        text = pid_file.read().strip()
        with contextlib.suppress(
            ProcessLookupError
        ):  # gone since we looked: the lock will be free in a moment
            if text and not asked:
                asked = True
                os.kill(int(text), signal.SIGTERM)
            elif text and time.monotonic() > end:
                os.killpg(int(text), signal.SIGKILL)
        time.sleep(0.02)


def try_lock(file: TextIO) -> bool:
    """Take the lock, unless a server holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def start(pid_file: TextIO, release: str) -> None:
    """Start the server of a release, in a session of its own, on the socket that is there."""
    if not try_lock(pid_file):
        sys.exit("a server is running")
    listener = borrow_listener()
    with open("server.log", "ab") as log:
        server = subprocess.Popen(
            [
                f"{release}/bin/gunicorn",
                "--config=python:shop.serving",
                f"--bind=fd://{listener}",
                "shop:app",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[listener, pid_file.fileno()],
            start_new_session=True,
        )
    server.returncode = 0  # it is to outlive this; without a warning
    pid_file.truncate(0)
    pid_file.write(f"{server.pid}\n")


def borrow_listener() -> int:
    """The descriptor of the listening socket, from the one who keeps it."""
    with socket.socket(socket.AF_UNIX) as keeper:
        keeper.settimeout(5)
        keeper.connect("listener.sock")
        _, descriptors, _, _ = socket.recv_fds(keeper, 1, 1)
    return descriptors[0]


if __name__ == "__main__":
    main(sys.argv[1])
