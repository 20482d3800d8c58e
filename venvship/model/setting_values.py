"""Readers of single settings: each takes a parsed TOML value and returns the setting, or refuses it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from venvship.model.lock_kinds import is_tool_lock
from venvship.model.toml_table import (
    WrongValueError,
    each,
    integer,
    line,
    number,
    one_of,
    string,
    strings,
    table_of,
)

WEEK: Final = 7 * 86400.0
"""The longest duration, in seconds."""

seconds: Final = number(WEEK, zero=False)
"""Reads a duration."""

RESERVED_CHECK_NAMES: Final = frozenset({"prepare", "restart", "notify", "fetch", "build", "generate"})
"""Names of other outputs in a release's log folder, where a check's output is `<name>.txt`."""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_CHECK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_NAME_PATTERN = re.compile(r"[A-Za-z0-9*][A-Za-z0-9._*-]*", re.ASCII)
_PYTHON_VERSION = re.compile(r"\d{1,3}\.\d{1,3}(?:\.\d{1,3})?", re.ASCII)
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_FIELD = re.compile("[ -~\t\xa0-\xff]*")
_TCP = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[^\s:\[\]/]+):(\d{1,5})", re.ASCII)


def python_choice(value: object) -> str:
    """Read a Python version, or the absolute path of an interpreter.

    Raises:
        WrongValueError: Anything else.
    """
    if isinstance(value, float):
        raise WrongValueError(f'must be a string: write "{value}" in quotes, or 3.10 would be read as 3.1')
    text = line(4096)(value)
    if not _PYTHON_VERSION.fullmatch(text) and not text.startswith("/"):
        raise WrongValueError(f'must be a version such as "3.11", or an absolute path, not {text!r}')
    return text


def lockfile_names(value: object) -> tuple[str, ...]:
    """Read one file name, or an array of them that make up one lockfile.

    Raises:
        WrongValueError: Anything else.
    """
    if isinstance(value, str):
        return (path(value),)
    files = each(path, "a file name, or an array of them", least=1)(value)
    for index, file in enumerate(files):
        if len(files) > 1 and (file.endswith(".toml") or is_tool_lock(file)):
            raise WrongValueError(
                f"{file} stands alone; only requirements files can be several", f"[{index}]"
            )
        if file in files[:index]:
            raise WrongValueError("is listed twice", f"[{index}]")
    return files


def path(value: object) -> str:
    """Read a path; it is not looked at.

    Raises:
        WrongValueError: Anything else.
    """
    text = string(value)
    if "\n" in text or "\r" in text:
        raise WrongValueError("must not contain a line break")
    return text


def extended_file(value: object) -> str:
    """Read the path of a file with further settings; it is not looked at.

    Raises:
        WrongValueError: It is no path, or one of a home directory: venvship expands none, since cron and a
            shell may have different ones.
    """
    text = path(value)
    if text.startswith("~"):
        raise WrongValueError("is not expanded: write the whole path, or ./~ for a file of such a name")
    return text


def index_table(value: object) -> Mapping[str, str]:
    """Read indexes by patterns for the names of packages, normalised.

    Raises:
        WrongValueError: It is no table of strings, or one is no pattern for names, or no index.
    """
    return strings(_name_pattern, _index)(value)


def groups_table(value: object) -> Mapping[str, tuple[str, ...]]:
    """Read groups of packages by their names, each an array of patterns, normalised.

    Raises:
        WrongValueError: It is no table, or one is no array of patterns for names.
    """
    return table_of(each(_pattern_string, "an array of names", least=1))(value)


def _pattern_string(value: object) -> str:
    return _name_pattern(string(value))


def _name_pattern(name: str) -> str:
    if not _NAME_PATTERN.fullmatch(name):
        raise WrongValueError("is no name of a package, nor a pattern such as shop-*")
    return re.sub(r"[-_.]+", "-", name).lower()


def _index(value: str) -> str:
    text = path(value)
    if "://" not in text:
        return text
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.scheme not in {"http", "https"} or re.search(r"\s", text):
        raise WrongValueError("must be the URL of an index, with https:// or http://, or a folder")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise WrongValueError("must have no user, password or query: pip has them from its own settings")
    return text


def git_ref(value: object) -> str:
    """Read the name of a commit: a branch, a tag, an id, or an expression such as `HEAD~1`.

    Raises:
        WrongValueError: Anything else.
    """
    text = line(250)(value)
    if problem := problem_with_ref(text):
        raise WrongValueError(problem)
    return text


def problem_with_ref(text: str) -> str:
    """What keeps a text from being the name of a commit, for people; empty for nothing.

    git takes a name that begins with a hyphen for an option, and `A:B` for a file.
    """
    if text.startswith("-"):
        return "must not begin with a hyphen"
    if not text or not text.isprintable() or any(char in text for char in " :?*[\\"):
        return f"must be a branch, a tag or a commit, not {text!r}"
    return ""


def checkout_file(value: object) -> str:
    """Read the path of a file in a checkout, relative; it does not lead out of it.

    Raises:
        WrongValueError: Anything else.
    """
    text = path(value)
    normal = posixpath.normpath(text)
    if normal.startswith("/") or normal.split("/")[0] in {"..", "."}:
        raise WrongValueError(f"must be a path in the checkout, relative to `path`, not {text!r}")
    return normal


def checkout_files(value: object) -> tuple[str, ...]:
    """Read one path of a file in a checkout, or an array of them.

    Raises:
        WrongValueError: Anything else.
    """
    if isinstance(value, str):
        return (checkout_file(value),)
    return each(checkout_file, "a file name, or an array of them")(value)


def pattern(value: object) -> str:
    """Read a pattern for names of files, as of `.gitignore`.

    Raises:
        WrongValueError: Anything else.
    """
    # Late: it compiles an expression, and most roots have no pattern.
    from venvship.model.patterns import problem_with_pattern

    text = line(1000)(value)
    if problem := problem_with_pattern(text):
        raise WrongValueError(problem)
    return text


def shared_names(value: object) -> tuple[str, ...]:
    """Read an array of names in the project, none of them in another one.

    Raises:
        WrongValueError: Anything else.
    """
    names = each(checkout_file, "an array of names")(value)
    for name in names:
        for other in names:
            if name.startswith(f"{other}/"):
                raise WrongValueError(f"must not have both {other!r} and {name!r}, which is in it")
    return names


def windows(value: object) -> tuple[str, ...]:
    """Read one window of `update`, or an array of them.

    Raises:
        WrongValueError: Anything else.
    """
    if isinstance(value, str):
        return (_window(value),)
    return each(_window, "a window, or an array of them")(value)


def _window(value: object) -> str:
    # Late: most roots have none.
    from venvship.model.window import parse_window

    text = line(100)(value)
    try:
        parse_window(text)
    except ValueError as error:
        raise WrongValueError(f"must be {error}") from None
    return text


def command(value: object) -> tuple[str, ...]:
    """Read an array of arguments that begins with a program.

    Raises:
        WrongValueError: Anything else.
    """
    if isinstance(value, str):
        raise WrongValueError(
            'must be an array of arguments, such as ["/usr/bin/systemctl", "restart", "x"], never a string'
        )
    arguments = each(_argument, "an array of arguments", least=1)(value)
    if not arguments[0]:
        raise WrongValueError("must name a program", "[0]")
    return arguments


def _argument(value: object) -> str:
    return "" if value == "" else string(value)


def name(value: object) -> str:
    """Read a name as packages, extras and groups have it.

    Raises:
        WrongValueError: Anything else.
    """
    text = string(value)
    if not _NAME.fullmatch(text):
        raise WrongValueError(f"must be a name of letters, digits, '.', '_' and '-', not {text!r}")
    return text


def normalised_name(value: object) -> str:
    """Read a package's name, normalised as PEP 503 has it.

    Raises:
        WrongValueError: Anything else.
    """
    return re.sub(r"[-_.]+", "-", name(value)).lower()


def normalised_name_or_all(value: object) -> str:
    """Read a package's name, normalised, or `"*"` for all.

    Raises:
        WrongValueError: Anything else.
    """
    return "*" if value == "*" else normalised_name(value)


def optimisation_levels(value: object) -> tuple[int, ...]:
    """Read bytecode optimisation levels; they come ascending, each once.

    Raises:
        WrongValueError: Anything else.
    """
    return tuple(sorted(set(each(integer(0, 2), "an array of levels", least=1)(value))))


def check_name(value: object) -> str:
    """Read the name of a check, which is also the name of its output file.

    Raises:
        WrongValueError: Anything else.
    """
    text = string(value)
    if not _CHECK_NAME.fullmatch(text):
        raise WrongValueError(
            "must be at most 64 letters, digits, '.', '_' and '-', beginning with a letter or digit: "
            "it names a file of output"
        )
    if text.lower() in RESERVED_CHECK_NAMES:
        raise WrongValueError(f"must not be {text!r}: that output file has another owner")
    return text


def module_name(value: object) -> str:
    """Read the dotted name of a module.

    Raises:
        WrongValueError: Anything else.
    """
    text = string(value)
    if not all(part.isidentifier() for part in text.split(".")):
        raise WrongValueError(f"must be a module name such as 'shop.wsgi', not {text!r}")
    return text


def http_url(value: object) -> tuple[str, ...]:
    """Read the URL of an http check: the one target of it.

    Raises:
        WrongValueError: Anything else.
    """
    url = line(4096)(value)
    if " " in url:
        raise WrongValueError("must not contain a blank")
    if url.startswith("unix:"):
        if not url.startswith("unix:/"):
            raise WrongValueError(
                "must name an absolute path after unix:, as in unix:/run/shop.sock:/healthz"
            )
        return (url,)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise WrongValueError(f"must be a URL: {error}") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise WrongValueError("must be a URL that begins with http:// or https:// and a host, or with unix:/")
    if parts.username is not None:
        raise WrongValueError("must not contain a user name or password")
    return (url,)


def url_path(value: object) -> str:
    """Read the path of a URL, with its query.

    Raises:
        WrongValueError: Anything else.
    """
    text = line(4096)(value)
    if not text.startswith("/") or " " in text:
        raise WrongValueError("must begin with / and contain no blank, as in /healthz")
    return text


def status_codes(value: object) -> tuple[int, ...]:
    """Read one HTTP status code, or several.

    Raises:
        WrongValueError: Anything else.
    """
    code = integer(100, 599)
    if not isinstance(value, list | tuple):
        return (code(value),)
    codes = each(code, "a status code, or an array of them", least=1)(value)
    for index, one in enumerate(codes):
        if one in codes[:index]:
            raise WrongValueError("is listed twice", f"[{index}]")
    return codes


def http_headers(value: object) -> Mapping[str, str]:
    """Read the header fields of a request.

    Raises:
        WrongValueError: It is no table of strings, or has a field that a request cannot have.
    """
    fields = strings(_header_name, _header_value)(value)
    seen: set[str] = set()
    for name in fields:
        if name.lower() in seen:
            raise WrongValueError("is there already, in other letters", f".{name}")
        seen.add(name.lower())
    return fields


def _header_name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise WrongValueError("is no name of a header field")
    if name.lower() in {"content-length", "transfer-encoding"}:
        raise WrongValueError("announces a body, which the request does not have")
    return name


def _header_value(value: str) -> str:
    if not _FIELD.fullmatch(value) or value != value.strip():
        raise WrongValueError(
            "must be one line of Latin-1 letters, without blanks at its ends: such as 'shop.example.com'"
        )
    return value


def audit_target(value: object) -> tuple[str, ...]:
    """Read which known vulnerabilities an audit check fails on: the one target of it.

    Raises:
        WrongValueError: Anything else.
    """
    return (one_of("all", "fixable")(value),)


def tcp_address(value: object) -> tuple[str, ...]:
    """Read the `host:port` of a tcp check: the one target of it.

    Raises:
        WrongValueError: Anything else.
    """
    address = string(value)
    match = _TCP.fullmatch(address)
    if not match or not 1 <= int(match[1]) <= 65535:
        raise WrongValueError('must be "host:port", such as "127.0.0.1:8000" or "[::1]:8000"')
    return (address,)
