"""The commands that look at a root and change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from venvship.api.arguments import require_sha256
from venvship.cli import bisect_text, config_text, render, text
from venvship.cli.audit_text import audit_lines
from venvship.cli.completion import complete_release
from venvship.cli.group import command
from venvship.cli.options import Call
from venvship.cli.process_text import ps_lines
from venvship.errors import UsageError

if TYPE_CHECKING:
    from venvship.operations.audit import AuditResult
    from venvship.operations.bisect import BisectResult
    from venvship.operations.check import ChecksResult
    from venvship.operations.reporting.configuration import ConfigResult
    from venvship.operations.reporting.diff import DiffResult
    from venvship.operations.reporting.processes import PsResult
    from venvship.operations.reporting.report import HistoryResult, ListResult, ShowResult, StatusResult
    from venvship.operations.verify import VerifyResult


@command(
    "status",
    "Look",
    text=text.status_lines,
    only_prints=True,
    example="venvship status --json",
    exits={0: "whatever it reports", 12: "no root"},
)
@click.option("--prometheus", is_flag=True, help="Print metrics for a textfile collector.")
def status(call: Call, prometheus: bool) -> StatusResult | None:
    """Show the live release, and whether anything is off.

    Since when and why it is live, how a rollback would change the packages, any hold, any operation under way
    or interrupted, failures of `update`, and the processes that still run from another release. It looks at
    no file of a release: it reports when `verify` last did.

    With --prometheus all of this is metrics in the text format of Prometheus, the warnings too.
    """
    if not prometheus:
        return call.open_root().status()
    if call.json:
        raise UsageError("--prometheus and --json exclude each other: there is one output")
    render.figures(call, call.open_root().measure())
    return None


@command(
    "list",
    "Look",
    text=text.list_lines,
    only_prints=True,
    example="venvship list",
    exits={0: "listed", 12: "no root"},
)
def list_(call: Call) -> ListResult:
    """List all releases, newest first."""
    return call.open_root().list()


@command(
    "show",
    "Look",
    text=text.show_lines,
    only_prints=True,
    example="venvship show previous",
    exits={0: "shown", 12: "no root", 13: "no such release, or its manifest is damaged"},
)
@click.argument("release", default="current", shell_complete=complete_release)
@click.option("--files", is_flag=True, help="List the files that the tree digest is made of.")
def show(call: Call, release: str, files: bool) -> ShowResult:
    """Show a RELEASE in full.

    Its packages, its interpreter, its path and its events.

    With --files it lists the files that its tree digest is made of instead, a line each, sorted by path: the
    SHA-256 of the contents, or the target of a link. If two roots have different digests, comparing the two
    lists with diff(1) shows the files.
    """
    return call.open_root().show(release, files=files)


@command(
    "history",
    "Look",
    text=text.history_lines,
    only_prints=True,
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
    only_prints=True,
    example="venvship diff previous",
    exits={0: "compared, whatever differs", 13: "no such release, or its manifest is damaged"},
)
@click.argument("a", metavar="A", shell_complete=complete_release)
@click.argument("b", metavar="[B]", default="current", shell_complete=complete_release)
@click.option("--long", is_flag=True, help="Say who asks for each package, and where its changelog is.")
def diff(call: Call, a: str, b: str, long: bool) -> DiffResult:
    """Compare the packages and files of two releases.

    It lists the packages that only release B has, those that only A has, and those that have another version.
    Without B, it compares A with current.

    Where the tree digests differ, it also reports how many files differ, and the first of them.
    """
    return call.open_root().diff(a, b, long=long)


@command(
    "bisect",
    "Look",
    text=bisect_text.bisect_lines,
    example="venvship bisect current @{1}",
    exits={
        0: "found",
        11: "a lockfile is refused, or missing",
        12: "not your root",
        13: "no such release",
        20: "the store has lost a wheel of a release, or a lockfile cannot be built",
        30: "busy",
        40: "GOOD is not good, BAD is not bad, or the command ended with 128 or more",
    },
)
@click.argument("good", metavar="GOOD", shell_complete=complete_release)
@click.argument("bad", metavar="BAD", shell_complete=complete_release)
@click.argument("argv", nargs=-1, type=click.UNPROCESSED, metavar="[-- CMD [ARG]...]")
def bisect(call: Call, good: str, bad: str, argv: tuple[str, ...]) -> BisectResult:
    """Find the package changes that make a check fail.

    GOOD and BAD are releases or, with a dot or a slash in the name, lockfiles. It builds environments with
    some of the changes from GOOD to BAD, judges each, and removes it. The candidate checks judge. A command
    after -- judges in their place, with the environment's bin first in PATH: 0 is good, 125 cannot tell,
    another exit status up to 127 is bad, and any more ends the search.

    Nothing in the root changes but the store, which gets the packages of a lockfile.
    """
    return call.open_root().bisect(good, bad, command=argv)


@command(
    "ps",
    "Look",
    text=ps_lines,
    only_prints=True,
    example="venvship ps --old",
    exits={
        0: "listed, also if there are none",
        12: "no root, or the host has no /proc",
        13: "no such release",
    },
)
@click.argument("release", required=False, shell_complete=complete_release)
@click.option("--old", is_flag=True, help="Only processes that do not run from current.")
def ps(call: Call, release: str | None, old: bool) -> PsResult:
    """List the processes that run from releases.

    By release, with RELEASE only those of one: the user, start, systemd service and command line of each. A
    release that was removed is listed as long as a process runs from it.

    It reads the leases and /proc, and says what it could not see: other users' processes, for example.
    """
    return call.open_root().ps(release, old=old)


@command(
    "config",
    "Look",
    text=config_text.config_lines,
    only_prints=True,
    example="venvship config",
    exits={0: "printed", 10: "the settings are wrong, or a file of them is missing", 12: "no root"},
)
@click.option("--all", "all_", is_flag=True, help="Also the defaults.")
def config(call: Call, all_: bool) -> ConfigResult:
    """Print the settings in force, and where each comes from.

    Each is printed with its file and line. Where `venvship.toml` extends other files, that is the result of
    all. Anything that may be a secret is shown as `****`, and the values of `env_file` are not read.
    """
    return call.open_root().config(all=all_)


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
@click.option("--monitor", is_flag=True, help="Print one line for a monitoring system; exit with 0 to 3.")
def check(call: Call, release: str, monitor: bool) -> ChecksResult | None:
    """Run the health checks now.

    It switches nothing. For current all checks run, for another RELEASE only those that do not ask the
    running service.

    With --monitor it is a plugin of Nagios and the like. It exits with 0 if all is well; 1 if updates are
    held or fail, or a check failed that is not required; 2 if a required check failed, or current is missing
    or damaged; 3 for any error.
    """
    if not monitor:
        return call.open_root().check(release)
    if call.json:
        raise UsageError("--monitor and --json exclude each other: there is one output")
    if release != "current":
        raise UsageError("--monitor is about the live release")
    render.monitored(call, call.open_root().monitor())
    return None


@command(
    "verify",
    "Look",
    text=text.verify_lines,
    example="venvship verify --all",
    exits={0: "intact", 13: "no such release", 40: "damaged, each file listed"},
)
@click.argument("releases", nargs=-1, metavar="[RELEASE]...", shell_complete=complete_release)
@click.option("--all", "all_", is_flag=True, help="All releases.")
@click.option("--expect", metavar="SHA256", help="The hash that the manifest must have.")
def verify(call: Call, releases: tuple[str, ...], all_: bool, expect: str | None) -> VerifyResult:
    """Re-hash every file and compare it with the manifest.

    The manifest is compared with its hash in the journal, and with --expect, for one release, also with a
    hash that you have kept elsewhere: `manifest_sha256` of `show --json`, or the line in the system log.

    `status` reports the last result.
    """
    if expect is not None:
        try:
            require_sha256("--expect", expect)
        except ValueError as error:
            raise UsageError(str(error)) from error
        if all_ or len(releases) > 1:
            raise UsageError("--expect is the hash of one release")
    return call.open_root().verify(*releases, all=all_, expect=expect)


@command(
    "audit",
    "Look",
    text=audit_lines,
    example="venvship audit",
    exits={
        0: "no known vulnerabilities that count",
        10: "the settings are wrong",
        13: "no such release, or its manifest is damaged",
        20: "the service could not be asked, or the advisories cannot be read",
        40: "known vulnerabilities, each listed",
    },
)
@click.argument("release", default="current", shell_complete=complete_release)
@click.option("--fixable", is_flag=True, help="Fail only for those that a fixed version is known for.")
def audit(call: Call, release: str, fixable: bool) -> AuditResult:
    """Look for known vulnerabilities of a release.

    It asks the service of `[audit]` about each package, once in `[audit] max_age`, or reads the advisories
    that the settings name. For each vulnerability it lists the versions that fix it.

    It switches nothing. `status` reports the number that the last audit has found.
    """
    return call.open_root().audit(release, fixable=fixable)
