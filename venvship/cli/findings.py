"""The lines of `status` on anything that is off, and on the last look at the files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from venvship.cli import style
from venvship.cli.audit_text import vulnerabilities_line
from venvship.cli.fitting import Page, counted, when
from venvship.model.spelling import ago, readable

if TYPE_CHECKING:
    from venvship.operations.reporting.report import StatusResult

DRY_RUN = "see `venvship release --dry-run`"


def oddities(result: StatusResult, page: Page) -> list[str]:
    """The lines on anything that is off, one if nothing that `status` looks at is, and one on the files."""
    lines = [*_operation(result, page), *_lockfile(result, page), *_failing(result, page)]
    for release_id, pids in result.old_processes.items():
        # A fork shares the lease of its parent, which is all that `status` looks at.
        run = "runs" if len(pids) == 1 else "run"
        said = f"at least {counted(len(pids), 'process')} still {run} from {release_id}: venvship ps"
        lines += page.labelled("Old", said, paint=style.attention("Old"))
    for release_id in result.unseen_leases:
        said = f"a process that cannot be seen here still holds the lease of {release_id}: venvship ps"
        lines += page.labelled("Old", said, paint=style.attention("Old"))
    if not lines and result.current is not None and result.held is None and not result.warnings:
        lines += page.labelled("Problems", "none known")
    return [*lines, *_files(result, page), *vulnerabilities_line(result.audited, page)]


def trial(result: StatusResult, page: Page) -> list[str]:
    """The line on the trial of the live release."""
    if not result.on_trial:
        return []
    back = f"{result.previous.id} is restored" if result.previous else "nothing is live"
    if result.current is not None and result.barrier == result.current.id:
        back = "it stays: it is released one-way"
    said = f"the restart hook and the live checks have no verdict yet; if one fails, {back}"
    return page.labelled("On trial", said, paint=style.attention("On trial"))


def insisting(result: StatusResult, page: Page) -> list[str]:
    """The line on a rollback that would go back past a one-way release."""
    if result.barrier is None:
        return []
    said = f"needs `--force`: {result.barrier} was released one-way, and its prepare hook is not undone"
    return page.labelled("", said, paint=style.attention(""))


def found_in_target(result: StatusResult, page: Page) -> list[str]:
    """The line on damage that `verify` found in a rollback's target, and that keeps nobody from going there.

    Its own files were put back since, as far as they were looked at again, or others were added.
    """
    look = result.previous_verified
    if result.previous is None or look is None or not look.damaged:
        return []
    if look.examples:
        said = f"{counted(look.damaged, 'path')} DAMAGED, of which those looked at again are not any more"
    else:
        said = f"intact, and {counted(look.damaged, 'path')} that somebody added"
    again = f"`venvship verify {result.previous.id}` looks again"
    return page.labelled("", f"verified {when(look.at)} ({ago(look.at, page.now)}): {said}; {again}")


def _operation(result: StatusResult, page: Page) -> list[str]:
    operation = result.operation
    if operation is None:
        return []
    label, state = ("Now", " is under way") if operation.running else ("Interrupted", "")
    said = f"{operation.operation}{state}, since {readable(operation.since)}"
    said += f" by {operation.actor}, process {operation.pid}"
    if not operation.running and not result.interrupted:  # otherwise a warning says so
        said += "; `venvship recover` removes what it has left"
    return page.labelled(label, said, paint=style.attention(label))


def _lockfile(result: StatusResult, page: Page) -> list[str]:
    lockfile = result.lockfile
    if lockfile.problem is not None:
        return page.labelled("Lockfile", f"cannot be compared: {lockfile.problem}")
    lines: list[str] = []
    if lockfile.python is not None:
        said = (
            f"CPython {lockfile.python.after} is set, the live release was built for {lockfile.python.before}"
        )
        lines += page.labelled("Python", f"{said}; {DRY_RUN}")
    if lockfile.changed and (lockfile.python is None or lockfile.bytes_changed):
        lines += page.labelled("Lockfile", f"differs from the live release; {DRY_RUN}")
    return lines


def _failing(result: StatusResult, page: Page) -> list[str]:
    failing = result.failing
    if failing is None:
        return []
    said = (
        f"{counted(failing.count, 'attempt')} failed, the last one at {when(failing.last)}: {failing.reason}"
    )
    if failing.is_paused(page.now):
        said += f"; not tried again before {when(failing.until)}"
    return page.labelled("Updates", said, paint=style.attention("Updates"))


def _files(result: StatusResult, page: Page) -> list[str]:
    """The line on the files of the live release, which `status` does not look at."""
    if result.current is None:
        return []
    look = result.verified
    if look is None:
        return page.labelled("Files", "never verified; `venvship verify` compares them with the manifest")
    said = f"verified {when(look.at)} ({ago(look.at, page.now)}): "
    if look.damaged:
        label = style.bad("Files")
        return page.labelled("Files", f"{said}{counted(look.damaged, 'path')} DAMAGED", paint=label)
    said += f"intact, {counted(look.files, 'file')}"
    if look.stray:
        said += f", and {counted(look.stray, 'path')} of bytecode that is not part of it"
    if look.linked:
        said += f", and {counted(look.linked, 'file')} with a hard link elsewhere"
    if look.problem is not None:
        said += f"; NOT USABLE then: {look.problem}"
    fine = not look.stray and not look.linked and look.problem is None
    label = "Files" if fine else style.attention("Files")
    return page.labelled("Files", said, paint=label)
