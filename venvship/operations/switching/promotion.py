"""The switch of `current`, forward and back, and the order that makes it safe.

Each step is durable before the next begins where that matters:

    links .to.<random> and .back.<random>      the way back exists before it is needed
    journal: promoting, fsync                  armed before the switch
    syncfs                                     the release's contents, the links and the journal are on disk
    rename .to over current, fsync(root)       readers see the old release or the new one
    restart hook, live checks
      pass: journal promoted, rename .back over previous, lockfile of `update --upgrade` put in place
      fail, and one-way: journal promoted with the fact that it failed; it stays
      fail: journal rolling-back, rename .back over current, fsync(root), restart hook, live checks,
            journal rolled-back or rollback-failed

Crash: at any point the journal has an intent without an outcome, or nothing happened. `recover` finishes or
undoes the promotion. The random part of the link names keeps one crash from blocking every later switch.
`docs/explanation/switch.md` has the reason for each step.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self

from venvship.errors import InterruptedByError, SupersededError, VenvshipError
from venvship.model.event import EventName
from venvship.model.history import History, Intent
from venvship.model.release import State
from venvship.model.settings import Settings
from venvship.model.settings_form import health_digest
from venvship.operations.planning.plan import asker, refused
from venvship.operations.switching import links
from venvship.operations.switching.errand import Errand, errand_of, recovered_reason
from venvship.operations.switching.kept_settings import keep_settings
from venvship.operations.switching.loading import load_before_switch
from venvship.operations.switching.lockfile_due import put_in_place
from venvship.operations.switching.switched import Switched
from venvship.operations.switching.trial import TURNED_BACK, Trial, made_from, tell_signal, try_current
from venvship.workspace.holding import SwitchHeld, hold_switch
from venvship.workspace.usable import require_usable, usable_problem
from venvship.workspace.way_back import or_go_back
from venvship.workspace.workspace import Workspace

MAX_TRIES: Final = 2
"""How often the restart and live checks of one promotion are begun before recovery goes back."""

INTERRUPTED: Final = "interrupted"


def compare_and_promote(
    workspace: Workspace,
    release_id: str,
    *,
    origin_id: str | None,
    began_at: int,
    settings: Settings,
    errand: Errand,
) -> Switched:
    """Make a release current, unless another command has switched since this one began.

    Takes switch.mutex, and only now: the steps before (a build, candidate checks, the prepare hook) may take
    long, and a rollback must not wait for them.

    Args:
        workspace: The root, recovered.
        release_id: The release to make current.
        origin_id: The release that was current when this began.
        began_at: `History.switch_seq` of that moment.
        settings: Whose hooks and checks count.
        errand: The purpose.

    Raises:
        SupersededError: `current` has moved. That is journalled, and nothing was switched.
        HeldError: The root is held by now, against this command. Nothing was switched.
        ReleaseError: A quick look finds the release damaged.
        BusyError: Another command is switching at this moment.
        VenvshipError: See `Promotion.run`.
        OSError: See `Promotion.run`.
    """
    with hold_switch(workspace, errand.via) as held:
        history = workspace.history()
        current = workspace.layout.current()
        if history.switch_seq != began_at or current != origin_id:
            now = current or "nothing"
            workspace.record(EventName.SUPERSEDED, release=release_id, reason=f"current moved to {now}")
            raise SupersededError(
                f"another command has switched meanwhile: live is {now}. {release_id} is sealed, and was not "
                "made live",
                hint=f"if it should be: venvship promote {release_id}",
                release=release_id,
            )
        asks = asker(workspace.runtime, settings, force=errand.force)
        asks = asks._replace(unattended=errand.unattended, resumes=asks.resumes and errand.lockfile is None)
        digest = history.records[release_id].environment_digest
        hold = history.stopping(asks, digest, workspace.runtime.clock())
        if hold is not None:
            raise refused(hold, workspace.runtime)  # it came while this was being built and tried
        require_usable(workspace, release_id)
        return Promotion(
            held=held,
            history=history,
            release_id=release_id,
            origin_id=current,
            settings=settings,
            errand=errand,
        ).run()


@dataclass(slots=True, kw_only=True)
class Promotion:
    """One promotion, from its armed links to its outcome, with everything recovered or found usable before.

    Attributes:
        history: As it was before the promotion.
        release_id: The release to make current.
        origin_id: The release to go back to; `None` for nothing.
        settings: Whose hooks and checks count.
        back: The armed link to the origin, where there is one.
    """

    held: SwitchHeld
    history: History
    release_id: str
    origin_id: str | None
    settings: Settings
    errand: Errand
    back: Path | None = None

    @classmethod
    def resume(cls, held: SwitchHeld, history: History, intent: Intent, *, settings: Settings) -> Self:
        """An interrupted promotion that has switched, or that was on its way back already."""
        forward = intent.kind == "promote"
        release_id, origin_id = (intent.target, intent.origin) if forward else (intent.origin, intent.target)
        assert release_id is not None
        load_before_switch(held.workspace, settings, cleans=True)
        return cls(
            held=held,
            history=history,
            release_id=release_id,
            origin_id=origin_id,
            settings=settings,
            errand=errand_of(intent),
            back=links.find_armed(held.workspace, origin_id),
        )

    def run(self) -> Switched:
        """Make the release current, try it, and go back if it does not pass.

        Crash: see the protocol above.

        Raises:
            RootError: The journal cannot be written to; nothing was switched.
            BusyError: The journal stayed locked; nothing was switched.
            InterruptedByError: A signal came before the switch; nothing was switched.
            OSError: The switch could not be made; `current` is as it was.
        """
        workspace = self.held.workspace
        load_before_switch(workspace, self.settings, cleans=True)
        self._future_previous(workspace.runtime.clock(), ask=True)
        workspace.make_lease(self.release_id)
        workspace.runtime.signals.raise_if_received()
        armed = links.arm(self.held, self.release_id, self.origin_id)
        self.back = armed.back
        workspace.begin("switch")  # which can take a while: all of the file system is made durable
        try:
            announce(self.held, self.release_id, self.origin_id, self.errand, tries=1)
            links.point_current(self.held, armed.to, sync=True)
            workspace.tell("switch", f"{self.origin_id or 'nothing'} → {self.release_id}")
        except BaseException:
            # Nothing was restarted yet, so putting the link back undoes it all, as recovery would later.
            with contextlib.suppress(OSError), workspace.runtime.signals.deferred():
                links.point_back(self.held, self.origin_id, self.back)
                links.sweep_strays(self.held)
                workspace.record_if_possible(
                    EventName.ABANDONED, release=self.release_id, reason="the switch was not made"
                )
            raise
        return self.try_and_settle()

    def try_and_settle(self) -> Switched:
        """Restart and check the release, which is current now, then keep it or go back.

        A one-way release stays in any case, and no rollback ends its trial early.

        Raises:
            Exception: Any fault that kept the restart or the checks from being run, once `current` is back.
        """
        workspace = self.held.workspace
        failure: Exception | None = None
        signum: int | None = None
        try:
            trial = try_current(
                workspace,
                self.release_id,
                self.settings,
                previous=self.origin_id,
                event="promote",
                heed_rollback=not self.errand.one_way,
            )
        except InterruptedByError as interrupt:
            trial, signum = Trial(problem=f"{INTERRUPTED}: {interrupt.message}"), interrupt.signum
        except KeyboardInterrupt:  # a library caller, without our signal handlers
            trial, signum = Trial(problem=INTERRUPTED), 2
        except Exception as error:  # noqa: BLE001 - whatever it is: a release that was not tried does not stay
            trial, failure = Trial(problem=f"it could not be tried: {error}"), error
        if trial.passed:
            problem = self._keep(trial)
            if problem is None:
                return Switched(
                    outcome="promoted",
                    release_id=self.release_id,
                    origin_id=self.origin_id,
                    current=self.release_id,
                    trial=trial,
                )
            # No later command could know that it had passed, and recovery might take it back: so now.
            trial = trial._replace(problem=f"the promotion could not be recorded: {problem}")
        if self.errand.one_way:
            if failure is not None and not isinstance(failure, OSError | VenvshipError):
                self.stay(trial)
                raise failure
            return self.stay(trial)
        workspace.record_if_possible(
            EventName.ROLLING_BACK,
            release=self.origin_id,
            reason=trial.reason,
            facts={"from": self.release_id, "cause": trial.problem, "says_no": trial.says_no},
        )
        switched = self.go_back(trial, signum=signum)
        if failure is not None:
            raise failure
        return switched

    def stay(self, trial: Trial) -> Switched:
        """Leave a one-way release live that did not pass, and record that a person is needed.

        Signals wait until this is done. Recording is best effort: without the line in the journal, the next
        command that recovers tries the release again, and does not take it back either.

        Args:
            trial: The trial that the release did not pass.
        """
        workspace = self.held.workspace
        with workspace.runtime.signals.deferred():
            facts = {"from": self.origin_id, "proved": False, "failed": True, "cause": trial.reason}
            facts |= self.errand.to_facts()
            reason = "; ".join(filter(None, (self.reason, f"stays although it did not pass: {trial.reason}")))
            workspace.record_if_possible(
                EventName.PROMOTED, release=self.release_id, reason=reason, facts=facts
            )
            self._set_previous(workspace.runtime.clock())
            links.sweep_strays(self.held)
        return Switched(
            outcome="stays",
            release_id=self.release_id,
            origin_id=self.origin_id,
            current=self.release_id,
            trial=trial,
            log=self._log(trial),
            prepared=self.errand.prepared,
        )

    def _log(self, trial: Trial) -> str:
        return str(self.held.workspace.layout.log(self.release_id) / f"{trial.log}.txt") if trial.log else ""

    def _keep(self, trial: Trial) -> str | None:
        """Settle forward. Returns why the promotion could not be recorded; then nothing is settled."""
        workspace = self.held.workspace
        with workspace.runtime.signals.deferred():
            facts = {"from": self.origin_id, "proved": trial.proved, **self.errand.to_facts()}
            try:
                written = workspace.record(
                    EventName.PROMOTED, release=self.release_id, reason=self.reason, facts=facts
                )
            except (OSError, VenvshipError) as error:
                return str(error.strerror if isinstance(error, OSError) else error.message)
            self._set_previous(written.at)
            if self.errand.lockfile is not None:
                put_in_place(self.held, self.release_id, self.errand.lockfile)
            keep_settings(workspace, self.settings)
            links.sweep_strays(self.held)
        return None

    @property
    def reason(self) -> str:
        """The reason of the outcome `promoted`."""
        return recovered_reason(self.errand.reason) if self.errand.recovered else self.errand.reason

    def _set_previous(self, at: datetime) -> None:
        """Make `previous` the rollback target of a release that stays, `promoted` at a time."""
        links.set_previous(self.held, self._future_previous(at, ask=False), self.back)

    def _future_previous(self, now: datetime, *, ask: bool) -> str | None:
        """The rollback target once this is kept; `ask` before the switch, so that the answers are known."""
        return self.history.way_back_after(
            self.release_id, lambda name: usable_problem(self.held.workspace, name, ask=ask), now
        ).release_id

    def _renew_previous(self) -> None:
        workspace = self.held.workspace
        known = workspace.known_history(unreadable="warn")
        if known.whole:
            way_back = known.history.way_back(
                self.origin_id,
                lambda name: usable_problem(workspace, name, ask=False),
                workspace.runtime.clock(),
            )
            if way_back.release_id != workspace.layout.previous():
                links.set_previous(self.held, way_back.release_id)

    def go_back(self, trial: Trial, *, signum: int | None = None) -> Switched:
        """Point `current` back to the origin, restart, check, and record the verdict.

        Signals wait until this is done. The caller has journalled `rolling-back`. Recording is best effort,
        since a full disk must not keep a bad release live.

        Args:
            trial: The trial that the release did not pass.
            signum: The signal that ended it, if one did.
        """
        workspace = self.held.workspace

        def tell_deferred(signum: int) -> None:
            tell_signal(workspace, signum, f"still going back to {self.origin_id or 'nothing'}")

        with workspace.runtime.signals.deferred(tell_deferred):
            links.point_back(self.held, self.origin_id, self.back)
            workspace.tell("rollback", f"{self.release_id} → {self.origin_id or 'nothing'}")
            trial_back = Trial()
            if self.origin_id is None and self.settings.service.is_on:
                from venvship.operations.service.handing_over import close  # loaded before the switch

                close(workspace, self.settings)
            if self.origin_id is not None:
                trial_back = try_current(
                    workspace,
                    self.origin_id,
                    self.settings,
                    previous=self.release_id,
                    event="rollback",
                    heed_rollback=False,
                )
            facts: dict[str, Any] = {"from": self.release_id, "cause": trial.problem, "manual": False}
            if trial.problem == TURNED_BACK:
                facts["turned_back"] = True
            if self.errand.unattended and not self.errand.recovered:
                facts["unattended"] = True  # an update, which reports it
            verdict = State.BAD if trial_back.passed and trial.says_no else State.INCONCLUSIVE
            facts["verdict"] = verdict.value
            if trial_back.passed:
                event, reason = EventName.ROLLED_BACK, trial.reason
                facts["health_digest"] = health_digest(self.settings)
            else:
                event, reason = EventName.ROLLBACK_FAILED, trial_back.reason
            if self.origin_id is not None:
                facts |= trial_back.facts_of_target
            workspace.record_if_possible(event, release=self.origin_id, reason=reason, facts=facts)
            unchecked = self.history.state(self.release_id) is State.UNCHECKED
            if trial.problem == TURNED_BACK or (verdict is State.BAD and unchecked):
                self._renew_previous()  # it may have been where a rollback goes to
            links.sweep_strays(self.held)
        return Switched(
            outcome="rolled-back" if trial_back.passed else "rollback-failed",
            release_id=self.release_id,
            origin_id=self.origin_id,
            current=self.origin_id,
            trial=trial,
            trial_back=trial_back,
            verdict=verdict,
            proven=self.history.state(self.release_id) is State.PROVEN,
            signal=signum,
            log=self._log(trial),
            by_name=self.errand.via == "promote",
            prepared=self.errand.prepared,
            source=made_from(workspace, self.release_id),
            or_go_back="" if trial_back.passed else or_go_back(workspace),
        )


def announce(held: SwitchHeld, release_id: str, origin_id: str | None, errand: Errand, *, tries: int) -> None:
    """Journal that a promotion is about to be made, or tried for the `tries`-th time.

    Raises:
        RootError: The journal is damaged, or a newer venvship wrote it.
        BusyError: It stayed locked.
        OSError: It could not be written.
    """
    facts = {"from": origin_id, "tries": tries, **errand.to_facts()}
    held.workspace.record(EventName.PROMOTING, release=release_id, reason=errand.reason, facts=facts)
