"""Whose is the store: nothing of it is used that another user wrote, may change, or may put in its place.

Files of the store become files of releases, and run. Who can write a wheel's files can also write its index,
so the hashes that were taken at the import tell nothing about another user.
"""

from __future__ import annotations

import os
import stat

from venvship.errors import ForeignStoreError
from venvship.model.trust import NOBODY_ELSE, ROOT_UID, Trust, described
from venvship.printable import shell_line
from venvship.system.accounts import group_name, user_name
from venvship.system.other_user import line_as_root
from venvship.system.ownership import Finding, Ownership


class StoreOwners:
    """Refuses entries of a store that do not belong to the user of this process, or to root.

    Of an entry no other user counts, also none that the owner of the root trusts: who owns a file of a
    release can write to it, whatever its mode. Each directory is asked once.

    Args:
        trust: Who may write the directories on the way besides: those that the owner of the root trusts could
            only put in an entry of their own, which is refused.
        store: The directory of the store, for the advice.
    """

    def __init__(self, trust: Trust = NOBODY_ELSE, store: str = "") -> None:
        self._store = store
        self._users = frozenset({os.geteuid(), ROOT_UID})
        self._ownership = Ownership(Trust(self._users))
        self._way = Ownership(trust.with_users(self._users), self._ownership.accounts)
        self._folders: set[str] = set()

    def require_store(self, path: str) -> None:
        """Refuse a store, if it is there, or a directory on the way to it.

        Args:
            path: The directory of the store; absolute.

        Raises:
            ForeignStoreError: It is refused.
            OSError: A directory cannot be looked at.
        """
        found = self._way.of_way(path)
        if not found and os.path.exists(path):
            found = self._ownership.of_entry(path, os.stat(path))
        self._refuse(found)

    def require(self, path: str, status: os.stat_result) -> None:
        """Refuse an entry, or a directory on the way to it.

        Args:
            path: The entry; absolute.
            status: Of the file that is used: the `fstat` of its descriptor, or the `lstat` of its new name.

        Raises:
            ForeignStoreError: It is refused.
            OSError: A directory cannot be looked at.
        """
        self.require_way(path)
        writable = status.st_mode & 0o022 and not stat.S_ISLNK(status.st_mode)
        if status.st_uid not in self._users or writable:
            self._refuse(self._ownership.of_entry(path, status))

    def require_way(self, path: str) -> None:
        """Refuse a directory on the way to an entry.

        Raises:
            ForeignStoreError: It is refused.
            OSError: A directory cannot be looked at.
        """
        folder = path.rpartition("/")[0]
        if folder not in self._folders:
            self._refuse(self._way.of_way(path))
            self._folders.add(folder)

    def _refuse(self, found: tuple[Finding, ...]) -> None:
        if not found:
            return
        first = found[0]
        owner = user_name(first.owned.uid)
        problems = [one.problem for one in found if one.path == first.path]
        told = described(problems, first.owned, owner=owner, group=group_name(first.owned.gid))
        us = user_name(os.geteuid())
        # Who owns it may have releases in it, whose files a chown would change.
        others = "roots of different owners need stores of their own: set another `store` in venvship.toml"
        who = us if us == "root" else f"{us} and root"
        raise ForeignStoreError(
            f"the store is not used: {first.path} {told}. Only {who} may write what a release is linked from",
            hint=others if any(one.problem == "owner" for one in found) else self._mending(found),
            path=first.path,
            owner=owner,
            mode=f"{stat.S_IMODE(first.owned.mode):04o}",
        )

    def _mending(self, found: tuple[Finding, ...]) -> str:
        """One line for the whole store: who has changed one mode has seldom changed that one alone."""
        store = os.path.realpath(self._store) if self._store else ""
        inside = [one for one in found if store and f"{one.path}/".startswith(f"{store}/")]
        commands = [["chmod", "-R", "go-w", store]] if inside else []
        commands += [
            ["chmod", "+t" if stat.S_ISDIR(one.owned.mode) else "go-w", one.path]
            for one in found
            if one not in inside
        ]
        if any(one.owned.uid != os.geteuid() for one in found):
            line = line_as_root(commands, {})
        else:
            line = " && ".join(map(shell_line, commands))
        return (
            f"if nobody else has written there: {line}; otherwise set another `store`: the next build "
            "fetches what it needs"
        )
