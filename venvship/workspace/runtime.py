"""The world that an operation runs in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from venvship.model.progress import Progress, unwatched
from venvship.system.signals import Signals


class Runtime(NamedTuple):
    """The clock, the environment and the user of an operation, passed in so that nothing below asks.

    Attributes:
        clock: The time; aware.
        token: Seven random hexadecimal digits at each call.
        environ: The environment that children start from.
        signals: Which signals have come.
        actor: The user, for the journal.
        executable: The interpreter that runs venvship. Programs of venvship's own, such as uv, are beside it.
        unattended: Whether no operator is there: `update`.
        person: Whether a person is present. A command that is neither unattended nor a person's is a
            script's.
        wait: Seconds to wait for a mutex.
        progress: Receives every step.
        syslog: The socket of the system's log; empty: nothing is logged there.
    """

    clock: Callable[[], datetime]
    token: Callable[[], str]
    environ: Mapping[str, str]
    signals: Signals
    actor: str
    executable: str
    unattended: bool = False
    wait: float = 0.0
    progress: Progress = unwatched
    syslog: str = ""
    person: bool = False
