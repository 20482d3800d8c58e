"""Why pip failed, from its output and its debug log, for a fetch and for `lock` alike.

pip reports "No matching distribution found" for a misspelt name, an index that is down, a wheel for another
platform and a package without wheels. Its log (`--log`, always at debug level) has every file that it looked
at, with the reason why it was skipped. The phrases here are those of pip 23.1 to 26. Where none of them is
found, the reason is pip's last line.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as Specified
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from venvship.building.fetching.diagnosis import NAME, Diagnosis
from venvship.building.fetching.evidence import Evidence, tags_of
from venvship.building.fetching.listed_file import ListedFile
from venvship.building.fetching.lock_again import lock_again
from venvship.building.fetching.outage import (
    failed_download,
    index_outage,
    search_for,
    unreachable,
    unserved_pages,
)
from venvship.errors import (
    BuildError,
    DiskFullError,
    DistributionNotFoundError,
    HashMismatchError,
    HostError,
    NoCompatibleWheelError,
    SourceOnlyError,
    TooLargeError,
)
from venvship.model.interpreter import Interpreter
from venvship.model.lockfiles.requirement import Requirement
from venvship.printable import lines
from venvship.system.host import host_error_in

_OUT_OF_MEMORY = re.compile(r"(?m)^(?:\S+ )?MemoryError\b")
_FILE_TOO_LARGE = re.compile(r"\[Errno 27\]")
_DISK_FULL = re.compile(r"No space left on device|Disk quota exceeded|\[Errno (?:28|122)\]")
_MISMATCHED = re.compile(rf"(?m)^ +{NAME}\S* .*from .*:\s*$")
_GOT = re.compile(r"Got\s+([0-9a-f]{64,128})\b")
_CONFLICT = re.compile(r"The conflict is caused by:\n((?: {4}.*\n)+)")
_NO_MATCH = re.compile(rf"No matching distribution found for {NAME}")
_VERSIONS = re.compile(r"satisfies the requirement (\S+).* \(from versions: ([^)]*)\)")
_OTHER_PYTHON = re.compile(rf"Package '?{NAME}'? requires a different Python: (\S+) not in '([^']*)'")
_BUILD = re.compile(r"metadata-generation-failed|subprocess-exited-with-error|Failed (?:to build|building)")
_ERROR = re.compile(r"(?mi)^\s*(?:error|critical): (.*\S)")
_TIMESTAMP = re.compile(r"(?m)^\d{4}-\d\d-\d\dT[\d:,]+ ?")
_EXITED = re.compile(r"(?m)^.*ERROR: .* exited with -?\d+$")

_DEBUG_BYTES: Final = 16 << 20
_REASON_CHARACTERS: Final = 200
_LINES: Final = 6


def beyond_bounds(
    output: str, *, memory: int | None = None, file_size: int | None = None
) -> Diagnosis | None:
    """The reason of a pip that ran into a bound that it was given; `None` if it failed for another one.

    Args:
        output: The output of pip, redacted.
        memory: The bound of its memory, in bytes.
        file_size: That of one file.
    """
    if memory is not None and _OUT_OF_MEMORY.search(output):
        reason = f"the answers of the index take more than the {memory >> 20} MiB of memory that pip has here"
    elif file_size is not None and _FILE_TOO_LARGE.search(output):
        reason = f"the index sends a file of more than {file_size:,} bytes, the most that venvship takes"
    else:
        return None
    return Diagnosis(
        kind=TooLargeError,
        message=reason,
        hint="ask who runs the index, or pin the file by its URL, as NAME @ https://… --hash=…",
    )


def diagnose(  # noqa: PLR0913 - each is one thing that is known
    output: str,
    debug: str,
    interpreter: Interpreter,
    pins: Mapping[str, Requirement] | None = None,
    listed: Mapping[str, Sequence[ListedFile]] | None = None,
    kept: Mapping[str, Requirement] | None = None,
    *,
    locked_here: bool = True,
) -> Diagnosis:
    """Find out why pip failed.

    Args:
        output: The output of pip, redacted.
        debug: Its log, redacted.
        interpreter: The interpreter that it ran for.
        pins: By name, the one version and the hashes that a fetch asked for. `lock` has none.
        listed: By name, the files of these versions that venvship itself has seen on the index.
        kept: By name, the pins with hashes that `lock` would rather keep.
        locked_here: Whether `venvship lock` generates the lockfile.
    """
    if _DISK_FULL.search(output) or _DISK_FULL.search(debug):
        return Diagnosis(
            kind=DiskFullError,
            message="the disk is full, or a quota used up",
            hint="free some space (`venvship prune --dry-run` shows what could go), then try again",
        )
    if short := host_error_in(output, "run pip"):
        return Diagnosis(kind=HostError, message=short.message, hint=short.hint or "")
    evidence = Evidence(debug, interpreter, pins, listed or {}, locked_here)
    if mismatched(output):
        return _mismatch(output, replace(evidence, pins=pins or kept))
    building_failed = _BUILD.search(output) is not None
    # `lock` may take any version, so a page that was not served may be the cause of all that follows. A fetch
    # asks for one version: only the pages of the package that was not found count, see `_no_match`.
    if pins is None and not building_failed and (outage := index_outage(debug)):
        return outage
    conflict = _CONFLICT.findall(_TIMESTAMP.sub("", debug).replace("\n  ", "\n"))
    if conflict and "ResolutionImpossible" in output:
        causes = [f"  {line.strip()}" for line in conflict[-1].splitlines()]
        return Diagnosis(
            kind=BuildError,
            message=lines("the requirements contradict each other:", *causes),
            hint="loosen one of them in the inputs; `venvship lock --upgrade` drops the pins of the lockfile",
        )
    if match := _NO_MATCH.search(output):
        return _no_match(output, canonicalize_name(match[1]), evidence)
    if match := _OTHER_PYTHON.search(output):
        return _no_wheel(evidence, canonicalize_name(match[1]), f"it requires Python {match[3]}")
    if building_failed:
        said = build_output(debug).strip().splitlines()[1:]
        return Diagnosis(
            kind=BuildError,
            message="building it from source failed",
            hint="it may need a compiler or headers here; a version that has wheels needs neither",
            # Words of the build, which prints what it likes: for a terminal, not for the journal and mails.
            data={"output": said[-1][:_REASON_CHARACTERS]} if said else {},
        )
    return failed_download(output) or Diagnosis(
        kind=BuildError,
        message=last_words(output),
        hint="see the log for more" if pins else "correct it in the inputs, or see the log for more",
    )


def mismatched(output: str) -> list[str]:
    """The normalised names of the packages whose files had none of the allowed hashes, by pip's output."""
    if "DO NOT MATCH THE HASHES" not in output:
        return []
    return [canonicalize_name(name) for name in _MISMATCHED.findall(output)]


