"""Results as lines for people: first the live release, then the reason, then the advice."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from venvship.cli import hold_text, style
from venvship.cli.changes import MOST, changes, detail_lines, differences
from venvship.cli.findings import found_in_target, insisting, oddities, trial
from venvship.cli.fitting import (
    LEAST_LAST_COLUMN,
    Page,
    columns,
    counted,
    length,
    pad,
    shorten,
    table,
    when,
)
from venvship.cli.hold_text import described, hold_change_lines, hold_plan_lines
from venvship.cli.projects import between_lines, commit_parts, project_line, project_lines
from venvship.cli.security_text import fix_lines
from venvship.cli.trees import file_lines, tree_lines
from venvship.model.hold import SWITCH_HOLD
from venvship.model.release import State
from venvship.model.spelling import ago
from venvship.printable import shell_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from venvship.model.event import Event
    from venvship.operations.check import ChecksResult
    from venvship.operations.init import InitResult
    from venvship.operations.marks import PinResult
    from venvship.operations.promote import PromoteResult
    from venvship.operations.recover import RecoverResult
    from venvship.operations.release_result import ReleaseResult
    from venvship.operations.reporting.diff import DiffResult
    from venvship.operations.reporting.report import HistoryResult, ListResult, ShowResult, StatusResult
    from venvship.operations.rollback import RollbackResult
    from venvship.operations.schedule import ScheduleResult
    from venvship.operations.verify import VerifyResult
    from venvship.workspace.views import ReleaseView
    from venvship.workspace.way_back import CommandBack

LIST_COLUMNS = 56
"""Columns of `list` before the marks and the message of a release, with the longest state."""


LEFT_ALONE: Final = (
    "No restart hook and no live check are set: a process that runs goes on with the old release, and "
    "nothing proves the new one."
)


R = TypeVar("R")
Text = Callable[[R, Page], list[str]]
"""Turns a result into lines for a page."""


def init_lines(result: InitResult, page: Page) -> list[str]:
    """The lines of `init`."""
    if not result.created:
        who = ", ".join(one.argument for one in result.trusted)
        owner = f"the owner of {result.root} and root"
        done = style.good("Trusted:") if result.changed else "Nothing changed; trusted:"
        return [f"{done} {who}, besides {owner}" if who else f"{done} only {owner}"]
    lines = [f"{style.good('Made a root:')} {result.root}", *(f"  {path}" for path in result.created)]
    if result.found:
        lines += ["Found, and set:", *(line for found in result.found for line in page.hanging(f"  {found}"))]
    if result.left_out:
        lines += ["Left to you:", *(line for left in result.left_out for line in page.hanging(f"  {left}"))]
    if not result.found:
        lines += page.fold(
            "Next: put a lockfile with hashes there (or set `[lock] inputs`, and run `venvship lock`), then:"
        )
    else:
        lines.append("Next:")
    return [*lines, f"      venvship -C {shell_line([result.root])} release"]


def release_lines(result: ReleaseResult, page: Page) -> list[str]:
    """The lines of `release`."""
    release, previous = result.release, result.previous
    if result.outcome == "planned":
        return [
            _plan(result),
            *([] if result.plan == "unchanged" else differences(result, page.width)),
            *hold_plan_lines(result.holds, page),
        ]
    if release is None:
        return []
    live = f"Still live: {previous.id}" if previous else "Nothing is live"
    promote = page.fold(f"Make it live: venvship promote {release.id}")
    if result.outcome == "unchanged":
        if result.no_promote and not release.current:
            return [f"Nothing changed: {style.strong(release.id)} is built already. {live}", *promote]
        return [
            f"Nothing changed: {style.strong(release.id)} is live.",
            *hold_text.held_back_lines(result.held_back, page),
            *hold_change_lines(result.holds, page),
        ]
    if result.outcome == "built":
        return [
            f"{style.good('Built:')} {style.strong(release.id)}. {live}",
            *differences(result, page.width),
            *promote,
        ]
    seconds = sum(result.timings.values())
    return [
        f"{style.good('Live:')} {style.strong(release.id)}, after {seconds:.1f} s",
        *differences(result, page.width),
        *fix_lines(result, page),
        *hold_text.upgrade_lines(result, page),
        *(page.fold(LEFT_ALONE) if result.leaves_service_alone else []),
        *_back(result.back, page),
        *hold_change_lines(result.holds, page),
    ]


def update_lines(result: ReleaseResult, page: Page) -> list[str]:
    """The lines of `update`: on a terminal those of `release`, else a mail's; none if nothing was done."""
    release, previous = result.release, result.previous
    if result.outcome in {"unchanged", "waiting"} and page.width is None:
        return hold_text.nothing_left_lines(result, page)
    if result.outcome == "waiting":
        opening = f"; the next one begins {when(result.waits_until)}" if result.waits_until else ""
        return page.fold(f"Nothing was done: no `[update] window` is open{opening}.")
    if page.width is not None or release is None:
        return release_lines(result, page)
    seconds = sum(result.timings.values())
    was = f" (was {previous.id})" if previous else ""
    return [
        f"{result.name}: {result.outcome} {release.id} in {seconds:.1f} s{was}",
        *differences(result, page.width),
        *detail_lines(result.details[:MOST], page),
        *fix_lines(result, page),
        *hold_text.upgrade_lines(result, page),
        *hold_change_lines(result.holds, page),
    ]


