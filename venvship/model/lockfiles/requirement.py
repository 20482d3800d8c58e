"""One requirement of a lockfile, and the rules that hold in every lockfile format."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit
from urllib.parse import quote as percent_encode

from packaging.utils import canonicalize_name
from packaging.version import Version

from venvship.model import bounds
from venvship.model.filename import parse_sdist_filename, parse_wheel_filename, problem_with_filename
from venvship.model.lockfiles.problems import Problems, quote
from venvship.model.source import Source

if TYPE_CHECKING:
    from venvship.model.interpreter import Interpreter

MARKER_ERRORS: Final = (AssertionError, KeyError, ValueError, RecursionError)
"""The errors of `packaging` for a marker that cannot be evaluated; up to 26.2, bare ones as well."""

_LABELS: Final = 3

NO_HASH: Final = "has no hash; write the lockfile with hashes (`pip hash FILE` prints that of one file)"

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|file:", re.IGNORECASE)
"""How a URL begins, as against a path."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NO_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_VARIABLES = re.compile(r"(?:\$\{[A-Z0-9_]+\})+")
_SECRET_PARAMETER = re.compile(
    r"token|secret|passw|signature|credential|bearer|jwt|(?:api|access|private)[-_.]?key"
    r"|(?:^|[-_.])(?:key|pass|pwd|auth|sig|sas|code)(?:$|[-_.])"
)
_TOKEN_USER = re.compile(r"(?:gh[a-z]_|github_pat_|glpat-|gldt-|pypi-|dckr_pat_)|[A-Za-z0-9_\-.]{32,}$")

HASH_DIGITS: Final = {"sha256": 64, "sha384": 96, "sha512": 128}
"""The hashes that a lockfile may pin files by, those that pip takes in `--hash`; each with its length."""

