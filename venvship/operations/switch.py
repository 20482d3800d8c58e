"""The switch of `current`, forward and back, and the order that makes it safe.

Every function here but `compare_and_promote`, which takes it, is called with switch.mutex held. The protocol,
in which each step is durable before the next begins where that matters:

    links .to.<random> and .back.<random>      the way back exists before it is needed
    journal: promoting, fsync                  armed before the switch
    syncfs                                     the release's contents, the links and the journal are on disk
    rename .to over current, fsync(root)       readers see the old release or the new one
    restart hook, live checks
      pass: journal promoted, rename .back over previous
      fail: journal rolling-back, rename .back over current, fsync(root), restart hook, live checks,
            journal rolled-back or rollback-failed

Crash: whatever the point, the journal has an intent without an outcome, or nothing happened; `recover`
finishes or undoes it. The random part of the link names keeps one crash from blocking every later switch.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from venvship.errors import (
    InterruptedByError,
    ProgramNotFoundError,
    RollbackFailedError,
    RolledBackError,
    SupersededError,
)
from venvship.health.checks import CheckResult, TurnBack, run_checks
from venvship.health.context import Context
from venvship.health.hooks import HookResult, run_hook
from venvship.model.history import EventName, History
from venvship.model.release import State
from venvship.model.settings import Settings, health_digest, settings_toml
from venvship.operations.workspace import Workspace
from venvship.system import files

MAX_TRIES: Final = 2
"""How often the restart and live checks of one promotion are begun before recovery goes back."""

INTERRUPTED: Final = "interrupted"
TURNED_BACK: Final = "turned back by a rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What the restart hook and the live checks said of the release that is current.

    Attributes:
        cause: Why it did not pass; `""` if it did.
        says_no: Whether the release itself was found wanting: its hook or a check failed, and nothing else,
            such as a signal, ended the trial.
        hook: The restart hook's result, if there is one.
        checks: The live checks' results.
    """

    cause: str
    says_no: bool = False
    hook: HookResult | None = None
    checks: tuple[CheckResult, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether it passed."""
        return not self.cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Switched:
    """The outcome of a promotion.

    Attributes:
        outcome: `"promoted"`, `"rolled-back"` or `"rollback-failed"`.
        current: What is live now.
        origin: What was live before.
        target: What was promoted.
        trial: What was said of the target.
        back: What was said of the origin, after going back.
        verdict: Of the target, when it was rolled back.
        signal: The signal that ended the trial, if one did.
    """

    outcome: str
    current: str | None
    origin: str | None
    target: str
    trial: Trial
    back: Trial | None = None
    verdict: State | None = None
    signal: int | None = None

    def raise_if_not_promoted(self, *, result: object = None) -> None:
        """Turn an outcome other than `promoted` into the error of its exit code.

        Raises:
            RolledBackError: `current` is back where it was.
            RollbackFailedError: It is, and that one does not pass either.
            InterruptedByError: It is, because of a signal.
        """
        if self.outcome == "promoted":
            return
        live = self.current or "nothing"
        if self.outcome == "rollback-failed":
            assert self.back is not None
            raise RollbackFailedError(
                f"{self.target} did not pass ({self.trial.cause}), and after going back {live} fails too: "
                f"{self.back.cause}",
                hint="look at the service, then `venvship check`; or go further back: venvship rollback",
                release=self.target,
            ).carrying(result)
        if self.signal is not None:
            raise InterruptedByError(
                self.signal, f"interrupted while {self.target} was on trial; still live: {live}"
            ).carrying(result)
        verdict = "bad, and its environment is held" if self.verdict is State.BAD else "inconclusive"
        raise RolledBackError(
            f"{self.trial.cause}. Still live: {live}. {self.target} is {verdict}",
            hint="fix the lockfile or the check and release again; anyway: venvship release --force",
            release=self.target,
        ).carrying(result)


@dataclass(frozen=True, slots=True)
class Armed:
    """The two links that a promotion prepares."""

    to: Path
    back: Path | None


def compare_and_promote(
    workspace: Workspace,
    target: str,
    *,
    origin: str | None,
    began_at: int,
    settings: Settings,
    via: str,
    reason: str,
) -> Switched:
    """Make a release current, unless somebody has switched since this began.

    Takes switch.mutex, and only now: what came before (a build, candidate checks, the prepare hook) may take
    long, and a rollback must not wait for it.

    Args:
        workspace: The root; what was interrupted is recovered.
        target: The release to make current.
        origin: What was current when this began.
        began_at: `History.switch_seq` of that moment.
        settings: Whose hooks and checks count.
        via: The command.
        reason: The person's message.

    Raises:
        SupersededError: Somebody switched, or `current` has moved; journalled, nothing was switched.
        ReleaseError: A quick look finds the target damaged.
        BusyError: Somebody is switching at this moment.
        VenvshipError: See `promote`.
        OSError: See `promote`.
    """
    with workspace.holding("switch", via):
        history = workspace.history()
        current = workspace.layout.current()
        if history.switch_seq != began_at or current != origin:
            now = current or "nothing"
            workspace.record(EventName.SUPERSEDED, release=target, reason=f"current moved to {now}")
            raise SupersededError(
                f"somebody switched meanwhile: live is {now}. {target} is sealed, and was not made live",
                hint=f"if it should be: venvship promote {target}",
                release=target,
            )
        workspace.require_usable(target)
        return promote(workspace, history, target, settings=settings, via=via, reason=reason)


def promote(
    workspace: Workspace, history: History, target: str, *, settings: Settings, via: str, reason: str
) -> Switched:
    """Make a release current, try it, and go back if it does not pass.

    The caller holds switch.mutex, has recovered what was interrupted, and has found the target usable.

    Raises:
        ProgramNotFoundError: The restart hook or a live check has no program; nothing was switched.
        ForeignLinkError: `current` is not ours.
        StateError: The journal is damaged; nothing was switched.
        InterruptedByError: A signal came before the switch; nothing was switched.
        OSError: The switch could not be made; `current` is as it was.
    """
    origin = workspace.layout.current()
    workspace.make_lease(target)
    workspace.runtime.signals.raise_if_received()
    armed = _arm(workspace, target, origin)
    try:
        _announce(workspace, target, origin, tries=1, via=via)
        _point_current(workspace, armed.to, sync=True)
        workspace.tell("switch", f"{origin or 'nothing'} → {target}")
    except BaseException:
        # Nothing was restarted yet, so putting the link back undoes it all. Recovery would do the same later.
        with contextlib.suppress(OSError), workspace.runtime.signals.deferred():
            point_back(workspace, origin, armed.back)
            sweep_strays(workspace)
            workspace.record_if_possible(
                EventName.ABANDONED, release=target, reason="the switch was not made"
            )
        raise
    return try_and_settle(
        workspace, history, target, origin, settings=settings, back=armed.back, via=via, reason=reason
    )


def try_and_settle(
    workspace: Workspace,
    history: History,
    target: str,
    origin: str | None,
    *,
    settings: Settings,
    back: Path | None,
    via: str,
    reason: str = "",
) -> Switched:
    """Restart and check what is current now, then settle: keep it, or go back. Also recovery's second half.

    Args:
        workspace: The root; `current` is the target.
        history: As it was before the promotion.
        target: The release on trial.
        origin: Where to go back to.
        settings: Whose hooks and checks count.
        back: The armed link to the origin, where there is one.
        via: The command.
        reason: The person's message.
    """
    try:
        trial = try_current(workspace, target, settings, previous=origin, event="promote")
    except InterruptedByError as interrupt:
        trial = Trial(cause=f"{INTERRUPTED}: {interrupt.message}")
        signum: int | None = interrupt.signum
    except KeyboardInterrupt:  # a library caller, without our signal handlers
        trial, signum = Trial(cause=INTERRUPTED), 2
    else:
        signum = None
    if trial.passed:
        _settle_forward(
            workspace, history, target, origin, back=back, settings=settings, via=via, reason=reason
        )
        return Switched(outcome="promoted", current=target, origin=origin, target=target, trial=trial)
    workspace.record_if_possible(
        EventName.ROLLING_BACK,
        release=origin,
        reason=trial.cause,
        facts={"from": target, "cause": trial.cause, "says_no": trial.says_no},
    )
    return go_back(workspace, target, origin, settings=settings, trial=trial, back=back, signum=signum)


def try_current(
    workspace: Workspace,
    release_id: str,
    settings: Settings,
    *,
    previous: str | None,
    event: str,
    heed_rollback: bool = True,
) -> Trial:
    """Run the restart hook, then the live checks, against what is current.

    Args:
        workspace: The root.
        release_id: What is current.
        settings: Whose hooks and checks count.
        previous: What was current before, for the hook's environment.
        event: `"promote"` or `"rollback"`, for the hook's environment.
        heed_rollback: Whether a rollback by another process ends the trial.

    Raises:
        InterruptedByError: A signal came.
    """
    context = workspace.context(release_id, previous=previous, event=event)
    hook: HookResult | None = None
    try:
        if settings.hooks.restart is not None:
            hook = run_hook("restart", settings.hooks.restart, context, timeout=settings.hooks.timeout)
            workspace.tell("restart", hook.output, ok=hook.ok, seconds=hook.seconds)
            if not hook.ok:
                return Trial(cause=f"the restart hook failed: {hook.output}", says_no=True, hook=hook)
        results = _live_checks(workspace, settings, context, heed_rollback=heed_rollback)
    except TurnBack:
        return Trial(cause=TURNED_BACK, hook=hook)
    except ProgramNotFoundError as error:
        return Trial(cause=error.message, hook=hook)
    tell_checks(workspace, results)
    failed = failed_required(results)
    if failed is not None:
        return Trial(
            cause=f"check {failed.name!r} failed: {failed.output}", says_no=True, hook=hook, checks=results
        )
    for result in results:
        if result.outcome == "failed":
            workspace.warn(
                "check-failed", f"check {result.name!r} failed, which is not required: {result.output}"
            )
    return Trial(cause="", hook=hook, checks=results)


def _live_checks(
    workspace: Workspace, settings: Settings, context: Context, *, heed_rollback: bool
) -> tuple[CheckResult, ...]:
    checks = [check for check in settings.checks if check.when == "live"]
    turn_back = workspace.mutex("turn-back")
    return run_checks(checks, context, stop=turn_back.is_held if heed_rollback else lambda: False)


def go_back(
    workspace: Workspace,
    target: str,
    origin: str | None,
    *,
    settings: Settings,
    trial: Trial,
    back: Path | None,
    signum: int | None = None,
) -> Switched:
    """Point `current` back to where it was, restart, check, and record the verdict.

    Signals wait until this is done: half of a way back helps nobody. The caller has journalled
    `rolling-back`. The journal is best effort here, since a full disk must not keep a bad release live.
    """
    with workspace.runtime.signals.deferred():
        point_back(workspace, origin, back)
        workspace.tell("rollback", f"{target} → {origin or 'nothing'}")
        said = (
            try_current(workspace, origin, settings, previous=target, event="rollback", heed_rollback=False)
            if origin is not None
            else Trial(cause="")
        )
        facts: dict[str, Any] = {"from": target, "cause": trial.cause, "manual": False}
        if said.passed:
            verdict = State.BAD if trial.says_no else State.INCONCLUSIVE
            facts |= {"verdict": verdict.value, "health_digest": health_digest(settings)}
            workspace.record_if_possible(
                EventName.ROLLED_BACK, release=origin, reason=trial.cause, facts=facts
            )
            outcome = "rolled-back"
        else:
            verdict = State.INCONCLUSIVE
            facts |= {"verdict": verdict.value, "then": said.cause}
            workspace.record_if_possible(
                EventName.ROLLBACK_FAILED, release=origin, reason=said.cause, facts=facts
            )
            outcome = "rollback-failed"
        sweep_strays(workspace)
    return Switched(
        outcome=outcome,
        current=origin,
        origin=origin,
        target=target,
        trial=trial,
        back=said,
        verdict=verdict,
        signal=signum,
    )


def point_back(workspace: Workspace, origin: str | None, back: Path | None) -> None:
    """Make `current` what it was, by the link that was armed for it, or a new one if that is gone."""
    layout = workspace.layout
    if origin is None:
        files.remove_name(layout.current_link)
    elif layout.current() != origin:
        if back is None or not _points_to(back, origin):
            back = new_link(workspace, ".back.", origin)
        files.rename(back, layout.current_link)
    files.fsync_directory(layout.path)


def announce_retry(workspace: Workspace, target: str, origin: str | None, *, tries: int, via: str) -> None:
    """Journal that recovery tries an interrupted promotion once more, before it does."""
    _announce(workspace, target, origin, tries=tries, via=via)


def find_armed(workspace: Workspace, origin: str | None) -> Path | None:
    """The link back that an interrupted promotion armed, if it is still there."""
    for name in workspace.layout.strays():
        path = workspace.layout.path / name
        if origin is not None and name.startswith(".back.") and _points_to(path, origin):
            return path
    return None


def sweep_strays(workspace: Workspace) -> None:
    """Remove armed links that nobody will use; what cannot be removed now is removed next time."""
    for name in workspace.layout.strays():
        with contextlib.suppress(OSError):
            files.remove_name(workspace.layout.path / name)


def set_previous(workspace: Workspace, target: str | None, ready: Path | None = None) -> None:
    """Make `previous` name what a rollback would switch to; best effort, since only comfort depends on it.

    Args:
        workspace: The root.
        target: The release, or `None` for no rollback target.
        ready: A link that may be renamed into place, which needs no room on the disk.
    """
    layout = workspace.layout
    try:
        if target is None:
            files.remove_name(layout.previous_link)
        elif layout.previous() != target:
            if ready is None or not _points_to(ready, target):
                ready = new_link(workspace, ".back.", target)
            files.rename(ready, layout.previous_link)
        files.fsync_directory(layout.path)
    except OSError as error:
        workspace.warn(
            "previous-not-set", f"could not point {layout.previous_link} to {target}: {error.strerror}"
        )


def new_link(workspace: Workspace, prefix: str, release_id: str) -> Path:
    """Make a link to a release under a fresh name beside `current`."""
    path = workspace.layout.path / f"{prefix}{secrets.token_hex(6)}"
    files.make_link(f"releases/{release_id}", path)
    return path


def keep_settings(workspace: Workspace, settings: Settings) -> None:
    """Keep the settings that promoted, for a rollback when `venvship.toml` is broken."""
    path, text = workspace.layout.kept_settings_file, settings_toml(settings).encode()
    try:
        if not path.exists() or path.read_bytes() != text:
            files.write_file(path, text, mode=0o600)
    except OSError as error:
        workspace.warn("settings-not-kept", f"could not keep the settings in state/: {error.strerror}")


def _arm(workspace: Workspace, target: str, origin: str | None) -> Armed:
    to = new_link(workspace, ".to.", target)
    try:
        return Armed(to, new_link(workspace, ".back.", origin) if origin else None)
    except OSError:
        files.remove_name(to)
        raise


def _announce(workspace: Workspace, target: str, origin: str | None, *, tries: int, via: str) -> None:
    workspace.record(
        EventName.PROMOTING,
        release=target,
        facts={"from": origin, "tries": tries, "via": via, "unattended": workspace.runtime.unattended},
    )


def _point_current(workspace: Workspace, link: Path, *, sync: bool) -> None:
    layout = workspace.layout
    if sync:
        fd = files.open_directory(layout.path)
        try:
            files.sync_filesystem(fd)
        finally:
            os.close(fd)
    files.rename(link, layout.current_link)
    files.fsync_directory(layout.path)


def _settle_forward(
    workspace: Workspace,
    history: History,
    target: str,
    origin: str | None,
    *,
    back: Path | None,
    settings: Settings,
    via: str,
    reason: str,
) -> None:
    with workspace.runtime.signals.deferred():
        workspace.record(
            EventName.PROMOTED,
            release=target,
            reason=reason,
            facts={"from": origin, "via": via, "unattended": workspace.runtime.unattended},
        )
        # The lineage as it will be, without reading the journal again: the target on top of what was there.
        goal = history.rollback_target_after(target, lambda name: not workspace.problem(name))
        set_previous(workspace, goal, back)
        keep_settings(workspace, settings)
        sweep_strays(workspace)


def _points_to(link: Path, release_id: str) -> bool:
    try:
        return os.readlink(link) == f"releases/{release_id}"
    except OSError:
        return False


def tell_checks(workspace: Workspace, results: Sequence[CheckResult]) -> None:
    """Tell whoever watches what each check said."""
    for result in results:
        if result.outcome != "skipped":
            workspace.tell(result.name, result.output, ok=result.outcome == "passed", seconds=result.seconds)


def failed_required(results: Sequence[CheckResult]) -> CheckResult | None:
    """The first required check that failed."""
    return next((result for result in results if result.counts_as_failure), None)
