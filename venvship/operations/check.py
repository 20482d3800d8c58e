"""`check`: run the health checks now.

It switches nothing, and records one thing: that the live release passes after a rollback to it had failed.
"""

from __future__ import annotations

from dataclasses import dataclass

from venvship.errors import CheckFailedError, NotOwnerError, OperationWarning
from venvship.health.checks import CheckResult, failed_required, run_checks
from venvship.health.hooks import find_programs
from venvship.model.event import Event, EventName
from venvship.model.settings import HookSettings
from venvship.operations.service.asking import WITH_SERVICE, service_check
from venvship.workspace.certificates import require_certificates
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.releases import resolve_release
from venvship.workspace.slots import Slots
from venvship.workspace.usable import require_usable
from venvship.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True)
class ChecksResult:
    """The result of `Root.check`.

    Attributes:
        release: The id of the release that was checked.
        checks: The result of each check, in the order in which they ran.
        warnings: The warnings of the operation.
    """

    release: str
    checks: tuple[CheckResult, ...]
    warnings: tuple[OperationWarning, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The `data` of `check --json`."""
        return {"release": self.release, "checks": [check.to_json() for check in self.checks]}


def check(workspace: ReadingWorkspace, name: str = "current") -> ChecksResult:
    """Run the health checks of a release.

    Of the current release all checks run, of another one only the candidate checks: the live ones would ask
    the service, which runs the current release.

    Crash: see `_record_passed`.

    Arguments and errors: `Root.check`.
    """
    workspace.layout.refuse_foreign_root()
    history = workspace.known_history().history
    release_id = resolve_release(workspace.layout, name, history)
    require_usable(workspace, release_id)
    live = release_id == workspace.layout.current()
    settings = workspace.settings()
    chosen = [c for c in settings.checks if live or c.when == "candidate"]
    chosen.sort(key=lambda c: c.when != "candidate")  # as in a release: candidate checks first
    variables = workspace.variables(settings)
    context = workspace.context(release_id, variables, previous=workspace.layout.previous(), event="check")
    workspace.trusted.require_folders(way=False)  # the checks leave their output in log/
    find_programs(HookSettings(), chosen, context)
    require_certificates(workspace.layout, chosen)
    if live and settings.service.is_on:
        asked = service_check(Slots.of(workspace.layout, settings.service).live_link, settings.service)
        first = sum(check.when == "candidate" for check in chosen)
        chosen.insert(first, asked)
    report = ChecksResult(release_id, run_checks(chosen, context, kinds=WITH_SERVICE))
    failed = failed_required(report.checks)
    if failed is not None:
        raise CheckFailedError(
            f"check {failed.name!r} failed: {failed.output}",
            release=release_id,
            log=str(workspace.layout.log(release_id) / f"{failed.name}.txt"),
            **({"output": failed.said} if failed.said else {}),  # as `trial.said_fact`
        ).carrying(report, shown=True)
    if live and history.needs_person is not None:
        _record_passed(workspace, report, history.needs_person)
    return report


def _record_passed(workspace: ReadingWorkspace, report: ChecksResult, failed: Event) -> None:
    """Record that the live release passes, best effort: `status` needs nobody any more.

    Crash: the line is in the journal, or `status` still says that a person is needed.

    Args:
        workspace: The root.
        report: The checks that passed.
        failed: The end of the rollback that needed a person before they began. Another one since then stays.
    """
    writing = Workspace(workspace.layout, workspace.runtime, workspace.warnings)
    try:
        writing.layout.require_writable()
    except NotOwnerError:
        return
    now = writing.known_history(warn_of_torn=False).history.needs_person
    if now is None or now.seq != failed.seq:
        return
    proved = any(c.required and c.when == "live" and c.outcome == "passed" for c in report.checks)
    reason = "the checks pass" if proved else "no required live check is set"
    writing.record_if_possible(
        EventName.CHECKED, release=report.release, reason=reason, facts={"proved": proved}
    )
