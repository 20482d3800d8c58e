"""One line of a requirements file that pins a distribution: by version, by URL, or by path.

Sources: PEP 440, PEP 508, and pip's `constructors.py` for lines without a name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from packaging.markers import Marker
from packaging.requirements import Requirement as Specified
from packaging.utils import canonicalize_name
from packaging.version import Version

from venvship.model.lockfiles.problems import quote
from venvship.model.lockfiles.requirement import (
    NO_HASH,
    URL,
    Requirement,
    allowed_artifact,
    check_hashes,
    checked_subdirectory,
    line_for_pip,
    local_path,
    secret_in_url,
)
from venvship.model.lockfiles.requirements_txt_lines import LogicalLine, UnhashedError, refuse

_VCS = re.compile(r"(?:git|hg|svn|bzr)\+", re.IGNORECASE)
_ARCHIVE = re.compile(r"\.(?:whl|tar\.gz|zip|tgz|tar\.bz2|tar\.xz|tar|egg)(?:[\[#;\s]|$)", re.IGNORECASE)
_NO_VCS: Final = "a VCS checkout has no hash to go by; build a wheel of it and pin that with --hash"
_EXTRAS = re.compile(r"(.+?)\s*\[([^\[\]]*)\]")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_FRAGMENT_HASH = re.compile(r"#(?=(?:[A-Za-z0-9]+=[^/]*))")
_HASH_NAMES: Final = {"md5", "sha1", "sha224", "sha256", "sha384", "sha512"}


@dataclass(frozen=True, slots=True)
class _Location:
    """The one file that a requirement names: `url` as in `Requirement`, and its fragment.

    `rewritten`: it was relative, or pip does not understand it, so pip gets it in another form.
    """

    url: str
    filename: str
    fragment: str
    rewritten: bool

    @property
    def hashes(self) -> tuple[str, ...]:
        """The hashes in the fragment."""
        return tuple(f"{key}:{value}" for key, value in self._pairs if key.lower() in _HASH_NAMES)

    @property
    def subdirectory(self) -> str:
        """The folder in an archive that the fragment names."""
        return next((value for key, value in self._pairs if key == "subdirectory"), "")

    @property
    def _pairs(self) -> list[tuple[str, str]]:
        return parse_qsl(self.fragment, max_num_fields=100)


def _locate(text: str, folder: str) -> _Location:
    """Resolve a URL or a path that stands in a file in `folder`."""
    if _VCS.match(text):
        refuse(f"{quote(text)}: {_NO_VCS}")
    scheme = text.partition(":")[0].lower() if URL.match(text) else ""
    if scheme in {"http", "https"}:
        secret = secret_in_url(text)
        if secret:
            refuse(f"{quote(text)} has {secret} in it; write ${{VARIABLE}} and set that in the environment")
        parts = urlsplit(text)
        filename = unquote(parts.path.rpartition("/")[2])
        return _Location(parts._replace(fragment="").geturl(), filename, parts.fragment, False)
    if scheme not in {"", "file"}:
        refuse(f"{quote(text)}: a URL must begin with https://, http:// or file://")
    if "${" in text:
        refuse(f"{quote(text)}: variables work in http and https URLs only")
    if scheme:
        path, fragment = local_path(text), urlsplit(text).fragment
    else:
        path, *fragments = _FRAGMENT_HASH.split(text, maxsplit=1)
        fragment = "".join(fragments)
    if "\0" in path:
        refuse(f"{quote(text)}: a path cannot have a NUL character in it")
    absolute = os.path.normpath(os.path.join(folder, path))
    # pip knows no fragments on a bare path.
    rewritten = not path.startswith("/") or bool(fragment and not scheme)
    return _Location(absolute, os.path.basename(absolute), fragment, rewritten)


def _bare_location(text: str) -> tuple[str, tuple[str, ...], str | None] | None:
    """Read a line that is a URL or path without a name: location, extras, marker. `None`: it is neither."""
    is_url = bool(URL.match(text) or _VCS.match(text))
    before_at = text.partition("@")[0].partition("#")[0].partition(";")[0]
    looks_like_path = text.startswith((".", "~", "/")) or (
        "==" not in before_at and ("/" in before_at or _ARCHIVE.search(before_at))
    )
    if not is_url and not looks_like_path:
        return None
    location, separator, marker = text.partition("; " if is_url else ";")
    location = location.strip()
    extras = None if is_url else _EXTRAS.fullmatch(location)
    names: tuple[str, ...] = ()
    if extras:
        location, names = extras[1], tuple(name.strip() for name in extras[2].split(","))
        if not all(_NAME.fullmatch(name) for name in names):
            refuse(f"{quote(text)}: cannot read the extras")
    return location, names, str(Marker(marker)) if separator else None


def _pinned_version(specified: Specified) -> str:
    """The version behind the one `==`."""
    clauses = list(specified.specifier)
    if not clauses:
        refuse(f"{specified.name} has no version; pin it with `==`")
    if len(clauses) > 1 or clauses[0].operator != "==" or clauses[0].version.endswith(".*"):
        refuse(f"{specified.name}{specified.specifier} is not one version; pin it with a single `==`")
    return str(Version(clauses[0].version))


def parse_requirement(
    line: LogicalLine, text: str, hashes: Sequence[str], *, file: str, sdists: Collection[str]
) -> Requirement:
    """Read the part of a line before its options.

    Raises:
        UnhashedError: It has no hash, and nothing else is wrong.
        RefusedError: It is not pinned, or not allowed.
        ValueError: It cannot be read; `packaging` says why.
        RecursionError: Parentheses nested beyond all measure.
    """
    bare = _bare_location(text)
    version: str | None
    if bare is None:
        specified = Specified(text)
        name, extras = specified.name, tuple(specified.extras)
        if specified.url and _VCS.match(specified.url):
            refuse(f"{name}: {_NO_VCS}")
        marker = str(specified.marker) if specified.marker else None
        location = _locate(specified.url.strip(), os.path.dirname(file)) if specified.url else None
        version = None if location else _pinned_version(specified)
    else:
        address, extras, marker = bare
        name, version, location = "", None, _locate(address, os.path.dirname(file))
    subdirectory = ""
    if location:
        try:
            artifact = allowed_artifact(name, location.url, location.filename, sdists)
            subdirectory = checked_subdirectory(location.subdirectory, artifact)
        except ValueError as error:
            refuse(f"{name or quote(location.url)} {error}")
        name, version = artifact.name, artifact.version
    given = [*hashes, *(location.hashes if location else ())]
    requirement = Requirement(
        name=canonicalize_name(name),
        version=version,
        extras=tuple(sorted({canonicalize_name(extra) for extra in extras})),
        marker=marker,
        hashes=_allowed_hashes(name, given),
        url=location.url if location else None,
        subdirectory=subdirectory,
        text=line.source,
        file=file,
        line=line.number,
    )
    # Older pips compare hashes letter by letter.
    if (location and location.rewritten) or any(value != value.lower() for value in given):
        return replace(requirement, text=line_for_pip(requirement))
    return requirement


def _allowed_hashes(name: str, hashes: Sequence[str]) -> tuple[str, ...]:
    if not hashes:
        raise UnhashedError(f"{name} {NO_HASH}")
    try:
        return check_hashes(hashes)
    except ValueError as error:
        refuse(f"{name} {error}")
