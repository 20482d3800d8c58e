"""The result of `release` and `update`, filled as far as it is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

from venvship.errors import (
    HeldError,
    NoWayBackError,
    OneWayNeededError,
    OperationWarning,
    RejectedError,
    RollbackFailedError,
    RolledBackError,
    SupersededError,
)
from venvship.model.package_hold import HeldBack, KeptBack
from venvship.model.release import PackageDiff
from venvship.model.security_fix import Fix, Unfixed
from venvship.model.spelling import format_time
from venvship.operations.reporting.details import PackageDetail
from venvship.operations.switching.chosen import NO_HOLDS, HoldChange
from venvship.workspace.views import ReleaseView
from venvship.workspace.way_back import CommandBack

if TYPE_CHECKING:
    from venvship.health.checks import CheckResult

PlanAction = Literal["", "unchanged", "reactivate", "build", "refuse"]

ReleaseOutcome = Literal[
    "released",
    "unchanged",
    "reactivated",
    "built",
    "planned",
    "rejected",
    "rolled-back",
    "superseded",
    "held",
    "waiting",
]

OUTCOMES: Final[Mapping[str, ReleaseOutcome]] = {
    RejectedError.slug: "rejected",
    OneWayNeededError.slug: "rejected",
    HeldError.slug: "held",
    NoWayBackError.slug: "held",
    SupersededError.slug: "superseded",
    RolledBackError.slug: "rolled-back",
    RollbackFailedError.slug: "rolled-back",
}
"""The outcome that an error stands for. Other errors, such as a failed build, leave it open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseResult:
    """The result of `Root.release` and `Root.update`; filled as far as known when an error carries it.

    Attributes:
        name: The application's.
        outcome: `released`, `unchanged`, `reactivated`, `built`, `planned`, `rejected`, `rolled-back`,
            `superseded`, `held` or `waiting`; `None` where an error ended it before there was one.
        plan: What the lockfile asks for: `unchanged`, `reactivate`, `build` or `refuse`.
        release: The release in question.
        previous: What was current when it began.
        diff: From `previous` to `release`.
        timings: Seconds by step.
        lockfile: The path that was read.
        packages: How many packages it selects.
        python: The interpreter's full version.
        no_promote: Whether the release was only to be built.
        checks: The results of checks, candidate and live.
        back: The command that goes back from a release that was promoted; `None` without one.
        leaves_service_alone: Whether neither a restart hook nor a live check is set.
        waits_until: When the next window of `update` begins, if the outcome is `waiting`; else `None`.
        holds: The hold of the root after it, and the one that it ended. In a dry run: those that would be, or
            the hold that would refuse it.
        kept_back: Of `update --upgrade`: the packages that are held, and stay as they were.
        fixes: Of `update --security`: the packages that moved.
        unfixed: Of `update --security`: the packages whose vulnerabilities stay.
        held_back: Of `update --upgrade`: the sets of changes that failed, and are held from now on.
        details: Of `update --upgrade` and `--security`: what to know of the packages that moved.
        changed: Whether a later command can see a difference; in a dry run, whether it would.
        warnings: The warnings of the operation.
    """

    name: str = ""
    outcome: ReleaseOutcome | None = None
    plan: PlanAction = ""
    release: ReleaseView | None = None
    previous: ReleaseView | None = None
    diff: PackageDiff = field(default_factory=PackageDiff)
    timings: Mapping[str, float] = field(default_factory=dict)
    lockfile: str = ""
    packages: int = 0
    python: str = ""
    no_promote: bool = False
    checks: tuple[CheckResult, ...] = ()
    back: CommandBack | None = None
    leaves_service_alone: bool = False
    waits_until: datetime | None = None
    holds: HoldChange = NO_HOLDS
    kept_back: tuple[KeptBack, ...] = ()
    fixes: tuple[Fix, ...] = ()
    unfixed: tuple[Unfixed, ...] = ()
    held_back: tuple[HeldBack, ...] = ()
    details: tuple[PackageDetail, ...] = ()
    changed: bool = False
    warnings: tuple[OperationWarning, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The `data` of `release --json` and `update --json`."""
        return {
            "name": self.name,
            "outcome": self.outcome,
            "changed": self.changed,
            "plan": self.plan,
            "release": self.release.to_json() if self.release else None,
            "previous": self.previous.to_json() if self.previous else None,
            "diff": self.diff.to_json(),
            "timings": dict(self.timings),
            "lockfile": self.lockfile,
            "python": self.python,
            "packages": self.packages,
            "checks": [check.to_json() for check in self.checks],
            "waits_until": format_time(self.waits_until) if self.waits_until else None,
            **self.holds.to_json(),
            "kept_back": [kept.to_json() for kept in self.kept_back],
            "fixes": [fix.to_json() for fix in self.fixes],
            "unfixed": [one.to_json() for one in self.unfixed],
            "held_back": [one.to_json() for one in self.held_back],
            "details": [one.to_json() for one in self.details],
        }
