"""A wheel's directory and metadata, checked against the rules before any of it is written.

`installer` parses and validates RECORD, metadata and entry points. The checks that it leaves to its callers
are made here: bounds, kinds of members, the file name, and the names that `members` refuses.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import errno
import hashlib
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from typing import Any, Final

from installer.exceptions import InstallerError
from installer.records import InvalidRecordEntry, RecordEntry, parse_record_file
from installer.sources import WheelFile
from packaging.utils import InvalidWheelFilename, canonicalize_name
from packaging.version import Version

from venvship.building.store import members
from venvship.building.store.entry_points import read_scripts
from venvship.errors import InvalidWheelError
from venvship.model import bounds
from venvship.model.filename import parse_wheel_filename
from venvship.model.metadata import fields_of, read_headers
from venvship.printable import enclosed, lines, lines_of

MAX_UNPACKED: Final = 4 << 30
"""Bytes that all members of one wheel may have together, however small it is."""

MAX_RATIO: Final = 50
"""And how many times its own size, if that is more: libraries for GPUs unpack to over 10 GB, four times their
size, and a bomb to a thousand times."""

_TEXTS: Final = {
    "METADATA": bounds.METADATA,
    "WHEEL": bounds.METADATA,
    "entry_points.txt": bounds.METADATA,
    "RECORD": bounds.RECORD,
}
"""Bytes of the files in `.dist-info` that are read into memory."""

_ROWS: Final = 2 * bounds.MEMBERS
"""Lines of RECORD. One that is listed twice is harmless."""

_SHOWN: Final = 10
_LISTED: Final = 50

RECORD_HASHES: Final = frozenset(
    {"sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512", "blake2b", "blake2s"}
)
"""Hashes allowed in RECORD: "sha256 or better" (the binary distribution format)."""

TWO_FOR_ONE_PLACE: Final = "there are two members for this place, with different contents"
"""The problem with a member whose place another one has."""

# The errors of zipfile, zlib and installer for archives that are broken, on purpose or not.
_BROKEN = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    InstallerError,
    InvalidRecordEntry,
    EOFError,
    KeyError,
    NotImplementedError,
    OverflowError,
    ValueError,
    struct.error,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file of the archive that is going to be written.

    Attributes:
        info: Its entry in the archive's directory.
        path: Where it goes, scheme first.
        executable: Whether it gets the executable bits.
        expected: Its line of RECORD; `None` where RECORD is not held against the contents.
        twins: Further members for the same place, each with its line of RECORD. They must have its contents.
    """

    info: zipfile.ZipInfo
    path: str
    executable: bool
    expected: RecordEntry | None
    twins: tuple[tuple[zipfile.ZipInfo, RecordEntry | None], ...] = ()


def examine(
    archive: zipfile.ZipFile, filename: str, *, check_record: bool
) -> tuple[dict[str, Any], tuple[Member, ...]]:
    """Validate a wheel, all but the contents of its files.

    Args:
        archive: The wheel, opened for reading under its own path.
        filename: Its file name.
        check_record: Whether RECORD must be right.

    Returns:
        The fields of `StoredWheel` that its metadata gives, and the files to be written, in the archive's
        order, each place once.

    Raises:
        InvalidWheelError: It breaks a rule of its format, or brings a file that is refused.
        OSError: It cannot be read.
    """
    with reading(filename):
        source = WheelFile(archive)
        _check_members(filename, archive.infolist(), os.path.getsize(archive.filename or filename))
        facts = _facts(filename, source, archive)
        return facts, _choose(filename, source, archive, check_record=check_record)


