"""Why pip failed, from what it printed and what its log says.

pip ends with 1 and "No matching distribution found" for a misspelt name, an index that is down, a wheel for
another platform and a package without wheels alike. Its log (`--log`, always at debug level) has every link
that it looked at, with the reason why it was skipped. The phrases here are those of pip 23.1 to 26; where
none of them is found, the error says what pip said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from venvship.errors import (
    BuildError,
    DiskFullError,
    DistributionNotFoundError,
    HashMismatchError,
    IndexUnreachableError,
    NoCompatibleWheelError,
    SourceOnlyError,
)
from venvship.model.interpreter import Interpreter
from venvship.model.lockfiles.requirement import Requirement, labels

_TIMESTAMP = re.compile(r"(?m)^\d{4}-\d\d-\d\dT[\d:,]+ ?")
_NAME = r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)"
FULL = re.compile(r"No space left on device|Disk quota exceeded|\[Errno (?:28|122)\]")
HASHES = re.compile(r"DO NOT MATCH THE HASHES")
_MISMATCHED = re.compile(
    rf"(?m)^\s+{_NAME}\S* (?:@ \S+ )?from .*:\s*$|^\s+{_NAME}(?:==\S+)?(?: \(.*\))?:\s*$"
)
_GOT = re.compile(r"Got\s+([0-9a-f]{64})\b")
NO_MATCH = re.compile(rf"No matching distribution found for {_NAME}")
OTHER_PYTHON = re.compile(rf"Package '?{_NAME}'? requires a different Python: (.*)")
_UNSUPPORTED = re.compile(r"(\S+\.whl) is not a supported wheel on this platform")
_SEARCH = re.compile(rf"\d+ location\(s\) to search for versions of {_NAME}:")
_UNFETCHED = re.compile(r"Could not fetch URL (\S+): (.*) - skipping")
_SKIPPED_TAGS = re.compile(r"Skipping link: none of the wheel's tags .* are compatible.*?: (\S+\.whl\S*)")
_SKIPPED_SOURCE = re.compile(r"Skipping link: No sources permitted for \S+: (\S+)")
_SKIPPED_PYTHON = re.compile(r"requires a different Python \((\S+) not in: '([^']*)'\)(?:: |.*?)(\S+://\S+)")
_TOO_YOUNG = re.compile(r"Skipping link: Upload time .* not prior to .*?: (\S+://\S+)")
_FOUND = re.compile(r"Found link \S+.*, version: (\S+)")
HTTP_ERROR = re.compile(r"HTTP error (\d{3})|\b([45]\d\d) (?:Client|Server) Error")
CONNECTION = re.compile(
    r"Max retries exceeded|NewConnectionError|ConnectTimeout|ReadTimeout|Read timed out|ConnectionReset"
    r"|Connection aborted|Connection refused|IncompleteRead|ProtocolError|SSLError|CERTIFICATE_VERIFY_FAILED"
    r"|ProxyError|Name or service not known|Temporary failure in name resolution|ConnectionError"
)
SOURCE_BUILD = re.compile(
    r"metadata-generation-failed|subprocess-exited-with-error|Failed (?:to build|building)"
)
_EXITED = re.compile(r"(?m)^.*ERROR: .* exited with -?\d+$")
_COLLECTING = re.compile(rf"(?m)^\s*(?:Collecting|Processing|Building wheel for) .*?{_NAME}")
_REASON = re.compile(
    r"(\d{3} (?:Client|Server) Error: [^:]*?) for url|(too many \d{3} error responses)"
    r"|\[Errno -?\d+\] ([^'\")]+)|(certificate verify failed: [^'\"(]+)|(Read timed out)|(timed out)"
    r"|Caused by \w+\((?:.*?: )?([^()]+)\)"
)

_SHOWN_TAGS: Final = 3


@dataclass(slots=True)
class Search:
    """What pip saw on the pages of one project, as far as it is about one version.

    Attributes:
        unreachable: URLs that were not served, each with the reason.
        forbidden: URLs that wanted other credentials.
        other_tags: File names of wheels for other platforms or interpreters.
        other_python: What Python is required, in words.
        sources: URLs of source distributions that were not allowed.
        too_young: File names of what was uploaded too late for a cooldown.
        versions: All others that were found.
    """

    unreachable: list[tuple[str, str]] = field(default_factory=list)
    forbidden: list[tuple[str, str]] = field(default_factory=list)
    other_tags: list[str] = field(default_factory=list)
    other_python: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    too_young: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A pip that failed; everything in it is redacted already.

    Attributes:
        output: What it printed.
        debug: Its `--log`.
        requirements: What it was to fetch.
        interpreter: For which interpreter.
        log: Path of the log to point people to.
    """

    output: str
    debug: str
    requirements: Sequence[Requirement]
    interpreter: Interpreter
    log: str


