"""One root, opened for a command that writes: mutexes and leases, on top of recording and reading."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

from venvship.errors import ReleaseError
from venvship.system import files
from venvship.system.mutex import Mutex, lease_shared
from venvship.workspace import underway
from venvship.workspace.folders import make_folders
from venvship.workspace.recording import RecordingWorkspace

LEASE_MODE: Final = 0o444
"""Reading is enough to share a flock, so every user who may run a release can hold its lease."""


class Workspace(RecordingWorkspace):
    """One root, open for work. Opening reads nothing and writes nothing."""

    def mutex(self, name: str) -> Mutex:
        """The mutex `build`, `switch` or `turn-back`; if it is busy, its error names the holder."""
        return Mutex(str(self.layout.mutex(name)), name, lambda: underway.describe(self.layout, name))

    def open_for_writing(self) -> None:
        """Refuse a user who must not write here, then make the folders that are missing.

        Raises:
            RootError: See `RootLayout.require_writable` and `make_folders`.
        """
        self.layout.require_writable()
        make_folders(self.layout)

    def make_lease(self, release_id: str) -> None:
        """Make the lease file of a release, where it is missing.

        Crash: missing, or there; the next promotion of the release makes it.
        """
        path = self.layout.lease(release_id)
        if not path.exists():
            with contextlib.suppress(FileExistsError):
                files.create_file(path, b"", mode=LEASE_MODE)

    @contextlib.contextmanager
    def using(self, release_id: str) -> Iterator[None]:
        """Keep prune away from a release while something is done with it that no other mutex covers.

        Raises:
            ReleaseError: It is being removed at this moment.
            OSError: The lease cannot be made or read.
        """
        self.make_lease(release_id)
        with lease_shared(str(self.layout.lease(release_id))) as shared:
            if not shared or not self.layout.release_path(release_id).is_dir():
                raise ReleaseError(f"{release_id} is being removed at this moment")
            yield
