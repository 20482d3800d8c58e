"""Ask the server in a slot whether it answers for a release."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from venvship.health.attempt import TurnBack
from venvship.health.checks import CheckResult, run_checks
from venvship.health.context import Context
from venvship.health.kinds import KINDS, Ask
from venvship.health.network import ask_slot
from venvship.model.settings_check import Check
from venvship.model.settings_service import ServiceSettings
from venvship.workspace.slots import Slots

NAME: Final = "service"
"""The name of the result among those of the checks, of its log, and of its kind."""

WITH_SERVICE: Final[Mapping[str, Ask]] = {**KINDS, NAME: ask_slot}
"""The kinds of check, with that of `service_check`, which no settings have."""

_INTERVAL: Final = 0.2
_LONGEST: Final = 5.0
"""Seconds for one answer, where `timeout` is longer."""

Stop = Callable[[], bool]


def never() -> bool:
    """Do not give up."""
    return False


def ask(  # noqa: PLR0913 - how often to ask, beside whom
    slots: Slots,
    service: ServiceSettings,
    slot: str,
    context: Context,
    *,
    deadline: float = 0.0,
    in_a_row: int = 1,
    stop: Stop = never,
) -> CheckResult:
    """Ask the server in a slot for `health`, until it has answered for the release so many times in a row.

    Args:
        slots: The slots.
        service: With `health`. Without, it is enough that the server accepts connections.
        slot: The slot.
        context: The release that it has to answer for.
        deadline: Seconds in which it is asked again; 0 is once.
        in_a_row: How many answers.
        stop: Called ten times a second; true gives up.

    Returns:
        The outcome, as that of a required live check.

    Raises:
        InterruptedByError: A signal came.
        TurnBack: `stop` returned true.
    """
    if service.health is None:
        return _wait_until_it_accepts(slots, slot, context, deadline=deadline, stop=stop)
    check = service_check(slots.socket(slot), service)
    check = check._replace(deadline=deadline, successes=in_a_row)
    (result,) = run_checks((check,), context, stop=stop, kinds=WITH_SERVICE)
    return result


def service_check(socket: str, service: ServiceSettings) -> Check:
    """The check of a server behind a socket: one answer to `health`, from the release that it is run for."""
    return Check(
        name=NAME,
        when="live",
        kind=NAME,
        target=(f"unix:{socket}:{service.health}",),
        body="{release}",
        timeout=min(service.timeout, _LONGEST),
        interval=_INTERVAL,
        deadline=0.0,
    )


def _wait_until_it_accepts(
    slots: Slots, slot: str, context: Context, *, deadline: float, stop: Stop
) -> CheckResult:
    def poll() -> None:
        if stop():
            raise TurnBack

    began = time.monotonic()
    attempts = 1
    while not (accepted := slots.accepts(slot)) and time.monotonic() - began < deadline:
        context.signals.sleep(_INTERVAL, poll=poll)
        attempts += 1
    return CheckResult(
        name=NAME,
        when="live",
        required=True,
        outcome="passed" if accepted else "failed",
        attempts=attempts,
        seconds=time.monotonic() - began,
        output=f"slot {slot} accepts {'connections' if accepted else 'no connection'}",
    )