def _plan(result: ReleaseResult) -> str:
    known = result.release.id if result.release else ""
    packages = counted(result.packages, "package")
    state = "live" if result.release and result.release.current else "built already"
    then = "leave current as it is" if result.no_promote else "make it live"
    if result.plan == "reactivate":
        if result.no_promote:
            return f"Would check {known} again: it matches the lockfile"
        if result.release is not None and result.release.state in {State.UNCHECKED, State.PROVEN}:
            return f"Would promote {known} again: it matches the lockfile"
        return f"Would promote {known}, which is built already and matches the lockfile"
    if result.plan == "build":
        return f"Would build a release of {packages} for CPython {result.python}, and {then}"
    nothing = "do nothing" if result.holds.ended is None else "switch nothing"
    return f"Would {nothing}: {known} is {state} and matches the lockfile"


def promote_lines(result: PromoteResult, page: Page) -> list[str]:
    """The lines of `promote`."""
    if result.outcome == "planned":
        was = result.previous.id if result.previous else "nothing"
        if not result.changed or was == result.release.id:
            nothing = "do nothing" if result.holds.ended is None else "switch nothing"
            return [
                f"Would {nothing}: {style.strong(result.release.id)} is live",
                *hold_plan_lines(result.holds, page),
            ]
        return [
            f"Would make {style.strong(result.release.id)} live, in place of {was}",
            *differences(result, page.width),
            *hold_plan_lines(result.holds, page),
        ]
    if result.outcome == "unchanged":
        return [
            f"Nothing to do: {style.strong(result.release.id)} is live.",
            *hold_change_lines(result.holds, page),
        ]
    return [
        f"{style.good('Live:')} {style.strong(result.release.id)}",
        *differences(result, page.width),
        *_back(result.back, page),
        *hold_change_lines(result.holds, page),
    ]


def _back(command: CommandBack | None, page: Page) -> list[str]:
    """The line with the command that goes back, if there is one."""
    if command is None:
        return []
    state = "" if command.state is State.PROVEN else f", {command.state.value}"
    return [page.addressed(f"Back: {command.line}  (to {command.release_id}{state})")]


def rollback_lines(result: RollbackResult, page: Page) -> list[str]:
    """The lines of `rollback`."""
    known = "; ".join([_target(result.release.state, result.last_live, page), *_passed_over(result)])
    if result.outcome == "planned":
        if not result.changed:
            return [f"Would do nothing: {style.strong(result.release.id)} is live"]
        was = result.previous.id if result.previous else "nothing"
        return [f"Would switch to {style.strong(result.release.id)}, from {was}: {known}"]
    if result.outcome == "unchanged":
        return [f"Nothing to do: {style.strong(result.release.id)} is live."]
    was = result.previous.id if result.previous else "nothing"
    return [
        f"{style.good('Live:')} {style.strong(result.release.id)} (was {was}), {known}",
        *page.fold(result.held.end if result.held is not None else SWITCH_HOLD),
        *(
            [page.addressed("Which package is to blame: venvship bisect current @{1}")]
            if result.previous
            else []
        ),
    ]


def _target(state: State, last_live: datetime | None, page: Page) -> str:
    """The state of a rollback's target, and when it was last live."""
    said = f"last live {when(last_live)} ({ago(last_live, page.now)})" if last_live else "not live before"
    return f"{state.value}, {said}"


def _passed_over(result: RollbackResult | StatusResult) -> list[str]:
    """The releases that a rollback passes over, each with the reason."""
    return [f"passed over {passed.id}: {passed.reason}" for passed in result.passed_over]


def recover_lines(result: RecoverResult, page: Page) -> list[str]:
    """The lines of `recover`."""
    live = f"{style.good('Live:')} {style.strong(result.current)}" if result.current else "Nothing is live"
    swept = f"{counted(len(result.debris), 'left-over')} removed" if result.debris else ""
    known = [f"  The journal knows {release_id} again." for release_id in result.taken_up]
    if result.outcome == "observed":  # a warning has reported that
        return [live, *page.fold(SWITCH_HOLD), *([f"  {swept}."] if swept else []), *known]
    summary = result.summary[0].upper() + result.summary[1:]
    held = page.fold(result.held.end) if result.held is not None else []
    return [live, f"  {'; '.join(filter(None, (summary, swept)))}.", *held, *known]


