"""Commands in forked children: the whole command line, without a new interpreter for each."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.support.roots import Finished, Site
from venvship.cli.main import run
from venvship.system import failpoints


def run_forked(
    site: Site, arguments: Sequence[str], *, plan: str = "", mutant: Callable[[], None] | None = None
) -> Finished:
    """Run the command line in a child of this process, to its end.

    The caller must have no threads.

    Args:
        site: The root; the child stands in it, with its environment.
        arguments: Without the program's name.
        plan: What `venvship.system.failpoints` is to do.
        mutant: Breaks venvship in the child, before the command runs.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            _become(site, arguments, plan, (out.fileno(), err.fileno()), mutant)
        _, status = os.waitpid(child, 0)
        out.seek(0)
        err.seek(0)
        return Finished(os.waitstatus_to_exitcode(status), out.read().decode(), err.read().decode())


def _become(
    site: Site,
    arguments: Sequence[str],
    plan: str,
    output: tuple[int, int],
    mutant: Callable[[], None] | None,
) -> None:
    code = 70
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output[0], 1)
        os.dup2(output[1], 2)
        sys.stdin = os.fdopen(0, closefd=False)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", closefd=False)
        # pytest and a terminal have handlers of their own, which the command would inherit.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL if number != signal.SIGINT else signal.default_int_handler)
        os.chdir(site.path)
        os.environ.clear()
        os.environ.update(site.environment)
        os.environ["VENVSHIP_FAILPOINTS"] = plan
        if mutant is not None:
            mutant()
        code = run(list(arguments))
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - the child ends here, whatever it is
        traceback.print_exc()
    finally:
        os._exit(code)


def effects(site: Site, arguments: Sequence[str], trace: Path) -> list[str]:
    """The effects of a command, in order: `name path`."""
    trace.unlink(missing_ok=True)
    run_forked(site, arguments, plan=f"trace:{trace}")
    failpoints.arm("")
    lines = trace.read_text(errors="surrogateescape").splitlines() if trace.exists() else []
    return [line.split(" ", 1)[1] for line in lines]
