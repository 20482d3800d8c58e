"""Why pip-compile failed, from what it printed and from pip's log.

pip-compile catches few of the errors that pip raises: most end in a traceback, of which the last line and
pip's own `ERROR:` lines say something. What kept pip from a version is in its log, as for a fetch.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import Final

from packaging.utils import canonicalize_name

from venvship.building.fetching.pip_diagnosis import (
    CONNECTION,
    FULL,
    HASHES,
    HTTP_ERROR,
    NO_MATCH,
    OTHER_PYTHON,
    SOURCE_BUILD,
    Search,
    build_output,
    mismatched_in,
    outages_in,
    reason_of,
    search_of,
    tags_of,
    wanted_python,
)
from venvship.errors import (
    BuildError,
    DiskFullError,
    HashMismatchError,
    IndexUnreachableError,
    LockError,
)
from venvship.model.interpreter import Interpreter

_CONFLICT = re.compile(r"The conflict is caused by:\n((?:    .*\n)+)")
_TIMESTAMP = re.compile(r"(?m)^\d{4}-\d\d-\d\dT[\d:,]+   ?")
_WANTED = re.compile(
    r"Could not find a version that satisfies the requirement (.+?) \(from versions: ([^)]*)\)"
)
_RAISED = re.compile(r"((?:\w+\.)*[A-Z]\w*): (.*)", re.DOTALL)
_OPTPARSE = re.compile(r"^\S+\.py: error: ")
_URL = re.compile(r"https?://[^\s'\",)]+")
_OUR_SIDE: Final = frozenset({"AttributeError", "ImportError", "ModuleNotFoundError", "TypeError"})
"""What a pip-tools raises that does not fit the pip or the Python that it runs with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRun:
    """A pip-compile that has ended; everything in it is redacted already.

    Attributes:
        output: What it printed.
        debug: pip's log.
        interpreter: The one that ran it.
        lockfile: What is going to be written.
        log: Path of the log to point people to.
    """

    output: str
    debug: str
    interpreter: Interpreter
    lockfile: str
    log: str


def diagnose_lock(ended: LockRun) -> BuildError:
    """Find out why pip-compile failed; return the error to raise."""
    output = ended.output
    if FULL.search(output) or FULL.search(ended.debug):
        return DiskFullError(
            f"the disk is full, or a quota used up; {ended.lockfile} is as it was",
            hint="free some space (`venvship prune --dry-run` shows what could go), then try again",
            log=ended.log,
        )
    outage = index_outage(ended)
    if outage is not None:
        return outage
    if HASHES.search(output):
        return _hash_mismatch(ended)
    conflict = _CONFLICT.findall(_TIMESTAMP.sub("", ended.debug))
    if conflict and "ResolutionImpossible" in output:
        causes = [line.strip() for line in conflict[-1].splitlines()]
        return _refusal(
            ended,
            "\n".join(["the requirements contradict each other:", *(f"  {cause}" for cause in causes)]),
            hint="loosen one of them in the inputs; `venvship lock --upgrade` drops the pins of the lockfile",
        )
    if match := NO_MATCH.search(output):
        return _nothing_matches(ended, canonicalize_name(match[1]))
    if match := OTHER_PYTHON.search(output):
        return _refusal(
            ended,
            f"{match[1]} requires another Python: {wanted_python(match[2])}",
            hint="allow an older version of it in the inputs, or set another `python`",
            package=canonicalize_name(match[1]),
        )
    if SOURCE_BUILD.search(output):
        said = build_output(ended.debug).strip().splitlines()[1:]
        return _refusal(
            ended,
            "a source could not be had, or not be asked for what it requires"
            + (f": {said[-1][:200]}" if said else ""),
            hint="it may need a compiler or headers here; a version that has wheels needs neither",
        )
    if HTTP_ERROR.search(output) or CONNECTION.search(output):
        return _unreachable(ended, output)
    return _otherwise(ended)


def index_outage(ended: LockRun) -> IndexUnreachableError | None:
    """The error for an index that failed meanwhile, also where pip-compile went on without it and ended well.

    It then takes what else there is: an older version, or the file of another index.
    """
    for url, reason in outages_in(ended.debug):
        return _unserved(ended, f"the package index did not serve {url}: {reason}", url)
    return None


def _unserved(ended: LockRun, message: str, url: str) -> IndexUnreachableError:
    return IndexUnreachableError(
        f"{message}; {ended.lockfile} is as it was",
        hint="see whether the index is up and pip's settings (index-url, proxy, cert, credentials) are right",
        log=ended.log,
        url=url,
    )


