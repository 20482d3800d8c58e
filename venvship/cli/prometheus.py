"""A root in the text format of Prometheus, for the textfile collector of its node exporter.

https://prometheus.io/docs/instrumenting/exposition_formats/; names and units follow
https://prometheus.io/docs/practices/naming/. Names, labels and meanings are part of the contract.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from venvship._version import __version__
from venvship.operations.reporting.measure import OUTCOMES
from venvship.printable import printable

if TYPE_CHECKING:
    from venvship.operations.reporting.measure import Measurement
    from venvship.operations.reporting.report import StatusResult

SCOPES: Final = ("root", "environment")

METRICS: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "venvship_root_info": (
        ("name", "version", "tier"),
        "The application's name, the version of venvship, and the tier, empty without one.",
    ),
    "venvship_release_info": (
        ("name", "release", "state", "python", "lockfile_sha256"),
        "The live release; no sample without one.",
    ),
    "venvship_release_created_timestamp_seconds": (
        (),
        "The time at which the build of the live release began.",
    ),
    "venvship_release_live_timestamp_seconds": ((), "The time since which it is live."),
    "venvship_release_packages": ((), "The number of its packages."),
    "venvship_release_usable": ((), "Whether its manifest can be read and its interpreter is there."),
    "venvship_rollback_ready": ((), "Whether there is a previous release, and it is usable."),
    "venvship_releases": (("state",), "The number of releases."),
    "venvship_debris": ((), "The number of left-overs of interrupted operations."),
    "venvship_held": (
        ("scope",),
        "Whether unattended releases are held: of the root, or of the environment.",
    ),
    "venvship_held_since_timestamp_seconds": (
        ("scope",),
        "The time since which they are held; no sample without a hold.",
    ),
    "venvship_held_packages": ((), "The number of packages that upgrades leave alone."),
    "venvship_last_outcome": (
        ("outcome",),
        "The outcome of the last release, update, promotion or rollback: 1 for one of them.",
    ),
    "venvship_last_outcome_timestamp_seconds": (
        (),
        "The time of that outcome. An operation that changes nothing has none.",
    ),
    "venvship_operation_running": ((), "Whether a command that writes is under way."),
    "venvship_interrupted": ((), "Whether an operation was interrupted and waits for recovery."),
    "venvship_lockfile_changed": (
        (),
        "Whether a release now would be of another environment than the live one; no sample if unknown.",
    ),
    "venvship_update_failures": ((), "How often update has failed at what it would try now."),
    "venvship_update_paused_until_timestamp_seconds": (
        (),
        "The time before which it does not try that again; no sample without a failure.",
    ),
    "venvship_verified_timestamp_seconds": (
        (),
        "The time of the last verify of the live release; no sample without one.",
    ),
    "venvship_verified_damaged": (
        (),
        "The number of damaged files that it found; no sample without one.",
    ),
    "venvship_audited_timestamp_seconds": (
        (),
        "The time of the last audit of the live release; no sample without one.",
    ),
    "venvship_vulnerabilities": (
        ("fixable",),
        "The number of known vulnerabilities of the live release, with and without a fix; none if unaudited.",
    ),
    "venvship_old_processes": ((), "The number of processes that run from a release that is not live."),
    "venvship_journal_damaged": ((), "Whether the journal is damaged, or has lost the live release."),
    "venvship_journal_torn": ((), "Whether the last line of the journal is torn."),
    "venvship_warnings": (("slug",), "The number of warnings of status; no sample without one."),
    "venvship_filesystem_used_bytes": ((), "The used bytes of the root's file system."),
    "venvship_filesystem_available_bytes": ((), "The bytes there that the calling user may still use."),
}
"""Every metric, in the order of the output: its labels besides `root`, and its meaning.

