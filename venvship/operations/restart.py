"""`restart`: the live release anew, for a changed file of variables, a certificate, a leak of memory."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from venvship.errors import (
    InterruptedByError,
    NoMemoryError,
    NoServiceError,
    OperationWarning,
    RejectedError,
    RestartFailedError,
    RolledBackError,
    SupersededError,
    VenvshipError,
)
from venvship.health.attempt import TurnBack
from venvship.health.hooks import find_programs
from venvship.model.event import EventName
from venvship.model.settings import Settings
from venvship.model.settings_service import NO_SERVICE
from venvship.operations.service.asking import never
from venvship.operations.service.proof import Proof, prove
from venvship.operations.service.retiring import retire
from venvship.operations.service.slots import hold_slots, lead_to
from venvship.operations.switching.own_service import refuse_own_service
from venvship.operations.switching.proving import MEMORY_REMEDY
from venvship.operations.switching.recovery import recover_and_sweep, tell_recovered
from venvship.operations.switching.trial import Trial, asked_to_turn_back, output_facts, try_current
from venvship.system.faults import root_faults
from venvship.workspace.certificates import require_certificates
from venvship.workspace.holding import hold_switch
from venvship.workspace.usable import require_usable
from venvship.workspace.views import ReleaseView, view_release
from venvship.workspace.way_back import or_go_back, require_current
from venvship.workspace.workspace import Workspace

if TYPE_CHECKING:
    from venvship.health.checks import CheckResult


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartResult:
    """The result of `Root.restart`.

    Attributes:
        outcome: `"restarted"`, or `"failed"`.
        release: The live release.
        slot: The slot that customers are led to; `None` without a service.
        checks: The results of the live checks.
        changed: Whether a later command can see a difference: of a restart, none can.
        warnings: The warnings of the operation.
    """

    outcome: Literal["restarted", "failed"]
    release: ReleaseView
    slot: str | None = None
    checks: tuple[CheckResult, ...] = ()
    changed: bool = False
    warnings: tuple[OperationWarning, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The `data` of `restart --json`."""
        return {
            "outcome": self.outcome,
            "changed": self.changed,
            "release": self.release.to_json(),
            "slot": self.slot,
            "checks": [check.to_json() for check in self.checks],
        }


def restart(workspace: Workspace, *, message: str = "") -> RestartResult:
    """Start the live release anew: in the other slot, or with the restart hook; then ask the live checks.

    Crash: with a service, customers are led to the old slot or to the new one, and both run the release; the
    next command stops the other. Without one, the hook may have been cut short.

    Arguments and errors: `Root.restart`.
    """
    with root_faults(workspace.layout.path):
        workspace.open_for_writing()
        recovered = recover_and_sweep(workspace)
        settings = workspace.settings()
        tell_recovered(workspace, settings, recovered)
        release_id = require_current(workspace)
        if release_id is None or (settings.hooks.restart is None and not settings.service.is_on):
            raise NoServiceError(
                "nothing is live yet" if release_id is None else "the settings name nothing to restart",
                hint="venvship release"
                if release_id is None
                else "set hooks.restart, or start, stop and health of [service], in venvship.toml",
            )
        refuse_own_service(workspace, settings)
        require_usable(workspace, release_id)
        try:
            return _Restarting(workspace, settings, release_id, message).run()
        finally:
            with contextlib.suppress(InterruptedByError):  # it was stopped at once
                retire(workspace, settings)


