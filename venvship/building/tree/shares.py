"""Dealing out the files of a release, so that several processes can link them at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from venvship.building.store.owners import StoreOwners
from venvship.building.tree.link import Stamp, link_stored
from venvship.building.tree.placement import Placed
from venvship.system.files import make_directory


@dataclass(frozen=True, slots=True)
class Share:
    """Directories of a release that one process makes, and files that it links.

    Attributes:
        folders: Relative to the release, a parent before its children.
        files: The files to link.
    """

    folders: list[str] = field(default_factory=list)
    files: list[Placed] = field(default_factory=list)


def deal_out(linked: Mapping[str, Placed], folders: Iterable[str], site: str) -> tuple[list[Share], Share]:
    """Deal out the files to be linked.

    Args:
        linked: The files by path in the release.
        folders: Every directory that is needed, relative and sorted.
        site: Site-packages, relative.

    Returns:
        A share for each folder of site-packages, which no other share touches, the largest first; and one
        share of everything elsewhere.
    """
    shares: dict[str, Share] = {}
    others = Share()
    inside = f"{site}/"
    for folder in folders:
        if folder.startswith(inside):
            shares.setdefault(folder.removeprefix(inside).partition("/")[0], Share()).folders.append(folder)
        else:
            others.folders.append(folder)
    for path, placed in linked.items():
        top, slash, _ = path.removeprefix(inside).partition("/")
        share = shares[top] if slash and path.startswith(inside) else others
        share.files.append(placed)
    return sorted(shares.values(), key=lambda share: -len(share.folders) - len(share.files)), others


def link_share(
    release_path: str, how: str, owners: StoreOwners, share: Share
) -> tuple[dict[str, Stamp], Counter[str]]:
    """Make a share's directories and link its files.

    Crash: part of it is there; the release is debris as a whole.

    Args:
        release_path: The release, absolute.
        how: `"auto"`, `"hardlink"`, `"reflink"` or `"copy"`.
        owners: Asked whose each file is.
        share: The directories and files. Existing directories are fine.

    Returns:
        By path in the release, how each file looked then; and how many files were linked in which way.

    Raises:
        StoreDamagedError: A file of the store is gone, or was changed.
        ForeignStoreError: A file of the store belongs to another user, or can be written by others.
        OSError: Something could not be made or linked, or there is no room.
    """
    for folder in share.folders:
        # The seal gives it its mode.
        make_directory(f"{release_path}/{folder}", 0o700)
    stamps: dict[str, Stamp] = {}
    counts: Counter[str] = Counter()
    for placed in share.files:
        if placed.file is not None:
            target = f"{release_path}/{placed.path}"
            done, stamps[placed.path] = link_stored(placed.source, target, placed.file, how, owners)
            counts[done] += 1
    return stamps, counts
