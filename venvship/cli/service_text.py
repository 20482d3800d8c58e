"""The lines of the commands that are about the service itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from venvship.cli import style
from venvship.cli.fitting import table

if TYPE_CHECKING:
    from venvship.cli.fitting import Page
    from venvship.operations.handover import HandoverResult, SlotView
    from venvship.operations.restart import RestartResult
    from venvship.operations.service.printing import ServiceResult


def restart_lines(result: RestartResult, _page: Page) -> list[str]:
    """The lines of `restart`."""
    where = f", in slot {result.slot}" if result.slot is not None else ""
    return [f"{style.good('Restarted:')} {style.strong(result.release.id)}{where}"]


def handover_lines(result: HandoverResult, page: Page) -> list[str]:
    """The lines of `handover`."""
    rows = [
        (
            f"  {style.strong(slot.name)}",
            style.good("live") if slot.live else "",
            slot.release or "-",
            _state(slot),
        )
        for slot in result.slots
    ]
    said = {
        "looked": "",
        "unchanged": "nothing to do",
        "led": "live.sock was led there",
        "started": "it was started",
    }[result.outcome]
    if result.release is None:
        return ["Nothing is live", *table(rows, page.width)]
    live = result.live
    where = (
        f"slot {live.name}" if live is not None and live.release == result.release else style.bad("no slot")
    )
    silent = live is None or live.answers is False
    answers = f", which {style.bad('does not answer')}" if silent else ""
    head = f"{style.strong(result.release)} is current: {where}{answers}{f'; {said}' if said else ''}"
    return [head, *table(rows, page.width)]


def _state(slot: SlotView) -> str:
    if slot.answers:
        return f"answers, process {slot.pid}" if slot.pid else "answers"
    if slot.answers is None:
        return "unknown: this user cannot connect"
    return "started, does not answer" if slot.started else "stopped"


def service_lines(result: ServiceResult, _page: Page) -> list[str]:
    """The lines of `service`."""
    return "\n".join(file.content for file in result.files).splitlines()
