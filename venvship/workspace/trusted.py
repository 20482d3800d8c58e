"""Whose file is it: asked before a file of a root, or one that its settings name, decides anything.

A file counts if it belongs to the caller, to the owner of the root, to root or to a user that the owner
trusts, and nobody else can write it or put another one in its place. `venvship.model.trust` has the rule.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence

from venvship.errors import UntrustedError, VenvshipError
from venvship.model import bounds
from venvship.model.settings import Settings
from venvship.model.trust import ROOT_UID, Trust, Trusted
from venvship.printable import shell_line
from venvship.root import RootLayout
from venvship.system.accounts import callers, user_name
from venvship.system.json_files import unasked
from venvship.system.ownership import Finding, Ownership
from venvship.system.regular import read_regular
from venvship.workspace.trust_file import read_trusted, trust_of
from venvship.workspace.trust_hints import facts, hint, told, untrusted
from venvship.workspace.trust_survey import folder_problems, folders, glance, survey

Ask = Callable[[Ownership], tuple[Finding, ...]]


def _unwarned(_slug: str, _message: str) -> None:
    """Drop a warning: for a caller that has no place for it."""


class TrustedFiles:
    """Asks whose files are, for one command in one root.

    Args:
        layout: The root.
        environ: The process environment, for `SUDO_UID` and `PATH`.
        warn: Called with slug and message for a file that counts only because of who runs this command.
    """

    def __init__(
        self,
        layout: RootLayout,
        environ: Mapping[str, str],
        warn: Callable[[str, str], None] = _unwarned,
    ) -> None:
        self._layout = layout
        self._environ = environ
        self.warn = warn
        self._narrow: Ownership | None = None
        self._wide: Ownership | None = None
        self._accounts: tuple[Trusted, ...] | None = None

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
            ask = functools.partial(_in_state, folder, path, status)
        else:
            ask = functools.partial(_file, path, status)
        if found := self._found(ask):
            raise self._error(path, found)
        if path == str(layout.settings_file) and layout.named:
            self._require_named()

    def _require_named(self) -> None:
        """Refuse a name of the root that leads through a link which others can change."""
        layout = self._layout
        name = os.path.join(layout.named, layout.settings_file.name)
        if found := self._found(lambda ask: ask.of_way(name)):
            real = str(layout.path)
            raise UntrustedError(
                f"{told(found)}, so {layout.named} may lead elsewhere at any time, and was not used. The "
                f"root is {real}",
                hint=f"name the root by its real path: -C {shell_line([real])}",
                real=real,
                **facts(found),
            )

    def require_path(self, path: str) -> None:
        """`require` for a file or directory that another program reads; a missing one passes."""
        try:
            status = os.stat(path)
        except OSError:
            return
        self.require(path, status)

    def require_way(self, path: str) -> None:
        """Refuse a folder if others can put another one in its place; who may write in it is not asked.

        Args:
            path: Absolute. A missing one passes as far as the directories above it do.

        Raises:
            UntrustedError: A directory above it is open to others.
        """
        if found := self._found(lambda ask: ask.of_way(path)):
            raise self._error(path, found)

    def require_folders(self, *, way: bool = True) -> None:
        """Refuse folders of the root that belong to others, are links of others, or that others can write.

        What is written there then is not written through another user's links.

        Args:
            way: Whether to ask the root's directory and those above it, too.

        Raises:
            UntrustedError: A folder is refused.
        """
        for path in folders(self._layout):
            found = self._found(functools.partial(folder_problems, path, way=way))
            if found:
                raise self._error(path, found)
        root = str(self._layout.path)
        if way and (found := self._found(lambda ask: ask.of_default_acl(root))):
            raise self._error(root, found)

    def require_state(self) -> None:
        """Refuse a `state/` that others can write: what it says of trust would be read by nobody.

        Raises:
            UntrustedError: It is refused.
        """
        path = str(self._layout.state)
        if os.path.lexists(path) and (found := self._found(lambda ask: ask.of_name(path), widen=False)):
            raise self._error(path, found, widen=False)

    def require_all(self, settings: Settings | None) -> None:
        """Refuse if any file that decides would be refused by the command that reads it.

        Args:
            settings: The settings in force, for the names of lockfiles and inputs; `None` if there are none.

        Raises:
            UntrustedError: A file is refused; the error names all others.
            RootError: It cannot be read whom the owner trusts.
        """
        if found := self._found(functools.partial(glance, self._layout, settings)):
            first = found[0].path
            raise self._error(first, [one for one in found if one.path == first])

    def accounts(self) -> tuple[Trusted, ...]:
        """The users and groups that the owner trusts besides; read once.

        The file is asked as all of `state/`, without the trust that it gives itself, and must not be a link.

        Raises:
            UntrustedError: Others can write the file, or `state/`.
            StateError: It is damaged, or cannot be read.
            FormatError: A newer venvship wrote it.
        """
        if self._accounts is None:
            nobody = not read_trusted(self._layout, unasked)  # which is as good from whoever has written it
            self._accounts = () if nobody else read_trusted(self._layout, self._require_trust_file)
        return self._accounts

    def _require_trust_file(self, path: str, status: os.stat_result) -> None:
        folder = str(self._layout.state)
        found = self._found(functools.partial(_in_state, folder, path, status), widen=False)
        if found:
            raise self._error(path, found, widen=False)
        if os.path.islink(path):
            raise UntrustedError(
                f"{path} is a link, so nobody is trusted by it",
                hint=f"rm {shell_line([path])}, and trust again with `venvship init --trust USER`",
                path=path,
            )

    @property
    def trust(self) -> Trust:
        """All who may decide what runs here.

        Raises:
            RootError: It cannot be read whom the owner trusts, or others can write that file.
        """
        more = trust_of(self.accounts())
        return self._standing().trust.with_users(callers(self._environ)).widened(more)

    def _standing(self) -> Ownership:
        """Asks with the trust that any command here has, whoever runs it."""
        if self._narrow is None:
            owner = os.stat(self._layout.path).st_uid
            self._narrow = Ownership(Trust(frozenset({owner, ROOT_UID})))
        return self._narrow

    def _widened(self) -> Ownership:
        """Asks with the trust of `state/trust.json` besides."""
        if self._wide is None:
            before, more = self._standing(), trust_of(self.accounts())
            wider = before.trust.widened(more)
            self._wide = before if wider == before.trust else Ownership(wider, before.accounts)
        return self._wide

    def _found(self, ask: Ask, *, widen: bool = True) -> tuple[Finding, ...]:
        """Ask; only if that finds something, ask again with the trust of the owner, and of the caller.

        Args:
            ask: The question.
            widen: Whether those count whom the owner trusts. Not for the file that says so.
        """
        try:
            found = ask(self._standing())
            if not found:
                return ()
            standing = self._widened() if widen else self._standing()
            if standing is not self._standing():
                found = ask(standing)
            caller = self._with_caller(standing)
            if not found or caller is standing:
                return found
            refused = ask(caller)
        except OSError as error:
            raise UntrustedError(
                f"cannot find out who may write {error.filename or self._layout.path}: {error.strerror}"
            ) from error
        accepted = [one for one in found if one not in refused]
        if accepted and not refused:
            self._warn_of(accepted, standing)
        return refused

    def _with_caller(self, standing: Ownership) -> Ownership:
        more = standing.trust.with_users(callers(self._environ))
        return standing if more == standing.trust else Ownership(more, standing.accounts)

    def _warn_of(self, found: Sequence[Finding], standing: Ownership) -> None:
        """Warn of files that count for this caller, and not for a command that cron runs."""
        owner = user_name(os.stat(self._layout.path).st_uid)
        others = callers(self._environ) - {os.geteuid()}
        sudo = os.geteuid() in standing.trust.users and others
        who = f"{user_name(next(iter(others)))} called sudo" if sudo else f"you are {user_name(os.geteuid())}"
        advice = hint(found, self._layout, standing, self._environ)
        self.warn(
            "counts-for-caller",
            f"{told(found)}. That counts here because {who}; commands of {owner}, as from cron, will "
            "refuse it" + (f". {advice}" if advice else ""),
        )

    def _error(self, path: str, found: Sequence[Finding], *, widen: bool = True) -> UntrustedError:
        """The error of a file, which names all others that would be refused next."""
        ask = self._with_caller(self._widened() if widen else self._standing())
        later = ask if widen else self._as_if_trusted(ask)
        return untrusted(path, found, survey(self._layout, later), self._layout, ask, self._environ)

    def _as_if_trusted(self, ask: Ownership) -> Ownership:
        """Asks as if the list of the trusted counted, which others can write: as it will once that is mended.

        For advice alone: the files of a team are not to be taken from it.
        """
        try:
            more = trust_of(read_trusted(self._layout, unasked))
        except VenvshipError:
            return ask
        return Ownership(ask.trust.widened(more), ask.accounts)


def _file(path: str, status: os.stat_result, ask: Ownership) -> tuple[Finding, ...]:
    return ask.findings(path, status)


def _in_state(folder: str, path: str, status: os.stat_result, ask: Ownership) -> tuple[Finding, ...]:
    return (*ask.of_name(folder), *ask.of_name(path, status))
