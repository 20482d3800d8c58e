"""Whose file is it: asked before a file of a root, or one that its settings name, decides anything.

A file counts if it belongs to the caller, to the owner of the root, to root or to a user that the owner
trusts, and nobody else can write it or put another one in its place. `venvship.model.trust` has the rule.
"""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Callable, Mapping, Sequence

from venvship.errors import UntrustedError
from venvship.model import bounds
from venvship.model.trust import ROOT_UID, Problem, Trust, described, remedy
from venvship.printable import shell_line
from venvship.root import RootLayout
from venvship.system.accounts import group_name, user_name
from venvship.system.ownership import Finding, Ownership
from venvship.system.regular import read_regular
from venvship.workspace.trust_file import read_trusted, trust_of

Ask = Callable[[Ownership], tuple[Finding, ...]]


def callers(environ: Mapping[str, str]) -> frozenset[int]:
    """The users that a command is typed by: the process's, and who became it with sudo."""
    sudo = environ.get("SUDO_UID", "")
    return frozenset({os.geteuid(), *([int(sudo)] if sudo.isdecimal() else [])})


class TrustedFiles:
    """Asks whose files are, for one command in one root.

    Args:
        layout: The root.
        environ: The process environment, for `SUDO_UID`.
    """

    def __init__(self, layout: RootLayout, environ: Mapping[str, str]) -> None:
        self._layout = layout
        self._environ = environ
        self._ownership: Ownership | None = None
        self._widened = False

    def read(self, path: str) -> bytes:
        """Read a lockfile, a file that it includes, or an input of `lock`.

        Args:
            path: Absolute.

        Raises:
            UntrustedError: A user who is not trusted can write it, or put another one in its place.
            IrregularFileError: It is no regular file, or larger than a lockfile may be.
            OSError: As the kernel gave it.
        """
        data, status = read_regular(path, bounds.LOCKFILE)
        self.require(path, status)
        return data

    def require(self, path: str, status: os.stat_result) -> None:
        """Refuse a file that a user who is not trusted can write, or put another one in the place of.

        Of a file in `state/` only the file and that folder are asked: a rollback needs them also where the
        rest of the root is open to others, who cannot make a file there that belongs to the owner. Commands
        that write ask `require_folders` for the way.

        Args:
            path: Absolute.
            status: The `fstat` of the descriptor that was read; of a directory its `stat`.

        Raises:
            UntrustedError: The file or directory is refused.
        """
        layout = self._layout
        folder = os.path.dirname(path)
        if folder == str(layout.state):
            found = self._found(lambda ask: (*_itself(ask, folder), *_itself(ask, path, status)))
        elif path == str(layout.settings_file) and layout.named:
            named = os.path.join(layout.named, layout.settings_file.name)
            found = self._found(lambda ask: (*ask.of_way(named), *ask.findings(path, status)))
        else:
            found = self._found(lambda ask: ask.findings(path, status))
        if found:
            raise self._error(path, found)

    def require_path(self, path: str) -> None:
        """`require` for a file or directory that another program reads; a missing one passes."""
        try:
            status = os.stat(path)
        except OSError:
            return
        self.require(path, status)

    def require_folders(self, *, way: bool = True) -> None:
        """Refuse folders of the root that belong to others, are links of others, or that others can write.

        What is written there then is not written through another user's links.

        Args:
            way: Whether to ask the root's directory and those above it, too.

        Raises:
            UntrustedError: A folder is refused.
        """
        layout = self._layout
        for folder in (layout.state, layout.leases, layout.releases, layout.logs):
            path = str(folder)
            found = self._found(functools.partial(_folder, path, way=way))
            if found:
                raise self._error(path, found)

    @property
    def trust(self) -> Trust:
        """All who may decide what runs here.

        Raises:
            RootError: It cannot be read whom the owner trusts, or others can write that file.
        """
        self._widen()
        return self._asked().trust

    def _asked(self) -> Ownership:
        if self._ownership is None:
            owner = os.stat(self._layout.path).st_uid
            self._ownership = Ownership(Trust(callers(self._environ) | {owner, ROOT_UID}))
        return self._ownership

    def _widen(self) -> None:
        """Read whom the owner trusts besides, once."""
        if not self._widened:
            before = self._asked()
            more = trust_of(read_trusted(self._layout))
            self._ownership = Ownership(before.trust.widened(more), before.accounts)
            self._widened = True

    def _found(self, ask: Ask) -> tuple[Finding, ...]:
        """Ask; only if that finds something, read whom the owner trusts besides, and ask again."""
        try:
            found = ask(self._asked())
            if found and not self._widened:
                self._widen()
                found = ask(self._asked())
        except OSError as error:
            raise UntrustedError(
                f"cannot find out who may write {error.filename or self._layout.path}: {error.strerror}"
            ) from error
        return found

    def _error(self, path: str, found: Sequence[Finding]) -> UntrustedError:
        return untrusted(path, found, self._layout, self._environ)


