"""How the files of a release are dealt out, so that several processes can link them at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from venvship.building.tree.link import Linker, Stamp
from venvship.building.tree.placement import Placed
from venvship.model.wheel import StoredFile
from venvship.system.files import make_directory

_OTHERS = ""


@dataclass(frozen=True, slots=True)
class Share:
    """Directories of a release that one process makes, and files that it links.

    Attributes:
        folders: Relative to the release, a parent before what is below it.
        files: By a directory of the store and one of the release, what to link from there to there: the
            files by their names.
    """

    folders: list[str] = field(default_factory=list)
    files: dict[tuple[str, str], dict[str, StoredFile]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Linked:
    """What came of a share.

    Attributes:
        stamps: By path in the release, how each file looked then.
        counts: How many files were linked in which way.
    """

    stamps: dict[str, Stamp]
    counts: dict[str, int]


def deal_out(linked: Mapping[str, Placed], folders: Iterable[str], site: str) -> tuple[list[Share], Share]:
    """Deal out what is to be linked.

    Args:
        linked: What to link, by path in the release.
        folders: Every directory that is needed, relative and sorted.
        site: Site-packages, relative.

    Returns:
        A share for each folder of site-packages, which no other share touches, the largest first; and one
        of all that is elsewhere.
    """
    shares: dict[str, Share] = {}

    def share_of(folder: str) -> Share:
        inside = folder[len(site) + 1 :] if folder.startswith(f"{site}/") else _OTHERS
        return shares.setdefault(inside.partition("/")[0], Share())

    batches: dict[str, dict[tuple[str, str], dict[str, StoredFile]]] = {}
    for folder in folders:
        share = share_of(folder)
        share.folders.append(folder)
        batches[folder] = share.files
    batches[_OTHERS] = share_of(_OTHERS).files
    for path, placed in linked.items():
        assert placed.file is not None, path
        folder, _, name = path.rpartition("/")
        source = placed.source[: -len(name) - 1]
        batches[folder].setdefault((source, folder), {})[name] = placed.file
    others = shares.pop(_OTHERS)
    return sorted(shares.values(), key=_size, reverse=True), others


def _size(share: Share) -> int:
    return len(share.folders) + sum(map(len, share.files.values()))


def link_share(release_path: str, how: str, share: Share) -> Linked:
    """Make a share's directories and link its files.

    Crash: part of it is there; the release is debris as a whole.

    Args:
        release_path: The release, absolute.
        how: `"auto"`, `"hardlink"`, `"reflink"` or `"copy"`.
        share: What to do. Directories that are there already are fine.

    Raises:
        StoreDamagedError: A file of the store is gone, or is not what came in.
        OSError: Something could not be made or linked, or there is no room.
    """
    linker = Linker(how)
    for folder in share.folders:
        # The seal gives it its mode.
        make_directory(f"{release_path}/{folder}", 0o700)
    stamps: dict[str, Stamp] = {}
    for (source, folder), names in share.files.items():
        target = f"{release_path}/{folder}" if folder else release_path
        prefix = f"{folder}/" if folder else ""
        for name, stamp in linker.link_all(source, target, names).items():
            stamps[prefix + name] = stamp
    return Linked(stamps, linker.counts)
