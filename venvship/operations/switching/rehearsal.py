"""The rehearsal of a sealed release before the switch: candidate checks, then the prepare hook.

`current` is never touched.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NoReturn

from venvship.errors import OneWayNeededError, RejectedError
from venvship.health.checks import CheckResult, failed_required, run_checks
from venvship.health.context import Context
from venvship.health.hooks import find_programs, find_programs_of_the_host, run_hook
from venvship.model.event import EventName
from venvship.model.release import State
from venvship.model.settings import Settings
from venvship.operations.switching.prepared import NO_WAY_BACK
from venvship.operations.switching.trial import (
    log_of,
    made_from,
    output_facts,
    tell_check,
    warn_of_failed,
    with_log,
)
from venvship.printable import lines
from venvship.workspace.certificates import require_certificates
from venvship.workspace.workspace import Workspace

ONE_WAY: Final = "if it is to be made all the same, with no way back: venvship release --one-way -m REASON"
"""The hint after a prepare hook that asked for `--one-way`."""

BY_NEED: Final = "--one-way"
"""Refuses in place of a check: the prepare hook, which asks for `--one-way`. No check has such a name."""


def rehearse(
    workspace: Workspace,
    release_id: str,
    settings: Settings,
    *,
    event: str,
    message: str = "",
    one_way: bool = False,
) -> tuple[CheckResult, ...]:
    """Check a release that is not live yet, and let the prepare hook do its work.

    One that was rejected before and passes now is journalled as accepted: it is sealed again.

    Args:
        workspace: The root.
        release_id: A sealed release.
        settings: Whose checks and hooks count.
        event: `"release"`, `"reactivate"` or `"promote"`, for `VENVSHIP_EVENT`.
        message: The operator's reason, for the journal.
        one_way: Whether the operator has said that there is no way back, for `VENVSHIP_ONE_WAY`.

    Returns:
        The results of the candidate checks.

    Raises:
        SettingsError: The file of variables, or one of authorities, cannot be read.
        UntrustedError: Others can write such a file.
        ProgramNotFoundError: A check or hook, live ones included, names a program that is not there.
        RejectedError: A required check or the hook failed; journalled.
        OneWayNeededError: The hook asks for `one_way`, and has changed nothing; journalled.
        InterruptedByError: A signal came.
    """
    context = require_programs(workspace, release_id, settings, event=event)
    chosen = [check for check in settings.checks if check.when == "candidate"]
    results = run_checks(chosen, context, watch=tell_check(workspace))
    failed = failed_required(results)
    if failed is not None:
        cause = f"check {failed.name!r} failed: {failed.output}"
        check = "" if failed.inconclusive else failed.name
        reject(workspace, release_id, cause, log=failed.name, said=failed.said, by=check)
    warn_of_failed(workspace, release_id, results)
    if settings.hooks.prepare is not None:
        with workspace.step("prepare"):
            seconds = settings.hooks.seconds("prepare")
            told = replace(context, one_way=one_way)
            hook = run_hook("prepare", settings.hooks.prepare, told, timeout=seconds)
        workspace.tell("prepare", hook.output, ok=hook.ok, seconds=hook.seconds)
        if hook.code == NO_WAY_BACK and not one_way:
            cause = (
                f"the prepare hook found that there is no way back from this release ({hook.output}), and it "
            )
            cause += "has changed nothing yet"
            reject(workspace, release_id, cause, log="prepare", said=hook.said, by=BY_NEED)
        if not hook.ok:
            cause = f"the prepare hook refused: {hook.output}"
            reject(workspace, release_id, cause, log="prepare", said=hook.said)
    if workspace.history().state(release_id) is State.REJECTED:
        workspace.record_if_possible(EventName.ACCEPTED, release=release_id, reason=message)
    return results


def require_programs(workspace: Workspace, release_id: str, settings: Settings, *, event: str) -> Context:
    """Refuse to try a release whose checks or hooks name a program that is not there.

    Args:
        workspace: The root.
        release_id: A sealed release.
        settings: Whose checks and hooks count.
        event: As for `rehearse`.

    Returns:
        The release and the occasion, for its checks and hooks.

    Raises:
        ProgramNotFoundError: Programs are missing.
        SettingsError: Another file that the settings name cannot be used.
    """
    variables = workspace.variables(settings)
    context = workspace.context(release_id, variables, previous=workspace.layout.current(), event=event)
    hooks = settings.hooks._replace(generate=None)
    find_programs(hooks, settings.checks, context, settings.service)
    require_certificates(workspace.layout, settings.checks)
    return context


def require_host_programs(workspace: Workspace, settings: Settings) -> None:
    """Refuse to build where what is outside of the release is missing: before minutes of building.

    That is a program of the host, a file of variables, or an authority's certificate.

    Raises:
        ProgramNotFoundError: Programs are missing.
        SettingsError: Another file that the settings name cannot be used.
    """
    workspace.variables(settings)
    require_certificates(workspace.layout, settings.checks)
    find_programs_of_the_host(settings, workspace.runtime.environ, root=str(workspace.layout.path))


def reject(
    workspace: Workspace, release_id: str, cause: str, *, log: str, said: str, by: str = ""
) -> NoReturn:
    """Refuse a release before the switch, and journal that.

    Args:
        workspace: The root.
        release_id: The release.
        cause: Why, without the words of a program.
        log: The name of the log that tells more; `""` for none.
        said: The last words of the program.
        by: The name of the check that failed; `BY_NEED` where the prepare hook asks for `--one-way`; `""` for
            another hook, or where nothing was judged.

    Raises:
        RejectedError: Always.
    """
    needed = by is BY_NEED
    check = {"check": by} if by and not needed else {}
    facts = {"unattended": workspace.runtime.unattended, **check}
    reason = with_log(cause, log_of(release_id, log, said))
    workspace.record_if_possible(EventName.REJECTED, release=release_id, reason=reason, facts=facts)
    kind = OneWayNeededError if needed else RejectedError
    source = made_from(workspace, release_id)
    again = f"fix the {source}, the check or the host, and release again: nothing is built twice"
    raise kind(
        lines(cause, f"{release_id} was refused before the switch; it is built, and was never live"),
        hint=ONE_WAY if needed else again,
        release=release_id,
        **check,
        **output_facts(workspace, release_id, log, said),
    )
