"""The switch of `current`, forward and back, and the order that makes it safe.

Every function here but `compare_and_promote`, which takes it, is called with switch.mutex held. The protocol,
in which each step is durable before the next begins where that matters:

    links .to.<random> and .back.<random>      the way back exists before it is needed
    journal: promoting, fsync                  armed before the switch
    syncfs                                     the release's contents, the links and the journal are on disk
    rename .to over current, fsync(root)       readers see the old release or the new one
    restart hook, live checks
      pass: journal promoted, rename .back over previous, lockfile of `update --upgrade` put in place
      fail: journal rolling-back, rename .back over current, fsync(root), restart hook, live checks,
            journal rolled-back or rollback-failed

Crash: whatever the point, the journal has an intent without an outcome, or nothing happened; `recover`
finishes or undoes it. The random part of the link names keeps one crash from blocking every later switch.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from venvship.errors import (
    InterruptedByError,
    RollbackFailedError,
    RolledBackError,
    SupersededError,
    VenvshipError,
)
from venvship.model.history import EventName, History, Intent, LockfileDue
from venvship.model.release import State
from venvship.model.settings import Settings, health_digest, settings_toml
from venvship.operations.planning.plan import hold_applies, refused
from venvship.operations.switching import links
from venvship.operations.switching.lockfile_due import put_in_place
from venvship.operations.switching.trial import TURNED_BACK, Trial, load_modules, try_current
from venvship.system import files
from venvship.workspace.usable import release_problem, require_usable
from venvship.workspace.workspace import Workspace

MAX_TRIES: Final = 2
"""How often the restart and live checks of one promotion are begun before recovery goes back."""

INTERRUPTED: Final = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What a promotion was begun for; the journal has it from the first line on, so recovery goes on with it.

    Attributes:
        via: The command.
        unattended: Whether nobody was there.
        lockfile: The release's lockfile, if that takes its place on disk once the release is proven.
    """

    via: str
    unattended: bool = False
    lockfile: LockfileDue | None = None

    def to_facts(self) -> dict[str, Any]:
        """The facts by which the journal remembers it."""
        lockfile = self.lockfile.to_facts() if self.lockfile else {}
        return {"via": self.via, "unattended": self.unattended, **lockfile}


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
        log: The path of the log that tells more of the trial; `""` for none.
    """

    outcome: str
    current: str | None
    origin: str | None
    target: str
    trial: Trial
    back: Trial | None = None
    verdict: State | None = None
    signal: int | None = None
    log: str = ""

    def raise_if_not_promoted(self, *, result: object = None) -> None:
        """Turn an outcome other than `promoted` into the error of its exit code.

        Raises:
            RolledBackError: `current` is back where it was.
            RollbackFailedError: It is, and that one does not pass either.
            InterruptedByError: It is, because of a signal.
        """
        if self.outcome == "promoted":
            return
        log = {"log": self.log} if self.log else {}
        if self.outcome == "rollback-failed":
            assert self.back is not None
            raise RollbackFailedError(
                f"{self.target} did not pass ({self.trial.cause}), and after going back "
                f"{self.current or 'nothing'} fails too: {self.back.cause}",
                hint="look at the service, then `venvship check`; or go further back: venvship rollback",
                release=self.target,
                **log,
            ).carrying(result)
        if self.signal is not None:
            error = InterruptedByError(self.signal)
            error.message += f" while {self.target} was on trial; it is not live, and may be again"
            raise error.carrying(result)
        if self.verdict is State.BAD:
            verdict = "bad, and is not released again until the lockfile, a check or a hook changes"
        else:
            verdict = "inconclusive: that says nothing about it"
        raise RolledBackError(
            f"{self.trial.cause}\n{self.target} is {verdict}",
            hint="mend what is wrong and release again; anyway: venvship release --force",
            release=self.target,
            **log,
        ).carrying(result)


def compare_and_promote(
    workspace: Workspace,
    target: str,
    *,
    origin: str | None,
    began_at: int,
    settings: Settings,
    errand: Errand,
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
        errand: What it is for.
        reason: The person's message.

    Raises:
        SupersededError: Somebody switched, or `current` has moved; journalled, nothing was switched.
        HeldError: Nobody is there, and the root is held by now; nothing was switched.
        ReleaseError: A quick look finds the target damaged.
        BusyError: Somebody is switching at this moment.
        VenvshipError: See `promote`.
        OSError: See `promote`.
    """
    with workspace.holding("switch", errand.via):
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
        hold = history.root_hold if errand.unattended else None
        digest = history.records[target].environment_digest
        if hold is not None and hold_applies(hold, digest, upgrade=errand.lockfile is not None):
            raise refused(hold)  # it came while this was being built and tried
        require_usable(workspace, target)
        return promote(workspace, history, target, settings=settings, errand=errand, reason=reason)


