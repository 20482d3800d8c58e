"""The layout of one root: its paths, the contents of its files, and its current release.

It knows names and formats, and no policy: it never decides which release to keep, to switch to, or to refuse.
Reading never writes and constructing never repairs.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final, NamedTuple

from venvship.errors import (
    ForeignLinkError,
    NotARootError,
    NotOwnerError,
    NotWritableError,
    ReleaseError,
    RootError,
    StateError,
)
from venvship.model import bounds, file_list
from venvship.model import json_fields as fields
from venvship.model.interpreter import Interpreter
from venvship.model.release import FileEntry, Manifest, is_release_id
from venvship.model.root_path import refuse_path
from venvship.printable import shell_line
from venvship.system.accounts import user_name
from venvship.system.host import host_faults
from venvship.system.json_files import Ask, parsed, read_json, read_raw, unasked
from venvship.system.regular import read_regular

SETTINGS_NAME: Final = "venvship.toml"
TRASH_PREFIX: Final = ".trash-"
ARMED_PREFIXES: Final = (".to.", ".back.")
"""Prefixes of links that a switch prepares beside `current`; recovery removes those that a crash leaves."""

SCRATCH_PREFIX: Final = "scratch-"
"""Folders in `state/` that a build downloads to: made before its release, removed once the journal has it."""


class RootLayout(NamedTuple):
    """The paths of one root, and the readers of its files.

    Args:
        path: The root, absolute and real.
        named: The absolute path that the caller gave, if it leads there through links; else empty.
        ask: Called for each file of the root that is read here or with `read_json`. A workspace sets it.
    """

    path: Path
    named: str = ""
    ask: Ask = unasked

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> RootLayout:
        """The layout of the root at a path.

        Raises:
            NotARootError: It is no directory, or holds no `venvship.toml` and never was a root.
            RootError: Its path cannot be used, or not by this user.
        """
        real = Path(os.path.realpath(path))
        try:
            if not real.is_dir():
                there = os.path.lexists(real)
                raise NotARootError(
                    f"{real} is not a directory" if there else f"there is no directory {real}",
                    hint=f"name a directory, or move {real} out of the way"
                    if there
                    else "make a root with `venvship init`, or name another with -C ROOT",
                )
            if not cls(real).is_root():
                raise NotARootError(
                    f"{real} holds no {SETTINGS_NAME}",
                    hint="make a root with `venvship init`, or name another with -C ROOT",
                )
        except OSError as error:
            raise RootError(f"cannot look at {real}: {error.strerror}") from error
        refuse_path(str(real))
        given = os.path.join(os.getcwd(), path) if not os.path.isabs(path) else os.fspath(path)
        return cls(real, given if given.rstrip("/") != str(real) else "")

    def is_root(self) -> bool:
        """Whether there is a root at the path. One whose settings are gone is still one: a rollback works.

        Raises:
            OSError: That cannot be known.
        """
        return self.settings_file.exists() or self.journal_file.exists()

    # -- where things are ---------------------------------------------------------------------------------

    @property
    def settings_file(self) -> Path:
        """The user's settings."""
        return self.path / SETTINGS_NAME

    @property
    def current_link(self) -> Path:
        """The link that alone decides which release is live."""
        return self.path / "current"

    @property
    def previous_link(self) -> Path:
        """The link that a rollback renames over `current`."""
        return self.path / "previous"

    @property
    def releases(self) -> Path:
        """The folder of releases."""
        return self.path / "releases"

    @property
    def state(self) -> Path:
        """The folder of venvship's own state."""
        return self.path / "state"

    @property
    def leases(self) -> Path:
        """The folder of lease files, one a release."""
        return self.state / "leases"

    @property
    def journal_file(self) -> Path:
        """The journal."""
        return self.state / "journal.jsonl"

    @property
    def operation_file(self) -> Path:
        """The file that names the operation under way."""
        return self.state / "operation.json"

    @property
    def python_file(self) -> Path:
        """The interpreter, resolved once."""
        return self.state / "python.json"

    @property
    def trust_file(self) -> Path:
        """The users and groups that the owner trusts."""
        return self.state / "trust.json"

    @property
    def verified_file(self) -> Path:
        """The last look of `verify` at each release."""
        return self.state / "verified.json"

    @property
    def advisories_file(self) -> Path:
        """The answers about known vulnerabilities that `audit` keeps."""
        return self.state / "advisories.json"

    @property
    def kept_settings_file(self) -> Path:
        """The settings of the last promotion, for a rollback when `venvship.toml` is unreadable."""
        return self.state / "settings.toml"

    @property
    def slots_file(self) -> Path:
        """The slots of the service that venvship has started."""
        return self.state / "slots.json"

    @property
    def reserve_file(self) -> Path:
        """Room that is given up when the disk is full."""
        return self.state / "reserve"

    def release_path(self, release_id: str) -> Path:
        """The directory of a release."""
        return self.releases / release_id

    def lease(self, release_id: str) -> Path:
        """The lease file of a release."""
        return self.leases / release_id

    @property
    def shared(self) -> Path:
        """The folder of what outlives releases; `[project] shared` has links to it."""
        return self.path / "shared"

    @property
    def logs(self) -> Path:
        """The folder of logs: a folder for each release, and for each build that became none."""
        return self.path / "log"

    def log(self, release_id: str) -> Path:
        """The folder of a release's logs."""
        return self.logs / release_id

    def scratch(self, release_id: str) -> Path:
        """The folder for the temporary files of a build; while it is there, the build has not ended."""
        return self.state / f"{SCRATCH_PREFIX}{release_id}"

    def mutex(self, name: str) -> Path:
        """The lock file of a mutex."""
        return self.state / f"{name}.mutex"

    # -- the links ----------------------------------------------------------------------------------------

    def current(self) -> str | None:
        """The id that `current` names; `None` when there is no such link. The release may be missing.

        Raises:
            ForeignLinkError: `current` is a directory, a file, or a link that venvship did not make.
            RootError: It cannot be read.
        """
        return self._link_target(self.current_link)

    def previous(self) -> str | None:
        """The id that `previous` names; `None` for no link, a foreign one, or one that cannot be read."""
        try:
            return self._link_target(self.previous_link)
        except RootError:
            return None

    def _link_target(self, link: Path) -> str | None:
        try:
            target = os.readlink(link)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise RootError(f"cannot read {link}: {error.strerror}") from error
            aside = shell_line([str(link), f"{link}.old"])
            kind = "directory" if link.is_dir() else "file"
            raise ForeignLinkError(
                f"{link} is a {kind}, not a link that venvship made",
                hint=f"move it out of the way: mv {aside}",
            ) from error
        folder, _, release_id = target.rpartition("/")
        if folder != "releases" or not is_release_id(release_id):
            aside = shell_line([str(link), f"{link}.old"])
            raise ForeignLinkError(
                f"{link} points to {target}, which is not one of this root's releases",
                hint=f"move it out of the way: mv {aside}",
            )
        return release_id

    # -- releases -----------------------------------------------------------------------------------------

    def manifest(self, release_id: str, anchor: str | None) -> Manifest:
        """Read a release's manifest, held against its anchor before anything of it is used.

        Who can write the release, and not the journal, can change modules, their list and the manifest so
        that each fits the other. The manifest also names the interpreter, which a look at a release may run.

        Args:
            release_id: The release.
            anchor: The SHA-256 that the manifest must have, as of `History.anchor`; commands use
                `ReadingWorkspace.manifest`. `None`: nothing outside of the release vouches for it.

        Raises:
            ReleaseError: There is none, it is damaged, or it is not the one that was sealed.
            FormatError: A newer venvship wrote it.
        """
        import hashlib

        path = self.release_path(release_id) / ".venvship" / "manifest.json"
        try:
            raw = read_raw(path)
            if raw is None:
                raise ReleaseError(f"{release_id} is not a sealed release: {path} is missing")
            found = hashlib.sha256(raw).hexdigest()
            if anchor is not None and found != anchor:
                raise ReleaseError(
                    f"the manifest of {release_id} is not the one that was sealed: the SHA-256 of {path} is "
                    f"{found}, and the journal has {anchor}"
                )
            manifest = Manifest.from_json(parsed(path, raw))
        except StateError as error:  # damaged, or no more than out of reach
            raise ReleaseError(f"the manifest of {release_id}: {error.message}") from error
        except (KeyError, ValueError) as error:
            raise ReleaseError(f"the manifest of {release_id} is damaged: {path}") from error
        if manifest.id != release_id:
            raise ReleaseError(f"the manifest of {release_id} says it is {manifest.id}: {path}")
        return manifest._replace(sha256=found)

    def files(self, release_id: str, manifest: Manifest) -> tuple[FileEntry, ...]:
        """Read a release's list of files, held against the hash that the manifest has of it.

        Raises:
            ReleaseError: It is missing or damaged.
        """
        try:
            return file_list.entries(self.listing(release_id, manifest))
        except ValueError as error:
            raise ReleaseError(f"{self._files_json(release_id)} is damaged: {error}") from error

    def listing(self, release_id: str, manifest: Manifest) -> bytes:
        """The bytes of a release's list of files, for `model.file_list`; held against the same hash.

        Raises:
            ReleaseError: It is missing, or another one.
        """
        import hashlib

        path = self._files_json(release_id)
        try:
            raw = read_regular(path, bounds.LISTING).data
        except OSError as error:
            raise ReleaseError(f"cannot read {path}: {error.strerror}") from error
        if hashlib.sha256(raw).hexdigest() != manifest.files_sha256:
            raise ReleaseError(f"{path} is not the one that the manifest names")
        return raw

    def _files_json(self, release_id: str) -> Path:
        return self.release_path(release_id) / ".venvship" / "files.json"

    def with_manifest(self) -> list[str]:
        """The ids of directories with a manifest, in no order; `releases.release_ids` has the releases."""
        return [name for name in self._names() if self.has_manifest(name)]

    def has_release(self, release_id: str) -> bool:
        """Whether there is a directory of this id.

        Raises:
            RootError: That cannot be known, because of the mode of `releases`.
        """
        path = self.release_path(release_id)
        try:
            return stat.S_ISDIR(os.stat(path).st_mode)  # Path.is_dir() raises, or not, by Python's version
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise RootError(f"cannot look at {path}: {error.strerror}") from error

    def has_manifest(self, name: str) -> bool:
        """Whether there is a directory of this id with a manifest."""
        return is_release_id(name) and os.path.lexists(f"{self.path}/releases/{name}/.venvship/manifest.json")

    def may_have_manifest(self, release_id: str) -> bool:
        """Whether a directory has a manifest, or may have one that cannot be reached."""
        try:
            os.lstat(self.release_path(release_id) / ".venvship" / "manifest.json")
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True
        return True

    def without_manifest(self) -> list[str]:
        """The directories of releases without a manifest, and trash; `releases.debris_names` has debris."""
        return sorted(
            name
            for name in self._names()
            if name.startswith(TRASH_PREFIX) or (is_release_id(name) and not self.has_manifest(name))
        )

    def strays(self) -> list[str]:
        """Links that a switch had prepared and did not use."""
        return sorted(name for name in os.listdir(self.path) if name.startswith(ARMED_PREFIXES))

    def _names(self) -> list[str]:
        try:
            with host_faults(f"list {self.releases}"):
                names = os.listdir(self.releases)
        except FileNotFoundError:
            return []
        except OSError as error:
            hint = f"look at its mode and owner: ls -ld {shell_line([str(self.releases)])}"
            raise RootError(f"cannot list {self.releases}: {error.strerror}", hint=hint) from error
        if names and not os.access(self.releases, os.X_OK):  # every release would look like debris
            raise RootError(
                f"cannot look into {self.releases}: {os.strerror(errno.EACCES)}",
                hint=f"look at its mode and owner: ls -ld {shell_line([str(self.releases)])}",
            )
        return names

    # -- state --------------------------------------------------------------------------------------------

    def interpreter(self) -> tuple[str | None, Interpreter] | None:
        """The setting and the interpreter recorded in `state/python.json`; `None` before the first release.

        Raises:
            FormatError: A newer venvship wrote it.
            StateError: It is damaged.
        """
        data = read_json(self.python_file, self.ask)
        if data is None:
            return None
        try:
            setting = data["setting"]
            return None if setting is None else fields.plain(setting), Interpreter.from_json(data)
        except (KeyError, ValueError) as error:
            raise StateError(
                f"{self.python_file} is damaged", hint="remove it: the next release writes it again"
            ) from error

    def require_writable(self) -> None:
        """Refuse a user whose files the owner of the root could not replace.

        Raises:
            NotOwnerError: The root belongs to another user.
            NotWritableError: It is not writable, or is on a read-only file system.
        """
        owner = os.stat(self.path).st_uid
        if owner != os.geteuid():
            raise self._not_owner(owner)
        if not os.access(self.path, os.W_OK | os.X_OK):
            if os.statvfs(self.path).f_flag & os.ST_RDONLY:
                raise NotWritableError(
                    f"{self.path} is on a file system that is mounted read-only",
                    hint="mount it writable; an error of the disk may have made the kernel turn it read-only",
                )
            raise NotWritableError(
                f"{self.path} is not writable", hint=f"chmod u+wx {shell_line([str(self.path)])}"
            )

    def refuse_foreign_root(self) -> None:
        """Refuse root where a program of the root would run, and the root is another user's.

        That user would become root by it. A user without such rights may run the programs of a root that he
        names.

        Raises:
            NotOwnerError: This user is root, and the root's owner is not.
        """
        owner = os.stat(self.path).st_uid
        if os.geteuid() == 0 != owner:
            raise self._not_owner(owner)

    def _not_owner(self, owner: int) -> NotOwnerError:
        return NotOwnerError(
            f"{self.path} belongs to {user_name(owner)}, and you are {user_name(os.geteuid())}",
            hint=f"run it as {user_name(owner)}",
            owner=user_name(owner),
        )