def check_lines(result: ChecksResult, page: Page) -> list[str]:
    """The lines of `check`."""
    from venvship.health.running import joined  # `check` has loaded it

    if not result.checks:
        return [f"{result.release}: no checks apply"]
    paint = {"passed": style.good, "failed": style.bad, "skipped": style.faint}
    rows = [
        (
            f"  {paint[check.outcome](check.outcome)}",
            check.name,
            f"{check.seconds:.1f} s",
            # As for errors: the words of a check are for a terminal.
            joined(check.output, check.said if page.width is not None else "")
            + ("" if check.required else " (not required)"),
        )
        for check in result.checks
    ]
    passed = sum(1 for check in result.checks if check.outcome == "passed")
    return [
        *table(rows, page.width),
        f"{style.strong(result.release)}: {passed} of {len(result.checks)} checks pass",
    ]


def status_lines(result: StatusResult, page: Page) -> list[str]:
    """The lines of `status`."""
    tier = f" ({result.tier})" if result.tier is not None else ""
    lines = [style.strong(result.name) + f"{tier} · {result.root}"]
    for hold in result.holds:
        lines += page.labelled("HELD", described(hold, page), paint=style.bad("HELD"))
        lines += page.labelled("", hold.end)
    if result.current is None:
        lines += page.labelled("Live", "nothing" if result.releases else "nothing yet")
    else:
        view = result.current
        made = f"{style.state(view.state)}, {counted(view.packages, 'package')} on CPython {view.python}"
        lines.append(pad("Live", 10) + f"{style.strong(view.id)}, {made}")
        if view.project is not None:
            lines += page.labelled("Project", project_line(view.project))
    lines += [*_since(result, page), *trial(result, page), *_way_back(result, page)]
    if result.leaves_service_alone:
        lines += page.labelled("Service", LEFT_ALONE)
    elif result.slot is not None:
        lines += page.labelled("Service", f"slot {result.slot}; `venvship handover status` shows both")
    lines += hold_text.package_hold_lines(result.held_packages, page)
    if result.trusted:
        lines += page.labelled("Trusted", ", ".join(one.argument for one in result.trusted))
    lines += oddities(result, page)
    if result.next_step:
        lines += page.labelled("Next", result.next_step)
    return lines


def _since(result: StatusResult, page: Page) -> list[str]:
    event = result.live_since
    if event is None:
        return []
    by = f"{event.event.replace('-', ' ')} by {event.actor}" + (f": {event.reason}" if event.reason else "")
    return page.labelled("Since", f"{when(event.at)} ({ago(event.at, page.now)}), {by}")


def _way_back(result: StatusResult, page: Page) -> list[str]:
    over = [line for passed in _passed_over(result) for line in page.labelled("", passed)]
    if result.previous is None:
        none = page.labelled("Rollback", "there is nothing to go back to")
        return [*none, *over] if result.current or over else []
    target = _target(result.previous.state, result.previous.last_live, page)
    goal = pad("Rollback", 10) + f"would go to {style.strong(result.previous.id)},"
    fits = page.width is None or length(goal) + 1 + len(target) <= page.width
    lines = [f"{goal} {target}"] if fits else [goal, *page.labelled("", target)]
    back = changes(result.way_back, page.width) if result.way_back is not None else []
    return [
        *lines,
        *insisting(result, page),
        *found_in_target(result, page),
        *over,
        *(" " * 8 + change for change in back),
    ]


def list_lines(result: ListResult, page: Page) -> list[str]:
    """The lines of `list`."""
    debris = [f"debris: {path}" for path in result.debris]
    hold = result.held
    held = page.hanging(f"HELD: {described(hold, page)}") + page.fold(hold.end) if hold else []
    if not result.releases:
        return ["No releases yet.", *held, *debris]
    rows = [(*map(style.faint, ("RELEASE", "STATE", "PKGS", "PYTHON")), "")]
    room = page.width
    if room is not None:
        beside = room - LIST_COLUMNS
        room = beside if beside >= LEAST_LAST_COLUMN else room  # or it goes below its row
    for view in result.releases:
        marks = ", ".join(name for name, on in _marks(view) if on)
        said = shorten(" · ".join(filter(None, (marks, *commit_parts(view)))), room)
        name = style.strong(view.id) if view.current else view.id
        rows.append((name, style.state(view.state), f"{view.packages:>4}", view.python, said))
    return [*table(rows, page.width), *held, *debris]


