"""A venvship that syncs a directory where it should sync a file system: names, not contents."""

import contextlib
import os

with contextlib.suppress(ImportError):  # the interpreter of a release has no venvship
    from venvship.system import files

    files.sync_filesystem = os.fsync
