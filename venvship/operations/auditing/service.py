"""Ask a service for the known vulnerabilities of packages: see ADR 0058. `asker.py` is the process."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from venvship._version import __version__
from venvship.errors import AuditFailedError
from venvship.model import bounds
from venvship.model.advisories.advisory import Answer, read_advisories
from venvship.model.redaction import Redactor
from venvship.model.settings_audit import AuditSettings
from venvship.system.process import Program, run
from venvship.workspace.reading import ReadingWorkspace

if TYPE_CHECKING:
    from venvship.operations.auditing.asker import Report, Task

_ASKER: Final = os.path.join(os.path.dirname(__file__), "asker.py")
_OUTPUT_BYTES: Final = 64 << 20
_WAIT: Final = 15.0
"""Seconds of silence of the service, if `[audit] timeout` allows as much."""

HINT: Final = (
    "see whether the host reaches the service. `url` below [audit] names a mirror of it, and `advisories` a"
    " file for a host without a network"
)


def ask_service(
    workspace: ReadingWorkspace, settings: AuditSettings, packages: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], Answer]:
    """Ask about packages, one request for each.

    Args:
        workspace: The root.
        settings: The service, and how long it may take.
        packages: Normalised names, with versions.

    Raises:
        AuditFailedError: The service could not be asked about one of them, or took too long.
        InterruptedByError: A signal came. Nothing is left running.
        OSError: The process that asks could not be started.
    """
    environ = workspace.runtime.environ
    certificates = environ.get("PIP_CERT") or None
    task: Task = {
        "service": settings.service,
        "url": settings.address,
        "packages": [*packages],
        # As for the index: `PIP_CERT`; else `REQUESTS_CA_BUNDLE`, or the authorities that venvship has.
        "certificates": certificates and os.path.abspath(os.path.expanduser(certificates)),
        "timeout": min(_WAIT, settings.timeout),
        "user_agent": f"venvship/{__version__}",
    }
    program = Program(
        # -P: no module from beside the script, or from the current directory.
        [sys.executable, "-P", _ASKER],
        env=environ,
        cwd=str(workspace.layout.path),
        stdin=json.dumps(task).encode(),
        output_cap=_OUTPUT_BYTES,
        separate_stderr=True,
        memory=bounds.MEMORY,
    )
    result = run(program, timeout=settings.timeout, signals=workspace.runtime.signals)
    if result.timed_out:
        raise _failed(settings, f"no answer within {settings.timeout:g} s (`[audit] timeout`)")
    now = workspace.runtime.clock()
    found: dict[tuple[str, str], Answer] = {}
    redact = Redactor(environ, ())
    try:
        for line in result.stdout.splitlines():
            report: Report = json.loads(line)
            if report["problem"] is not None:
                raise _failed(settings, redact(report["problem"]))
            found[report["name"], report["version"]] = Answer(
                now, settings.address, read_advisories(report["advisories"]), report["unknown"]
            )
    except (KeyError, ValueError) as error:  # cut short, or beyond what is kept of an advisory
        raise _failed(settings, f"the answer makes no sense: {error}") from error
    if missing := [name for name, version in packages if (name, version) not in found]:
        said = redact(result.output.decode(errors="replace")).strip().splitlines()
        raise _failed(settings, f"no answer about {missing[0]}" + (f": {said[-1]}" if said else ""))
    return found


def _failed(settings: AuditSettings, problem: str) -> AuditFailedError:
    return AuditFailedError(
        f"{settings.address} was asked for known vulnerabilities: {problem}; nothing was changed", hint=HINT
    )