def show_lines(result: ShowResult, page: Page) -> list[str]:
    """The lines of `show`."""
    if result.files is not None:
        return file_lines(result.files)
    view, width = result.release, page.width
    marks = ", ".join(name for name, on in _marks(view) if on)
    usable = "" if view.usable else f"; {style.bad('NOT USABLE')}: {view.problem}"
    sealed = when(view.created_at) if view.created_at else "unknown"
    lines = [
        pad("Release", 10) + style.strong(view.id) + (f" ({marks})" if marks else ""),
        pad("State", 10) + style.state(view.state) + usable,
        *page.labelled("Sealed", sealed + (f": {view.message}" if view.message else "")),
        *page.labelled("Python", f"{view.python}, {result.interpreter.get('path', '?')}"),
        *project_lines(result, page),
        *page.labelled("Lockfile", f"sha256:{view.lockfile_sha256}"),
        *page.labelled("Tree", view.tree_digest),
        *page.labelled("Manifest", f"sha256:{view.manifest_sha256}" if view.manifest_sha256 else "-"),
        *page.labelled("Path", view.path),
        *page.labelled("Packages", str(view.packages)),
        *columns([f"{package.name} {package.version}" for package in result.packages], width),
    ]
    for warning in result.build_warnings:
        lines += page.labelled("Warning", warning.get("message", ""), paint=style.attention("Warning"))
    return lines + ([pad("Events", 10).rstrip(), *_events(result.events, width)] if result.events else [])


def history_lines(result: HistoryResult, page: Page) -> list[str]:
    """The lines of `history`."""
    return _events(result.events, page.width) if result.events else ["Nothing has happened here yet."]


def diff_lines(result: DiffResult, page: Page) -> list[str]:
    """The lines of `diff`."""
    lines = [f"{result.a} → {style.strong(result.b)}"]
    diff = result.diff
    every = sorted([*diff.added, *diff.removed, *diff.changed], key=lambda c: c.name)
    if diff.python is not None:
        every.insert(0, diff.python._replace(name="CPython"))
    rows = [(f"  {c.name}", c.before or style.faint("-"), "→", c.after or "-") for c in every]
    same = [] if diff.added or diff.removed or diff.changed else ["  the same packages"]
    return [
        *lines,
        *table(rows, page.width),
        *same,
        *detail_lines(result.details, page, all_=True),
        *between_lines(result, page),
        *tree_lines(result, page),
    ]


def verify_lines(result: VerifyResult, page: Page) -> list[str]:
    """The lines of `verify`."""
    lines = []
    for release in result.releases:
        count = counted(release.files, "file")
        if release.intact:
            lines.append(f"{release.id}  {style.good('intact')}, {count}")
        else:
            found = counted(len(release.damaged), "path")
            lines.append(f"{release.id}  {style.bad('DAMAGED')}, {found}, in a release of {count}")
        said = [f"{damage.path}: {damage.problem}" for damage in release.damaged]
        said += [f"NOT USABLE: {release.problem}"] if release.problem is not None else []
        said += [f"{path}: has a hard link elsewhere" for path in release.linked]
        said += [f"{path}: bytecode that is not part of the release" for path in release.stray]
        lines += [f"  {line}" for text in said for line in page.fold(text)]
    return lines or ["No releases yet."]


def pin_lines(result: PinResult, _page: Page) -> list[str]:
    """The lines of `pin`."""
    return [f"{result.release.id} is {'pinned' if result.release.pinned else 'not pinned'}"]


def schedule_lines(result: ScheduleResult, _page: Page) -> list[str]:
    """The lines of `schedule`."""
    return "\n".join(file.content for file in result.files).splitlines()


_EVENT_STYLES = {
    "promoted": style.good,
    "rollback-failed": style.bad,
    **dict.fromkeys(("rolled-back", "build-failed", "rejected", "held", "observed"), style.attention),
}


def _events(events: Sequence[Event], width: int | None) -> list[str]:
    rows = []
    for event in events:
        left = event.facts.get("from")
        detail = event.reason or (f"from {left}" if left else "")
        paint = _EVENT_STYLES.get(event.event)
        name = paint(event.event) if paint else event.event
        rows.append((f"{event.seq:>3}", when(event.at), name, event.release or "-", event.actor, detail))
    return table(rows, width)


def _marks(view: ReleaseView) -> list[tuple[str, bool]]:
    return [
        ("current", view.current),
        ("previous", view.previous),
        ("pinned", view.pinned),
        ("one-way", view.one_way),
        ("NOT USABLE", not view.usable),
    ]
