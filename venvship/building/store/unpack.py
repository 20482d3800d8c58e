"""Unpacking one wheel, which may be hostile, into a directory that no other process reads yet.

The members are read here and not by `installer`, because an archive can say one thing in its directory and
hold another: `ZipFile` silently cuts a member off at the size that is declared, so each one is asked for one
byte more than that, and must end before it.
"""

from __future__ import annotations

import base64
import hashlib
import os
import zipfile
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Final

from venvship.building.store.archive import (
    TWO_FOR_ONE_PLACE,
    Member,
    bad_record_hint,
    examine,
    malformed_digest,
    reading,
    recorded_hash,
    refusal_error,
)
from venvship.errors import HashMismatchError
from venvship.model.release import sealed_mode
from venvship.model.wheel import StoredFile, StoredWheel
from venvship.system import files
from venvship.system.archives import Archive, ArchiveFile

if TYPE_CHECKING:
    from installer.records import RecordEntry

_CHUNK: Final = 256 << 10


def unpack(
    path: str,
    directory: str,
    *,
    sha256: str,
    check_record: bool,
    data: str,
    between: Callable[[], None],
) -> StoredWheel:
    """Unpack a wheel below a new directory and describe it.

    The archive's own hash is checked first, on the descriptor that it is then read from; every file is hashed
    while it is written, and compared with RECORD.

    Args:
        path: The wheel. Its file name counts.
        directory: Where to write; must not exist. Files get 0444 or 0555; directories are left writable.
        sha256: The hash that the wheel must have, hexadecimal.
        check_record: Whether RECORD must be right; `[build] bad_record` names the wheels where it is known
            not to be.
        data: Where the directory is going to stand: `StoredWheel.data`.
        between: Called before each member; an exception from it ends the unpacking.

    Raises:
        HashMismatchError: The wheel is another file than the one asked for.
        InvalidWheelError: It is not a wheel, breaks a rule of its format, or brings a file that is refused.
        OSError: It cannot be read, or a member cannot be written.

    Crash: leaves the directory, in part.
    """
    filename = os.path.basename(path)
    with ArchiveFile(path) as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
        if actual != sha256:
            raise HashMismatchError(
                f"{filename}: its SHA-256 is {actual}, expected {sha256}",
                hint="It changed after it was fetched, or was damaged on the way: run the command again.",
                wheel=filename,
                expected=sha256,
                actual=actual,
            )
        file.seek(0)
        with reading(filename):
            archive = Archive(file)
        with archive:
            facts, members = examine(archive, filename, check_record=check_record)
            files.make_new_directory(directory)
            made = {directory}
            stored = []
            for member in members:
                between()
                stored.append(_write(filename, archive, member, directory, made))
    return StoredWheel(
        sha256=sha256,
        filename=filename,
        files=tuple(sorted(stored, key=lambda f: f.path)),
        data=data,
        **facts,
    )


def _write(
    filename: str, archive: zipfile.ZipFile, member: Member, directory: str, made: set[str]
) -> StoredFile:
    """Write one member, hashing on the way, and compare the others that have its place."""
    digest = hashlib.sha256()
    target = os.path.join(directory, member.path)
    _make_folders(os.path.dirname(target), made)
    try:
        contents = _contents(filename, archive, (member.info, member.expected), digest)
        files.create_from_chunks(target, contents, mode=sealed_mode(member.executable))
    except FileExistsError as error:
        # Only on a file system that does not tell case or Unicode's normal forms apart.
        raise refusal_error(
            filename, {member.info.filename: "another member has the same name here"}
        ) from error
    for twin in member.twins:
        other = hashlib.sha256()
        for _ in _contents(filename, archive, twin, other):
            pass
        if other.digest() != digest.digest():
            raise refusal_error(filename, {twin[0].filename: TWO_FOR_ONE_PLACE})
    return StoredFile(
        path=member.path, size=member.info.file_size, sha256=digest.hexdigest(), executable=member.executable
    )


def _contents(
    filename: str,
    archive: zipfile.ZipFile,
    member: tuple[zipfile.ZipInfo, RecordEntry | None],
    digest: hashlib._Hash,
) -> Iterator[bytes]:
    """Yield the contents of a member, hash them, and refuse them at the end if RECORD has others."""
    info, entry = member
    expected = recorded_hash(entry) if entry is not None else None
    other = hashlib.new(expected[0]) if expected is not None and expected[0] != "sha256" else None
    left = declared = info.file_size
    with reading(filename, info.filename), _open_generously(archive, info) as stream:
        while chunk := stream.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                break
            digest.update(chunk)
            if other is not None:
                other.update(chunk)
            yield chunk
    if left != 0:
        raise refusal_error(
            filename, {info.filename: f"it does not have the {declared} bytes that it declares"}
        )
    actual = base64.urlsafe_b64encode((other or digest).digest()).decode().rstrip("=")
    if entry is not None and (
        entry.size not in {None, declared} or (expected is not None and expected[1] != actual)
    ):
        problem = malformed_digest(entry) or (
            "its size or hash is not the one in RECORD: it was changed after the wheel was built"
        )
        raise refusal_error(filename, {info.filename: problem}, bad_record_hint(filename))


def _open_generously(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    """Open a member as if it were one byte longer than it declares."""
    info.file_size += 1
    try:
        return archive.open(info)
    finally:
        info.file_size -= 1


def _make_folders(path: str, made: set[str]) -> None:
    missing = []
    while path not in made:
        missing.append(path)
        path = os.path.dirname(path)
    for folder in reversed(missing):
        files.make_new_directory(folder)
        made.add(folder)
