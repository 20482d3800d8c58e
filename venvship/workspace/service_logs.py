"""The logs that a service writes to which a hook has started and left running.

It keeps the log of the hook as its standard output, and may print for ever. No process of venvship stands
between the two, so the next command cuts the file.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Final

from venvship.root import RootLayout
from venvship.system.output import MEBIBYTE, CappedLog

_WRITTEN_ON: Final = ("restart", "service-start")


def cut_service_logs(layout: RootLayout) -> None:
    """Cut every log of such a hook that is over its size; best effort, in next to no time.

    The writer goes on at the new end, since its descriptor appends (`O_APPEND`). Two commands that cut at
    once may keep a part twice.

    Crash: as for `CappedLog`.
    """
    with contextlib.suppress(OSError):  # no logs yet, or none that can be reached
        for folder in os.scandir(layout.logs):
            for name in _WRITTEN_ON:
                path = f"{folder.path}/{name}.txt"
                with contextlib.suppress(OSError):
                    found = os.lstat(path)
                    if stat.S_ISREG(found.st_mode) and found.st_size > MEBIBYTE:
                        CappedLog(path).close()
