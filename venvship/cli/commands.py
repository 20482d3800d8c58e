"""The commands. Each opens the root, calls the API, and hands the result to the renderer."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click

from venvship.api import Root
from venvship.cli import render
from venvship.cli.completion import complete_package, complete_release
from venvship.cli.main import cli
from venvship.cli.options import GLOBAL_OPTIONS, Amount, Call, here, running_command
from venvship.errors import UsageError

message_option = click.option("-m", "--message", metavar="MSG", default="", help="Why; kept in the journal.")


def command(name: str, **settings: Any) -> Callable[[Callable[..., Any]], click.Command]:  # noqa: ANN401
    """Register a command that takes the global options and gets the `Call`."""

    def register(function: Callable[..., Any]) -> click.Command:
        def invoke(call: Call, /, **arguments: Any) -> int:  # noqa: ANN401
            call.command = name
            return int(function(call, **arguments) or 0)

        invoke.__doc__ = function.__doc__
        for parameter in getattr(function, "__click_params__", []):
            invoke.__dict__.setdefault("__click_params__", []).append(parameter)
        return cli.command(name, params=list(GLOBAL_OPTIONS), **settings)(click.pass_obj(invoke))

    return register


@command("init")
@click.option("--name", metavar="N", help="The application's name. [default: the folder's]")
@click.option("--python", metavar="P", help="A version, such as 3.11, or a path. [default: this one]")
@click.option("--lockfile", metavar="F", default="requirements.txt", show_default=True, help="The lockfile.")
def init(call: Call, name: str | None, python: str | None, lockfile: str) -> int:
    """Make a root: a directory with a commented venvship.toml.

    The root is ROOT of -C, or this directory. An existing venvship.toml is left alone.

    \b
    Example: venvship -C /srv/shop init --python 3.11
    Exit:    0 made · 10 no such interpreter · 12 there is a root already, or it cannot be made
    """
    result = Root.init(
        here(call.root_path or ""), name=name, python=python, lockfile=lockfile, runtime=call.runtime()
    )
    return render.success(call, result)


@command("lock")
@click.option("--upgrade", is_flag=True, help="Let every pin change; otherwise those stay that can.")
@click.option(
    "-P",
    "--upgrade-package",
    "packages",
    metavar="PKG",
    multiple=True,
    help="Let the pin of PKG change.",
    shell_complete=complete_package,
)
def lock(call: Call, upgrade: bool, packages: tuple[str, ...]) -> int:
    """Make the lockfile from the requirements in `[lock] inputs`.

    pip-compile resolves them for this root's interpreter and pins all with hashes. The lockfile is replaced
    in one step, or stays as it is. PKG is a name, or a name with versions, such as "django<6".

    \b
    Example: venvship lock -P django
    Exit:    0 written, or nothing changed · 10 no inputs · 20 it could not be made · 30 busy
    """
    return render.success(call, call.open_root().lock(upgrade=upgrade, packages=packages))


@command("release")
@click.option("--lockfile", "lockfiles", metavar="F", multiple=True, help="Another lockfile, or several.")
@click.option("--no-promote", is_flag=True, help="Build and check it, and leave current as it is.")
@message_option
@click.option("--rebuild", is_flag=True, help="Build even if nothing changed.")
@click.option("--force", is_flag=True, help="Go on even if this environment is known to be bad, or held.")
@click.option("--dry-run", is_flag=True, help="Say what would be done; write nothing.")
def release(call: Call, lockfiles: tuple[str, ...], message: str, **flags: bool) -> int:
    """Build what the lockfile says, check it, and make it live.

    If the restart hook or a live check fails, the release that was live before comes back by itself.
    Nothing changed: nothing is done.

    \b
    Example: venvship release -m "security fixes"
    Exit:    0 live, or nothing to do · 11 lockfile refused · 20 build failed · 21 refused before the switch
             22 rolled back · 23 a person is needed · 25 held · 30 busy · 31 current moved meanwhile
    """
    root = call.open_root()
    result = root.release(
        lockfiles=[os.path.abspath(here(path)) for path in lockfiles],
        message=message,
        promote=not flags["no_promote"],
        rebuild=flags["rebuild"],
        force=flags["force"],
        dry_run=flags["dry_run"],
    )
    return render.success(call, result)


@command("update")
@click.option("--upgrade", is_flag=True, help="Lock again first; keep the new lockfile if its release stays.")
@click.option(
    "--jitter",
    metavar="SECONDS",
    type=Amount(min=0),
    default=0.0,
    help="Wait first, for a random time up to this.",
)
def update(call: Call, upgrade: bool, jitter: float) -> int:
    """Release unattended, from cron or a timer: only if there is something new.

    Nothing changed: nothing is printed. What was found bad, or is held, is refused, and said once; what
    could not be built is tried again after a pause that grows.

    \b
    Example: venvship update --jitter 60
    Exit:    0 live, or nothing new · 10 settings · 11 lockfile refused · 12 not your root
             20 build failed, or too early to try again · 21 refused before the switch · 22 rolled back
             23 a person is needed · 25 held · 30 busy · 31 current moved meanwhile
    """
    call.only_summary = True
    return render.success(call, call.open_root().update(upgrade=upgrade, jitter=jitter))


@command("promote")
@click.argument("release", shell_complete=complete_release)
@message_option
@click.option("--force", is_flag=True, help="No warning if it is known to be bad.")
def promote(call: Call, release: str, message: str, force: bool) -> int:
    """Make an existing RELEASE live, checked like a new one.

    RELEASE is an id, a unique prefix of one, current, previous, or @{N}: what was current N switches ago.

    \b
    Example: venvship promote 20261122T0941 -m "try again"
    Exit:    as `release`; 13 no such release, or it is damaged
    """
    return render.success(call, call.open_root().promote(release, message=message, force=force))


@command("rollback")
@click.argument("release", required=False, shell_complete=complete_release)
@message_option
@click.option("--no-checks", is_flag=True, help="Switch and restart, without the live checks.")
@click.option(
    "--from",
    "only_from",
    metavar="ID",
    help="Only if this release is current.",
    shell_complete=complete_release,
)
def rollback(call: Call, release: str | None, message: str, no_checks: bool, only_from: str | None) -> int:
    """Go back to the last good release, or to a named RELEASE.

    It works with a full disk, without network and with a broken venvship.toml, and holds unattended
    releases until `venvship unhold` or your next release.

    \b
    Example: venvship rollback -m "checkout is broken"
    Exit:    0 back · 12 not your root · 13 no such release · 20 the switch could not be made
             23 back, and it fails too · 24 nothing to go back to · 30 somebody else is rolling back
             31 current is not what --from names
    """
    root = call.open_root()
    return render.success(
        call, root.rollback(release, message=message, checks=not no_checks, only_from=only_from)
    )


@command("check")
@click.argument("release", default="current", shell_complete=complete_release)
def check(call: Call, release: str) -> int:
    """Run the health checks now; changes nothing.

    Of what is current all of them, of another RELEASE only those that do not ask the running service.

    \b
    Example: venvship check
    Exit:    0 all required ones pass · 10 settings · 13 no such release · 40 one fails
    """
    return render.success(call, call.open_root().check(release))


@command("status")
@click.option("--prometheus", is_flag=True, help="Print figures for a textfile collector.")
def status(call: Call, prometheus: bool) -> int:
    """Say what is live, and whether anything is off.

    Since when and why it is live, what a rollback would change, what is held, under way or interrupted, and
    which processes still run from a release that is not live any more.

    With --prometheus all of this is metrics, the warnings too, in the text format of Prometheus.

    \b
    Example: venvship status --json
    Exit:    0 whatever it reports · 12 no root
    """
    if prometheus:
        if call.json:
            raise UsageError("--prometheus and --json exclude each other: there is one output")
        return render.figures(call.open_root().measure())
    return render.success(call, call.open_root().status())


@command("list")
def list_(call: Call) -> int:
    """List all releases, the newest first.

    \b
    Example: venvship list
    Exit:    0 · 12 no root
    """
    return render.success(call, call.open_root().list())


@command("show")
@click.argument("release", default="current", shell_complete=complete_release)
def show(call: Call, release: str) -> int:
    """Show all there is to know of a RELEASE.

    Its packages, its interpreter, where it is, and what happened to it.

    \b
    Example: venvship show previous
    Exit:    0 · 13 no such release
    """
    return render.success(call, call.open_root().show(release))


@command("history")
@click.option("-n", "last", metavar="N", type=click.IntRange(min=1), help="The last N events only.")
def history(call: Call, last: int | None) -> int:
    """List what happened to this root, the newest first.

    \b
    Example: venvship history -n 10
    Exit:    0 · 12 no root
    """
    return render.success(call, call.open_root().history(last))


@command("diff")
@click.argument("a", metavar="A", shell_complete=complete_release)
@click.argument("b", metavar="[B]", default="current", shell_complete=complete_release)
def diff(call: Call, a: str, b: str) -> int:
    """Compare the packages of two releases.

    What release B has that A has not, the other way round, and in another version. B is what is current,
    unless it is named.

    \b
    Example: venvship diff previous
    Exit:    0 whatever differs · 13 no such release
    """
    return render.success(call, call.open_root().diff(a, b))


@command("verify")
@click.argument("releases", nargs=-1, metavar="[RELEASE]...", shell_complete=complete_release)
@click.option("--all", "every", is_flag=True, help="All releases.")
def verify(call: Call, releases: tuple[str, ...], every: bool) -> int:
    """Hash every file again and hold it against what was sealed.

    \b
    Example: venvship verify --all
    Exit:    0 intact · 13 no such release · 40 damaged, each file listed
    """
    return render.success(call, call.open_root().verify(*releases, every=every))


@command("prune")
@click.option("--keep", metavar="N", type=click.IntRange(min=2), help="Proven releases to keep.")
@click.option("--keep-days", metavar="D", type=Amount(min=0), help="And all live within D days.")
@click.option("--dry-run", is_flag=True, help="Say what would go and why; remove nothing.")
def prune(call: Call, keep: int | None, keep_days: float | None, dry_run: bool) -> int:
    """Remove old releases, and say why each stays or goes.

    What is current, previous, pinned, in use or was live within the hour always stays. Then what no release
    has needed for a week goes from the store.

    \b
    Example: venvship prune --dry-run
    Exit:    0 · 10 settings · 12 not your root · 30 busy
    """
    return render.success(call, call.open_root().prune(keep=keep, keep_days=keep_days, dry_run=dry_run))


@command("pin")
@click.argument("release", shell_complete=complete_release)
def pin(call: Call, release: str) -> int:
    """Protect a RELEASE from prune.

    \b
    Example: venvship pin current
    Exit:    0 · 13 no such release · 30 busy
    """
    return render.success(call, call.open_root().pin(release))


@command("unpin")
@click.argument("release", shell_complete=complete_release)
def unpin(call: Call, release: str) -> int:
    """Leave a RELEASE to prune again.

    \b
    Example: venvship unpin 20261122T0941
    Exit:    0 · 13 no such release · 30 busy
    """
    return render.success(call, call.open_root().unpin(release))


@command("hold")
@message_option
def hold(call: Call, message: str) -> int:
    """Stop unattended releases, until `venvship unhold`.

    A person may still release, promote and roll back.

    \b
    Example: venvship hold -m "migration tonight"
    Exit:    0 · 12 not your root
    """
    root = call.open_root()
    root.hold(message=message)
    return render.success(call, root.status())


@command("unhold")
def unhold(call: Call) -> int:
    """Allow unattended releases again.

    \b
    Example: venvship unhold
    Exit:    0 · 12 not your root
    """
    root = call.open_root()
    root.unhold()
    return render.success(call, root.status())


@command("run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option(
    "--release",
    default="current",
    metavar="R",
    help="Another release than current.",
    shell_complete=complete_release,
)
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- CMD [ARG]...")
def run(call: Call, release: str, argv: tuple[str, ...]) -> int:
    """Run a command from a release, out of reach of switches.

    It is looked up in the release's bin first, and everything it sees is the release's real path.

    \b
    Example: venvship run -- python -m shop.worker
    Exit:    the command's own · 13 no such release · 126 it cannot be run · 127 not found
    """
    root = call.open_root()
    root.run(argv, release=release)


@command("recover")
@click.option("--boot", is_flag=True, help="No hooks, no checks: just back to what was live before.")
def recover(call: Call, boot: bool) -> int:
    """Finish or undo an operation that was interrupted.

    The next release does this by itself; before the services start at boot, use --boot.

    \b
    Example: venvship recover
    Exit:    0 finished, or nothing to do · 12 not your root · 22 taken back · 23 a person is needed · 30 busy
    """
    return render.success(call, call.open_root().recover(boot=boot))


@command("schedule")
@click.argument("kind", metavar="cron|systemd", type=click.Choice(["cron", "systemd"]))
@click.option(
    "--every",
    metavar="INTERVAL",
    default="5m",
    show_default=True,
    help="5m, 15m, 1h, 6h, 1d and the like, or a time of day: 02:30.",
)
def schedule(call: Call, kind: str, every: str) -> int:
    """Print what has cron or systemd run `venvship update`, ready to install.

    For cron the line of a crontab, for systemd a service, its timer, and a unit that takes back at boot what
    was interrupted. Nothing but these goes to standard output; how to install them, to standard error.

    INTERVAL divides an hour or a day, so that both can say it exactly. Nothing is written.

    \b
    Example: venvship schedule systemd --every 15m
    Exit:    0 · 2 no such interval, or a path that a crontab cannot name · 10 settings · 12 no root
    """
    result = call.open_root().schedule(kind, every=every, command=running_command())
    code = render.success(call, result)
    render.advise(call, result.advice)
    return code
