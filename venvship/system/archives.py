"""Zip archives: those that may be hostile, read within bounds, and those that are made here.

`zipfile` reads the directory of an archive whole, and `ZipFile.read` decompresses a member whole before it
cuts it off at the declared size. The archive itself states both sizes.
"""

from __future__ import annotations

import io
import os
import stat
import time
import zipfile
from collections.abc import Iterable
from typing import Final, NamedTuple

from venvship.model import bounds
from venvship.system import effects
from venvship.system.files import open_new
from venvship.system.regular import open_regular

_PIECE: Final = 1 << 20
_DIRECTORY: Final = f"its directory has more than {bounds.DIRECTORY:,} bytes"


class ArchiveFile(io.FileIO):
    """A file that is opened as an archive. It must be a regular one; see `open_regular`.

    Raises:
        IrregularFileError: It is none.
        OSError: It cannot be opened.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path, "r", opener=lambda name, _: open_regular(name)[0])
        self._size = os.fstat(self.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """Read, unless that would be more than the directory of an archive has.

        Raises:
            BadZipFile: It would be.
        """
        left = max(0, self._size - self.tell())
        size = left if size is None or size < 0 else min(size, left)
        if size > bounds.DIRECTORY:
            raise zipfile.BadZipFile(_DIRECTORY)
        return super().read(size) or b""


class Archive(zipfile.ZipFile):
    """An archive over an `ArchiveFile`.

    Raises:
        BadZipFile: It is none, or its directory is too large.
    """

    def read(self, name: str | zipfile.ZipInfo, pwd: bytes | None = None) -> bytes:
        """Read a member whole. The caller has looked at its declared size.

        Raises:
            BadZipFile: It is broken.
        """
        info = name if isinstance(name, zipfile.ZipInfo) else self.getinfo(name)
        pieces = []
        with self.open(info, pwd=pwd) as member:
            while piece := member.read(_PIECE):  # never decompresses more than that at once
                pieces.append(piece)
        return b"".join(pieces)


class NewMember(NamedTuple):
    """A file of an archive that is made.

    Attributes:
        name: Its name in the archive.
        contents: Its bytes, in pieces; read when its turn comes.
        size: About how many bytes these are; never fewer than half of them.
        executable: Whether its mode is 0755; else it is 0644.
    """

    name: str
    contents: Iterable[bytes]
    size: int
    executable: bool = False


def write_archive(path: str, members: Iterable[NewMember], *, epoch: int) -> None:
    """Create an archive, whose bytes follow from the arguments alone, and which must not exist yet.

    Members are not compressed: versions of zlib compress to different bytes. Exceptions of `contents` pass
    through.

    Crash: the archive is missing, incomplete or not durable; the same is left when `contents` raises.

    Args:
        path: The archive.
        members: Its files, in its order.
        epoch: The time of all files, in seconds since 1970.

    Raises:
        OSError: As the kernel gave it, `FileExistsError` among them.
    """
    date_time = time.gmtime(epoch)[:6]
    with open(open_new(path), "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        effects.reach("write", path)
        for member in members:
            info = zipfile.ZipInfo(member.name, date_time)
            info.create_system = 3  # Unix, whose modes are in the upper half
            info.external_attr = (stat.S_IFREG | (0o755 if member.executable else 0o644)) << 16
            with archive.open(info, "w", force_zip64=member.size >= zipfile.ZIP64_LIMIT // 2) as stream:
                for piece in member.contents:
                    stream.write(piece)