def refusal_error(filename: str, problems: Mapping[str, str], hint: str | None = None) -> InvalidWheelError:
    """Build the error for a wheel that is refused.

    Args:
        filename: Of the wheel.
        problems: The problem of each member, one line or a `Lines`; of the whole wheel under `""`.
        hint: The remedy, if there is a better one than doing without this wheel.
    """
    texts = [enclosed(f"{member!r}: " if member else "", problem) for member, problem in problems.items()]
    shown = texts[:_SHOWN] + ([lines(f"and {len(texts) - _SHOWN} more")] if len(texts) > _SHOWN else [])
    first, *rest = lines_of(lines(*shown))
    name = filename.partition("-")[0]
    return InvalidWheelError(
        lines(f"{filename} is refused: {first}", *(f"  {line}" for line in rest)),
        hint=hint
        or f"Pin another version of {name}, or leave it out, and report the problem to its maintainers.",
        wheel=filename,
        problems=[
            {"member": member, "message": problem} for member, problem in [*problems.items()][:_LISTED]
        ],
    )


@contextlib.contextmanager
def reading(filename: str, member: str = "") -> Iterator[None]:
    """Turn the errors of zipfile for a broken archive into ours. The block may not write.

    Raises:
        InvalidWheelError: The archive, or this member of it, cannot be read.
    """
    try:
        yield
    except _BROKEN as error:
        raise refusal_error(filename, {member: f"it cannot be read: {error!r}"}) from error
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        # zipfile goes where the archive says, even to before its beginning.
        malformed = "the archive is malformed: it refers to a place outside of the file"
        raise refusal_error(filename, {member: malformed}) from error


def _check_members(filename: str, infos: list[zipfile.ZipInfo], size: int) -> None:
    """Refuse an archive for its directory, before any member is read."""
    problems = {}
    for info in infos:
        kind = stat.S_IFMT(info.external_attr >> 16)
        problem = members.problem_with_name(info.filename.removesuffix("/"))
        if not info.filename:
            problem = "a member has no name"  # zipfile cannot even tell whether it is a directory
        elif info.filename != info.orig_filename:
            problem = "other programs read its name differently"
        elif not info.filename.isascii() and not info.flag_bits & 0x800:
            problem = "its name is not marked as UTF-8"
        elif kind not in {0, stat.S_IFREG, stat.S_IFDIR} or (kind == stat.S_IFDIR and not info.is_dir()):
            problem = "it is a link or another special file"
        elif info.flag_bits & 0x1:
            problem = "it is encrypted"
        elif info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            problem = "it is neither stored nor deflated"
        elif info.is_dir() and info.file_size:
            problem = "it is a directory with contents"
        if problem:
            problems[info.filename] = problem
    if problems:
        raise refusal_error(filename, problems)
    total = sum(info.file_size for info in infos)
    limit = unpacked_limit(size)
    if len(infos) > bounds.MEMBERS or total > limit:
        raise refusal_error(
            filename,
            {
                "": f"it unpacks to {len(infos)} members and {total} bytes; "
                f"more than {bounds.MEMBERS} or {limit} is held to be an attack"
            },
        )


def unpacked_limit(size: int) -> int:
    """Bytes that the members of a wheel file of `size` bytes may have together."""
    return max(MAX_UNPACKED, MAX_RATIO * size)


