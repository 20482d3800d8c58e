"""Where pip would look for files, read from pip's own settings.

pip takes options from its configuration files, then `PIP_*` variables, each over the ones before
(https://pip.pypa.io/en/stable/topics/configuration/); the lines of the requirements file add to them. If any
of them has a setting that is not understood here, the fetch is left to pip.
"""

from __future__ import annotations

import configparser
import contextlib
import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from venvship.building.fetching.sources import DEFAULT_TIMEOUT, Sources
from venvship.model import bounds
from venvship.system.regular import IrregularFileError, read_regular

DEFAULT_INDEX: Final = "https://pypi.org/simple"

_TIMEOUTS: Final = ("timeout", "default-timeout")
_UNDERSTOOD: Final = frozenset({
    "index-url", "extra-index-url", "no-index", "find-links", "trusted-host", "cert", "client-cert", "proxy",
    "keyring-provider", *_TIMEOUTS,
})  # fmt: skip
_NO_KEYRING: Final = frozenset({"auto", "disabled"})
"""The keyring providers that ask none: nobody is there to be asked, and then `auto` does not either."""
_FLAGS: Final = {
    **dict.fromkeys(("1", "true", "yes", "y", "on", "t"), True),
    **dict.fromkeys(("0", "false", "no", "n", "off", "f"), False),
}
_FILES: Final = (".whl", ".zip", ".tar", ".gz", ".bz2", ".xz", ".tgz")
_PAGES: Final = (".html", ".htm")

_IRRELEVANT: Final = frozenset({
    # How pip runs and prints.
    "break-system-packages", "cache-dir", "config-file", "debug", "disable-pip-version-check", "log",
    "no-cache-dir", "no-color", "no-input", "no-warn-conflicts", "no-warn-script-location", "progress-bar",
    "python", "quiet", "require-virtualenv", "resume-retries", "retries", "root-user-action", "verbose",
    # How it chooses among versions, installs and builds: no matter for a pinned wheel.
    "build-constraint", "compile", "constraint", "ignore-requires-python", "no-build-isolation", "no-compile",
    "pre", "prefer-binary", "require-hashes", "requirement", "upgrade", "upgrade-strategy", "use-pep517",
    "user",
})  # fmt: skip
"""Settings that cannot change where a pinned wheel comes from, or that `pip_environ` overrides."""

_IRRELEVANT_FLAGS: Final = frozenset({"--pre", "--prefer-binary", "--require-hashes"})
_VARIABLE: Final = re.compile(r"\$\{([A-Z0-9_]+)\}")
_SECTIONS: Final = ("global", "download")


class NotPlainError(Exception):
    """Only pip knows where packages come from; the message names the setting, and holds no secret."""


@dataclass(slots=True)
class _Places:
    """Where to look, as pip adds it up."""

    indexes: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    trusted: list[str] = field(default_factory=list)
    no_index: bool = False

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> _Places:
        """Those of the configuration and the variables.

        Raises:
            NotPlainError: `no-index` is neither on nor off.
        """
        flag = settings.get("no-index", "0").lower()
        if flag not in _FLAGS:
            raise NotPlainError("pip is set up with a no-index that is neither true nor false")
        further = settings.get("extra-index-url", "").split()
        return cls(
            indexes=[] if _FLAGS[flag] else [settings.get("index-url", DEFAULT_INDEX), *further],
            links=settings.get("find-links", "").split(),
            trusted=settings.get("trusted-host", "").split(),
            no_index=_FLAGS[flag],
        )

    def take(self, line: str, environ: Mapping[str, str]) -> None:
        """Add an option line of the lockfile.

        Raises:
            NotPlainError: It is another one.
        """
        try:
            words = shlex.split(expanded(line, environ))
        except ValueError:
            words = []
        match words:
            case [flag] if flag in _IRRELEVANT_FLAGS:
                pass
            case ["--no-index"]:
                self.indexes, self.no_index = [], True
            case ["--index-url", url]:
                self.indexes = [] if self.no_index else [url]  # without those of the configuration
            case ["--extra-index-url", url]:
                self.indexes += [] if self.no_index else [url]
            case ["--find-links", where]:
                self.links.append(where)
            case ["--trusted-host", host]:
                self.trusted.append(host)
            case _:
                raise NotPlainError(f"the lockfile has the option {line.split(maxsplit=1)[0]}")


def plain_sources(
    options: Sequence[str], environ: Mapping[str, str], prefixes: Sequence[str], cwd: str
) -> Sources:
    """Find where pip would look.

    The proxies of environment variables and netrc are not read: the downloader takes them from the same
    places as pip.

    Args:
        options: Option lines of a lockfile, as they are given to pip.
        environ: The environment variables of that pip.
        prefixes: Installation prefixes that may have a `pip.conf`: `sys.prefix` of its interpreter.
        cwd: The directory that it runs in.

    Raises:
        NotPlainError: There are settings that are not understood here.
    """
    settings = _configured(environ, prefixes, cwd) | _of_environ(environ)
    for name in settings:
        if name not in _UNDERSTOOD | _IRRELEVANT:
            raise NotPlainError(f"pip is set up with {name}")
    if settings.get("keyring-provider", "auto") not in _NO_KEYRING:
        raise NotPlainError("pip is set up with keyring-provider")
    places = _Places.of(settings)
    for line in options:
        places.take(line, environ)
    found = _connecting(settings, places, cwd)
    for url in places.indexes:
        if problem := found.refusal(url):
            raise NotPlainError(f"the index {problem}")
    pages, folders = _of_links(places.links, found, environ, cwd)
    return found._replace(indexes=_once(places.indexes), pages=_once(pages), folders=_once(folders))