def diagnose(failure: Failure) -> BuildError:
    """Find out why pip failed; return the error to raise."""
    if FULL.search(failure.output) or FULL.search(failure.debug):
        return DiskFullError(
            f"the disk is full, or a quota used up: nothing was fetched for {labels(failure.requirements)}",
            hint="free some space (`venvship prune --dry-run` shows what could go), then try again",
            log=failure.log,
        )
    if HASHES.search(failure.output):
        return _hash_mismatch(failure)
    match = NO_MATCH.search(failure.output)
    if match and (requirement := _named(failure, match[1])):
        return _nothing_matches(failure, requirement)
    match = OTHER_PYTHON.search(failure.output)
    if match and (requirement := _named(failure, match[1])):
        return _incompatible(failure, requirement, [], [wanted_python(match[2])])
    if match := _UNSUPPORTED.search(failure.output):
        filename = match[1].rpartition("/")[2]
        if requirement := _named(failure, filename.partition("-")[0]):
            return _incompatible(failure, requirement, [filename], [])
    return _not_downloaded(failure)


def build_output(debug: str) -> str:
    """What the build of a source distribution printed, if one failed; else nothing.

    With `--log` pip writes that there only, and tells the terminal to look above.
    """
    begin = debug.rfind("Running command ")
    end = _EXITED.search(debug, begin) if begin >= 0 else None
    if end is None:
        return ""
    lines = _TIMESTAMP.sub("", debug[begin : end.start()]).splitlines()
    return "\n".join(line.strip() for line in lines) + "\n"


def mismatched_in(output: str) -> tuple[list[str], list[str]]:
    """The names of the packages whose files have other hashes, and the hashes that these have."""
    names: list[str] = [canonicalize_name(one or other) for one, other in _MISMATCHED.findall(output)]
    return names, _GOT.findall(output)


def _hash_mismatch(failure: Failure) -> HashMismatchError:
    names, got = mismatched_in(failure.output)
    concerned = [r for r in failure.requirements if r.name in names] or list(failure.requirements)
    error = HashMismatchError(
        f"{labels(concerned)}: the file that the index serves has none of the hashes in the lockfile"
        + (f"; its sha256 is {', '.join(got)}" if got else "")
        + ". Nothing of it was imported or run.",
        hint="if the index replaced or added a file on purpose, lock again"
        f" (`venvship lock -P {concerned[0].name}`); else find out who changed it",
        log=failure.log,
        packages=[requirement.facts() for requirement in concerned],
        got=got,
    )
    if len(concerned) == 1:
        error.data |= concerned[0].facts()
    return error