All are gauges, the counts too: releases and left-overs are removed.
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a metric, and the values of its labels besides `root`, in their order."""

    metric: str
    value: float | bool
    labels: tuple[str, ...] = ()


def exposition(measured: Measurement) -> list[str]:
    """The lines of a `.prom` file. Every sample has the label `root`, which tells several roots apart."""
    samples: dict[str, list[Sample]] = {name: [] for name in METRICS}
    for sample in (*_release(measured.status), *_state(measured.status), *_counts(measured)):
        samples[sample.metric].append(sample)
    lines = []
    for name, found in samples.items():
        if found:
            lines += [f"# HELP {name} {METRICS[name][1]}", f"# TYPE {name} gauge"]
        lines += [_line(sample, measured.status.root) for sample in found]
    return lines


def _release(status: StatusResult) -> Iterator[Sample]:
    yield Sample("venvship_root_info", 1, (status.name, __version__, status.tier or ""))
    back = status.previous
    yield Sample("venvship_rollback_ready", back is not None and back.usable)
    release = status.current
    if release is None:
        return
    labels = (status.name, release.id, release.state.value, release.python, release.lockfile_sha256)
    yield Sample("venvship_release_info", 1, labels)
    yield Sample("venvship_release_packages", release.packages)
    yield Sample("venvship_release_usable", release.usable)
    if release.created_at is not None:
        yield Sample("venvship_release_created_timestamp_seconds", release.created_at.timestamp())
    if status.live_since is not None:
        yield Sample("venvship_release_live_timestamp_seconds", status.live_since.at.timestamp())


def _state(status: StatusResult) -> Iterator[Sample]:
    for scope in SCOPES:
        held = status.held is not None and status.held.scope == scope
        yield Sample("venvship_held", held, (scope,))
    if status.held is not None:
        since = status.held.since.timestamp()
        yield Sample("venvship_held_since_timestamp_seconds", since, (status.held.scope,))
    yield Sample("venvship_held_packages", len({hold.package for hold in status.held_packages}))
    yield Sample("venvship_operation_running", status.operation is not None and status.operation.running)
    yield Sample("venvship_interrupted", status.interrupted)
    if status.lockfile.changed is not None:
        yield Sample("venvship_lockfile_changed", status.lockfile.changed)
    failing = status.failing
    yield Sample("venvship_update_failures", failing.count if failing is not None else 0)
    if failing is not None:
        yield Sample("venvship_update_paused_until_timestamp_seconds", failing.until.timestamp())
    if status.verified is not None:
        yield Sample("venvship_verified_timestamp_seconds", status.verified.at.timestamp())
        yield Sample("venvship_verified_damaged", status.verified.damaged)
    if status.audited is not None:
        known = status.audited
        yield Sample("venvship_audited_timestamp_seconds", known.at.timestamp())
        yield Sample("venvship_vulnerabilities", known.fixable, ("yes",))
        yield Sample("venvship_vulnerabilities", known.vulnerabilities - known.fixable, ("no",))
    yield Sample(
        "venvship_old_processes", sum(map(len, status.old_processes.values())) + len(status.unseen_leases)
    )


def _counts(measured: Measurement) -> Iterator[Sample]:
    for state, count in measured.states.items():
        yield Sample("venvship_releases", count, (state.value,))
    last = measured.last_outcome
    for outcome in OUTCOMES:
        happened = last is not None and last.event == outcome
        yield Sample("venvship_last_outcome", happened, (outcome.value,))
    if last is not None:
        yield Sample("venvship_last_outcome_timestamp_seconds", last.at.timestamp())
    yield Sample("venvship_debris", measured.debris)
    yield Sample("venvship_journal_damaged", measured.journal_damaged)
    yield Sample("venvship_journal_torn", measured.journal_torn)
    slugs = [warning.slug for warning in measured.warnings]
    for slug in sorted(set(slugs)):
        yield Sample("venvship_warnings", slugs.count(slug), (slug,))
    yield Sample("venvship_filesystem_used_bytes", measured.used_bytes)
    yield Sample("venvship_filesystem_available_bytes", measured.available_bytes)


def _line(sample: Sample, root: str) -> str:
    names = ("root", *METRICS[sample.metric][0])
    labels = ",".join(
        f'{name}="{_escape(value)}"' for name, value in zip(names, (root, *sample.labels), strict=True)
    )
    number = float(sample.value)
    return f"{sample.metric}{{{labels}}} {int(number) if number.is_integer() else repr(number)}"


def _escape(value: str) -> str:
    return printable(value).replace("\\", r"\\").replace('"', r"\"")
