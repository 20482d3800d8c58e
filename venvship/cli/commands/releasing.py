"""The commands that build and switch releases."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING

import click

from venvship.cli import lock_text, render, text
from venvship.cli.completion import complete_package, complete_release
from venvship.cli.group import command
from venvship.cli.options import Amount, Call, here, message_option
from venvship.cli.relocation import relocate_lines
from venvship.cli.terminal import write
from venvship.errors import CommandNotExecutableError, CommandNotFoundError

if TYPE_CHECKING:
    from venvship.operations.lock import LockResult
    from venvship.operations.promote import PromoteResult
    from venvship.operations.recover import RecoverResult
    from venvship.operations.release_result import ReleaseResult
    from venvship.operations.relocate import RelocateResult
    from venvship.operations.rollback import RollbackResult


@command(
    "lock",
    "Release",
    text=lock_text.lock_lines,
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
@click.option(
    "--explain",
    metavar="PKG",
    help="Lock nothing; print who asks for PKG, and what holds it back.",
    shell_complete=complete_package,
)
def lock(call: Call, upgrade: bool, upgrade_package: tuple[str, ...], explain: str | None) -> LockResult:
    """Generate the lockfile from the files in `[lock] inputs`.

    pip-compile resolves them for this root's interpreter and pins all packages with hashes. The lockfile is
    replaced in one step, or stays as it is. PKG is a name, or a name with versions, such as "django<6".
    """
    return call.open_root().lock(upgrade=upgrade, upgrade_package=upgrade_package, explain=explain)


@command(
    "release",
    "Release",
    text=text.release_lines,
    example='venvship release -m "security fixes"',
    exits={
        0: "live, or nothing to do",
        11: "the lockfile or the checkout is refused",
        20: "the build failed",
        21: "refused before the switch",
        22: "rolled back",
        23: "rolled back, and the previous release fails too; or one-way, and fails",
        25: "held or bad, or a one-way release lies between",
        30: "busy",
        31: "current moved during the build",
    },
)
@click.option("--lockfile", metavar="F", multiple=True, help="Another lockfile, or several.")
@click.option("--no-promote", is_flag=True, help="Build and check it, and leave current as it is.")
@message_option
@click.option("--rebuild", is_flag=True, help="Build even if nothing changed.")
@click.option("--force", is_flag=True, help="Go on even if this environment is bad, or the root is held.")
@click.option("--dry-run", is_flag=True, help="Print the plan and write nothing.")
@click.option("--ref", metavar="REF", default="", help="Branch, tag or commit of the project to release.")
@click.option("--dirty", is_flag=True, help="Release the project's tracked files as they are.")
@click.option("--one-way", is_flag=True, help="The prepare hook does what no rollback undoes. Needs -m.")
def release(call: Call, lockfile: tuple[str, ...], message: str, ref: str, **flags: bool) -> ReleaseResult:
    """Build a release from the lockfile, check it and make it live.

    If the restart hook or a live check fails, the previous release is restored automatically. If nothing
    changed, nothing is done.

    With --one-way, for a migration that earlier code cannot work with, the release stays even if it fails,
    and a rollback past it needs --force.

    After the release of another lockfile than the root's own: {SWITCH_HOLD} Without a terminal, a release
    under such a hold needs --force.
    """
    return call.open_root().release(
        lockfile=[str(here(path)) for path in lockfile], message=message, ref=ref, **flags
    )


@command(
    "update",
    "Release",
    text=text.update_lines,
    example="venvship update --jitter 60",
    exits={
        0: "live, or nothing new",
        10: "the settings are wrong",
        11: "the lockfile or the checkout is refused",
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
@click.option("--security", is_flag=True, help="Lock what fixes known vulnerabilities, and release that.")
@click.option(
    "--jitter",
    metavar="SECONDS",
    type=Amount(min=0),
    default=0.0,
    help="Wait for a random time first, at most this long.",
)
def update(call: Call, upgrade: bool, security: bool, jitter: float) -> ReleaseResult:
    """Release unattended, if there is something new.

    It is for cron or a timer. If nothing changed, nothing is printed. A bad or held environment is refused,
    and the refusal reported once and again every seven days. A failed build is tried again after a pause that
    grows.

    With --security, the live release is audited, and its vulnerable packages are locked at the lowest
    versions that fix them, with all others as they are.
    """
    call.only_summary = True
    return call.open_root().update(upgrade=upgrade, security=security, jitter=jitter)


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
        25: "held or bad",
        30: "busy",
        31: "current moved during the checks",
    },
)
@click.argument("release", shell_complete=complete_release)
@message_option
@click.option(
    "--force",
    is_flag=True,
    help="Go on even if the release is bad, the root held, or to before a one-way release.",
)
@click.option("--dry-run", is_flag=True, help="Print the plan and write nothing.")
def promote(call: Call, release: str, message: str, **flags: bool) -> PromoteResult:
    """Make an existing RELEASE live, checked like a new one.

    RELEASE is an id, a unique prefix of one, current, previous, or @{N}: the release that was current N
    switches ago.

    After the promotion of another environment than that of the root's own lockfile: {SWITCH_HOLD} Without a
    terminal, a promotion under such a hold needs --force.
    """
    return call.open_root().promote(release, message=message, **flags)


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
        25: "a one-way release lies between",
        30: "another rollback is under way",
        31: "another release than --from names is current",
    },
)
@click.argument("release", required=False, shell_complete=complete_release)
@message_option
@click.option("--no-checks", is_flag=True, help="Switch and restart, without the live checks.")
@click.option(
    "--from", "from_", metavar="ID", help="Do nothing unless ID is current.", shell_complete=complete_release
)
@click.option("--force", is_flag=True, help="Go back past a release that was made with --one-way.")
@click.option("--dry-run", is_flag=True, help="Print the target and write nothing.")
def rollback(
    call: Call, release: str | None, message: str, from_: str | None, **flags: bool
) -> RollbackResult:
    """Switch to the last good release, or to a named RELEASE.

    It works with a full disk, without network and with a broken venvship.toml. {SWITCH_HOLD}
    """
    return call.open_root().rollback(release, message=message, from_=from_, **flags)


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
    "relocate",
    "Release",
    text=relocate_lines,
    example="venvship relocate",
    exits={
        0: "relocated, or nothing to do",
        10: "the settings or the interpreter are wrong",
        12: "not your root",
        20: "the store lacks a wheel; the other releases were relocated",
        30: "busy",
    },
)
@click.option("--python", metavar="P", help="For releases whose interpreter is gone: a version, or a path.")
def relocate(call: Call, python: str | None) -> RelocateResult:
    """Make the releases usable where the root is now.

    After a root was moved or copied, its releases hold the path of before. They are built again from the
    store, under new ids and without the network, and keep state, lineage, pins and holds. No hook and no
    check runs.
    """
    return call.open_root().relocate(python=python)


@command(
    "run",
    "Release",
    example="venvship run -- python -m shop.worker",
    exits={
        10: "the file of variables cannot be read",
        13: "no such release, or it is not usable",
        126: "not executable",
        127: "not found",
    },
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
    try:
        call.open_root().run(argv, release=release, warn=functools.partial(render.warn, call))
    except (CommandNotFoundError, CommandNotExecutableError) as error:
        call.end_steps()
        # As a shell reports it, and without an envelope: a script reads the output of the command, not ours.
        write(sys.stderr, [f"venvship run: {error.message}"], call.terminal(sys.stderr))
        click.get_current_context().exit(error.exit_code)
