"""The process's own world: clock, environment, user, and the command that runs venvship."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from venvship.model.progress import Progress, unwatched
from venvship.printable import printable
from venvship.system.accounts import user_name
from venvship.system.signals import Signals
from venvship.system.syslog import SOCKET
from venvship.workspace.runtime import Runtime


def default_runtime(  # noqa: PLR0913 - keyword-only, and each replaces one part of the world
    *,
    environ: Mapping[str, str] | None = None,
    actor: str | None = None,
    unattended: bool = False,
    wait: float = 0.0,
    signals: Signals | None = None,
    progress: Progress | None = None,
    clock: Callable[[], datetime] | None = None,
    syslog: str | None = None,
    person: bool | None = None,
    executable: str | None = None,
) -> Runtime:
    """Make the runtime for `Root.open` from the process's own, with the given parts replaced.

    Args:
        environ: The environment of checks, hooks and pip. By default this process's.
        actor: The name for the journal. By default the user, and who became it with sudo.
        unattended: Whether no operator is present. Then `release` respects a hold of the root, as `update`
            always does.
        wait: Seconds to wait for another command to finish.
        signals: The signals that may interrupt an operation. By default none, other than the exceptions that
            Python raises.
        progress: A function that receives every step of a long operation. It must not raise.
        clock: A function that returns the time; aware. By default the system's clock.
        syslog: The socket of the system's log; empty for no log. By default the one that the variable
            `VENVSHIP_SYSLOG` names, else `/dev/log`.
        person: Whether a person asks, who may end another person's switch hold. By default whether standard
            input is a terminal.
        executable: The interpreter that runs venvship. uv is looked for beside it. By default this process's.
    """
    environment = dict(os.environ if environ is None else environ)
    return Runtime(
        clock=clock or (lambda: datetime.now(UTC)),
        token=lambda: os.urandom(4).hex()[:7],
        environ=environment,
        signals=signals or Signals(),
        actor=actor or _actor(environment),
        executable=executable or sys.executable,
        unattended=unattended,
        wait=wait,
        progress=progress or unwatched,
        syslog=environment.get("VENVSHIP_SYSLOG", SOCKET) if syslog is None else syslog,
        person=os.isatty(0) if person is None else person,
    )


def _actor(environ: Mapping[str, str]) -> str:
    name = user_name(os.geteuid())
    before = printable(environ.get("SUDO_USER", ""))
    return f"{name} (sudo by {before})" if before and before != name else name


def code_stamp() -> tuple[int, ...] | None:
    """Return what changes when venvship is upgraded or removed; `None` if it is not there."""
    try:
        found = os.stat(__file__)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns


def own_command() -> tuple[str, ...]:
    """Return the command line that runs this venvship from anywhere.

    Returns:
        The program beside this interpreter, else the interpreter and `-P -m venvship`: without `-P`, a module
        of the working directory would come before those of the standard library.
    """
    beside = os.path.join(os.path.dirname(sys.executable), "venvship")
    return (beside,) if os.access(beside, os.X_OK) else (sys.executable, "-P", "-m", "venvship")
