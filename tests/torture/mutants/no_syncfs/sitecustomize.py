"""A venvship that makes nothing durable but what it syncs by itself: `sync_filesystem` does nothing."""

import contextlib

with contextlib.suppress(ImportError):  # the interpreter of a release has no venvship
    from venvship.system import files

    def _forget(fd: int) -> None:
        pass

    files.sync_filesystem = _forget
