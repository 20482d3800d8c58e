"""`state/reserve`: room that is set aside while there is some, and given up when the disk is full.

A rollback, the way back of a promotion and a removal must be recorded on a full disk, too. Each takes a line
in the journal, or a link. A full disk has no room for these until the reserve is removed.
"""

from __future__ import annotations

import contextlib
from typing import Final

from venvship.root import RootLayout
from venvship.system import files

RESERVE_BYTES: Final = 2 << 20
"""Enough for thousands of lines in the journal, and for the copies that a copying file system makes."""

_FREE_BYTES: Final = 8 * RESERVE_BYTES
"""Bytes that must be free before the reserve is set aside: it must not fill the disk itself."""

_FREE_NAMES: Final = 64


def keep(layout: RootLayout) -> None:
    """Set the reserve aside, if it is missing and there is room. The caller holds the journal's mutex.

    Crash: it is there whole, or not at all; and a `.reserve.<random>` that recovery sweeps.

    Raises:
        OSError: It could not be made after all.
    """
    path = layout.reserve_file
    if path.exists():
        return
    from venvship.system import space

    if not space.free(layout.state).covers(space.Space(bytes=_FREE_BYTES, names=_FREE_NAMES)):
        return
    temporary = files.temporary_name(str(path), ".reserve.")
    files.allocate_file(temporary, RESERVE_BYTES)
    files.rename(temporary, path)


def give_up(layout: RootLayout) -> bool:
    """Remove the reserve; returns whether there was one.

    Crash: it is there, or not.
    """
    path = layout.reserve_file
    if not path.exists():
        return False
    try:
        files.remove_name(path)
    except OSError:
        return False
    # ext4 hands freed blocks out again only after its own journal has been written.
    with contextlib.suppress(OSError):
        files.fsync_directory(layout.state)
    return True