def promote(
    workspace: Workspace, history: History, target: str, *, settings: Settings, errand: Errand, reason: str
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
    load_modules(settings)
    workspace.make_lease(target)
    workspace.runtime.signals.raise_if_received()
    armed = links.arm(workspace, target, origin)
    try:
        _announce(workspace, target, origin, errand, tries=1)
        links.point_current(workspace, armed.to, sync=True)
        workspace.tell("switch", f"{origin or 'nothing'} → {target}")
    except BaseException:
        # Nothing was restarted yet, so putting the link back undoes it all. Recovery would do the same later.
        with contextlib.suppress(OSError), workspace.runtime.signals.deferred():
            links.point_back(workspace, origin, armed.back)
            links.sweep_strays(workspace)
            workspace.record_if_possible(
                EventName.ABANDONED, release=target, reason="the switch was not made"
            )
        raise
    return try_and_settle(
        workspace,
        history,
        target,
        origin,
        settings=settings,
        back=armed.back,
        errand=errand,
        reason=reason,
    )


def try_and_settle(
    workspace: Workspace,
    history: History,
    target: str,
    origin: str | None,
    *,
    settings: Settings,
    back: Path | None,
    errand: Errand,
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
        errand: What it is for.
        reason: The person's message.

    Raises:
        Exception: Whatever kept the restart or the checks from being run, once `current` is back.
    """
    failure: Exception | None = None
    try:
        trial = try_current(workspace, target, settings, previous=origin, event="promote")
    except InterruptedByError as interrupt:
        trial = Trial(cause=f"{INTERRUPTED}: {interrupt.message}")
        signum: int | None = interrupt.signum
    except KeyboardInterrupt:  # a library caller, without our signal handlers
        trial, signum = Trial(cause=INTERRUPTED), 2
    except Exception as error:  # noqa: BLE001 - whatever it is: what nobody has tried does not stay live
        trial, signum, failure = Trial(cause=f"it could not be tried: {error}"), None, error
    else:
        signum = None
    if trial.passed:
        unrecorded = _settle_forward(
            workspace,
            history,
            target,
            origin,
            back=back,
            settings=settings,
            errand=errand,
            reason=reason,
        )
        if not unrecorded:
            return Switched(outcome="promoted", current=target, origin=origin, target=target, trial=trial)
        # Nobody could tell later that it had passed, and the next recovery might take it back: so now.
        trial = trial._replace(cause=f"the promotion could not be recorded: {unrecorded}")
    workspace.record_if_possible(
        EventName.ROLLING_BACK,
        release=origin,
        reason=trial.cause,
        facts={"from": target, "cause": trial.cause, "says_no": trial.says_no},
    )
    switched = go_back(workspace, target, origin, settings=settings, trial=trial, back=back, signum=signum)
    if failure is not None:
        raise failure
    return switched


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
        links.point_back(workspace, origin, back)
        workspace.tell("rollback", f"{target} → {origin or 'nothing'}")
        said = (
            try_current(workspace, origin, settings, previous=target, event="rollback", heed_rollback=False)
            if origin is not None
            else Trial(cause="")
        )
        facts: dict[str, Any] = {"from": target, "cause": trial.cause, "manual": False}
        if trial.cause == TURNED_BACK:
            facts["turned_back"] = True
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
        links.sweep_strays(workspace)
    return Switched(
        outcome=outcome,
        current=origin,
        origin=origin,
        target=target,
        trial=trial,
        back=said,
        verdict=verdict,
        signal=signum,
        log=str(workspace.layout.log(target) / f"{trial.log}.txt") if trial.log else "",
    )


def announce_retry(workspace: Workspace, intent: Intent) -> None:
    """Journal that recovery tries an interrupted promotion once more, before it does."""
    assert intent.target is not None
    _announce(workspace, intent.target, intent.origin, errand_of(intent), tries=intent.tries + 1)


def errand_of(intent: Intent) -> Errand:
    """What an interrupted promotion was begun for."""
    return Errand(via=intent.via, unattended=intent.unattended, lockfile=intent.lockfile)


def keep_settings(workspace: Workspace, settings: Settings) -> None:
    """Keep the settings that promoted, for a rollback when `venvship.toml` is broken."""
    path, text = workspace.layout.kept_settings_file, settings_toml(settings).encode()
    try:
        if not path.exists() or path.read_bytes() != text:
            files.write_file(path, text, mode=0o600)
    except OSError as error:
        workspace.warn("settings-not-kept", f"could not keep the settings in state/: {error.strerror}")


def _announce(workspace: Workspace, target: str, origin: str | None, errand: Errand, *, tries: int) -> None:
    facts = {"from": origin, "tries": tries, **errand.to_facts()}
    workspace.record(EventName.PROMOTING, release=target, facts=facts)


def _settle_forward(
    workspace: Workspace,
    history: History,
    target: str,
    origin: str | None,
    *,
    back: Path | None,
    settings: Settings,
    errand: Errand,
    reason: str,
) -> str:
    """Keep the target. Returns why that could not be recorded; `""` if it was, and all is settled."""
    with workspace.runtime.signals.deferred():
        facts = {"from": origin, **errand.to_facts()}
        try:
            workspace.record(EventName.PROMOTED, release=target, reason=reason, facts=facts)
        except (OSError, VenvshipError) as error:
            return str(error.strerror if isinstance(error, OSError) else error.message)
        # The lineage as it will be, without reading the journal again: the target on top of what was there.
        goal = history.rollback_target_after(target, lambda name: not release_problem(workspace.layout, name))
        links.set_previous(workspace, goal, back)
        if errand.lockfile is not None:
            put_in_place(workspace, target, errand.lockfile)
        keep_settings(workspace, settings)
        links.sweep_strays(workspace)
    return ""
