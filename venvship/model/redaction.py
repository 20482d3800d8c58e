"""Mask the secrets in the output of a program, before any of it is kept or shown."""

from __future__ import annotations

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


class OutputRedactor(Redactor):
    """A `Redactor` for the output of any program, of which nothing is known but its environment.

    The text is one line of bounded length: the expressions here take time by its square, and a program may
    be made to print the text that takes longest.

    It masks besides what an output itself calls a token, a password or the like, and the values of variables
    with such names.

    Args:
        environ: The environment variables of the program.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        found: list[str] = []
        for name, value in environ.items():
            if _SECRET_NAME.search(name) and len(value) >= _SHORTEST_OF_A_NAME:
                found.append(value)
            if "://" in value:
                found += _secrets_of_urls(value)
        super().__init__(environ, values=found)

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
