"""Mask the secrets in the output of a program, before any of it is kept or shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

MASK: Final = "****"

_USERINFO = re.compile(r"(?<=://)(?:[^\s/:@]*:[^\s'\"<>]*|[^\s/]*)@")
"""The user part of a URL. With a colon, it may hold a slash or an `@`: a password that was not escaped."""

_UNESCAPED = re.compile(r"://[^\s/:@]*:([^\s/@]*/[^\s@]*)@")
_QUERY = re.compile(r"((?:://|\burl: )[^\s?#'\"<>]*)\?[^\s#'\"<>)]*")
_HEADER = re.compile(r"(?im)(\b(?:proxy-)?authorization['\"]?\s*[:=]).+$")
_ASSIGNED = re.compile(
    r"(?i)((?:token|secret|passw(?:or)?d|passphrase|api[_-]?key|credential)[\w-]{0,40}[\"']?\s?[=:]\s?)"
    r"(?:\"[^\"]*\"?|'[^']*'?|\S+)"
)
_SECRET_NAME = re.compile(r"(?i)token|secret|passw|passphrase|api_?key|access_?key|private_?key|credential")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")

_SHORTEST_OF_A_NAME: Final = 8
"""Characters of the value of a variable that is a secret by its name: `USE_TOKEN=true` is none."""

_PIECE: Final = 1024
"""Bytes of a long secret that are looked for at once."""

_SHORTEST: Final = 4
"""Characters. A shorter secret is left to the patterns: masking every `a` would hide the message too."""


class Redactor:
    """Masks the secrets in a text, by two nets.

    Patterns mask the user part and the query of every URL: the configuration files of pip and netrc, where
    they may come from, are not read here. Known values are masked wherever they stand, since an error may
    quote a password without its URL.

    Args:
        environ: The environment variables of pip. Passwords in the URLs of `PIP_*` and proxy variables are
            known values.
        texts: Lines of the lockfile. The variables that they expand are known values.
        values: Further known values.
    """

    def __init__(
        self, environ: Mapping[str, str], texts: Iterable[str] = (), *, values: Iterable[str] = ()
    ) -> None:
        found = set(values)
        for name, value in environ.items():
            if name.startswith("PIP_") or name.lower().endswith("_proxy"):
                found.update(_secrets_of_urls(value))
        for text in texts:
            for name in _VARIABLE.findall(text):
                value = environ.get(name, "")
                found.update([value, *_secrets_of_urls(value)])
        spellings = {
            spelling for secret in found for spelling in (secret, unquote(secret), quote(secret, safe=""))
        }
        # The longest first: one secret may be the beginning of another.
        known = sorted((s for s in spellings if len(s) >= _SHORTEST), key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, text: str) -> str:
        """Return the text with `****` in place of everything that may be a secret."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        text = _USERINFO.sub(f"{MASK}@", text)
        text = _QUERY.sub(rf"\1?{MASK}", text)
        return _HEADER.sub(rf"\1 {MASK}", text)


def has_secret_name(name: str) -> bool:
    """Whether the name of a variable says that its value is a secret."""
    return _SECRET_NAME.search(name) is not None