def _facts(filename: str, source: WheelFile, archive: zipfile.ZipFile) -> dict[str, Any]:
    """Read WHEEL, METADATA and entry_points.txt, and hold them against the file name."""
    folder = source.dist_info_dir
    for info in archive.infolist():
        most = _TEXTS.get(info.filename.removeprefix(f"{folder}/"))
        if most is not None and info.file_size > most:
            raise refusal_error(filename, {info.filename: f"it has more than {most:,} bytes"})
    try:
        name, version, _, _ = parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        raise refusal_error(
            filename, {"": str(error)}, "Give the file the name that its builder gave it."
        ) from error
    wheel = _headers(filename, f"{folder}/WHEEL", archive)
    major = str(wheel.get("Wheel-Version", "")).strip().partition(".")[0]
    if major != "1":
        raise refusal_error(
            filename,
            {f"{folder}/WHEEL": f"Wheel-Version is {wheel.get('Wheel-Version')!r}; only 1.x is known"},
            "Pin a version with an older kind of wheel, or look for a newer venvship.",
        )
    metadata = _headers(filename, f"{folder}/METADATA", archive)
    try:
        fields = {key: fields_of(metadata, key) for key in _FIELDS}
    except ValueError as error:
        raise refusal_error(filename, {f"{folder}/METADATA": str(error)}) from error
    says = (_first(fields["Name"]), _first(fields["Version"]))
    try:
        equal = canonicalize_name(says[0]) == name and Version(says[1]) == version
    except ValueError:
        equal = False
    if not equal:
        shown = [repr(value[: bounds.NAME]) for value in says]
        problem = f"it says {shown[0]} {shown[1]}, the file name says '{name}' '{version}'"
        raise refusal_error(filename, {f"{folder}/METADATA": problem})
    return {
        "name": str(name),
        "version": says[1],
        "dist_info": folder,
        "requires_python": _first(fields["Requires-Python"]),
        "root_is_purelib": str(wheel.get("Root-Is-Purelib", "")).strip().lower() == "true",
        "requires": tuple(fields["Requires-Dist"]),
        "provides_extra": tuple(fields["Provides-Extra"]),
        "scripts": _scripts(filename, source),
    }


_FIELDS: Final = ("Name", "Version", "Requires-Python", "Requires-Dist", "Provides-Extra")


def _headers(filename: str, member: str, archive: zipfile.ZipFile) -> Message:
    try:
        return read_headers(archive.read(member))
    except ValueError as error:
        raise refusal_error(filename, {member: str(error)}) from error


def _first(values: Sequence[str]) -> str:
    return values[0] if values else ""


def _scripts(filename: str, source: WheelFile) -> tuple[tuple[str, str, str, str], ...]:
    """Read the console and GUI entry points."""
    where = f"{source.dist_info_dir}/entry_points.txt"
    if "entry_points.txt" not in source.dist_info_filenames:
        return ()
    text = source.read_dist_info("entry_points.txt")
    if _lines(text) > bounds.HEADERS:
        raise refusal_error(filename, {where: f"it has more than {bounds.HEADERS:,} lines"})
    scripts, problems = read_scripts(text)
    if problems:
        raise refusal_error(filename, {where: lines(*problems[:_SHOWN])})
    return tuple(scripts[name] for name in sorted(scripts))


def _choose(
    filename: str, source: WheelFile, archive: zipfile.ZipFile, *, check_record: bool
) -> tuple[Member, ...]:
    """Decide where each member goes, and find its line of RECORD.

    A wheel may bring a file twice, directly and through `.data`, or under one name: once it is unpacked, that
    is one file. `archive` lists each name once afterwards, as RECORD does.
    """
    dist_info = source.dist_info_dir
    data_dirs = {source.data_dir, dist_info.removesuffix(".dist-info") + ".data"}
    problems: dict[str, str] = {}
    chosen: dict[str, list[zipfile.ZipInfo]] = {}
    folders: set[str] = set()
    for info in archive.infolist():
        if info.is_dir():
            with contextlib.suppress(ValueError):  # the folders of .data themselves go nowhere
                folders.add(members.store_path(info.filename.removesuffix("/"), data_dirs))
            continue
        try:
            path = members.store_path(info.filename, data_dirs)
        except ValueError as error:
            problems[info.filename] = str(error)
            continue
        if problem := members.problem_with_place(path, dist_info):
            problems[info.filename] = problem
        chosen.setdefault(path, []).append(info)
        folders.update(members.folders_above(path))
    for path in folders & chosen.keys():
        problems[chosen[path][0].filename] = "it is a file here and a directory elsewhere in the archive"
    for path, (first, *others) in chosen.items():
        # Nothing is unpacked of what is left out, so nothing would compare it with its twin.
        unread = path.startswith(f"site/{dist_info}/") and members.is_left_out(path, dist_info)
        for other in others:
            if unread:
                problems[other.filename] = "there are two members for this place"
            elif (first.file_size, first.CRC) != (other.file_size, other.CRC):
                problems[other.filename] = TWO_FOR_ONE_PLACE
    if problems:
        raise refusal_error(filename, problems)
    archive.filelist = list({info.filename: info for info in archive.infolist()}.values())
    record = _record(filename, source) if check_record else {}
    return tuple(
        Member(
            info=first,
            path=path,
            executable=any(_executable(path, info) for info in (first, *others)),
            expected=record.get(first.filename),
            twins=tuple((info, record.get(info.filename)) for info in others),
        )
        for path, (first, *others) in chosen.items()
        if not members.is_left_out(path, dist_info)
    )


