"""The kinds of health check: one table, and for each kind one function that asks once.

To add a kind:

1. Declare it in `CHECK_KINDS` in `model/settings_check.py`: the reader of its target, its meaning, an
   example. A key that only this kind has is an attribute of `Check`, and is named in the kind's `keys`. The
   errors, the template, the digest of refusals and the reference are generated from these declarations.
2. Write a function with the signature of `Ask`. `programs.py` has those that run a program, `network.py`
   those that ask over a network, `audited.py` the one that looks for known vulnerabilities. It turns every
   failure of the service into an `Attempt`; only a signal and `poll` may raise.
3. Add it to `KINDS` below.

Then test what it asks in `tests/health/test_checks.py`, and the targets that its reader refuses in
`tests/model/test_settings.py`. Tests that go through `CHECK_KINDS` hold the rest.

How often a check is asked, and when its answer counts, is the same for all kinds: `checks.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from venvship.health import audited, network, programs
from venvship.health.attempt import Attempt
from venvship.health.context import Context
from venvship.model.settings_check import Check


class Ask(Protocol):
    """The signature of a function that asks once."""

    def __call__(self, check: Check, context: Context, *, heading: str, poll: Callable[[], None]) -> Attempt:
        """Ask once.

        Args:
            check: The check; its `kind` is the function's own.
            context: The release that it is about.
            heading: Written above the output in the check's log.
            poll: Called ten times a second; what it raises ends the attempt, and leaves nothing running.

        Returns:
            The outcome, after `check.timeout` seconds at the latest; over a network `network.START` seconds
            later, where the host takes so long to start a process.

        Raises:
            InterruptedByError: A signal came.
            TurnBack: As `poll` raised it.
        """


KINDS: Final[Mapping[str, Ask]] = {
    "command": programs.ask_command,
    "import": programs.ask_import,
    "http": network.ask_http,
    "tcp": network.ask_tcp,
    "audit": audited.ask_audit,
}
"""Each kind of check, and the function that asks."""
