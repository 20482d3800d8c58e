"""The commands that set a root up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from venvship.api import Root
from venvship.cli import render, text
from venvship.cli.confirmation import require_name
from venvship.cli.group import command
from venvship.cli.options import Call, here, running_command
from venvship.cli.removals import destroy_lines

if TYPE_CHECKING:
    from venvship.operations.destroy import DestroyResult
    from venvship.operations.init import InitResult


@command(
    "init",
    "Set up",
    text=text.init_lines,
    example="venvship init /srv/shop --from ~/src/shop",
    exits={
        0: "made, or trust changed",
        2: "no such user or group, or several projects",
        10: "no such interpreter, or no such name",
        11: "the checkout cannot be read",
        12: "a root is there, cannot be made, or others can write the checkout",
        20: "made, and the lockfile could not be",
    },
)
@click.argument("directory", metavar="[ROOT]", required=False, type=click.Path())
@click.option(
    "--from",
    "from_",
    metavar="CHECKOUT",
    type=click.Path(),
    help="A checkout, directory or bare repository: the releases get its code.",
)
@click.option("--member", metavar="NAME", help="The project to release, if it has several.")
@click.option("--name", metavar="N", help="The application's name. [default: the project's]")
@click.option("--python", metavar="P", help="A version or a path. [default: one that fits]")
@click.option("--lockfile", metavar="F", help="The lockfile. [default: requirements.txt]")
@click.option(
    "--trust",
    metavar="USER|%GROUP",
    multiple=True,
    help="Let a user, or the members of a group, decide what runs. Repeatable; for an existing root, too.",
)
@click.option("--untrust", metavar="USER|%GROUP", multiple=True, help="Take a --trust back. Repeatable.")
def init(  # noqa: PLR0913, PLR0917 - click passes each option by its name
    call: Call,
    directory: str | None,
    from_: str | None,
    member: str | None,
    name: str | None,
    python: str | None,
    lockfile: str | None,
    trust: tuple[str, ...],
    untrust: tuple[str, ...],
) -> InitResult:
    """Make a root: a directory with a venvship.toml.

    The root is ROOT, or that of -C, or this directory. An existing venvship.toml is left alone.

    --from looks at a checkout: project, lockfile, Python, Django, Flask or FastAPI. It writes settings that
    release it as it stands, says what it found and what is left to you, and makes a lockfile if there is
    none. Nothing of the checkout is run. Without --from every setting is there, commented out.

    The settings and the lockfile count only if they belong to the caller, the owner of the root or root, and
    nobody else can write them. --trust adds users, or groups behind a %, whose files count too; `status`
    lists them.
    """
    if directory is not None:
        if not directory:
            raise click.UsageError("the path of the root is empty")
        call.root_path = directory
    return Root.init(
        here(call.root_path or ""),
        name=name,
        python=python,
        lockfile=lockfile,
        from_=here(from_) if from_ is not None else None,
        member=member,
        trust=trust,
        untrust=untrust,
        runtime=call.runtime(),
    )


@command(
    "schedule",
    "Set up",
    text=text.schedule_lines,
    only_prints=True,
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
    help="5m, 15m, 1h, 6h, 1d and the like, or a time of day: 04:30.",
)
@click.option(
    "--before",
    metavar="UNIT",
    multiple=True,
    help="A unit of the application, which the recovery at boot comes before. For systemd.",
)
def schedule(call: Call, kind: Literal["cron", "systemd"], every: str, before: tuple[str, ...]) -> None:
    """Print a crontab line or systemd units that run `venvship update`.

    The units are a service, its timer, and one that recovers an interrupted operation at boot. They go to
    standard output, and how to install them to standard error. Nothing is written.

    INTERVAL divides an hour or a day, so that cron and systemd can both express it.
    """
    result = call.open_root().schedule(kind, every=every, before=before, command=running_command())
    render.success(call, result)
    render.advise(call, result.advice)


@command(
    "destroy",
    "Set up",
    text=destroy_lines,
    example="venvship destroy",
    exits={
        0: "removed",
        2: "not confirmed",
        12: "no root, or not yours",
        25: "processes run from a release, or may",
        30: "busy",
    },
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--force", is_flag=True, help="Go on although processes that cannot be looked into may use the releases."
)
def destroy(call: Call, yes: bool, force: bool) -> DestroyResult:
    """Remove a root: releases, its own store, state, logs and settings.

    On a terminal its name has to be typed first. A lockfile goes with the directory if the directory holds
    nothing else; otherwise it stays with the other files, and they are listed, each with the reason.

    A process of another user cannot be looked into unless you are root, and may use a release that was live
    since its start: then nothing is removed, and the process is named. --force is for when you know better.
    """
    root = call.open_root()
    if not yes:
        status = root.status()
        live = f"{status.current.id} is live" if status.current else "nothing is live"
        question = (
            f"This removes {status.name} in {root.path}, with {status.releases} of its releases; {live}."
        )
        require_name(call, status.name, question=question)
    return root.destroy(force=force)
