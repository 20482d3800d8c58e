"""A venvship that gives the manifest its name first, and syncs what it vouches for afterwards."""

import contextlib

with contextlib.suppress(ImportError):  # the interpreter of a release has neither venvship nor installer
    from venvship.build import seal
    from venvship.system import files

    _descriptors: list[int] = []

    def _publish_then_sync(path: str) -> None:
        files.fsync_directory(path)
        files.sync_filesystem(_descriptors.pop())

    seal.sync_filesystem = _descriptors.append
    seal.fsync_directory = _publish_then_sync
