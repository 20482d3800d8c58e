"""The step that makes an assembled directory a release: durable, described, read-only."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from typing import Final

from venvship._version import __version__
from venvship.build.compile import bytecode_tag
from venvship.build.faults import build_faults
from venvship.build.layout import SEAL_FOLDER
from venvship.build.link import Stamp
from venvship.build.request import Assembled, BuildRequest
from venvship.errors import BuildError
from venvship.model.release import FORMAT, FileEntry, Manifest
from venvship.system.files import create_file, fsync_directory, rename, set_mode, sync_filesystem, walk

MANIFEST: Final = f"{SEAL_FOLDER}/manifest.json"
"""The file that, durable, makes a directory a release."""

FILES: Final = f"{SEAL_FOLDER}/files.json"
"""The list of every file of a release but itself and the manifest."""

_DIRECTORY_MODE: Final = 0o555
_TYPES: Final = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "link"}


def seal(request: BuildRequest, assembled: Assembled, *, sync_fd: int) -> Manifest:
    """Make an assembled release durable and read-only, and publish its manifest.

    The order is the promise. The manifest gets its name only after everything it vouches for, and it itself,
    is on the disk: were it renamed first, a power cut in between could leave a release with empty modules.
    Directories lose their write permission before that one sync, so that the modes a later check compares are
    as durable as the contents; only `.venvship/` needs to stay open for the rename.

    Hashes are those of the import: hashing what lies here now would bless whatever happened to it since. That
    nothing happened is checked by `lstat`, file by file.

    Crash: before the rename the directory is debris, and removed by recovery. After it there is a manifest,
    and still no line `sealed` in the journal, which the caller writes next: debris all the same.

    Args:
        request: What was asked for.
        assembled: What stands there now.
        sync_fd: A descriptor on the release's file system, opened before the first file was written: errors
            of writeback are reported to descriptors that were open at the time (syncfs(2)).

    Raises:
        BuildError: Something else stands there than was assembled, or it could not be made durable. The
            caller drops the candidate; a failed sync must not be tried again, for the second would succeed.
        DiskFullError: There is no room.
    """
    release = request.release_path
    with build_faults("seal the release", release):
        _close_directories(release, assembled.entries)
        _compare(release, assembled)
        files = files_json(assembled.entries)
        manifest = Manifest(
            id=request.release_id,
            created_at=request.created_at,
            lockfile_sha256=request.lockfile.sha256,
            environment_digest=request.environment_digest,
            tree_digest=assembled.tree_digest,
            files_sha256=hashlib.sha256(files).hexdigest(),
            python={
                **request.interpreter.identity(),
                "path": request.interpreter.path,
                "full_version": request.interpreter.version,
            },
            packages=assembled.packages,
            wheels=assembled.wheels,
            bytecode=bytecode_tag(request.interpreter, request.build.optimize),
            warnings=assembled.warnings,
            message=request.message,
            venvship=__version__,
        )
        text = json.dumps(manifest.to_json(), sort_keys=True, indent=2, ensure_ascii=False) + "\n"
        folder = os.path.join(release, SEAL_FOLDER)
        create_file(_temporary(release, FILES), files)
        create_file(_temporary(release, MANIFEST), text.encode())
        sync_filesystem(sync_fd)
        rename(_temporary(release, FILES), os.path.join(release, FILES))
        rename(_temporary(release, MANIFEST), os.path.join(release, MANIFEST))
        set_mode(folder, _DIRECTORY_MODE)
        # Both names and the folder's mode: an fsync of a directory covers its inode.
        fsync_directory(folder)
    return manifest


def files_json(entries: tuple[FileEntry, ...]) -> bytes:
    """The bytes of `files.json`: one row to a line, since it may have 20,000 of them and people use diff."""
    rows = [json.dumps(entry.to_json(), ensure_ascii=False, separators=(",", ":")) for entry in entries]
    return ('{"files":[\n' + ",\n".join(rows) + f'\n],"format":{FORMAT}}}\n').encode()


def _temporary(release: str, name: str) -> str:
    folder, _, base = name.rpartition("/")
    return os.path.join(release, folder, f".{base}.new")


def _close_directories(release: str, entries: tuple[FileEntry, ...]) -> None:
    # The deepest first: not needed for chmod(2), but then no directory is closed above one that is not.
    for entry in reversed(entries):
        if entry.type == "dir" and entry.path != SEAL_FOLDER:
            set_mode(os.path.join(release, entry.path), _DIRECTORY_MODE)
    set_mode(release, _DIRECTORY_MODE)


def _compare(release: str, assembled: Assembled) -> None:
    """Hold every name that is there against what was assembled.

    Raises:
        BuildError: A name is missing or too many, or a file is not as it was linked or written.
    """
    expected: Mapping[str, FileEntry] = {entry.path: entry for entry in assembled.entries}
    found = set()
    for path, status in walk(release):
        found.add(path)
        entry = expected.get(path)
        problem = (
            "nobody put it there" if entry is None else _difference(entry, status, assembled.stamps.get(path))
        )
        if not problem and entry is not None and entry.type == "link":
            target = os.readlink(os.path.join(release, path))
            problem = "" if target == entry.target else f"it is a link to {target} instead of {entry.target}"
        if problem:
            raise _changed(release, path, problem)
    for path in expected:
        if path not in found:
            raise _changed(release, path, "it is gone")


def _difference(entry: FileEntry, status: os.stat_result, stamp: Stamp | None) -> str:
    kind = _TYPES.get(stat.S_IFMT(status.st_mode), "something else")
    mode = stat.S_IMODE(status.st_mode)
    if kind != entry.type:
        return f"it is a {kind} instead of a {entry.type}"
    if kind != "link" and mode != entry.mode and entry.path != SEAL_FOLDER:
        return f"its mode is {mode:04o} instead of {entry.mode:04o}"
    if kind == "file" and status.st_size != entry.size:
        return f"it has {status.st_size} bytes instead of {entry.size}"
    if stamp is not None and stamp != Stamp.of(status):
        return "it was replaced or written to since it came from the store"
    return ""


def _changed(release: str, path: str, problem: str) -> BuildError:
    return BuildError(
        f"the release changed while it was built: {os.path.join(release, path)}: {problem}",
        hint="Find out what else writes below releases/ or into the store, then try again.",
        path=path,
    )