def every_index(
    options: Sequence[str], environ: Mapping[str, str], prefixes: Sequence[str], cwd: str
) -> Sources:
    """Find the indexes that pip asks, as far as they are understood here; none if they are not.

    Enough to see what their pages list. To choose a file, pip's other settings count as well.

    Arguments: `plain_sources`.
    """
    try:
        settings = _configured(environ, prefixes, cwd) | _of_environ(environ)
        places = _Places.of(settings)
        for line in options:
            with contextlib.suppress(NotPlainError):
                places.take(line, environ)
        found = _connecting(settings, places, cwd)
    except NotPlainError:
        return Sources()
    return found._replace(indexes=_once(url for url in places.indexes if not found.refusal(url)))


def _connecting(settings: Mapping[str, str], places: _Places, cwd: str) -> Sources:
    """How to connect, without a place to connect to.

    Raises:
        NotPlainError: The time-out is none, or the proxy is no URL.
    """
    proxy = settings.get("proxy")
    if proxy is not None and urlsplit(proxy).scheme not in {"http", "https"}:
        raise NotPlainError("pip is set up with a proxy that is no URL of http")
    return Sources(
        trusted=_once(host.lower() for host in places.trusted),
        certificates=_path(settings.get("cert"), cwd),
        client_certificate=_path(settings.get("client-cert"), cwd),
        proxy=proxy,
        timeout=_seconds(settings),
    )


def _of_links(
    links: Iterable[str], sources: Sources, environ: Mapping[str, str], cwd: str
) -> tuple[list[str], list[str]]:
    """Tell what `--find-links` names apart: URLs of pages, and folders. What is not there, pip passes over.

    Raises:
        NotPlainError: It is a file, a folder with pages in it, or a URL that only pip may ask.
    """
    pages, folders = [], []
    for link in links:
        scheme = urlsplit(link).scheme
        if scheme in {"http", "https"}:
            if problem := sources.refusal(link):
                raise NotPlainError(f"a URL of find-links {problem}")
            if urlsplit(link).path.endswith(_FILES):
                raise NotPlainError("find-links names a file")
            pages.append(link)
            continue
        named = unquote(urlsplit(link).path) if scheme == "file" else link
        if named.startswith("~/"):
            named = os.path.join(environ.get("HOME") or os.path.expanduser("~"), named[2:])
        path = os.path.join(cwd, named)
        try:
            names = os.listdir(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise NotPlainError(f"find-links: {error.strerror}") from error
        if any(name.lower().endswith(_PAGES) for name in names):
            raise NotPlainError("a folder of find-links has a page in it")
        folders.append(path)
    return pages, folders


def _once(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _path(name: str | None, cwd: str) -> str | None:
    return None if name is None else os.path.join(cwd, os.path.expanduser(name))


def expanded(text: str, environ: Mapping[str, str]) -> str:
    """Replace each `${VAR}` that is set and not empty, as pip does in a requirements file."""
    return _VARIABLE.sub(lambda match: environ.get(match[1]) or match[0], text)


def _of_environ(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix("PIP_").lower().replace("_", "-"): value
        for name, value in environ.items()
        if name.startswith("PIP_") and value
    }


def _seconds(settings: Mapping[str, str]) -> float:
    try:
        seconds = float(next((settings[name] for name in _TIMEOUTS if name in settings), DEFAULT_TIMEOUT))
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise NotPlainError("pip is set up with a timeout that is no number of seconds")
    return seconds


def _configured(environ: Mapping[str, str], prefixes: Sequence[str], cwd: str) -> dict[str, str]:
    """The settings in the configuration files; in a later section they override those in an earlier one."""
    found: dict[str, dict[str, str]] = {section: {} for section in _SECTIONS}
    for path in _files(environ, prefixes, cwd):
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(read_regular(path, bounds.CONFIGURATION).data.decode())
        except IrregularFileError as error:
            raise NotPlainError(f"{path} is not read: {error.strerror}") from error
        except OSError:  # pip passes over it
            continue
        except (configparser.Error, UnicodeDecodeError) as error:
            raise NotPlainError(f"{path} cannot be read") from error
        for section in _SECTIONS:
            if parser.has_section(section):
                found[section] |= {
                    name.lower().replace("_", "-").removeprefix("--"): value or ""
                    for name, value in parser.items(section)
                }
    return {name: value for section in found.values() for name, value in section.items() if value}


def _files(environ: Mapping[str, str], prefixes: Sequence[str], cwd: str) -> Iterator[str]:
    """The configuration files that pip reads, in its order: host's, user's, prefix's, and the one named."""
    named = environ.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return
    if sys.platform == "darwin":
        raise NotPlainError("on macOS only pip knows where its settings are")
    for folder in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep):
        yield os.path.join(folder, "pip", "pip.conf")
    yield "/etc/pip.conf"
    named = named and os.path.join(cwd, named)
    if not (named and os.path.exists(named)):
        home = environ.get("HOME") or os.path.expanduser("~")
        yield os.path.join(home, ".pip", "pip.conf")
        yield os.path.join(environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config"), "pip", "pip.conf")
    for prefix in prefixes:
        yield os.path.join(prefix, "pip.conf")
    if named:
        yield named
