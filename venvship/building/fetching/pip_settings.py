"""The one index that pip would ask, read from pip's own settings.

pip takes options from its configuration files, then `PIP_*` variables, then the requirements file, each over
the ones before (https://pip.pypa.io/en/stable/topics/configuration/). If any of them has a setting that is
not understood here, the fetch is left to pip.
"""

from __future__ import annotations

import configparser
import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from venvship.model import bounds
from venvship.system.regular import IrregularFileError, read_regular

DEFAULT_INDEX: Final = "https://pypi.org/simple"
DEFAULT_TIMEOUT: Final = 15.0

_INDEX: Final = "index-url"
_FURTHER: Final = "extra-index-url"
_CERTIFICATES: Final = "cert"
_TIMEOUTS: Final = ("timeout", "default-timeout")

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


class Index(NamedTuple):
    """The index, and how to connect to it.

    Attributes:
        url: Of its simple API, with the credentials that the settings have.
        certificates: A file of certificates to trust, or `None` for the usual ones.
        timeout: Seconds to wait for a connection, and for the next bytes.
    """

    url: str
    certificates: str | None = None
    timeout: float = DEFAULT_TIMEOUT


class NotPlainError(Exception):
    """Only pip knows where packages come from; the message names the setting, and holds no secret."""


def plain_index(
    options: Sequence[str], environ: Mapping[str, str], prefixes: Sequence[str], cwd: str
) -> Index:
    """Find the one index that pip would ask.

    Proxies and netrc are not read: the downloader takes them from the same places as pip.

    Args:
        options: Option lines of a lockfile, as they are given to pip.
        environ: The environment variables of that pip.
        prefixes: Installation prefixes that may have a `pip.conf`: `sys.prefix` of its interpreter.
        cwd: The directory that it runs in.

    Raises:
        NotPlainError: There are further indexes, or settings that are not understood here.
    """
    settings = _configured(environ, prefixes, cwd) | _of_environ(environ)
    for line in options:
        settings |= _line(line, environ)
    for name in settings:
        if name not in {_INDEX, _CERTIFICATES, *_TIMEOUTS, *_IRRELEVANT}:
            raise NotPlainError(f"pip is set up with {name}")
    url = settings.get(_INDEX, DEFAULT_INDEX)
    if problem := refusal(url):
        raise NotPlainError(f"the index {problem}")
    return Index(url, settings.get(_CERTIFICATES), _seconds(settings))


def every_index(
    options: Sequence[str], environ: Mapping[str, str], prefixes: Sequence[str], cwd: str
) -> tuple[Index, ...]:
    """Find the indexes that pip asks, as far as they are understood here.

    Enough to see what their pages list. To choose a file, pip's other settings count as well.

    Arguments: `plain_index`.
    """
    try:
        settings = _configured(environ, prefixes, cwd) | _of_environ(environ)
        timeout = _seconds(settings)
        further = settings.get(_FURTHER, "").split()
        for line in options:
            match shlex.split(expanded(line, environ)):
                case ["--index-url", url]:
                    settings[_INDEX] = url
                case ["--extra-index-url", url]:
                    further.append(url)
                case ["--no-index"]:
                    return ()
    except (NotPlainError, ValueError):
        return ()
    if "no-index" in settings:
        return ()
    urls = dict.fromkeys([settings.get(_INDEX, DEFAULT_INDEX), *further])
    return tuple(Index(url, settings.get(_CERTIFICATES), timeout) for url in urls if not refusal(url))


def expanded(text: str, environ: Mapping[str, str]) -> str:
    """Replace each `${VAR}` that is set and not empty, as pip does in a requirements file."""
    return _VARIABLE.sub(lambda match: environ.get(match[1]) or match[0], text)


def refusal(url: str) -> str | None:
    """Why a URL is left to pip; `None` if it is not. The reason goes on after the URL's name.

    pip takes files from an `http:` index on another host only if that is trusted. With a user name without a
    password, it asks a keyring.
    """
    try:
        parts = urlsplit(url)
        host, user, password = parts.hostname or "", parts.username, parts.password
        _ = parts.port  # raises if it is no number, as after a password with a slash in it
    except ValueError:
        return "is not a URL"
    if re.search(r"\s", url) or "@" in parts.path:
        return "is not a URL, or one with a password that is not escaped"
    local = host in {"localhost", "::1"} or re.fullmatch(r"127(\.[0-9]{1,3}){3}", host)
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        return "is not one of https"
    if user and not password:
        return "has a user without a password"
    return None


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


def _line(line: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The settings in one option line of a lockfile."""
    try:
        words = shlex.split(expanded(line, environ))
    except ValueError:
        words = []
    match words:
        case [flag] if flag in _IRRELEVANT_FLAGS:
            return {}
        case ["--index-url", url]:
            return {_INDEX: url}
        case _:
            raise NotPlainError(f"the lockfile has the option {line.split(maxsplit=1)[0]}")


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
