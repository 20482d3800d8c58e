"""The check kind `audit`: known vulnerabilities of a release.

A child process asks: the `audit` of this venvship, with its cache, its bounds and its time-outs.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from venvship.health.attempt import Attempt
from venvship.health.context import Context
from venvship.health.running import last_line, run_to_end, shorten
from venvship.model.settings_check import Check
from venvship.system.output import CappedLog
from venvship.system.process import Program

_FOUND: Final = 40
"""The exit code of `audit` with findings."""

_OUTPUT_BYTES: Final = 16 << 20


def ask_audit(check: Check, context: Context, *, heading: str, poll: Callable[[], None]) -> Attempt:
    """Look for known vulnerabilities; see `kinds.Ask`. Advisories that cannot be had say nothing of it."""
    options = ["--fixable"] if check.target == ("fixable",) else []
    program = Program(
        # -P: no module from the current directory.
        [
            *(sys.executable, "-P", "-m", "venvship", "-C", context.root, "--json"),
            *("audit", context.release_id, *options),
        ],
        env=context.environ,
        cwd="/",
        log=context.log_path(check.name),
        secrets=context.variables.secrets,
        heading=f"{heading}: audit\n".encode(errors="replace"),
        output_cap=_OUTPUT_BYTES,
        separate_stderr=True,
    )
    ended = run_to_end(
        program, timeout=check.timeout, signals=context.signals, limit="the check's `timeout`", poll=poll
    )
    attempt = _attempt(program, ended.problem, ended.result and ended.result.stdout, ended.said)
    CappedLog(context.log_path(check.name), heading=f"{attempt.line}\n".encode(errors="replace")).close()
    return attempt


def _attempt(program: Program, problem: str, stdout: bytes | None, said: str) -> Attempt:
    body: Mapping[str, Any] = {}
    with contextlib.suppress(ValueError):
        found = json.loads(stdout or b"")
        body = found if isinstance(found, dict) else {}
    error = body.get("error")
    if not problem and body.get("exit_code") == 0:
        return Attempt(True, "no known vulnerabilities that count", "none known")
    message = shorten(str(error["message"]), 300) if isinstance(error, dict) and "message" in error else ""
    if body.get("exit_code") == _FOUND and message:
        return Attempt(False, message, "vulnerable")
    said = said or last_line(stdout or b"", program)
    return Attempt(False, message or problem, "not audited", "" if message else said, inconclusive=True)