def untrusted(
    path: str, found: Sequence[Finding], layout: RootLayout, environ: Mapping[str, str]
) -> UntrustedError:
    """The error of a file, with owner and mode of all that is wrong, and the line to type."""
    owner = os.stat(layout.path).st_uid
    names = sorted({user_name(uid) for uid in {*callers(environ), owner}} - {"root"})
    told = [
        f"{finding.path} {described(finding.problem, finding.owned, **_names(finding))}" for finding in found
    ]
    it = "it was" if [finding.path for finding in found] == [path] else f"{path} was"
    first = found[0]
    trusted = " and ".join([*names, "root"])
    return UntrustedError(
        f"{'; '.join(told)}. So {it} not used: only {trusted} may decide what runs here",
        hint=hint(found, str(layout.path), user_name(owner)),
        path=first.path,
        owner=user_name(first.owned.uid),
        mode=f"{stat.S_IMODE(first.owned.mode):04o}",
    )


def hint(found: Sequence[Finding], root: str, owner: str) -> str:
    """The lines to type: that take the right away, or that trust who has it."""
    remedies = list(dict.fromkeys(_remedy(finding, root, owner) for finding in found))
    lines = [" && ".join(filter(None, remedies))] if all(remedies) else []
    trusted = [_trusted(finding) for finding in found]
    # What is in a `state/` that others can write is trusted by nobody, the list of the trusted included.
    if all(trusted) and f"{root}/state" not in {finding.path for finding in found}:
        options = " ".join(f"--trust {shell_line([name])}" for name in dict.fromkeys(trusted))
        may = " and ".join(dict.fromkeys(trusted))
        lines.append(f"if {may} may decide what runs here: venvship -C {shell_line([root])} init {options}")
    return "; or, ".join(lines)


def _remedy(finding: Finding, root: str, owner: str) -> str:
    """The line that ends a problem; `""` for none: a directory above may be another user's home."""
    path = shell_line([finding.path])
    inside = f"{finding.path}/".startswith(f"{root}/")
    if stat.S_ISDIR(finding.owned.mode) and not inside:
        changes: dict[Problem, str] = {"group": f"chmod +t {path}", "others": f"chmod +t {path}"}
        return changes.get(finding.problem, "")
    line = remedy(finding.problem, path, owner=owner)
    return f"sudo {line}" if finding.problem == "owner" and os.geteuid() != 0 else line


def _trusted(finding: Finding) -> str:
    """The argument of `--trust` that ends a problem; `""` where none does."""
    if finding.problem == "owner":
        return user_name(finding.owned.uid)
    return f"%{group_name(finding.owned.gid)}" if finding.problem == "group" else ""


def _names(finding: Finding) -> dict[str, str]:
    return {"owner": user_name(finding.owned.uid), "group": group_name(finding.owned.gid)}


def _folder(path: str, ask: Ownership, *, way: bool) -> tuple[Finding, ...]:
    """The problems of a folder, which may be missing or a link."""
    try:
        own = _itself(ask, path)
    except FileNotFoundError:
        return ()
    return (*(ask.of_way(path) if way else ()), *own)


def _itself(ask: Ownership, path: str, status: os.stat_result | None = None) -> tuple[Finding, ...]:
    """The problems of a file or folder, and of a link that leads to it: a link is as good as its owner."""
    link = ask.look(path)
    if not stat.S_ISLNK(link.st_mode):
        return ask.of_entry(path, link if status is None else status)
    own = tuple(found for found in ask.of_entry(path, link) if found.problem == "owner")
    try:
        target = os.stat(path) if status is None else status
    except FileNotFoundError:
        return own
    return (*own, *ask.of_entry(path, target))
