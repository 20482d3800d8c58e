"""Files in local folders, which `--find-links` names. A part of the downloader's process."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence

from venvship.building.fetching.choice import algorithms, is_of, project_of, rank_of
from venvship.building.fetching.download_errors import GiveUpError
from venvship.building.fetching.download_task import Wanted
from venvship.building.fetching.index_page import Link
from venvship.system.regular import hash_regular


class Folders:
    """The files of some folders, listed once, from whichever thread asks first.

    Args:
        paths: The folders. One that is not there is empty, as for pip.
        ranks: The rank of each tag of the interpreter; the best is 0.
    """

    def __init__(self, paths: Sequence[str], ranks: Mapping[str, int]) -> None:
        self._paths = paths
        self._ranks = ranks
        self._listed: dict[str, list[tuple[str, str]]] | None = None
        self._listing = threading.Lock()

    def find(self, wanted: Wanted) -> tuple[str, str]:
        """Find the best wheel with an allowed hash.

        Returns:
            Its path, and its SHA-256.

        Raises:
            GiveUpError: There is none.
        """
        here = [(name, path) for name, path in self._files(wanted["name"]) if is_of(name, wanted)]
        ranked = [(rank_of(name, wanted, self._ranks), path) for name, path in here]
        seen: list[Link] = []
        for _, path in sorted(((rank, path) for rank, path in ranked if rank is not None), reverse=True):
            try:
                hashes = hash_regular(path, algorithms(wanted["hashes"]), lambda: None)
            except OSError:  # no regular file, or not for this user; another one may be right
                continue
            told = frozenset(f"{algorithm}:{digest}" for algorithm, digest in hashes.items())
            if not told.isdisjoint(wanted["hashes"]):
                return path, hashes["sha256"]
            seen.append(Link(os.path.basename(path), path, told))
        raise GiveUpError("no folder has a wheel of it with an allowed hash for this interpreter", seen)

    def _files(self, project: str) -> list[tuple[str, str]]:
        with self._listing:
            if self._listed is None:
                self._listed = _listed(self._paths)
            return self._listed.get(project, [])


def _listed(folders: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """The wheels of the folders, by the normalised name of their project: file name and path."""
    listed: dict[str, list[tuple[str, str]]] = {}
    for folder in folders:
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        for name in names:
            if project := project_of(name):
                listed.setdefault(project, []).append((name, os.path.join(folder, name)))
    return listed
