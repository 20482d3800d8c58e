"""The files that the generate hook makes, `generated/` of a release: looked at, closed and listed.

The hook is another program. It may have made links to other places, left files that others can write, or
touched the rest of the release. What stands in `generated/` afterwards is refused or made like every other
file of a release; what stands elsewhere is compared at the seal with what was there before.
"""

from __future__ import annotations

import dataclasses
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from venvship.building.tree.assembled import Assembled
from venvship.building.tree.closing import DIRECTORY_MODE, close_directories
from venvship.building.tree.link import Stamp, stamp_of
from venvship.errors import GenerateError
from venvship.model import json_fields
from venvship.model.release import FileEntry, sealed_mode
from venvship.system.faults import build_faults
from venvship.system.files import (
    create_from_chunks,
    hash_file,
    make_link,
    make_new_directory,
    remove_name,
    rename,
    set_mode,
    temporary_name,
)
from venvship.system.trees import lstat_all

FOLDER: Final = "generated"
"""The folder of a release that the generate hook fills."""

_CHUNK: Final = 1 << 20

Generate = Callable[[str], None]
"""Fills the folder of this path. Raises `BuildError`."""


def with_generated(release: str, assembled: Assembled, generate: Generate) -> Assembled:
    """Have `generated/` filled, and add it to an assembled release.

    The directories of the release are closed before, so that an ordinary user's hook can write nowhere else.

    Crash: the candidate is debris as a whole.

    Args:
        release: The release's directory.
        assembled: The release so far.
        generate: Runs the hook, or copies what one has made for another release.

    Returns:
        The release with `generated/` in it, of which the tree digest knows nothing. Every file has a stamp,
        also of those that were written for the release: the seal notices a change of any.

    Raises:
        BuildError: As `generate` raised it; or a package has a folder of this name.
        GenerateError: There is something in the folder that a release cannot have.
        DiskFullError: There is no room.
    """
    if any(entry.path.partition("/")[0] == FOLDER for entry in assembled.entries):
        raise GenerateError(
            f"a package brings {FOLDER}/, where the generate hook is to write",
            hint=f"remove `[hooks] generate`, or leave out the package that has a data file in {FOLDER}/",
        )
    folder = f"{release}/{FOLDER}"
    with build_faults("take in what the generate hook made", folder):
        stamps = dict(assembled.stamps)
        for entry in assembled.entries:
            if entry.type == "file" and entry.path not in stamps:
                stamps[entry.path] = stamp_of(os.lstat(f"{release}/{entry.path}"))
        make_new_directory(folder)
        close_directories(release, assembled)
        generate(folder)
        found = _Taking(release)
        found.take()
    return dataclasses.replace(
        assembled,
        entries=tuple(sorted((*assembled.entries, *found.entries))),
        stamps={**stamps, **found.stamps},
        hooked=True,
    )


def generated_files(assembled: Assembled) -> int:
    """How many files the hook has made."""
    return sum(entry.type != "dir" and entry.path.partition("/")[0] == FOLDER for entry in assembled.entries)


class _Taking:
    """The files of one folder, one by one."""

    def __init__(self, release: str) -> None:
        self.entries: list[FileEntry] = []
        self.stamps: dict[str, Stamp] = {}
        self._release = release
        self._device = os.lstat(release).st_dev
        self._user = os.geteuid()

    def take(self) -> None:
        """Take in the folder itself and everything below it.

        Raises:
            GenerateError: Something cannot stay.
            OSError: As the kernel gave it.
        """
        try:
            left = [(FOLDER, os.lstat(f"{self._release}/{FOLDER}"))]
        except FileNotFoundError as error:
            raise _refused(FOLDER, "is gone") from error
        while left:
            left += self._directory(*left.pop())

    def _directory(self, path: str, status: os.stat_result) -> list[tuple[str, os.stat_result]]:
        """Take in a directory with all in it but the directories, which are returned."""
        absolute = f"{self._release}/{path}"
        if not stat.S_ISDIR(status.st_mode):
            raise _refused(path, "is no directory any more")
        if status.st_dev != self._device:
            raise _refused(path, "is on another file system, which the seal would not make durable")
        if status.st_uid != self._user:
            raise _refused(path, "belongs to another user")
        set_mode(absolute, 0o700)
        directories = []
        for name, found in lstat_all(absolute):
            below = f"{path}/{name}"
            try:
                json_fields.relative_path(below)
            except ValueError as error:
                raise _refused(below, "has a name that the list of files cannot have") from error
            if stat.S_ISDIR(found.st_mode):
                directories.append((below, found))
            elif stat.S_ISLNK(found.st_mode):
                self._link(below)
            elif stat.S_ISREG(found.st_mode):
                self._file(below, found)
            else:
                raise _refused(below, "is a special file")
        set_mode(absolute, DIRECTORY_MODE)
        self.entries.append(FileEntry(path, "dir", DIRECTORY_MODE))
        return directories

    def _file(self, path: str, status: os.stat_result) -> None:
        absolute = f"{self._release}/{path}"
        mode = sealed_mode(bool(status.st_mode & 0o111))
        if status.st_nlink > 1 or status.st_uid != self._user:
            # It could be written under its other name, or by its owner. A copy cannot.
            copy = temporary_name(absolute, ".copy.")
            create_from_chunks(copy, _chunks(absolute), mode=mode)
            rename(copy, absolute)
        else:
            set_mode(absolute, mode)
        sha256 = hash_file(absolute)
        found = os.lstat(absolute)
        self.stamps[path] = stamp_of(found)
        self.entries.append(FileEntry(path, "file", mode, found.st_size, sha256))

    def _link(self, path: str) -> None:
        """Take in a link that stays in the release. An absolute one becomes relative: releases move."""
        absolute = f"{self._release}/{path}"
        target = os.readlink(absolute)
        leads_to = os.path.realpath(absolute)
        if not f"{leads_to}/".startswith(f"{self._release}/"):
            raise _refused(path, f"is a link out of the release, to {target}")
        if os.path.isabs(target):
            target = os.path.relpath(leads_to, os.path.dirname(absolute))
            remove_name(absolute)
            make_link(target, absolute)
        self.entries.append(FileEntry(path, "link", 0o777, target=target))


def copied(release: str, entries: Iterable[FileEntry]) -> Generate:
    """Make a `Generate` that copies what a hook has made for another release, and hashes each copy.

    Args:
        release: The directory of that release.
        entries: Its entries below `generated/`.
    """
    wanted = sorted(entries)

    def generate(folder: str) -> None:
        for entry in wanted:
            source, target = f"{release}/{entry.path}", folder + entry.path.removeprefix(FOLDER)
            if entry.type == "dir":
                if entry.path != FOLDER:
                    make_new_directory(target)
            elif entry.type == "link":
                make_link(entry.target, target)
            else:
                create_from_chunks(target, _chunks(source), mode=entry.mode)
                if hash_file(target) != entry.sha256:
                    raise GenerateError(
                        f"{source} is damaged, and only the generate hook can make it again",
                        hint="release the lockfile anew: venvship release --rebuild",
                        path=source,
                    )

    return generate


def _chunks(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _refused(path: str, problem: str) -> GenerateError:
    return GenerateError(
        f"the generate hook left {path!r} behind, which {problem}",
        hint="change the hook: it may leave files, directories and links within the release below "
        "$VENVSHIP_GENERATED",
        path=path,
    )
