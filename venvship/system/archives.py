"""Zip archives that may be hostile, read within bounds.

`zipfile` reads the directory of an archive whole, and `ZipFile.read` decompresses a member whole before it
cuts it off at the declared size. The archive itself states both sizes.
"""

from __future__ import annotations

import io
import os
import zipfile
from typing import Final

from venvship.model import bounds
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
