"""`check --monitor`: the state of a root for a monitoring system, as one of its plugins reports it.

The states and the line are those of the Monitoring Plugins' guidelines
(https://www.monitoring-plugins.org/doc/guidelines.html), which Nagios, Icinga, Naemon and Checkmk read.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from venvship.errors import CheckFailedError, ForeignLinkError, OperationWarning, ReleaseError
from venvship.model.spelling import ago, format_time
from venvship.operations.check import ChecksResult, check
from venvship.operations.reporting.report import StatusResult, status
from venvship.workspace.reading import ReadingWorkspace

if TYPE_CHECKING:
    from venvship.health.checks import CheckResult


class MonitorState(IntEnum):
    """The states of a monitored service. Each is the exit code of `check --monitor`."""

    OK = 0
    """Nothing is wrong."""

    WARNING = 1
    """Updates are held or fail, a check failed that is not required, or a slot runs without a `[service]`."""

    CRITICAL = 2
    """A required check failed, or `current` is missing or damaged."""

    UNKNOWN = 3
    """Anything else: the state could not be found out."""


class Figure(NamedTuple):
    """One item of performance data: `label=value[unit]`.

    Attributes:
        label: Its name, without blanks, quotes and equals signs.
        value: Its value; at least 0.
        unit: `"s"` for seconds; empty for a count.
    """

    label: str
    value: float
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.label}={self.value:.6g}{self.unit};;;0"


class MonitorResult(NamedTuple):
    """The result of `Root.monitor`.

    Attributes:
        name: The application's name.
        state: The worst of what was found.
        problems: All that was found, the worst first.
        fine: What is told where nothing was found.
        figures: The performance data.
        checks: The results of the checks.
        warnings: The warnings of the operation.
    """

    name: str
    state: MonitorState
    problems: tuple[str, ...]
    fine: str
    figures: tuple[Figure, ...]
    checks: tuple[CheckResult, ...] = ()
    warnings: tuple[OperationWarning, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "name": self.name,
            "state": self.state.name,
            "problems": list(self.problems),
            "figures": {figure.label: figure.value for figure in self.figures},
            "checks": [one.to_json() for one in self.checks],
        }

    @property
    def line(self) -> str:
        """The line of the plugin: `VENVSHIP OK - … | label=value…`."""
        said = "; ".join(self.problems) or self.fine
        return plugin_line(self.state, f"{self.name}: {said}", self.figures)


def plugin_line(state: MonitorState, said: str, figures: tuple[Figure, ...] = ()) -> str:
    """One line for a monitoring system.

    Args:
        state: The state.
        said: The reason, for people. A vertical bar, which would begin the performance data, becomes a
            slash, and a line break a semicolon.
        figures: The performance data.
    """
    text = "; ".join(line.strip() for line in said.splitlines() if line.strip()).replace("|", "/")
    data = f" | {' '.join(map(str, figures))}" if figures else ""
    return f"VENVSHIP {state.name} - {text}{data}"


DAMAGED: Final = frozenset(
    {
        ForeignLinkError.slug,
        "current-missing",
        "current-dangling",
        "current-unusable",
        "damage-found",
        "root-moved",
    }
)
"""Warnings of `status` on a `current` that is missing or damaged."""


def monitor(workspace: ReadingWorkspace) -> MonitorResult:
    """Run the health checks of the live release, and look at what `status` looks at.

    Arguments and errors: `Root.monitor`.
    """
    workspace.settings()  # `status` would go on without them, and nobody could tell what to check
    found = status(workspace)
    critical = [warning.message for warning in found.warnings if warning.slug in DAMAGED]
    checks: tuple[CheckResult, ...] = ()
    if found.current is None and not critical:
        critical.append("nothing is live")
    elif found.current is not None:
        try:
            checks = check(workspace).checks
        except CheckFailedError as error:
            checks = error.result.checks if isinstance(error.result, ChecksResult) else ()
            critical.append(error.message)
        except (ReleaseError, ForeignLinkError) as error:
            critical.append(error.message)
    warning = _warnings(found, checks)
    state = MonitorState.CRITICAL if critical else MonitorState.WARNING if warning else MonitorState.OK
    passed = sum(one.outcome == "passed" for one in checks)
    return MonitorResult(
        name=found.name,
        state=state,
        problems=tuple(dict.fromkeys((*critical, *warning))),
        fine=_fine(workspace, found, passed),
        figures=(
            Figure("checks_passed", passed),
            Figure("checks_failed", sum(one.outcome == "failed" for one in checks)),
            Figure("checks_time", sum(one.seconds for one in checks), "s"),
            Figure("update_failures", found.failing.count if found.failing is not None else 0),
            Figure("old_processes", sum(map(len, found.old_processes.values()))),
        ),
        checks=checks,
        warnings=tuple(workspace.warnings),
    )


def _warnings(found: StatusResult, checks: tuple[CheckResult, ...]) -> list[str]:
    """What is no outage, and has to be looked at some day."""
    problems = [
        f"check {one.name!r} failed, which is not required: {one.output}"
        for one in checks
        if one.outcome == "failed" and not one.required
    ]
    if found.held is not None:
        why = f": {found.held.reason}" if found.held.reason else ""
        problems.append(f"updates are held since {format_time(found.held.since)} by {found.held.by}{why}")
    if found.failing is not None:
        count = f"{found.failing.count} attempt{'' if found.failing.count == 1 else 's'}"
        problems.append(f"update fails, {count} in a row: {found.failing.reason}")
    elif found.lockfile.problem is not None:
        problems.append(f"update fails: {found.lockfile.problem}")
    problems += [warning.message for warning in found.warnings if warning.slug == "slot-orphaned"]
    return problems


def _fine(workspace: ReadingWorkspace, found: StatusResult, passed: int) -> str:
    live = found.current.id if found.current is not None else "nothing"
    since = f" (live {ago(found.live_since.at, workspace.runtime.clock())})" if found.live_since else ""
    return f"{live}{since}, {passed} check{'' if passed == 1 else 's'} passed"
