"""The fast way to a wheel: past pip, which asks and downloads one after the other and takes long to start.

It is taken where one index is all that pip would know of. Where it leads nowhere, nothing is lost but a
little time: pip does the rest, and says what there is to say. `downloader.py`
is the other half.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from packaging.version import Version

from venvship._version import __version__
from venvship.building.fetching.pip_settings import Index, NotPlainError, expanded, plain_index, refusal
from venvship.model.interpreter import Interpreter
from venvship.model.lockfiles.requirement import Requirement
from venvship.system.process import run
from venvship.system.signals import Signals

if TYPE_CHECKING:
    from venvship.building.fetching.downloader import Report, Task, Wanted

_DOWNLOADER: Final = os.path.join(os.path.dirname(__file__), "downloader.py")
_OUTPUT_BYTES: Final = 16 << 20


class Arrived(NamedTuple):
    """A wheel that was downloaded: its path, and its SHA-256, which is one of those that are allowed."""

    path: str
    sha256: str


class Direct(NamedTuple):
    """What did not come by the fast way.

    Attributes:
        problems: Why not, a line each. A URL may have a password in it.
        timed_out: Whether it took too long, and was ended.
    """

    problems: Sequence[str]
    timed_out: bool = False


def download_directly(
    requirements: Sequence[Requirement],
    *,
    options: Sequence[str],
    interpreter: Interpreter,
    folder: str,
    cwd: str,
    env: Mapping[str, str],
    timeout: float,
    signals: Signals,
    arrived: Callable[[Mapping[str, Arrived]], None],
) -> Direct:
    """Download what can be had without pip.

    Args:
        requirements: What to download; no name twice, no local paths.
        options: Option lines of the lockfile.
        interpreter: For which interpreter.
        folder: An existing, empty directory.
        cwd: Where relative paths of pip's settings begin.
        env: The environment that pip would have.
        timeout: Seconds for all of it.
        signals: A signal ends it.
        arrived: Gets those that have come since the last call, by the requirement's name, while the others
            are still on their way. What it raises ends that, and passes through.

    Raises:
        InterruptedByError: A signal came. Nothing is left running.
        OSError: It could not be started.

    Crash: leaves downloads in `folder`, in part or whole.
    """
    # `pip --python` runs in the interpreter's own prefix, and reads its pip.conf.
    prefixes = (os.path.dirname(os.path.dirname(interpreter.path)),)
    try:
        index = plain_index(options, env, prefixes, cwd)
    except NotPlainError as error:
        return Direct([str(error)])
    wanted, problems = _wanted(requirements, index, env)
    if not wanted:
        return Direct(problems)
    task: Task = {
        "folder": folder,
        # As pip compares it: 3.13.0rc1, and 3.13.0+ of a checkout, count as 3.13.0.
        "python": Version(interpreter.version.rstrip("+")).base_version,
        "tags": list(interpreter.tags),
        "certificates": index.certificates and os.path.join(cwd, os.path.expanduser(index.certificates)),
        "timeout": index.timeout,
        "user_agent": f"venvship/{__version__}",
        "wanted": wanted,
    }
    reports: dict[str, Report] = {}
    rest = b""

    def listen(data: bytes) -> None:
        nonlocal rest
        *lines, rest = (rest + data).split(b"\n")
        new: list[Report] = [json.loads(line) for line in lines]
        reports.update((report["name"], report) for report in new)
        arrived(_arrived(new))

    result = run(
        # -P: no module from beside the script, or from where we happen to stand.
        [sys.executable, "-P", _DOWNLOADER],
        env=env,
        cwd=cwd,
        timeout=timeout,
        signals=signals,
        stdin=json.dumps(task).encode(),
        output_cap=_OUTPUT_BYTES,
        separate_stderr=True,
        listener=listen,
    )
    for one in wanted:
        if (said := reports.get(one["name"])) is None:
            problems.append(f"{one['name']}: not downloaded")
        elif said["problem"] is not None:
            problems.append(f"{one['name']}: {said['problem']}")
    if result.output:
        problems.append(result.output.decode(errors="replace").strip())
    return Direct(problems, result.timed_out)


def _arrived(reports: Iterable[Report]) -> dict[str, Arrived]:
    return {
        report["name"]: Arrived(report["path"], report["sha256"])
        for report in reports
        if report["path"] is not None and report["sha256"] is not None
    }


def _wanted(
    requirements: Sequence[Requirement], index: Index, env: Mapping[str, str]
) -> tuple[list[Wanted], list[str]]:
    """What can be asked for, and why the rest cannot be."""
    wanted: list[Wanted] = []
    problems: list[str] = []
    for requirement in requirements:
        url = None if requirement.url is None else expanded(requirement.url, env)
        if url is not None and (problem := refusal(url)):
            problems.append(f"{requirement.name}: its URL {problem}")
        else:
            wanted.append({
                "name": requirement.name,
                "version": requirement.version,
                "hashes": list(requirement.hashes),
                "url": url,
                "index": index.url,
            })  # fmt: skip
    return wanted, problems