class _Restarting:
    """One restart."""

    def __init__(self, workspace: Workspace, settings: Settings, release_id: str, message: str) -> None:
        self._workspace = workspace
        self._settings = settings
        self._release_id = release_id
        self._message = message
        variables = workspace.variables(settings)
        self._context = workspace.context(
            release_id, variables, previous=workspace.layout.previous(), event="restart"
        )
        live = [check for check in settings.checks if check.when == "live"]
        hooks = settings.hooks._replace(generate=None, prepare=None)
        find_programs(hooks, live, self._context, settings.service)
        require_certificates(workspace.layout, live)

    def run(self) -> RestartResult:
        """Start it anew, and ask."""
        workspace, release_id = self._workspace, self._release_id
        proof = self._prove_or_start_again() if self._settings.service.is_on else None
        with hold_switch(workspace, "restart"):
            if workspace.layout.current() != release_id:
                raise SupersededError(
                    f"another command has switched meanwhile: {release_id} is not live any more",
                    hint="look at `venvship status`",
                )
            old = self._lead_to(proof)
            try:
                trial = try_current(
                    workspace,
                    release_id,
                    self._settings._replace(service=NO_SERVICE),
                    previous=workspace.layout.previous(),
                    event="restart",
                    heed_rollback=proof is not None,
                )
            except InterruptedByError:
                self._lead_back(old)
                raise
            checks = (*((proof.result,) if proof else ()), *trial.checks)
            if not trial.passed:
                raise self._failed(trial, old, checks)
            proved = any(check.required and check.outcome == "passed" for check in checks)
            workspace.record(
                EventName.RESTARTED, release=release_id, reason=self._message, facts={"proved": proved}
            )
        return self._result("restarted", proof.slot if proof else None, checks)

    def _prove_or_start_again(self) -> Proof:
        """`_prove`; without overlap the old one was stopped for it, and a failure starts one again."""
        try:
            return self._prove()
        except BaseException:
            if not self._settings.service.overlap:
                self._start_again()
            raise

    def _start_again(self) -> None:
        """Have the release answer as before, best effort; a failure is a warning that names the command."""
        workspace, problem = self._workspace, ""
        try:
            with workspace.runtime.signals.deferred(), hold_slots(workspace, self._settings) as held:
                proof = prove(held, self._release_id, self._context, stop=never, way_back=True)
                problem = proof.problem or lead_to(held, str(proof.slot))
        except (OSError, VenvshipError) as error:
            problem = str(error)
        if problem:
            workspace.warn(
                "slot-down",
                f"{self._release_id} does not answer: {problem}. `venvship handover ensure` tries again",
            )

    def _prove(self) -> Proof:
        """Have the release answer from the other slot, with no other mutex held than that of the slots."""
        workspace, release_id = self._workspace, self._release_id
        try:
            with hold_slots(workspace, self._settings, strict=True) as held:
                stop = asked_to_turn_back(workspace)
                proof = prove(held, release_id, self._context, stop=stop, fresh=True, yields=True)
        except TurnBack:
            raise SupersededError(
                "a rollback began meanwhile; nothing was restarted", hint="look at `venvship status`"
            ) from None
        if proof.short_of_memory:
            raise NoMemoryError(proof.problem, hint=MEMORY_REMEDY, release=release_id)
        if proof.slot is None:
            then = (
                "The first one goes on"
                if self._settings.service.overlap
                else "The first one was stopped before it, and one is started again now"
            )
            raise RejectedError(
                f"a second {release_id} does not answer: {proof.problem}. {then}",
                hint="look at its log",
                release=release_id,
                **output_facts(workspace, release_id, proof.log, proof.result.said),
            )
        return proof

    def _lead_to(self, proof: Proof | None) -> str | None:
        """Lead customers to the slot that was proven; returns the one that they were led to."""
        if proof is None or proof.slot is None:
            return None
        with hold_slots(self._workspace, self._settings) as held:
            old = held.slots.live()
            problem = lead_to(held, proof.slot)
        if problem:
            raise RejectedError(f"{problem}. The old slot goes on", release=self._release_id)
        return old

    def _lead_back(self, old: str | None) -> bool:
        """Lead customers to the slot that they were led to before; whether it still runs, and they are."""
        workspace = self._workspace
        if old is None:
            return False
        try:
            with workspace.runtime.signals.deferred(), hold_slots(workspace, self._settings) as held:
                return held.slots.accepts(old) and not lead_to(held, old)
        except (OSError, VenvshipError) as error:
            workspace.warn("slot-elsewhere", f"customers could not be led back to slot {old}: {error}")
            return False

    def _failed(self, trial: Trial, old: str | None, checks: tuple[CheckResult, ...]) -> VenvshipError:
        """Lead customers back, if the old slot still runs, and return the error."""
        workspace = self._workspace
        kind: type[VenvshipError] = RestartFailedError
        then = "It stays live"
        if self._lead_back(old):
            then = f"Customers are back at slot {old}, which was started before"
            kind = RolledBackError
        return kind(
            f"{self._release_id} was restarted, and {trial.problem}. {then}",
            hint="look at the service, then `venvship check`" + or_go_back(workspace),
            release=self._release_id,
            **output_facts(workspace, self._release_id, trial.log, trial.said),
        ).carrying(self._result("failed", old, checks))

    def _result(
        self, outcome: Literal["restarted", "failed"], slot: str | None, checks: tuple[CheckResult, ...]
    ) -> RestartResult:
        workspace = self._workspace
        history = workspace.known_history().history
        view = view_release(workspace.layout, self._release_id, history)
        return RestartResult(outcome=outcome, release=view, slot=slot, checks=checks)