def _nothing_matches(failure: Failure, requirement: Requirement) -> BuildError:
    search = search_of(failure.debug, requirement.name, requirement.version)
    if search.unreachable:
        return _unreachable(failure, requirement, *search.unreachable[0])
    # An sdist whose hash the lockfile does not allow would not help.
    usable = [url for url in search.sources if "#" not in url or _hash_allowed(url, requirement)]
    if usable:
        others = (
            f", and wheels for other platforms only ({tags_of(search.other_tags)})"
            if search.other_tags
            else ""
        )
        return SourceOnlyError(
            f"{requirement.label}: the index has only a source distribution{others}, and building from "
            "source is not allowed for it",
            hint=f'add "{requirement.name}" to `[build] sdists` in venvship.toml to build it here',
            log=failure.log,
            **requirement.facts(),
        )
    if search.other_tags or search.other_python:
        return _incompatible(failure, requirement, search.other_tags, search.other_python)
    if search.forbidden:
        return _unreachable(failure, requirement, *search.forbidden[0])
    if search.versions:
        shown = ", ".join(search.versions[-5:])
        message = f"the index has no version {requirement.version} of it, only {shown}"
    else:
        message = "the index has no such package, or no file of this version"
    return DistributionNotFoundError(
        f"{requirement.label}: {message}",
        hint="it may be misspelt, withdrawn, or on another index than the lockfile and pip's settings name",
        log=failure.log,
        **requirement.facts(),
    )


def search_of(debug: str, name: str, version: str | None = None) -> Search:
    """Collect what pip's debug log says of its search for a project.

    Args:
        debug: The log, redacted.
        name: Of the project, normalised.
        version: The only one that counts; `None` for all of them.
    """
    search = Search()
    current = None
    for line in _TIMESTAMP.sub("", debug).splitlines():
        if match := _SEARCH.search(line):
            current = canonicalize_name(match[1])
        if current != name:
            continue
        if match := _UNFETCHED.search(line):
            _note_unfetched(search, match[1], match[2])
        else:
            _note_link(search, line, version)
    return search


def outages_in(debug: str) -> list[tuple[str, str]]:
    """What an index or a page of links should have served and did not: URLs, each with the reason.

    pip goes on without them, and so may choose another version than with them. 403 is left out: some indexes
    say that of packages which they do not have.
    """
    search = Search()
    for url, reason in _UNFETCHED.findall(debug):
        _note_unfetched(search, url, reason)
    return [*search.unreachable, *(one for one in search.forbidden if not one[1].startswith("403"))]


def _note_unfetched(search: Search, url: str, reason: str) -> None:
    status = HTTP_ERROR.search(reason)
    code = int(status[1] or status[2]) if status else 0
    if code in {401, 403, 407}:
        search.forbidden.append((url, reason_of(reason)))
    elif code not in {404, 410}:
        search.unreachable.append((url, reason_of(reason)))


def _note_link(search: Search, line: str, version: str | None) -> None:
    if match := _SKIPPED_TAGS.search(line):
        if _is_of_version(match[1], version):
            search.other_tags.append(_filename(match[1]))
    elif match := _SKIPPED_SOURCE.search(line):
        if _is_of_version(match[1], version):
            search.sources.append(match[1])
    elif match := _SKIPPED_PYTHON.search(line):
        if _is_of_version(match[3], version):
            search.other_python.append(f"{match[2]}, and this is {match[1]}")
    elif match := _TOO_YOUNG.search(line):
        if _is_of_version(match[1], version):
            search.too_young.append(_filename(match[1]))
    elif match := _FOUND.search(line):
        search.versions.append(match[1])


def _incompatible(
    failure: Failure, requirement: Requirement, wheels: list[str], pythons: list[str]
) -> NoCompatibleWheelError:
    interpreter = failure.interpreter
    message = f"its wheels are for {tags_of(wheels)}" if wheels else f"it requires Python {pythons[0]}"
    return NoCompatibleWheelError(
        f"{requirement.label}: nothing that the index has runs on CPython {interpreter.version}, "
        f"{interpreter.platform}: {message}",
        hint=f"lock again for Python {interpreter.minor} on this platform "
        f"(`venvship lock -P {requirement.name}`), or set another `python`",
        log=failure.log,
        **requirement.facts(),
    )