def _mismatch(output: str, evidence: Evidence) -> Diagnosis:
    """Why a file that came has none of the allowed hashes.

    It was replaced, unless the index still lists every file that the lockfile allows. Then none of those can
    be taken here, and pip took one that the lockfile does not know.
    """
    names, got = mismatched(output), _GOT.findall(output)
    explained: dict[str, Diagnosis] = {}
    for name, digest in zip(names, got, strict=False):
        if (found := _other_files_only(name, digest, evidence)) is not None:
            explained[name] = found
    unexplained = [name for name in names if name not in explained]
    if explained and not unexplained:
        first = next(iter(explained.values()))
        same = [name for name, found in explained.items() if found.kind is first.kind]
        return first if len(same) == 1 else _all_of(first, same, evidence)
    if len(names) == len(got):
        got = [digest for name, digest in zip(names, got, strict=True) if name in unexplained]
    return Diagnosis(
        kind=HashMismatchError,
        message="the file that the index serves has none of the hashes in the lockfile"
        + (f"; its {_algorithm(got[0])} is {', '.join(got)}" if got else "")
        + ". Nothing of it was imported or run",
        hint="find out who replaced the file. If that was on purpose, "
        + lock_again(unexplained, here=evidence.locked_here),
        names=tuple(unexplained),
        data={"got": got},
    )


def _other_files_only(name: str, got: str, evidence: Evidence) -> Diagnosis | None:
    """The diagnosis where the lockfile allows only files that cannot be taken here; `None` if it does not."""
    pin, hashes = (evidence.pins or {}).get(name), evidence.hashes(name)
    if pin is None or hashes is None:
        return None
    by_hash = {value: file for file in evidence.files(name, _pinned(pin)) for value in file.hashes}
    came = by_hash.get(f"{_algorithm(got)}:{got}")
    if not hashes <= by_hash.keys() or came is None:
        return None
    allowed = [by_hash[value] for value in sorted(hashes)]
    sources = [f for f in allowed if f.is_source and f.is_for_python(evidence.interpreter)]
    again = lock_again([name], here=evidence.locked_here, why=f"with the hash of {came.filename}")
    if sources:
        return Diagnosis(
            kind=SourceOnlyError,
            message="of the files that run here, the lockfile allows only the source distribution "
            f"{sources[0].filename}, and building is not allowed for it",
            hint=f'add "{name}" to `[build] sdists` in venvship.toml to build it here; or {again}',
            names=(name,),
        )
    reasons = evidence.reasons(allowed)
    if not reasons:
        return None
    return Diagnosis(
        kind=NoCompatibleWheelError,
        message=f"nothing that the lockfile allows runs on {evidence.interpreter.label}: {reasons}",
        hint=f"set another `python`, or {again}",
        names=(name,),
    )


def _all_of(first: Diagnosis, names: Sequence[str], evidence: Evidence) -> Diagnosis:
    """One diagnosis for several packages for which the lockfile allows no file that can be taken here."""
    if first.kind is SourceOnlyError:
        added = ", ".join(f'"{name}"' for name in names)
        message = (
            "of the files that run here, the lockfile allows only source distributions, and building is not "
            "allowed for them"
        )
        hint = f"add {added} to `[build] sdists` in venvship.toml to build them here; or "
    else:
        message, hint = "nothing that the lockfile allows runs here", ""
    again = lock_again(names, here=evidence.locked_here)
    return replace(first, message=message, hint=hint + again, names=tuple(names))


