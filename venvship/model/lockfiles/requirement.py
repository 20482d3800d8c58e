"""One requirement of a lockfile, and the rules that hold in every lockfile format."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit
from urllib.parse import quote as percent_encode

from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename

from venvship.model.lockfiles.problems import Problems, quote

if TYPE_CHECKING:
    from venvship.model.interpreter import Interpreter

MARKER_ERRORS: Final = (AssertionError, KeyError, ValueError, RecursionError)
"""The errors of `packaging` for a marker that cannot be evaluated; up to 26.2, bare ones as well."""

_FILENAME_CHARACTERS: Final = 255
_LABELS: Final = 3

MAX_BYTES: Final = 16 * 2**20
"""All files of a lockfile together. The largest seen in the wild has 1 MiB."""

NO_HASH: Final = "has no hash; write the lockfile with hashes (`pip hash FILE` prints that of one file)"

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|file:", re.IGNORECASE)
"""How a URL begins, as against a path."""

_VARIABLES = re.compile(r"(?:\$\{[A-Z0-9_]+\})+")
_SECRET_PARAMETER = re.compile(
    r"token|secret|passw|signature|credential|bearer|jwt|(?:api|access|private)[-_.]?key"
    r"|(?:^|[-_.])(?:key|pass|pwd|auth|sig|sas|code)(?:$|[-_.])"
)
_TOKEN_USER = re.compile(r"(?:gh[a-z]_|github_pat_|glpat-|gldt-|pypi-|dckr_pat_)|[A-Za-z0-9_\-.]{32,}$")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    r"""One pinned distribution, as a lockfile gives it.

    Attributes:
        name: Normalised (PEP 503).
        version: Normalised (PEP 440).
        extras: Normalised, sorted.
        marker: The PEP 508 marker, or `None`.
        hashes: Allowed files, each `"sha256:<hex>"`; sorted, never empty.
        url: The place of the one file, if the lockfile has it: a URL with its `${VAR}`s unexpanded and
            without a fragment, or an absolute local path. `None`: an index knows.
        text: Its own lines as they stand in the lockfile, byte for byte up to the last one that is not blank;
            line ends are `\n`, and the last line never ends in a backslash. pip gets it, so that no hash
            can be lost on the way. Only a relative local path is rewritten, to an absolute one.
        file: Absolute path of the file that holds it.
        line: Its first line there, from 1.
    """

    name: str
    version: str
    extras: tuple[str, ...] = ()
    marker: str | None = None
    hashes: tuple[str, ...]
    url: str | None = None
    text: str
    file: str
    line: int

    @property
    def is_local(self) -> bool:
        """Whether the lockfile names a file of this host."""
        return self.url is not None and self.url.startswith("/")

    @property
    def label(self) -> str:
        """The pin and its place, as in `django 5.2 (requirements.txt, line 7)`."""
        return f"{self.name} {self.version} ({os.path.basename(self.file)}, line {self.line})"

    def facts(self) -> dict[str, Any]:
        """The facts that an error about it has for scripts."""
        return {"package": self.name, "version": self.version, "file": self.file, "line": self.line}


def direct_text(requirement: Requirement) -> str:
    """Write a requirement that has a URL, or an absolute path, as a line for pip."""
    assert requirement.url is not None
    url = requirement.url
    if url.startswith("/"):
        url = "file://" + percent_encode(url)
    extras = f"[{','.join(requirement.extras)}]" if requirement.extras else ""
    marker = f" ; {requirement.marker}" if requirement.marker else ""
    hashes = "".join(f" --hash={value}" for value in requirement.hashes)
    return f"{requirement.name}{extras} @ {url}{marker}{hashes}"


def labels(requirements: Sequence[Requirement]) -> str:
    """The labels of some requirements, cut short after three."""
    shown = ", ".join(requirement.label for requirement in requirements[:_LABELS])
    more = len(requirements) - _LABELS
    return f"{shown} and {more} more" if more > 0 else shown


def secret_in_url(url: str) -> str | None:
    """Name the part of a URL that holds a secret in clear, or return `None`.

    A lockfile is committed, copied into releases and shown in diffs; `${VAR}` keeps a secret out of them.
    A user name alone is no secret: a keyring is asked with it.

    Raises:
        ValueError: Not a URL.
    """
    parts = urlsplit(url)
    user_info, at, host = parts.netloc.rpartition("@")
    port = host.rpartition("]")[2].partition(":")[2]
    if port and not port.isdecimal() and not _VARIABLES.fullmatch(port):
        # It may be the rest of a password with an unescaped slash in it, so it must not be shown.
        raise ValueError("the port is not a number")
    if at:
        user, colon, password = user_info.partition(":")
        if password and not _VARIABLES.fullmatch(password):
            return "a password"
        if user and not _VARIABLES.fullmatch(user) and (_TOKEN_USER.match(user) or (colon and not password)):
            return "a user name that looks like a token"
    for name, value in parse_qsl(parts.query, max_num_fields=100):
        if value and _SECRET_PARAMETER.search(name.lower()) and not _VARIABLES.fullmatch(value):
            return f"a secret in the query parameter {quote(name)}"
    return None


def decode(path: str, data: bytes, problems: Problems) -> str | None:
    """Decode a lockfile: UTF-8, with or without a byte order mark. `None`: it is not, and that was noted."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        problems.add(path, 1, "UTF-16 text; save it as UTF-8")
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        problems.add(path, number, "not UTF-8 text; save it as UTF-8, or write it again")
        return None