def _unreachable(
    failure: Failure, requirement: Requirement | None, url: str, reason: str
) -> IndexUnreachableError:
    who = f"{requirement.label}: " if requirement else ""
    return IndexUnreachableError(
        f"{who}the package index did not serve {url or 'a file'}: {reason}",
        hint="see whether the index is up and pip's settings (index-url, proxy, cert, credentials) are right",
        log=failure.log,
        url=url,
        **(requirement.facts() if requirement else {}),
    )


def _not_downloaded(failure: Failure) -> BuildError:
    """Name what happened after the search: a download that broke, or a source that does not build."""
    collected = _COLLECTING.findall(failure.output)
    requirement = _named(failure, collected[-1]) if collected else None
    if requirement is None and len(failure.requirements) == 1:
        requirement = failure.requirements[0]
    errors = re.findall(r"(?mi)^\s*(?:error|critical): (.*\S)", failure.output)
    last = errors[-1] if errors else (failure.output.strip().splitlines() or ["no output"])[-1]
    if SOURCE_BUILD.search(failure.output):
        named = [r for r in failure.requirements if requirement is None or r is requirement]
        said = build_output(failure.debug).strip().splitlines()[1:]
        return BuildError(
            f"{labels(named)} could not be built from source"
            + (f": {said[-1][:200]}" if said else "")
            + f"; all that its build said is in {failure.log}",
            hint="it may need a compiler or headers here; a wheel in the lockfile needs neither",
            log=failure.log,
            **(requirement.facts() if requirement else {}),
        )
    status = HTTP_ERROR.search(failure.output)
    if status or CONNECTION.search(failure.output):
        code = int(status[1] or status[2]) if status else 0
        urls = re.findall(r"https?://[^\s'\",)]+", failure.output)
        if code in {404, 410} and requirement is not None:
            return DistributionNotFoundError(
                f"{requirement.label}: its file is not there any more: {last}",
                hint="lock again, or ask whoever runs the index",
                log=failure.log,
                **requirement.facts(),
            )
        text = next((line for line in failure.output.splitlines() if CONNECTION.search(line)), last)
        return _unreachable(failure, requirement, urls[-1] if urls else "", reason_of(text))
    return BuildError(
        f"pip could not fetch {labels(failure.requirements)}: {last}",
        hint=f"pip's output is in {failure.log}",
        log=failure.log,
        **(requirement.facts() if requirement else {}),
    )


def _named(failure: Failure, name: str) -> Requirement | None:
    normalised = canonicalize_name(name)
    return next((r for r in failure.requirements if r.name == normalised), None)


def reason_of(text: str) -> str:
    """The part of pip's report of a failed request that says why."""
    match = _REASON.search(text)
    found = next((group for group in match.groups() if group), None) if match else None
    return (found or text).strip(" '\"")[:200]


def wanted_python(text: str) -> str:
    """Turn pip's `3.11.7 not in '>=3.12'` round."""
    found, _, wanted = text.strip().partition(" not in ")
    wanted = wanted.strip("'")
    return f"{wanted}, and this is {found}" if wanted else found


def _filename(url: str) -> str:
    return url.partition("#")[0].partition("?")[0].rpartition("/")[2]


def _is_of_version(url: str, version: str | None) -> bool:
    filename = _filename(url)
    if version is None:
        return True
    try:
        if filename.endswith(".whl"):
            found = parse_wheel_filename(filename)[1]
        else:
            found = parse_sdist_filename(filename)[1]
        return found == Version(version)
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        # An old name that nobody can parse: it counts where it contains the version.
        return version in filename


def _hash_allowed(url: str, requirement: Requirement) -> bool:
    return any(allowed.removeprefix("sha256:") in url for allowed in requirement.hashes)


def tags_of(wheels: Sequence[str]) -> str:
    """What wheels are for, by their file names; a few of them."""
    tags = ["-".join(name.removesuffix(".whl").split("-")[-3:]) for name in dict.fromkeys(wheels)]
    return ", ".join(tags[:_SHOWN_TAGS]) + (f" and {len(tags) - _SHOWN_TAGS} more" if len(tags) > 3 else "")