def environ_secrets(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the secrets among environment variables: by the name of the variable, and in URLs.

    Args:
        environ: Names and values.
    """
    for name, value in environ.items():
        if has_secret_name(name) and len(value) >= _SHORTEST_OF_A_NAME:
            yield value
        if "://" in value:
            yield from _secrets_of_urls(value)


def spellings(values: Iterable[str], *, least: int) -> tuple[str, ...]:
    """The texts in which known secrets may stand in an output, the longest first.

    Args:
        values: The secrets. Of one with several lines, each line is a secret; of a URL, its password.
        least: Characters of a secret. A shorter one is left in the output, and a shorter line of one too.
    """
    found: set[str] = set()
    for value in values:
        parts = {value, value.strip(), *value.splitlines(), *map(str.strip, value.splitlines())}
        secrets = {part for part in parts if len(part) >= least}
        if "://" in value:
            secrets |= {secret for secret in _secrets_of_urls(value) if len(secret) >= _SHORTEST}
        for secret in secrets:
            # As it is; as a part of a URL; and as JSON and Python write it in quotes.
            found |= {secret, unquote(secret), quote(secret, safe=""), quote(secret)}
            found |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
            found |= {repr(secret)[1:-1]}
    return tuple(sorted((one for one in found if len(one) >= _SHORTEST), key=len, reverse=True))


class StreamRedactor:
    """Masks known secrets in a stream of bytes, also where a secret comes in several pieces.

    Args:
        secrets: The texts to mask, as `spellings` returns them.

    Attributes:
        longest: Bytes of the longest text that is looked for at once.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        # A long secret is looked for in pieces, so that little has to be held back.
        pieces = {piece for secret in secrets for piece in _pieces(secret.encode(errors="surrogateescape"))}
        self._secrets = sorted(pieces, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(map(re.escape, self._secrets))) if self._secrets else None
        self._held = b""
        self.longest = len(self._secrets[0]) if self._secrets else 0

    def __call__(self, data: bytes) -> bytes:
        """Take the next bytes, and return those that are decided: the rest may begin a secret."""
        if self._pattern is None:
            return data
        data, self._held = self._held + data, b""
        return self._masked(data, more=True)

    def rest(self) -> bytes:
        """The bytes that were held back; nothing comes after them."""
        data, self._held = self._held, b""
        return self._masked(data, more=False) if self._pattern is not None else data

    def found(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Where secrets stand in a text: begin and end of each."""
        if self._pattern is not None:
            yield from (match.span() for match in self._pattern.finditer(data))

    def _masked(self, data: bytes, *, more: bool) -> bytes:
        assert self._pattern is not None
        done: list[bytes] = []
        begin = 0
        for match in self._pattern.finditer(data):
            if more and self._may_grow(data, match.start()):
                break
            done += [data[begin : match.start()], MASK.encode()]
            begin = match.end()
        end = self._undecided(data, begin) if more else len(data)
        self._held = data[end:]
        return b"".join([*done, data[begin:end]])

    def _may_grow(self, data: bytes, start: int) -> bool:
        """Whether what stands at the end of the data may become a longer secret than the one found."""
        left = len(data) - start
        return left < self.longest and any(
            len(secret) > left and secret.startswith(data[start:]) for secret in self._secrets
        )

    def _undecided(self, data: bytes, begin: int) -> int:
        """Where the longest end of the data begins that may be the beginning of a secret."""
        firsts = {secret[0] for secret in self._secrets}
        for start in range(max(begin, len(data) - self.longest + 1), len(data)):
            if data[start] in firsts and self._may_grow(data, start):
                return start
        return len(data)


def masked(text: str, secrets: Iterable[str]) -> str:
    """A text without known secrets; in time that grows with its length only."""
    redactor = StreamRedactor(secrets)
    data = text.encode(errors="surrogateescape")
    return (redactor(data) + redactor.rest()).decode(errors="replace")


def _pieces(secret: bytes) -> Iterator[bytes]:
    """A secret in pieces of bounded length; the last one is the longest, so that none is short."""
    count = max(len(secret) // _PIECE, 1)
    for number in range(count):
        yield secret[number * _PIECE : (number + 1) * _PIECE if number + 1 < count else None]


class OutputRedactor(Redactor):
    """A `Redactor` for the output of any program, of which nothing is known but its environment.

    The text is one line of bounded length: the expressions here take time by its square, and a program may
    be made to print the text that takes longest.

    It masks besides what an output itself calls a token, a password or the like, and the values of variables
    with such names.

    Args:
        environ: The environment variables of the program.
        secrets: Further known values.
    """

    def __init__(self, environ: Mapping[str, str], secrets: Iterable[str] = ()) -> None:
        super().__init__(environ, values=[*secrets, *environ_secrets(environ)])

    def __call__(self, text: str) -> str:
        """Return the text with `****` in place of everything that may be a secret."""
        return _ASSIGNED.sub(rf"\1{MASK}", super().__call__(text))


def _secrets_of_urls(value: str) -> Iterator[str]:
    """Yield passwords, lone user names (tokens mostly) and query values of the URLs in a value."""
    for word in value.split():
        try:
            parts = urlsplit(word)
        except ValueError:
            continue
        yield parts.password or parts.username or ""
        for secret in _UNESCAPED.findall(word):
            yield secret
            yield from secret.split("/")
        yield from (secret for _, secret in parse_qsl(parts.query))