def may_build(name: str, sdists: Collection[str]) -> bool:
    """Whether `[build] sdists` lets this distribution be built from source."""
    return "*" in sdists or canonicalize_name(name) in {canonicalize_name(other) for other in sdists}


@dataclass(frozen=True, slots=True)
class Artifact:
    """The facts in the file name of a wheel or source distribution."""

    name: str
    version: str
    is_wheel: bool


def parse_filename(filename: str) -> Artifact:
    """Read the file name of a wheel or of a source distribution.

    Raises:
        ValueError: It is neither; the message has the remedy.
    """
    # A wheel's name is a product of compressed tag sets: a long enough one would fill the memory.
    if len(filename) > _FILENAME_CHARACTERS:
        raise ValueError(f"a file name of {len(filename)} characters")
    if filename.lower().endswith(".whl"):
        name, version, _, _ = parse_wheel_filename(filename)
        return Artifact(name, str(version), is_wheel=True)
    if filename.endswith((".tar.gz", ".zip")):
        name, version = parse_sdist_filename(filename)
        return Artifact(name, str(version), is_wheel=False)
    raise ValueError(f"{quote(filename)} is neither a wheel nor a source distribution (.whl, .tar.gz, .zip)")


def check_hashes(hashes: Sequence[str]) -> tuple[str, ...]:
    """Keep the SHA-256 hashes, sorted, each once.

    Args:
        hashes: Each `algorithm:hex`.

    Raises:
        ValueError: There is none to trust; the message has the reason and the remedy.
    """
    if not hashes:
        raise ValueError(NO_HASH)
    algorithms = sorted({value.partition(":")[0] for value in hashes})
    kept = sorted({value for value in hashes if value.startswith("sha256:")})
    if not kept:
        raise ValueError(f"has only {' and '.join(algorithms)} hashes; venvship goes by sha256")
    for value in kept:
        if not _SHA256.fullmatch(value.removeprefix("sha256:")):
            raise ValueError(f"{quote(value)} is not a sha256 hash: that is 64 lower-case hexadecimal digits")
    return tuple(kept)


def local_path(url: str) -> str:
    """The path of a `file:` URL.

    Raises:
        ValueError: It names another host.
    """
    parts = urlsplit(url)
    if parts.netloc not in {"", "localhost"}:
        raise ValueError("a file: URL cannot name a host")
    return unquote(parts.path)


def marker_environment(interpreter: Interpreter) -> dict[str, str]:
    """The environment to evaluate markers in: the interpreter's, and `extra` empty.

    `packaging` fills missing keys from the interpreter that runs venvship, which may be another one. So none
    may be missing.
    """
    from packaging.markers import default_environment

    return {**dict.fromkeys(default_environment(), ""), **interpreter.markers, "extra": ""}