def _executable(path: str, info: zipfile.ZipInfo) -> bool:
    """Whether a file gets the executable bits: all scripts do, whatever the archive says, as pip does it."""
    mode = info.external_attr >> 16
    return path.startswith("scripts/") or (stat.S_ISREG(mode) and bool(mode & 0o111))


def _record(filename: str, source: WheelFile) -> dict[str, RecordEntry]:
    """Validate RECORD as installer does, contents excepted: they are compared while they are written."""
    where = f"{source.dist_info_dir}/RECORD"
    hint = bad_record_hint(filename)
    text = source.read_dist_info("RECORD") if "RECORD" in source.dist_info_filenames else ""
    if _lines(text) > _ROWS:
        raise refusal_error(filename, {where: f"it has more than {_ROWS:,} lines"})
    try:
        source.validate_record(validate_contents=False)
    except WheelFile.validation_error as error:
        issues = [str(issue) for issue in getattr(error, "issues", [error])]
        raise refusal_error(filename, {where: lines(*issues[:10])}, hint) from error
    found: dict[str, RecordEntry] = {}
    for row in parse_record_file(text.splitlines()):
        try:
            entry = RecordEntry.from_elements(*row)
        except InvalidRecordEntry as error:
            raise refusal_error(filename, {where: f"{row[0]!r}: {error}"}, hint) from error
        if entry.hash_ is not None and entry.hash_.name not in RECORD_HASHES:
            raise refusal_error(filename, {where: f"{entry.path!r} has only a {entry.hash_.name} hash"}, hint)
        first = found.setdefault(entry.path, entry)
        if (first.size, recorded_hash(first)) != (entry.size, recorded_hash(entry)):
            raise refusal_error(filename, {where: f"{entry.path!r} is listed twice, differently"}, hint)
    return found


def _lines(text: str) -> int:
    """Count the lines of a text as `str.splitlines` would, without making them."""
    return sum(map(text.count, "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"))


def recorded_hash(entry: RecordEntry) -> tuple[str, str] | None:
    """The hash in a line of RECORD, as its algorithm and the digest in URL-safe base64 without padding.

    So the format wants it. catboost and others write it as plain base64.
    """
    if entry.hash_ is None:
        return None
    return entry.hash_.name, entry.hash_.value.rstrip("=").replace("+", "-").replace("/", "_")


def malformed_digest(entry: RecordEntry) -> str | None:
    """The problem with a digest that no contents could have: a builder's mistake, no sign of a change."""
    recorded = recorded_hash(entry)
    if recorded is None:
        return None
    algorithm, value = recorded
    wanted = hashlib.new(algorithm).digest_size
    try:
        padded = value + "=" * (-len(value) % 4)
        size = len(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        size = -1
    if size == wanted:
        return None
    is_hex = len(value) == 2 * wanted and not value.strip("0123456789abcdefABCDEF")
    found = "it is hexadecimal" if is_hex else f"{value[:100]!r} is no base64 of {wanted} bytes"
    return f"its {algorithm} digest in RECORD is malformed: {found}"


def bad_record_hint(filename: str) -> str:
    """The remedy for a wheel whose RECORD is wrong."""
    name = canonicalize_name(filename.partition("-")[0])
    return (
        "If you trust this wheel all the same (its own hash is the one in your lockfile), "
        f'add "{name}" to "bad_record" under [build]. Otherwise pin another version.'
    )
