"""The commands that are about the service itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from venvship.cli import render, service_text
from venvship.cli.group import command
from venvship.cli.options import Call, message_option, running_command
from venvship.errors import UsageError

if TYPE_CHECKING:
    from venvship.operations.handover import HandoverResult
    from venvship.operations.restart import RestartResult


@command(
    "restart",
    "Release",
    text=service_text.restart_lines,
    example='venvship restart -m "new certificate"',
    exits={
        0: "restarted",
        10: "nothing to restart",
        21: "a second one does not answer",
        22: "back at the old slot",
        23: "it does not pass",
        30: "busy",
        31: "current moved meanwhile",
    },
)
@message_option
def restart(call: Call, message: str) -> RestartResult:
    """Start the live release anew.

    With a service in two slots, it is started in the free slot, proven, and led to, and the old slot stops.
    Otherwise the restart hook runs. The live checks come after it. The lineage stays as it is.
    """
    return call.open_root().restart(message=message)


@command(
    "handover",
    "Look",
    text=service_text.handover_lines,
    example="venvship handover status",
    exits={
        0: "as it should be",
        2: "--boot with status",
        10: "no service in the settings",
        12: "the folder of the slots is unusable",
        23: "ensure: current does not answer",
        30: "busy",
        40: "status: customers get no answer from current",
    },
)
@click.argument("action", metavar="status|ensure", type=click.Choice(["status", "ensure"]))
@click.option("--boot", is_flag=True, help="For ensure: nothing runs any more, as after a boot.")
def handover(call: Call, action: Literal["status", "ensure"], boot: bool) -> HandoverResult:
    """Report which slot runs what, or bring up what `current` says.

    An interrupted operation is finished or undone first, as by `recover`. At boot, from a unit of its own
    before the web server, use --boot: then it is undone without hooks and checks, as by `recover --boot`.
    """
    if boot and action == "status":
        raise UsageError("--boot is for `handover ensure`")
    root = call.open_root()
    return root.handover_ensure(boot=boot) if action == "ensure" else root.handover_status()


@command(
    "service",
    "Set up",
    text=service_text.service_lines,
    only_prints=True,
    example='venvship service systemd --app "gunicorn shop.wsgi"',
    exits={
        0: "printed",
        2: "no such application, or a path that the file cannot hold",
        10: "the settings are wrong, or the release has no such program",
        12: "no root",
        13: "the live release is damaged",
    },
)
@click.argument(
    "kind",
    metavar="systemd|supervisor|nginx|caddy",
    type=click.Choice(["systemd", "supervisor", "nginx", "caddy"]),
)
@click.option(
    "--app",
    metavar="COMMAND",
    help="The application's command line, its program by its name. [default: the server in the live release]",
)
@click.option("--job", is_flag=True, help="The command ends, and a timer starts it. For systemd.")
def service(
    call: Call, kind: Literal["systemd", "supervisor", "nginx", "caddy"], app: str | None, job: bool
) -> None:
    """Print what runs the application, or leads to it.

    With `[service]` in the settings a web server is run in two slots, a and b. Without, it is one unit, which
    the restart hook restarts. Options that say where it listens are added. Workers and other programs are
    one unit each.

    The texts go to standard output, each below the name of its file. How to install them, and the lines of
    venvship.toml that go with them, go to standard error. Nothing is written.
    """
    result = call.open_root().service(kind, app=app, job=job, command=running_command())
    render.success(call, result)
    render.advise(call, result.advice)
