"""The commands. Each opens the root, calls the API and returns the result; its decorator names the text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from venvship.api import Root
from venvship.cli import render, text
from venvship.cli.completion import complete_package, complete_release
from venvship.cli.group import command
from venvship.cli.options import Amount, Call, here, running_command
from venvship.errors import UsageError

if TYPE_CHECKING:
    from venvship.operations.check import ChecksResult
    from venvship.operations.init import InitResult
    from venvship.operations.lock import LockResult
    from venvship.operations.marks import PinResult
    from venvship.operations.promote import PromoteResult
    from venvship.operations.prune import PruneResult
    from venvship.operations.recover import RecoverResult
    from venvship.operations.release import ReleaseResult
    from venvship.operations.reporting.report import (
        DiffResult,
        HistoryResult,
        ListResult,
        ShowResult,
        StatusResult,
    )
    from venvship.operations.rollback import RollbackResult
    from venvship.operations.verify import VerifyResult

message_option = click.option(
    "-m", "--message", metavar="MSG", default="", help="Reason, recorded in `venvship history`."
)

# -- Release ----------------------------------------------------------------------------------------------


@command(
    "lock",
    "Release",
    text=text.lock_lines,
    example="venvship lock -P django",
    exits={
        0: "written, or nothing changed",
        10: "no inputs in the settings",
        20: "no lockfile could be generated",
        30: "busy",
    },
)
@click.option(
    "--upgrade", is_flag=True, help="Upgrade all pins. By default existing pins are kept where possible."
)
@click.option(
    "-P",
    "--upgrade-package",
    metavar="PKG",
    multiple=True,
    help="Upgrade the pin of PKG.",
    shell_complete=complete_package,
)
def lock(call: Call, upgrade: bool, upgrade_package: tuple[str, ...]) -> LockResult:
    """Generate the lockfile from the files in `[lock] inputs`.

    pip-compile resolves them for this root's interpreter and pins all packages with hashes. The lockfile is
    replaced in one step, or stays as it is. PKG is a name, or a name with versions, such as "django<6".
    """
    return call.open_root().lock(upgrade=upgrade, upgrade_package=upgrade_package)


@command(
    "release",
    "Release",
    text=text.release_lines,
    example='venvship release -m "security fixes"',
    exits={
        0: "live, or nothing to do",
        11: "the lockfile is refused",
        20: "the build failed",
        21: "refused before the switch",
        22: "rolled back",
        23: "rolled back, and the previous release fails too",
        25: "held or bad",
        30: "busy",
        31: "current moved during the build",
    },
)
@click.option("--lockfile", metavar="F", multiple=True, help="Another lockfile, or several.")
@click.option("--no-promote", is_flag=True, help="Build and check it, and leave current as it is.")
@message_option
@click.option("--rebuild", is_flag=True, help="Build even if nothing changed.")
@click.option("--force", is_flag=True, help="Go on even if this environment is bad or held.")
@click.option("--dry-run", is_flag=True, help="Print the plan and write nothing.")
def release(call: Call, lockfile: tuple[str, ...], message: str, **flags: bool) -> ReleaseResult:
    """Build a release from the lockfile, check it and make it live.

    If the restart hook or a live check fails, the previous release is restored automatically. If nothing
    changed, nothing is done.
    """
    return call.open_root().release(lockfile=[str(here(path)) for path in lockfile], message=message, **flags)


@command(
    "update",
    "Release",
    text=text.update_lines,
    example="venvship update --jitter 60",
    exits={
        0: "live, or nothing new",
        10: "the settings are wrong",
        11: "the lockfile is refused",
        12: "not your root",
        20: "the build failed, or it is too early to try again",
        21: "refused before the switch",
        22: "rolled back",
        23: "rolled back, and the previous release fails too",
        25: "held or bad",
        30: "busy",
        31: "current moved during the build",
    },
)
@click.option("--upgrade", is_flag=True, help="Lock again first; keep the new lockfile if its release stays.")
@click.option(
    "--jitter",
    metavar="SECONDS",
    type=Amount(min=0),
    default=0.0,
    help="Wait for a random time first, at most this long.",
)
def update(call: Call, upgrade: bool, jitter: float) -> ReleaseResult:
    """Release unattended, if there is something new.

    It is for cron or a timer. If nothing changed, nothing is printed. A bad or held environment is refused,
    and the refusal reported once. A failed build is tried again after a pause that grows.
    """
    call.only_summary = True
    return call.open_root().update(upgrade=upgrade, jitter=jitter)


@command(
    "promote",
    "Release",
    text=text.promote_lines,
    example='venvship promote 20261122T0941 -m "try again"',
    exits={
        0: "live",
        13: "no such release, or it is not usable",
        21: "refused before the switch",
        22: "rolled back",
        23: "rolled back, and the previous release fails too",
        30: "busy",
        31: "current moved during the checks",
    },
)
@click.argument("release", shell_complete=complete_release)
@message_option
@click.option("--force", is_flag=True, help="No warning if the release is bad.")
def promote(call: Call, release: str, message: str, force: bool) -> PromoteResult:
    """Make an existing RELEASE live, checked like a new one.

    RELEASE is an id, a unique prefix of one, current, previous, or @{N}: the release that was current N
    switches ago.
    """
    return call.open_root().promote(release, message=message, force=force)


@command(
    "rollback",
    "Release",
    text=text.rollback_lines,
    example='venvship rollback -m "checkout is broken"',
    exits={
        0: "back",
        12: "not your root",
        13: "no such release, or it is not usable",
        20: "the switch could not be made",
        23: "back, and that release fails too",
        24: "nothing to go back to",
        30: "another rollback is under way",
        31: "another release than --from names is current",
    },
)
@click.argument("release", required=False, shell_complete=complete_release)
@message_option
@click.option("--no-checks", is_flag=True, help="Switch and restart, without the live checks.")
@click.option(
    "--from", "from_", metavar="ID", help="Only if this release is current.", shell_complete=complete_release
)
def rollback(
    call: Call, release: str | None, message: str, no_checks: bool, from_: str | None
) -> RollbackResult:
    """Switch to the last good release, or to a named RELEASE.

    It works with a full disk, without network and with a broken venvship.toml. It holds unattended releases
    until `venvship unhold` or your next release.
    """
    return call.open_root().rollback(release, message=message, no_checks=no_checks, from_=from_)


@command(
    "recover",
    "Release",
    text=text.recover_lines,
    example="venvship recover",
    exits={
        0: "finished, or nothing to do",
        12: "not your root",
        22: "an interrupted promotion was undone",
        23: "undone, and the live release fails",
        30: "busy",
    },
)
@click.option("--boot", is_flag=True, help="No hooks, no checks: restore the previous release.")
def recover(call: Call, boot: bool) -> RecoverResult:
    """Finish or undo an interrupted operation.

    The next release does this automatically. At boot, before the services start, use --boot.
    """
    return call.open_root().recover(boot=boot)


@command(
    "run",
    "Release",
    example="venvship run -- python -m shop.worker",
    exits={13: "no such release, or it is not usable", 126: "not executable", 127: "not found"},
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.option(
    "--release",
    default="current",
    metavar="R",
    help="Another release than current.",
    shell_complete=complete_release,
)
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- CMD [ARG]...")
def run(call: Call, release: str, argv: tuple[str, ...]) -> None:
    """Run a command pinned to the current release.

    The command is looked up in the release's bin first, and sees only the release's real path: no switch
    reaches it. The exit code is its own.
    """
    call.open_root().run(argv, release=release)


# -- Look -------------------------------------------------------------------------------------------------


@command(
    "status",
    "Look",
    text=text.status_lines,
    example="venvship status --json",
    exits={0: "whatever it reports", 12: "no root"},
)
@click.option("--prometheus", is_flag=True, help="Print metrics for a textfile collector.")
def status(call: Call, prometheus: bool) -> StatusResult | None:
    """Show the live release, and whether anything is off.

    Since when and why it is live, how a rollback would change the packages, any hold, any operation under way
    or interrupted, and the processes that still run from another release.

    With --prometheus all of this is metrics in the text format of Prometheus, the warnings too.
    """
    if not prometheus:
        return call.open_root().status()
    if call.json:
        raise UsageError("--prometheus and --json exclude each other: there is one output")
    render.figures(call.open_root().measure())
    return None


@command("list", "Look", text=text.list_lines, example="venvship list", exits={0: "listed", 12: "no root"})
def list_(call: Call) -> ListResult:
    """List all releases, newest first."""
    return call.open_root().list()


@command(
    "show",
    "Look",
    text=text.show_lines,
    example="venvship show previous",
    exits={0: "shown", 12: "no root", 13: "no such release, or its manifest is damaged"},
)
@click.argument("release", default="current", shell_complete=complete_release)
def show(call: Call, release: str) -> ShowResult:
    """Show a RELEASE in full.

    Its packages, its interpreter, its path and its events.
    """
    return call.open_root().show(release)


@command(
    "history",
    "Look",
    text=text.history_lines,
    example="venvship history -n 10",
    exits={0: "listed", 12: "no root"},
)
@click.option("-n", "n", metavar="N", type=click.IntRange(min=1), help="The last N events only.")
def history(call: Call, n: int | None) -> HistoryResult:
    """List the events of this root, newest first."""
    return call.open_root().history(n)


@command(
    "diff",
    "Look",
    text=text.diff_lines,
    example="venvship diff previous",
    exits={0: "compared, whatever differs", 13: "no such release, or its manifest is damaged"},
)
@click.argument("a", metavar="A", shell_complete=complete_release)
@click.argument("b", metavar="[B]", default="current", shell_complete=complete_release)
def diff(call: Call, a: str, b: str) -> DiffResult:
    """Compare the packages of two releases.

    It lists the packages that only release B has, those that only A has, and those that have another version.
    Without B, it compares A with current.
    """
    return call.open_root().diff(a, b)


@command(
    "check",
    "Look",
    text=text.check_lines,
    example="venvship check",
    exits={
        0: "all required checks pass",
        10: "the settings are wrong",
        13: "no such release, or it is not usable",
        40: "a required check fails",
    },
)
@click.argument("release", default="current", shell_complete=complete_release)
def check(call: Call, release: str) -> ChecksResult:
    """Run the health checks now.

    It changes nothing. For current all checks run, for another RELEASE only those that do not ask the
    running service.
    """
    return call.open_root().check(release)


@command(
    "verify",
    "Look",
    text=text.verify_lines,
    example="venvship verify --all",
    exits={0: "intact", 13: "no such release", 40: "damaged, each file listed"},
)
@click.argument("releases", nargs=-1, metavar="[RELEASE]...", shell_complete=complete_release)
@click.option("--all", "all_", is_flag=True, help="All releases.")
def verify(call: Call, releases: tuple[str, ...], all_: bool) -> VerifyResult:
    """Re-hash every file and compare it with the manifest."""
    return call.open_root().verify(*releases, all=all_)


# -- Hold and keep ----------------------------------------------------------------------------------------


@command(
    "hold",
    "Hold and keep",
    text=text.status_lines,
    example='venvship hold -m "migration tonight"',
    exits={0: "held", 12: "not your root"},
)
@message_option
def hold(call: Call, message: str) -> StatusResult:
    """Stop unattended releases until `venvship unhold`.

    An operator may still release, promote and roll back.
    """
    return call.open_root().hold(message=message)


@command(
    "unhold",
    "Hold and keep",
    text=text.status_lines,
    example="venvship unhold",
    exits={0: "allowed", 12: "not your root"},
)
def unhold(call: Call) -> StatusResult:
    """Allow unattended releases again."""
    return call.open_root().unhold()


@command(
    "pin",
    "Hold and keep",
    text=text.pin_lines,
    example="venvship pin current",
    exits={0: "pinned", 13: "no such release", 30: "busy"},
)
@click.argument("release", shell_complete=complete_release)
def pin(call: Call, release: str) -> PinResult:
    """Protect a RELEASE from prune."""
    return call.open_root().pin(release)


@command(
    "unpin",
    "Hold and keep",
    text=text.pin_lines,
    example="venvship unpin 20261122T0941",
    exits={0: "not pinned", 13: "no such release", 30: "busy"},
)
@click.argument("release", shell_complete=complete_release)
def unpin(call: Call, release: str) -> PinResult:
    """Stop protecting a RELEASE from prune."""
    return call.open_root().unpin(release)


@command(
    "prune",
    "Hold and keep",
    text=text.prune_lines,
    example="venvship prune --dry-run",
    exits={0: "pruned", 10: "the settings are wrong", 12: "not your root", 30: "busy"},
)
@click.option("--keep", metavar="N", type=click.IntRange(min=2), help="Proven releases to keep.")
@click.option("--keep-days", metavar="D", type=Amount(min=0), help="And all that were live within D days.")
@click.option("--dry-run", is_flag=True, help="Print the decisions and their reasons; remove nothing.")
def prune(call: Call, keep: int | None, keep_days: float | None, dry_run: bool) -> PruneResult:
    """Remove old releases, and report the reason for each decision.

    The current, previous and pinned releases always stay, and any that is in use or was live within the hour.
    Store entries that no release has referred to for a week go too.
    """
    return call.open_root().prune(keep=keep, keep_days=keep_days, dry_run=dry_run)


# -- Set up -----------------------------------------------------------------------------------------------


@command(
    "init",
    "Set up",
    text=text.init_lines,
    example="venvship -C /srv/shop init --python 3.11",
    exits={0: "made", 10: "no such interpreter", 12: "there is a root already, or it cannot be made"},
)
@click.option("--name", metavar="N", help="The application's name. [default: the directory's]")
@click.option("--python", metavar="P", help="A version, such as 3.11, or a path. [default: this one]")
@click.option("--lockfile", metavar="F", default="requirements.txt", show_default=True, help="The lockfile.")
def init(call: Call, name: str | None, python: str | None, lockfile: str) -> InitResult:
    """Make a root: a directory with a commented venvship.toml.

    The root is ROOT of -C, or this directory. An existing venvship.toml is left alone.
    """
    path = here(call.root_path or "")
    return Root.init(path, name=name, python=python, lockfile=lockfile, runtime=call.runtime())


@command(
    "schedule",
    "Set up",
    text=text.schedule_lines,
    example="venvship schedule systemd --every 15m",
    exits={
        0: "printed",
        2: "no such interval, or a path that a crontab cannot hold",
        10: "the settings are wrong",
        12: "no root",
    },
)
@click.argument("kind", metavar="cron|systemd", type=click.Choice(["cron", "systemd"]))
@click.option(
    "--every",
    metavar="INTERVAL",
    default="5m",
    show_default=True,
    help="5m, 15m, 1h, 6h, 1d and the like, or a time of day: 02:30.",
)
def schedule(call: Call, kind: Literal["cron", "systemd"], every: str) -> None:
    """Print a crontab line or systemd units that run `venvship update`.

    The units are a service, its timer, and one that recovers an interrupted operation at boot. They go to
    standard output, and how to install them to standard error. Nothing is written.

    INTERVAL divides an hour or a day, so that cron and systemd can both express it.
    """
    result = call.open_root().schedule(kind, every=every, command=running_command())
    render.success(call, result)
    render.advise(call, result.advice)
