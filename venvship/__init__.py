"""venvship: immutable virtual-environment releases for one host.

    from venvship import Root

    root = Root.open("/srv/shop")
    root.release(message="security fixes")
    root.rollback()

Everything public is here: `Root`, the results of its methods with all that they are made of, and `errors`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from venvship._version import __version__

if TYPE_CHECKING:
    from venvship import errors
    from venvship.api import Root, default_runtime
    from venvship.errors import OperationWarning, Result, VenvshipError
    from venvship.health.checks import AnswerCount, CheckResult
    from venvship.model.advisories.advisory import Advisory, Known, Vulnerability
    from venvship.model.advisories.ignored import Ignored
    from venvship.model.event import Event, EventName
    from venvship.model.explanation import Bound, Chain, Explanation
    from venvship.model.history import PassedOver
    from venvship.model.hold import Hold, HoldKind
    from venvship.model.package_hold import HeldBack, HeldVersion, KeptBack, PackageHold
    from venvship.model.progress import Progress, Step
    from venvship.model.release import Package, PackageChange, PackageDiff, State, TreeRow
    from venvship.model.repository import Commit
    from venvship.model.retention import Decision
    from venvship.model.security_fix import Fix, Unfixed
    from venvship.model.source import BuildRequirement, Built, Source, SourceKind
    from venvship.model.tree_difference import FileDifference, FileDifferenceKind, TreeDiff
    from venvship.model.trust import Trusted
    from venvship.model.update_attempts import Failures
    from venvship.operations.audit import AuditResult
    from venvship.operations.bisect import BisectResult, Culprit
    from venvship.operations.check import ChecksResult
    from venvship.operations.destroy import DestroyResult
    from venvship.operations.handover import HandoverResult, SlotView
    from venvship.operations.init import InitResult
    from venvship.operations.lock import LockResult
    from venvship.operations.marks import HoldResult, PinResult
    from venvship.operations.monitoring import Figure, MonitorResult, MonitorState
    from venvship.operations.promote import PromoteResult
    from venvship.operations.prune import PruneResult
    from venvship.operations.recover import RecoverResult
    from venvship.operations.release_result import PlanAction, ReleaseOutcome, ReleaseResult
    from venvship.operations.relocate import Left, Relocated, RelocateResult
    from venvship.operations.reporting.configuration import ConfigResult, EffectiveSetting
    from venvship.operations.reporting.details import PackageDetail
    from venvship.operations.reporting.diff import DiffResult
    from venvship.operations.reporting.lockfile_state import LockfileState
    from venvship.operations.reporting.measure import Measurement
    from venvship.operations.reporting.processes import PsResult, RunningProcess, Standing, Unseen
    from venvship.operations.reporting.report import HistoryResult, ListResult, ShowResult, StatusResult
    from venvship.operations.restart import RestartResult
    from venvship.operations.retention.store_cleaning import Dropped, StoreResult
    from venvship.operations.retention.verifying import Damage, Verified
    from venvship.operations.rollback import RollbackResult
    from venvship.operations.schedule import ScheduleFile, ScheduleResult
    from venvship.operations.service.printing import ServiceFile, ServiceResult
    from venvship.operations.switching.chosen import HoldChange
    from venvship.operations.switching.recovery import RecoverOutcome
    from venvship.operations.verify import VerifyResult
    from venvship.system.origins import Evidence
    from venvship.system.signals import Signals
    from venvship.workspace.runtime import Runtime
    from venvship.workspace.underway import Operation
    from venvship.workspace.verified import Difference, Verification
    from venvship.workspace.views import ReleaseView
    from venvship.workspace.way_back import CommandBack

_HOMES = {
    "venvship.api": "Root default_runtime",
    "venvship.errors": "OperationWarning Result VenvshipError",
    "venvship.health.checks": "AnswerCount CheckResult",
    "venvship.model.event": "Event EventName",
    "venvship.model.history": "PassedOver",
    "venvship.model.explanation": "Bound Chain Explanation",
    "venvship.model.hold": "Hold HoldKind",
    "venvship.model.package_hold": "HeldBack HeldVersion KeptBack PackageHold",
    "venvship.model.progress": "Progress Step",
    "venvship.model.release": "Package PackageChange PackageDiff State TreeRow",
    "venvship.model.repository": "Commit",
    "venvship.model.retention": "Decision",
    "venvship.model.security_fix": "Fix Unfixed",
    "venvship.model.source": "BuildRequirement Built Source SourceKind",
    "venvship.model.tree_difference": "FileDifference FileDifferenceKind TreeDiff",
    "venvship.model.trust": "Trusted",
    "venvship.model.update_attempts": "Failures",
    "venvship.model.advisories.advisory": "Advisory Known Vulnerability",
    "venvship.model.advisories.ignored": "Ignored",
    "venvship.operations.audit": "AuditResult",
    "venvship.operations.bisect": "BisectResult Culprit",
    "venvship.operations.check": "ChecksResult",
    "venvship.operations.destroy": "DestroyResult",
    "venvship.operations.handover": "HandoverResult SlotView",
    "venvship.operations.init": "InitResult",
    "venvship.operations.lock": "LockResult",
    "venvship.operations.marks": "HoldResult PinResult",
    "venvship.operations.monitoring": "Figure MonitorResult MonitorState",
    "venvship.operations.promote": "PromoteResult",
    "venvship.operations.prune": "PruneResult",
    "venvship.operations.recover": "RecoverResult",
    "venvship.operations.release_result": "PlanAction ReleaseOutcome ReleaseResult",
    "venvship.operations.reporting.configuration": "ConfigResult EffectiveSetting",
    "venvship.operations.reporting.details": "PackageDetail",
    "venvship.operations.reporting.diff": "DiffResult",
    "venvship.operations.reporting.lockfile_state": "LockfileState",
    "venvship.operations.relocate": "Left Relocated RelocateResult",
    "venvship.operations.reporting.measure": "Measurement",
    "venvship.operations.reporting.processes": "PsResult RunningProcess Standing Unseen",
    "venvship.operations.reporting.report": "HistoryResult ListResult ShowResult StatusResult",
    "venvship.operations.retention.store_cleaning": "Dropped StoreResult",
    "venvship.operations.retention.verifying": "Damage Verified",
    "venvship.operations.restart": "RestartResult",
    "venvship.operations.rollback": "RollbackResult",
    "venvship.operations.schedule": "ScheduleFile ScheduleResult",
    "venvship.operations.service.printing": "ServiceFile ServiceResult",
    "venvship.operations.switching.chosen": "HoldChange",
    "venvship.operations.switching.recovery": "RecoverOutcome",
    "venvship.operations.verify": "VerifyResult",
    "venvship.system.origins": "Evidence",
    "venvship.system.signals": "Signals",
    "venvship.workspace.runtime": "Runtime",
    "venvship.workspace.underway": "Operation",
    "venvship.workspace.verified": "Difference Verification",
    "venvship.workspace.views": "ReleaseView",
    "venvship.workspace.way_back": "CommandBack",
}
"""The module of each public name."""

__all__ = [
    "Advisory",
    "AnswerCount",
    "AuditResult",
    "BisectResult",
    "Bound",
    "BuildRequirement",
    "Built",
    "Chain",
    "CheckResult",
    "ChecksResult",
    "CommandBack",
    "Commit",
    "ConfigResult",
    "Culprit",
    "Damage",
    "Decision",
    "DestroyResult",
    "DiffResult",
    "Difference",
    "Dropped",
    "EffectiveSetting",
    "Event",
    "EventName",
    "Evidence",
    "Explanation",
    "Failures",
    "Figure",
    "FileDifference",
    "FileDifferenceKind",
    "Fix",
    "HandoverResult",
    "HeldBack",
    "HeldVersion",
    "HistoryResult",
    "Hold",
    "HoldChange",
    "HoldKind",
    "HoldResult",
    "Ignored",
    "InitResult",
    "KeptBack",
    "Known",
    "Left",
    "ListResult",
    "LockResult",
    "LockfileState",
    "Measurement",
    "MonitorResult",
    "MonitorState",
    "Operation",
    "OperationWarning",
    "Package",
    "PackageChange",
    "PackageDetail",
    "PackageDiff",
    "PackageHold",
    "PassedOver",
    "PinResult",
    "PlanAction",
    "Progress",
    "PromoteResult",
    "PruneResult",
    "PsResult",
    "RecoverOutcome",
    "RecoverResult",
    "ReleaseOutcome",
    "ReleaseResult",
    "ReleaseView",
    "RelocateResult",
    "Relocated",
    "RestartResult",
    "Result",
    "RollbackResult",
    "Root",
    "RunningProcess",
    "Runtime",
    "ScheduleFile",
    "ScheduleResult",
    "ServiceFile",
    "ServiceResult",
    "ShowResult",
    "Signals",
    "SlotView",
    "Source",
    "SourceKind",
    "Standing",
    "State",
    "StatusResult",
    "Step",
    "StoreResult",
    "TreeDiff",
    "TreeRow",
    "Trusted",
    "Unfixed",
    "Unseen",
    "VenvshipError",
    "Verification",
    "Verified",
    "VerifyResult",
    "Vulnerability",
    "__version__",
    "default_runtime",
    "errors",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is asked for (PEP 562): every command imports this package first."""
    if name == "errors":
        return importlib.import_module("venvship.errors")
    for module, names in _HOMES.items():
        if name in names.split():
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