SOURCES: Final = (".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tar.xz")
"""How the name of an archive of source ends, of all those that pip unpacks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    r"""One pinned distribution, as a lockfile gives it.

    Attributes:
        name: Normalised (PEP 503).
        version: Normalised (PEP 440). `None`: the lockfile names an archive of source by its URL, and the
            version comes with the build.
        extras: Normalised, sorted.
        marker: The PEP 508 marker, or `None`.
        hashes: Allowed files, each `"<algorithm>:<hex>"` with an algorithm of `HASH_DIGITS`; sorted, and
            empty only with a `source`. A file is allowed if it has one of them.
        url: The place of the one file, if the lockfile has it: a URL with its `${VAR}`s unexpanded and
            without a fragment, or an absolute local path. `None`: an index knows.
        indexed: Whether the lockfile pins a version, and `url` only tells where its file is: for the wheels
            and source distributions of a pylock file. No `direct_url.json` is written then, as by pip.
        subdirectory: The folder of an archive of source that holds the project; `""`: its top.
        text: Its own lines as they stand in the lockfile, byte for byte up to the last one that is not blank;
            line ends are `\n`, and the last line never ends in a backslash. pip gets it, so that no hash
            can be lost on the way. It is written anew by `line_for_pip` for a relative local path, for hashes
            in capitals, and for a pin that the lockfile has twice with other hashes.
        file: Absolute path of the file that holds it.
        line: Its first line there, from 1; 0 for the project itself, which no lockfile names.
        source: The files that it is built from; `None`: it is fetched.
    """

    name: str
    version: str | None
    extras: tuple[str, ...] = ()
    marker: str | None = None
    hashes: tuple[str, ...]
    url: str | None = None
    indexed: bool = False
    subdirectory: str = ""
    text: str
    file: str
    line: int
    source: Source | None = None

    def __post_init__(self) -> None:
        """Refuse a name that no file of it could have.

        Raises:
            ValueError: The name or the version is too long.
        """
        for value in (self.name, self.version or ""):
            if len(value) > bounds.NAME:
                raise ValueError(
                    f"a name or version of {len(value):,} characters; at most {bounds.NAME} are taken"
                )

    @property
    def is_local(self) -> bool:
        """Whether the lockfile names a file of this host."""
        return self.url is not None and self.url.startswith("/")

    @property
    def label(self) -> str:
        """The pin and its place, as in `django 5.2 (requirements.txt, line 7)`."""
        pin = f"{self.name} {self.version}" if self.version is not None else self.name
        if not self.line:
            return f"{pin} ({self.file})"
        return f"{pin} ({os.path.basename(self.file)}, line {self.line})"

    @property
    def fragment(self) -> str:
        """The fragment of `url` that names the folder, with its `#`."""
        return f"#subdirectory={percent_encode(self.subdirectory)}" if self.subdirectory else ""

    def facts(self) -> dict[str, Any]:
        """The facts that an error about it has for scripts."""
        return {"package": self.name, "version": self.version, "file": self.file, "line": self.line}


def line_for_pip(requirement: Requirement) -> str:
    """Write a requirement as a line for pip."""
    url = requirement.url
    if url is None:
        place = f"=={requirement.version}"
    elif url.startswith("/"):
        place = " @ file://" + percent_encode(url)
    else:
        place = f" @ {url}{requirement.fragment}"
    extras = f"[{','.join(requirement.extras)}]" if requirement.extras else ""
    marker = f" ; {requirement.marker}" if requirement.marker else ""
    hashes = "".join(f" --hash={value}" for value in requirement.hashes)
    return f"{requirement.name}{extras}{place}{marker}{hashes}"


def merged(first: Requirement, second: Requirement) -> Requirement:
    """Make one requirement of two equal pins of one name.

    Layered files repeat a pin, and `poetry export` writes it once without and once with an extra. The extras
    add up. A file must be allowed by both pins, as for pip, so the hashes that both have are left.

    Args:
        first: The pin that was read first.
        second: Another pin of the same name. The markers of both hold.

    Raises:
        ValueError: They differ in the version or the place, or have no hash in common. The message names
            both.
    """
    where = "" if first.file == second.file else f"{first.file} "
    where += f"line {first.line}"
    same = _same_version(first, second)
    places = {(pin.url, pin.subdirectory) for pin in (first, second) if pin.url is not None}
    if not same or len(places) > 1:
        here, there = (
            quote(pin.url + pin.fragment)
            if pin.url is not None and (same or pin.version is None)
            else str(pin.version)
            for pin in (second, first)
        )
        raise ValueError(f"{first.name} is pinned twice: {here} here and {there} in {where}; keep one")
    hashes = tuple(value for value in first.hashes if value in second.hashes)
    if not hashes:
        raise ValueError(
            f"{first.name} is pinned twice, here and in {where}, without a hash in common; no file has both."
            " Keep one, or write both again"
        )
    both = replace(
        first,
        extras=tuple(sorted({*first.extras, *second.extras})),
        hashes=hashes,
        url=first.url or second.url,
        subdirectory=first.subdirectory or second.subdirectory,
    )
    if (both.hashes, both.url) == (first.hashes, first.url):
        return both
    return replace(both, text=line_for_pip(replace(both, marker=None)))


def _same_version(first: Requirement, second: Requirement) -> bool:
    if first.version is None or second.version is None:
        return first.version == second.version and first.url == second.url
    return first.version == second.version or Version(first.version) == Version(second.version)


def add_pin(
    selected: dict[str, Requirement], requirement: Requirement, problems: Problems, but: str = ""
) -> None:
    """Add a requirement to the selected ones, to the equal one that is there, or note that it differs.

    Args:
        selected: By name.
        requirement: The one to add.
        problems: Where the problem goes.
        but: More for the message of that.
    """
    first = selected.setdefault(requirement.name, requirement)
    if first is not requirement:
        try:
            selected[requirement.name] = merged(first, requirement)
        except ValueError as error:
            problems.add(requirement.file, requirement.line, f"{error}{but}")


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
    """The facts that a lockfile has about one file; `version` as in `Requirement`."""

    name: str
    version: str | None
    is_wheel: bool


def parse_filename(filename: str) -> Artifact:
    """Read the file name of a wheel or of a source distribution.

    Raises:
        ValueError: It is neither; the message has the remedy.
    """
    if filename.lower().endswith(".whl"):
        name, version, _, _ = parse_wheel_filename(filename)
        return Artifact(name, str(version), is_wheel=True)
    if filename.endswith((".tar.gz", ".zip")):
        name, version = parse_sdist_filename(filename)
        return Artifact(name, str(version), is_wheel=False)
    raise ValueError(f"{quote(filename)} is neither a wheel nor a source distribution (.whl, .tar.gz, .zip)")


def allowed_artifact(name: str, url: str, filename: str, sdists: Collection[str]) -> Artifact:
    """Read what a lockfile names by URL or path, and refuse source that may not be built.

    A wheel's file name tells project and version. The name of an archive of source tells nothing for
    certain: that of a forge is called after a tag or a commit. The line names the project then.

    Args:
        name: The project, if the lockfile names it; else `""`.
        url: As in `Requirement`.
        filename: The file's name.
        sdists: `[build] sdists`.

    Raises:
        ValueError: It is not allowed. The message goes on after the project's name, or that of the file.
    """
    if not filename.lower().endswith((".whl", *SOURCES)):
        raise ValueError(
            f"is in {quote(filename)}, which is not a wheel, nor an archive of source ({', '.join(SOURCES)});"
            " build a wheel, and pin its URL or path with --hash"
        )
    if problem := problem_with_filename(filename):
        raise ValueError(f"has {problem}")
    if filename.lower().endswith(".whl"):
        try:
            artifact = parse_filename(filename)
        except ValueError as error:
            raise ValueError(f"is in {quote(filename)}, which is no name of a wheel: {error}") from error
        if name and canonicalize_name(name) != artifact.name:
            raise ValueError(f"is not what {quote(filename)} holds, which is {artifact.name}")
        return artifact
    if url.startswith("/"):
        raise ValueError(f"is source ({quote(filename)}); build a wheel of it, and pin the path of that")
    if not name:
        try:
            name = parse_filename(filename).name
        except ValueError as error:
            raise ValueError("does not tell the name of its project; write it as `NAME @ URL`") from error
    if not may_build(name, sdists):
        raise ValueError(
            f"is source ({quote(filename)}), and `[build] sdists` does not allow building"
            f" {canonicalize_name(name)}; pin a wheel, or allow it there"
        )
    return Artifact(canonicalize_name(name), None, is_wheel=False)


def checked_subdirectory(folder: str, artifact: Artifact) -> str:
    """Check the folder in an archive of source that a lockfile names; returns it in its shortest form.

    Raises:
        ValueError: It leads out of the archive, or the file is a wheel. The message goes on after the name.
    """
    if folder and artifact.is_wheel:
        raise ValueError("has a subdirectory, and a wheel has none")
    normal = posixpath.normpath(folder) if folder else "."
    if normal.startswith(("/", "..")) or not normal.isprintable():
        raise ValueError(f"has the subdirectory {quote(folder)}, which leads out of its archive")
    return "" if normal == "." else normal


def check_hashes(hashes: Sequence[str]) -> tuple[str, ...]:
    """Keep the hashes of `HASH_DIGITS`, in lower case, sorted, each once.

    Args:
        hashes: Each `algorithm:hex`, in any case of letters.

    Raises:
        ValueError: There is none to trust; the message has the reason and the remedy.
    """
    if not hashes:
        raise ValueError(NO_HASH)
    lowered = {value.lower() for value in hashes}
    kept = sorted(value for value in lowered if value.partition(":")[0] in HASH_DIGITS)
    if not kept:
        algorithms = sorted({value.partition(":")[0] for value in lowered})
        raise ValueError(
            f"has only {' and '.join(algorithms)} hashes; venvship goes by {', '.join(HASH_DIGITS)}"
        )
    for value in kept:
        algorithm, _, digits = value.partition(":")
        if not re.fullmatch(f"[0-9a-f]{{{HASH_DIGITS[algorithm]}}}", digits):
            raise ValueError(
                f"{quote(value)} is not a {algorithm} hash: that is {HASH_DIGITS[algorithm]} hexadecimal"
                " digits"
            )
    return tuple(kept)


def local_path(url: str) -> str:
    """The path of a `file:` URL.

    Raises:
        ValueError: It names another host, or no path that a file could have.
    """
    parts = urlsplit(url)
    if parts.netloc not in {"", "localhost"}:
        raise ValueError("a file: URL cannot name a host")
    if _NO_ESCAPE.search(parts.path):
        raise ValueError(f"{quote(parts.path)} has a % without two hexadecimal digits after it; write %25")
    try:
        return checked_path(unquote(parts.path, errors="strict"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{quote(parts.path)} is not the name of a file in UTF-8") from error


def local_file(path: str, lockfile: str) -> str:
    """The absolute path of a file that a lockfile names, by a `file:` URL or relative to itself.

    Raises:
        ValueError: No file has that path.
    """
    named = local_path(path) if path.startswith("file:") else path
    return checked_path(os.path.normpath(os.path.join(os.path.dirname(lockfile), named)))


def checked_url(url: str) -> str:
    """Check the URL of one file, and drop its fragment.

    Raises:
        ValueError: It is not one of a web server, or has a secret in it. The message goes on after the name.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or any(c.isspace() or not c.isprintable() for c in url):
        raise ValueError(f"has the URL {quote(url)}; it must begin with https://, http:// or file://")
    secret = secret_in_url(url)
    if secret:
        raise ValueError(
            f"has the URL {quote(url)} with {secret} in it; write ${{VARIABLE}} and set that in the"
            " environment"
        )
    return parts._replace(fragment="").geturl()


def checked_path(path: str) -> str:
    """Refuse a path that no file has, or that would make a mess of a terminal or a text file.

    Raises:
        ValueError: It has a NUL or another control character in it.
    """
    if _CONTROL.search(path):
        raise ValueError(f"{quote(path)} has a control character in it")
    return path


def marker_environment(interpreter: Interpreter) -> dict[str, str]:
    """The environment to evaluate markers in: the interpreter's, and `extra` empty.

    `packaging` fills missing keys from the interpreter that runs venvship, which may be another one. So none
    may be missing.
    """
    from packaging.markers import default_environment

    return {**dict.fromkeys(default_environment(), ""), **interpreter.markers, "extra": ""}
