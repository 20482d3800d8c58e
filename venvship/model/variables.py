"""The variables that hooks, checks and `run` get from the settings: `[env]`, and the file of `env_file`.

The file is one that systemd reads too (`EnvironmentFile=` in systemd.exec(5)), so it is read as systemd does:
`parse_variables` takes the same steps, character by character, as `src/basic/env-file.c` of systemd 254 and
later. No input or output.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from venvship.model.redaction import environ_secrets, has_secret_name, spellings
from venvship.model.toml_table import WrongValueError, strings

SHORTEST_SECRET: Final = 8
"""Characters of a value that is redacted in outputs: to mask every `1` would hide the message too."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_TAKEN = re.compile(r"VENVSHIP_.*|PYTHON.*|PATH|PWD|OLDPWD|VIRTUAL_ENV|__PYVENV_LAUNCHER__", re.DOTALL)

_BLANK: Final = " \t\n\r"
_NEWLINE: Final = "\n\r"
_QUOTES: Final = "'\""
_ESCAPED_IN_QUOTES: Final = '"\\`$'


class Variables(NamedTuple):
    """The variables of the settings, as programs get them.

    Attributes:
        values: By name.
        secrets: The texts to mask in what the programs print.
        tier: The name of the environment that the root is, for `VENVSHIP_TIER`; empty for none.
    """

    values: Mapping[str, str]
    secrets: tuple[str, ...] = ()
    tier: str = ""


NO_VARIABLES: Final = Variables({})


class FileVariables(NamedTuple):
    """The contents of a file of variables.

    Attributes:
        values: By name; of a name that comes twice, the last one.
        taken: The names that were passed over because they are venvship's to set.
        nameless: The numbers of the lines that were passed over because what they assign to is no name.
    """

    values: Mapping[str, str]
    taken: tuple[str, ...]
    nameless: tuple[int, ...]


def is_taken(name: str) -> bool:
    """Whether a variable is venvship's to set: it decides which release and which code a program gets."""
    return _TAKEN.fullmatch(name) is not None


def env_table(value: object) -> Mapping[str, str]:
    """Read `[env]`.

    Raises:
        WrongValueError: It is no table of strings, or has a name that is none or that is venvship's to set.
    """
    return strings(_variable_name, _variable_value)(value)


def _variable_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise WrongValueError("is no name of a variable: letters, digits and '_', and no digit first")
    if is_taken(name):
        raise WrongValueError("is venvship's own to set; remove it here")
    return name


def _variable_value(value: str) -> str:
    if "\0" in value:
        raise WrongValueError("must not contain a NUL character")
    return value


def parse_variables(text: str) -> FileVariables:
    """Read a file of variables, as systemd.exec(5) describes it under `EnvironmentFile=`."""
    values: dict[str, str] = {}
    taken: list[str] = []
    nameless: list[int] = []
    for line, name, value in _Scanner().read(text):
        if not _NAME.fullmatch(name):
            nameless.append(line)  # the number alone: the name may be a piece of a secret
        elif is_taken(name):
            taken.append(name)
        else:
            values[name] = value
    return FileVariables(values, tuple(dict.fromkeys(taken)), tuple(nameless))


def secrets_of(
    env: Mapping[str, str], file: Mapping[str, str], environ: Mapping[str, str] = MappingProxyType({})
) -> tuple[str, ...]:
    """The texts to mask in what programs print.

    Of the file, every value. `[env]` stands in the settings, which others may read, so that masking all of
    its values would hide messages and protect nothing; the values whose name tells of a secret are masked.
    Of the environment of venvship these are masked too, and passwords in URLs.

    Args:
        env: Of `[env]`.
        file: Of the file.
        environ: The environment of venvship, which the programs inherit.
    """
    named = (value for name, value in env.items() if has_secret_name(name))
    found = [*file.values(), *named, *environ_secrets(environ)]
    return spellings(found, least=SHORTEST_SECRET)


class _Scanner:
    """Reads assignments, a character at a time; each method is a state of systemd's parser."""

    def __init__(self) -> None:
        self.found: list[tuple[int, str, str]] = []
        self._state: Callable[[str], None] = self._pre_key
        self._line = self._first = 1
        self._key: list[str] = []
        self._value: list[str] = []
        self._kept = 0  # the length of the value without the blanks at its end

    def read(self, text: str) -> list[tuple[int, str, str]]:
        """Line number, name and value of each assignment."""
        for char in text:
            self._state(char)
            self._line += char == "\n"
        if self._state not in {self._pre_key, self._in_key, self._comment, self._comment_escape}:
            self._end()
        return self.found

    def _pre_key(self, char: str) -> None:
        if char in "#;":
            self._state = self._comment
        elif char not in _BLANK:
            self._state, self._key, self._first = self._in_key, [char], self._line

    def _in_key(self, char: str) -> None:
        if char in _NEWLINE:
            self._state = self._pre_key
        elif char == "=":
            self._state, self._value, self._kept = self._pre_value, [], 0
        else:
            self._key.append(char)

    def _pre_value(self, char: str) -> None:
        """Before a value, and between its quoted parts."""
        if char in _NEWLINE:
            self._end()
        elif char in _QUOTES:
            self._state = self._single if char == "'" else self._double
        elif char == "\\":
            self._state = self._escape
        elif char not in _BLANK:
            self._state = self._unquoted
            self._keep(char)

    def _unquoted(self, char: str) -> None:
        """In a value that began without a quote; quotes are letters like others here."""
        if char in _NEWLINE:
            self._end()
        elif char == "\\":
            self._state, self._kept = self._escape, len(self._value)
        elif char in _BLANK:
            self._value.append(char)
        else:
            self._keep(char)

    def _escape(self, char: str) -> None:
        self._state = self._unquoted
        if char not in _NEWLINE:
            self._keep(char)

    def _single(self, char: str) -> None:
        if char == "'":
            self._state = self._pre_value
        else:
            self._keep(char)

    def _double(self, char: str) -> None:
        if char == '"':
            self._state = self._pre_value
        elif char == "\\":
            self._state = self._double_escape
        else:
            self._keep(char)

    def _double_escape(self, char: str) -> None:
        self._state = self._double
        if char in _ESCAPED_IN_QUOTES:
            self._keep(char)
        elif char != "\n":
            self._keep("\\")
            self._keep(char)

    def _comment(self, char: str) -> None:
        if char == "\\":
            self._state = self._comment_escape
        elif char in _NEWLINE:
            self._state = self._pre_key

    def _comment_escape(self, char: str) -> None:
        self._state = self._pre_key if char in _NEWLINE else self._comment

    def _keep(self, char: str) -> None:
        self._value.append(char)
        self._kept = len(self._value)

    def _end(self) -> None:
        name = "".join(self._key).rstrip(_BLANK)
        self.found.append((self._first, name, "".join(self._value[: self._kept])))
        self._state = self._pre_key
