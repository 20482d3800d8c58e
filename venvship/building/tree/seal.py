"""Seal an assembled directory: durable, described by a manifest, read-only.

A sealed directory is a release once the journal has its `sealed` line, which the caller of `building.builder`
writes. `docs/explanation/crash-safety.md` has this order beside those of the switch and of its outcome.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from typing import Final

from venvship._version import __version__
from venvship.building.request import BuildRequest
from venvship.building.store.compile import bytecode_tag
from venvship.building.tree.assembled import Assembled
from venvship.building.tree.closing import DIRECTORY_MODE, closing
from venvship.building.tree.placement import SEAL_FOLDER
from venvship.errors import BuildError
from venvship.model import bounds, file_list
from venvship.model.release import Manifest
from venvship.model.source import Built
from venvship.model.spelling import readable_json
from venvship.system.faults import build_faults
from venvship.system.files import (
    create_file,
    create_from_chunks,
    fsync_directory,
    rename,
    set_mode,
    sync_filesystem,
)
from venvship.system.signals import Signals

MANIFEST: Final = f"{SEAL_FOLDER}/manifest.json"
"""The file that describes a sealed directory; with a `sealed` line in the journal, it is a release."""

FILES: Final = f"{SEAL_FOLDER}/files.json"
"""The list of every file of a release but itself and the manifest."""


def seal(
    request: BuildRequest,
    assembled: Assembled,
    *,
    built: Sequence[Built] = (),
    sync_fd: int,
    signals: Signals,
) -> Manifest:
    """Make an assembled release durable and read-only, and publish its manifest.

    The order is the promise. The manifest gets its name only after everything it vouches for, and it itself,
    is on the disk: were it renamed first, a power cut in between could leave a release with empty modules.
    Directories lose their write permission before that one sync, so that the modes a later check compares are
    as durable as the contents; only `.venvship/` needs to stay open for the rename.

    The hashes are those of the import: hashing the files now would bless any damage done since. `lstat`
    shows, file by file, that none was changed.

    Crash: before the rename the directory is debris, and removed by recovery. After it there is a manifest,
    and still no line `sealed` in the journal, which the caller writes next: debris all the same.

    Args:
        request: The release to build.
        assembled: The release as it was assembled.
        built: Its members that were built from source.
        sync_fd: A descriptor on the release's file system, opened before the first file was written: errors
            of writeback are reported to descriptors that were open at the time (syncfs(2)).
        signals: Looked at before the sync.

    Raises:
        InterruptedByError: A signal came.
        BuildError: Something else stands there than was assembled, or it could not be made durable. The
            caller drops the candidate; a failed sync must not be tried again, for the second would succeed.
        DiskFullError: There is no room.
    """
    release = request.release_path
    with build_faults("seal the release", release):
        with closing(release, assembled, copies=request.copies) as directories:
            listing = list(file_list.chunks(assembled.entries))
            directories.join_in(signals.raise_if_received)
            directories.results(signals.raise_if_received)
        manifest = Manifest(
            id=request.release_id,
            created_at=request.created_at,
            environment=request.environment.recorded,
            tree_digest=assembled.tree_digest,
            files_sha256=_sha256(listing),
            packages=assembled.packages,
            wheels=assembled.wheels,
            project=next((one for one in built if one.name == request.project.name), None),
            built=tuple(one for one in built if one.name != request.project.name),
            bytecode=bytecode_tag(request.environment.interpreter, request.build.optimize),
            path=release,
            shared=request.shared,
            warnings=assembled.warnings,
            message=request.message,
            venvship=__version__,
        )
        folder = os.path.join(release, SEAL_FOLDER)
        written = readable_json(manifest.to_json())
        require_readable("the list of its files", sum(map(len, listing)), bounds.LISTING)
        require_readable("its manifest", len(written), bounds.STATE)
        create_from_chunks(_temporary(release, FILES), listing)
        create_file(_temporary(release, MANIFEST), written)
        sync_filesystem(sync_fd)
        rename(_temporary(release, FILES), os.path.join(release, FILES))
        rename(_temporary(release, MANIFEST), os.path.join(release, MANIFEST))
        set_mode(folder, DIRECTORY_MODE)
        # Both names and the folder's mode: an fsync of a directory covers its inode.
        fsync_directory(folder)
    return manifest._replace(sha256=hashlib.sha256(written).hexdigest())


def _sha256(chunks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def require_readable(what: str, size: int, most: int) -> None:
    """Refuse to seal a release that no command could read afterwards.

    Raises:
        BuildError: The file would have more bytes than are read of it.
    """
    if size > most:
        raise BuildError(
            f"the release is too large: {what} would have {size:,} bytes, and venvship reads {most:,}. "
            "Nothing that is live was touched",
            hint="have fewer files in it, or several roots",
        )


def _temporary(release: str, name: str) -> str:
    folder, _, base = name.rpartition("/")
    return os.path.join(release, folder, f".{base}.new")
