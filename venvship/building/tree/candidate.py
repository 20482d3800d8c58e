"""A release's directory before it is a release: made, and removed again unless all goes well."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from venvship.system.faults import build_faults
from venvship.system.files import make_new_directory, open_directory
from venvship.system.trees import remove_tree


@contextlib.contextmanager
def candidate(path: str) -> Iterator[int]:
    """Make the release's directory, and remove it again unless the block ends well.

    Crash: the directory is left, in part or whole; without a line `sealed` in the journal it is debris.

    Args:
        path: Where the release will stand: absolute, no link on the way, and nothing there yet.

    Yields:
        A descriptor on it, opened before anything is written into it, for the sync of the seal.

    Raises:
        ValueError: The path leads through a link: scripts would get a path that is not the real one.
        BuildError: It cannot be made; it may exist.
        DiskFullError: There is no room.
    """
    if os.path.realpath(path) != path:
        raise ValueError(f"not a real, absolute path: {path!r}")
    with build_faults("make the release's directory", path):
        # Not make_directory: an existing directory belongs to another process, and stays.
        make_new_directory(path)
    try:
        with build_faults("open the release's directory", path):
            sync_fd = open_directory(path)
        try:
            yield sync_fd
        finally:
            os.close(sync_fd)
    except BaseException:
        with contextlib.suppress(OSError):
            remove_tree(path)
        raise
