"""Publishing into the store: written under temporary names, synced once, renamed into place together."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from venvship.building.store.index import index_bytes
from venvship.errors import BuildError
from venvship.model import bounds
from venvship.system import files, trees
from venvship.system.faults import build_faults

TEMPORARY: Final = ".new-"
"""How the names of unfinished things start."""


@dataclass(slots=True)
class Publication:
    """Things that get their names together, after one sync.

    Args:
        folder: Where they go, or into folders of it.
        fd: That folder, opened before the first of them is written; see `files.open_directory`.
    """

    folder: str
    fd: int
    _staged: list[tuple[str, str, Callable[[], object]]] = field(default_factory=list)

    def stage(self, target: str, check: Callable[[], object] = lambda: None) -> str:
        """Choose the temporary name of something that is going to be `target`; the caller makes it.

        It is beside the target, because a read-only directory cannot move to another parent.

        Args:
            target: Its final path; the parent exists.
            check: Called if another process has published the same directory by then; raises if that one
                is no good.
        """
        path = files.temporary_name(target, TEMPORARY)
        self._staged.append((path, target, check))
        return path

    def publish(self) -> None:
        """Sync, and rename everything into place, in the order in which it was staged.

        Only names directly in `folder` are durable afterwards. A name in a folder below may be lost in a
        crash, and is made again then. Its contents were synced, so it never names a part.

        Raises:
            OSError: Something could not be synced or renamed.
            StoreDamagedError: As `check` raised it.
        """
        if not self._staged:
            return
        files.sync_filesystem(self.fd)
        while self._staged:
            path, target, check = self._staged[0]
            if not files.rename_unless(files.TAKEN, path, target):
                # Another process was faster. Both made it from the same bytes, so theirs is as good as ours.
                check()
                trees.remove_tree(path)
            del self._staged[0]
        files.fsync_directory(self.folder)

    def abandon(self) -> None:
        """Remove everything that was staged and not published."""
        for path, _, _ in self._staged:
            # The sweep removes the rest later: the error that led here is the one to report.
            with contextlib.suppress(OSError):
                trees.remove_tree(path)


@contextlib.contextmanager
def publishing(folder: str) -> Iterator[Publication]:
    """Publish everything that the block stages when it ends, or remove it if it ends with an exception.

    Raises:
        DiskFullError: There is no room.
        BuildError: The folder cannot be opened, or something could not be made durable.

    Crash: leaves temporary names; or some things published, each whole.
    """
    with build_faults("open the store", folder):
        fd = files.open_directory(folder)
    publication = Publication(folder, fd)
    try:
        yield publication
        with build_faults("make durable what was added to the store", folder):
            publication.publish()
    finally:
        publication.abandon()
        os.close(fd)


def finish(staged: str, index: str, data: Mapping[str, Any]) -> None:
    """Write the index of a staged directory, and make all of its directories read-only.

    Raises:
        BuildError: No command could read the index afterwards.
        OSError: As the kernel gave it.
    """
    written = index_bytes(data)
    if len(written) > bounds.LISTING:
        raise BuildError(
            f"{os.path.basename(index)} of a wheel would have {len(written):,} bytes, and venvship reads "
            f"{bounds.LISTING:,}: the wheel has too many files, or too long names",
            hint="leave it out, or pin another version of it",
        )
    files.create_file(os.path.join(staged, index), written)
    for path, _, _ in os.walk(staged, topdown=False):
        files.set_mode(path, 0o555)  # read-only is the point; the store may be shared