def _no_match(output: str, name: str, evidence: Evidence) -> Diagnosis:
    """Why pip found no file that it may take: of the pinned version, or of any."""
    debug, interpreter = evidence.debug, evidence.interpreter
    if outage := index_outage(search_for(debug, name)):
        return replace(outage, names=(name,))
    found = _VERSIONS.search(output)
    versions = [] if found is None or found[2] == "none" else found[2].split(", ")
    files = evidence.files(name, _wanted(name, found[1] if found else "", evidence))
    hashes = evidence.hashes(name)
    # A source distribution with another hash would not help; not every index tells hashes.
    sources = [
        f
        for f in files
        if f.is_source and f.is_for_python(interpreter) and (hashes is None or f.may_have_one_of(hashes))
    ]
    wheels = [f for f in files if not f.is_source]
    if sources and evidence.was_skipped(name, "No sources permitted"):
        also = f", and wheels for other platforms only ({tags_of(wheels)})" if wheels else ""
        return Diagnosis(
            kind=SourceOnlyError,
            message=f"the index has only source distributions{also}, and building is not allowed for it",
            hint=f'add "{name}" to `[build] sdists` in venvship.toml to build it here',
            names=(name,),
        )
    usable_sources = [f for f in files if f.is_source and f.is_for_python(interpreter)]
    if reasons := evidence.reasons([f for f in files if f not in usable_sources]):
        return _no_wheel(evidence, name, reasons)
    if evidence.was_skipped(name, "Upload time"):
        return Diagnosis(
            kind=DistributionNotFoundError,
            message="the index has only files that are younger than `[lock] cooldown_days` allows"
            + (f", of those that satisfy {found[1]}" if found else ""),
            hint="wait, or allow an older version in the inputs, or set fewer cooldown_days",
            names=(name,),
        )
    if not versions and (denied := unserved_pages(search_for(debug, name))):
        return unreachable(*denied[0], name)
    return Diagnosis(
        kind=DistributionNotFoundError,
        message=_nothing_found(found[1] if found else "", versions, usable_sources),
        hint="it may be misspelt, withdrawn, without a wheel for this Python, or on another index than pip's "
        "settings name; change the requirement or the settings",
        names=(name,),
    )


def _wanted(name: str, requirement: str, evidence: Evidence) -> SpecifierSet:
    """The versions that pip was asked for: the pin, or those of the requirement that it names."""
    if (pin := (evidence.pins or {}).get(name)) is not None:
        return _pinned(pin)
    try:
        return Specified(requirement).specifier
    except InvalidRequirement:
        return SpecifierSet()


def _pinned(pin: Requirement) -> SpecifierSet:
    # Of source that was named by its URL only the build knows the version.
    return SpecifierSet("" if pin.version is None else f"=={pin.version}")


def _algorithm(digest: str) -> str:
    return {64: "sha256", 96: "sha384"}.get(len(digest), "sha512")


def _nothing_found(requirement: str, versions: Sequence[str], sources: Sequence[ListedFile]) -> str:
    if versions:
        return f"the index has nothing that satisfies {requirement} here, only {', '.join(versions[-5:])}"
    if sources:
        return f"of this version the index has only {sources[0].filename}, which the lockfile does not allow"
    return "the index has no such package, or no file of this version"


def _no_wheel(evidence: Evidence, name: str, why: str) -> Diagnosis:
    interpreter = evidence.interpreter
    again = lock_again([name], here=evidence.locked_here, why=f"for Python {interpreter.minor}")
    if evidence.pins is None:  # this is `lock`
        again = "allow an older version in the inputs, or one with a wheel for this platform"
    return Diagnosis(
        kind=NoCompatibleWheelError,
        message=f"nothing that the index has runs on {interpreter.label}: {why}",
        hint=f"set another `python`, or {again}",
        names=(name,),
    )


def last_words(output: str) -> str:
    """The end of the last traceback, else the last error that pip reports, else its last line."""
    if "Traceback" in output:
        frames = output.rpartition("Traceback (most recent call last):\n")[2].splitlines()
        end = itertools.islice(itertools.dropwhile(lambda line: line[:1] == " ", frames), _LINES)
        first, *rest = [*end] or [""]
        return lines(first.partition(": ")[2] or first, *(f"  {line}" for line in rest))
    errors = _ERROR.findall(output)
    return str(errors[-1]) if errors else (output.strip().splitlines() or ["no output"])[-1]


def build_output(debug: str) -> str:
    """The output of the build of a source distribution, if one failed; else `""`.

    With `--log`, pip writes it there only, and refers the terminal to "above".
    """
    begin = debug.rfind("Running command ")
    end = _EXITED.search(debug, begin) if begin >= 0 else None
    if end is None:
        return ""
    lines = _TIMESTAMP.sub("", debug[begin : end.start()]).splitlines()
    return "\n".join(line.strip() for line in lines) + "\n"


def read_end(path: str) -> str:
    """Read the end of pip's debug log; `""` if pip failed before it wrote one.

    Raises:
        OSError: It cannot be read.
    """
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _DEBUG_BYTES))
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