def _hash_mismatch(ended: LockRun) -> HashMismatchError:
    """A pin is kept with its hashes, so its file must have one of them."""
    names, got = mismatched_in(ended.output)
    shown = ", ".join(names) or "a package"
    return HashMismatchError(
        f"{shown}: the file that the index serves has none of the hashes in the lockfile"
        + (f"; its sha256 is {', '.join(got)}" if got else "")
        + f". Nothing of it was imported or run; {ended.lockfile} is as it was",
        hint="find out who replaced the file. If that was on purpose: "
        + " ".join(["venvship lock", *(f"-P {name}" for name in names)]),
        log=ended.log,
        got=got,
    )


def _nothing_matches(ended: LockRun, name: str) -> BuildError:
    search = search_of(ended.debug, name)
    wanted = _WANTED.search(ended.output)
    asked = wanted[1].strip() if wanted else name
    if search.forbidden and not search.versions:
        url, reason = search.forbidden[0]
        return _unserved(ended, f"{asked}: the package index did not serve {url}: {reason}", url)
    why, hint = _why(ended, search, name)
    return _refusal(ended, f"{asked}: {why}", hint=hint, package=name)


def _why(ended: LockRun, search: Search, name: str) -> tuple[str, str]:
    versions = list(dict.fromkeys(search.versions))
    if versions:
        return (
            f"the index has no such version that could be taken here, only {', '.join(versions[-5:])}",
            "change the requirement; a version may be withdrawn, or without a wheel for this Python",
        )
    if search.too_young:
        return (
            "the index has only files that are younger than `[lock] cooldown_days` allows",
            "wait, or allow an older version in the inputs, or set fewer cooldown_days",
        )
    if search.sources and not search.other_tags:
        return (
            "the index has only source distributions, and building from source is not allowed for it",
            f'add "{name}" to `[build] sdists` in venvship.toml to build it here',
        )
    if search.other_tags or search.other_python:
        said = (
            f"its wheels are for {tags_of(search.other_tags)}"
            if search.other_tags
            else f"it requires Python {search.other_python[0]}"
        )
        python = f"CPython {ended.interpreter.version}, {ended.interpreter.platform}"
        return (
            f"nothing that the index has runs on {python}: {said}",
            f'set another `python`, or add "{name}" to `[build] sdists` to build it here',
        )
    return (
        "the index has no such package",
        "it may be misspelt, or on another index than the inputs and pip's settings name",
    )


def _unreachable(ended: LockRun, output: str) -> IndexUnreachableError:
    lines = [line for line in output.splitlines() if CONNECTION.search(line) or HTTP_ERROR.search(line)]
    urls = _URL.findall("\n".join(lines)) or _URL.findall(output)
    url = urls[-1] if urls else ""
    why = reason_of(lines[-1] if lines else output)
    return _unserved(ended, f"the package index did not serve {url or 'a file'}: {why}", url)


def _otherwise(ended: LockRun) -> LockError:
    output = ended.output.strip()
    raised = _RAISED.match(_end_of_traceback(output))
    said = re.findall(r"(?mi)^\s*(?:error|critical): (.*\S)", output)
    if raised and raised[1].rpartition(".")[2] in _OUR_SIDE:
        return _refusal(
            ended,
            f"pip-tools does not work with this pip, or this Python: {raised[1]}: {raised[2]}",
            hint="upgrade pip and pip-tools where venvship is installed",
        )
    text = raised[2] if raised else said[-1] if said else (output.splitlines() or ["no output"])[-1]
    lines = [_OPTPARSE.sub("", line).rstrip() for line in text.splitlines() if line.strip()]
    return _refusal(ended, "\n".join(lines[:6]), hint="correct it in the inputs, or see the log for more")


def _end_of_traceback(output: str) -> str:
    """What the last traceback says below its frames; `""` if there is none."""
    frames = output.rpartition("Traceback (most recent call last):\n")[2] if "Traceback" in output else ""
    return "\n".join(itertools.dropwhile(lambda line: line.startswith(" "), frames.splitlines()))


def _refusal(ended: LockRun, message: str, *, hint: str, package: str | None = None) -> LockError:
    data = {"package": package} if package else {}
    first, *rest = message.splitlines()
    said = [f"{first}{'' if rest else f'; {ended.lockfile} is as it was'}", *rest]
    if rest:
        said.append(f"{ended.lockfile} is as it was")
    return LockError("\n".join(said), hint=hint, log=ended.log, **data)
