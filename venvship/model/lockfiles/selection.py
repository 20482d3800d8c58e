"""The part of a lockfile that one interpreter gets: requirements, sources, and the indexes to ask."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from packaging.utils import canonicalize_name

from venvship.model.lockfiles.problems import Problems, quote
from venvship.model.lockfiles.requirement import Requirement, secret_in_url

DEFAULT_INDEX: Final = "https://pypi.org/simple"
"""The index that pip asks where nothing names another one."""

_TRANSPORTS: Final = frozenset({"https", "http", "ssh", "git", "file", "git+ssh", "ssh+git"})
_VARIABLE: Final = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")


class SourcedEntry(NamedTuple):
    """A package of a lock that comes from a source tree, and not from files with hashes.

    Attributes:
        name: Normalised.
        repository: The URL of its git repository; `""`: the tree that the lockfile itself lies in.
        commit: The full id of its commit; `""` for the tree of the lockfile, whose commit is that of the
            lockfile.
        folder: The folder of the project, `""` for the top: in the repository, or relative to the folder of
            the lockfile. It may lead out of that, as in `../lib`.
        editable: Whether the lock wants it installed as editable. A release never is.
        line: Its line in the lockfile, from 1.
    """

    name: str
    repository: str
    commit: str
    folder: str
    editable: bool
    line: int

    @property
    def label(self) -> str:
        """The place of the source, for people."""
        place = f"`{self.folder or '.'}`" if not self.repository else quote(self.repository)
        return f"{place} at {self.commit[:12]}" if self.commit else place


class Selection(NamedTuple):
    """The result of a selection.

    Attributes:
        requirements: Each name once.
        sourced: Packages without files; each name once, and none of those in `requirements`.
        options: Option lines about indexes that the selected requirements come from.
    """

    requirements: tuple[Requirement, ...]
    sourced: tuple[SourcedEntry, ...] = ()
    options: tuple[str, ...] = ()


def source_folder(path: str) -> str:
    """The folder of a source in its shortest form; `""` for the top.

    Raises:
        ValueError: It is absolute, or no name of a folder. The message goes on after the package's name.
    """
    folder = posixpath.normpath(path) if path else "."
    if folder.startswith("/") or not folder.isprintable():
        raise ValueError(f"is in the folder {quote(path)}; a path relative to the lockfile is needed")
    return "" if folder == "." else folder


def checked_repository(url: str) -> str:
    """Check the URL of a git repository: of a common transport, and without a password.

    Raises:
        ValueError: It is another one, or none. The message goes on after the package's name.
    """
    scheme, there, _ = url.partition("://")
    odd = not url or url.startswith("-") or "::" in url or not url.isprintable() or " " in url
    if odd or (there and scheme not in _TRANSPORTS):
        raise ValueError(f"is from {quote(url)}, which is no URL of a git repository")
    if there and (secret := secret_in_url(url)):
        raise ValueError(f"is from {quote(url)} with {secret} in it; leave it to git's credential helper")
    return url


def add_source(selected: dict[str, SourcedEntry], entry: SourcedEntry, problems: Problems, file: str) -> None:
    """Add a source to the selected ones, or note that another one of its name is there."""
    first = selected.setdefault(entry.name, entry)
    if first._replace(line=entry.line, editable=entry.editable) != entry:
        message = f"{entry.name} is locked twice: {entry.label} here and {first.label} in line {first.line}"
        problems.add(file, entry.line, f"{message}; keep one")


def known_names(
    key: str, wanted: Sequence[str], declared: Iterable[str], problems: Problems, file: str
) -> list[str]:
    """Note the extras or groups that a lockfile does not declare, and return the others.

    Args:
        key: `extras` or `groups`.
        wanted: `[build] extras` or `groups`.
        declared: Names in the lockfile.
        problems: Where the problem goes.
        file: The lockfile.
    """
    declared = list(declared)
    there = {canonicalize_name(each) for each in declared}
    unknown = sorted(each for each in wanted if canonicalize_name(each) not in there)
    if unknown:
        shown = ", ".join(declared[:20]) + (" …" if len(declared) > 20 else "") if declared else "none"
        problems.add(file, None, f"`[build] {key}` names {', '.join(unknown)}; the file has {shown}")
    return [each for each in wanted if each not in unknown]


def index_options(
    indexes: Iterable[tuple[str, int]], problems: Problems, file: str, trusted: Iterable[str] = ()
) -> tuple[str, ...]:
    """Write the indexes of selected requirements as option lines for pip.

    The default index is left to pip's own settings, which may name a mirror of it. An index that is named
    besides is an extra one, or where nothing comes from the default index, the only one.

    Args:
        indexes: The URL of the index of each requirement, with its line; `""` for the default index.
        problems: A URL that cannot be used goes there.
        file: The lockfile.
        trusted: URLs of indexes that the lockfile says not to verify.
    """
    lines: dict[str, int] = {}
    default = False
    for url, line in indexes:
        if is_default_index(url):
            default = True
        else:
            lines.setdefault(url, line)
    options: list[str] = []
    for url, line in lines.items():
        plain = _VARIABLE.sub(r"${\1}", url)
        if problem := _problem_with_index(plain):
            problems.add(file, line, problem)
            continue
        primary = not default and not options
        options.append(f"{'--index-url' if primary else '--extra-index-url'} {plain}")
        if url in trusted:
            options.append(f"--trusted-host {urlsplit(plain).netloc.rpartition('@')[2]}")
    return tuple(options)


def is_default_index(url: str) -> bool:
    """Whether pip's own settings serve for this index: it is none, or PyPI by one of its names."""
    if not url:
        return True
    try:
        parts = urlsplit(url)
        return parts.hostname in {"pypi.org", "pypi.python.org"} and parts.path.rstrip("/") == "/simple"
    except ValueError:
        return False


def _problem_with_index(url: str) -> str:
    if any(character.isspace() or not character.isprintable() or character in "'\"\\" for character in url):
        return f"the index {quote(url)} has a character in it that no URL has"
    try:
        parts = urlsplit(url)
        secret = secret_in_url(url)
    except ValueError as error:
        return f"the index {quote(url)} is no URL: {error}"
    if parts.scheme not in {"https", "http", "file"}:
        return f"the index {quote(url)} must begin with https://, http:// or file://"
    if secret:
        return (
            f"the index {quote(url)} has {secret} in it; write ${{VARIABLE}} where the index is declared, and"
            " lock again, or use pip's keyring or netrc support"
        )
    return ""
