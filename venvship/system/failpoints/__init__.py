"""Fault injection: die, fail or stop at the N-th effect. For tests: no wheel has this package.

A *plan* says what happens before which effect (`venvship.system.effects`). The command line of a source tree
takes it from `VENVSHIP_FAILPOINTS`; several, with commas:

    kill@17        SIGKILL this process before its 17th effect
    term@17        send it SIGTERM (or int, hup), then go on
    pause@17       stop it there, until somebody sends SIGCONT
    ENOSPC@17      let the 17th effect fail with this error (a name of errno(3))
    ENOSPC@17+     and every later one
    full@17        from the 17th on, let everything that needs room fail with ENOSPC, as on a full disk
    trace:/a/file  append a line to a file for every effect: its number, its name and its path

`scripts/torture` finds out with `trace` how many effects there are, then goes through all of them.

It is a package of one module, because setuptools can leave out packages, but no single modules.
"""

from __future__ import annotations

import errno
import os
import re
import signal
from collections.abc import Mapping
from typing import NamedTuple

from venvship.errors import UsageError
from venvship.system import effects

NEED_ROOM = frozenset({"append", "create", "link", "mkdir", "open", "symlink", "write"})
"""Effects that fail on a full disk. Renaming, removing and syncing do not need room."""

_STEP = re.compile(r"([A-Za-z0-9]+)@([1-9][0-9]*)(\+?)", re.ASCII)
_SIGNALS = {
    "kill": signal.SIGKILL,
    "term": signal.SIGTERM,
    "int": signal.SIGINT,
    "hup": signal.SIGHUP,
    "pause": signal.SIGSTOP,
}


class _Step(NamedTuple):
    what: str
    number: int
    sticky: bool

    def applies(self, number: int) -> bool:
        return number == self.number or (self.sticky and number > self.number)


class Plan:
    """What is to happen at which effect of this process.

    Args:
        text: As above.

    Raises:
        ValueError: It is not of that form.
    """

    def __init__(self, text: str) -> None:
        self._steps: list[_Step] = []
        self._trace = ""
        self._count = 0
        for part in filter(None, text.split(",")):
            if part.startswith("trace:"):
                self._trace = part.removeprefix("trace:")
                continue
            found = _STEP.fullmatch(part)
            if found is None or not (found[1] in {*_SIGNALS, "full"} or hasattr(errno, found[1])):
                raise ValueError(f"not a failpoint: {part!r}")
            self._steps.append(_Step(found[1], int(found[2]), bool(found[3]) or found[1] == "full"))

    def reach(self, name: str, path: str | os.PathLike[str]) -> None:
        """Do what the plan says for this effect.

        Raises:
            OSError: The plan says that it fails.
        """
        self._count += 1
        if self._trace:
            line = f"{self._count} {name} {os.fspath(path)}\n".encode(errors="surrogateescape")
            fd = os.open(self._trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            os.write(fd, line)
            os.close(fd)
        for step in self._steps:
            if not step.applies(self._count) or (step.what == "full" and name not in NEED_ROOM):
                continue
            if step.what in _SIGNALS:
                os.kill(os.getpid(), _SIGNALS[step.what])
            else:
                number = errno.ENOSPC if step.what == "full" else getattr(errno, step.what)
                raise OSError(number, os.strerror(number), os.fspath(path))


def arm(text: str) -> None:
    """Follow a plan from here on; an empty one is none.

    Raises:
        ValueError: It is not of the right form.
    """
    effects.reach = Plan(text).reach if text else effects.nothing


def arm_from(environ: Mapping[str, str]) -> None:
    """Follow the plan that the environment has for this command.

    Raises:
        UsageError: It is not of the right form.
    """
    try:
        arm(environ.get("VENVSHIP_FAILPOINTS", ""))
    except ValueError as error:
        raise UsageError(str(error), hint="unset VENVSHIP_FAILPOINTS") from error
