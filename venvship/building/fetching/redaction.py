"""Taking secrets out of what pip prints, before anything of it is kept or shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

MASK: Final = "****"

_USERINFO = re.compile(r"(?<=://)(?:[^\s/:@]*:[^\s'\"<>]*|[^\s/]*)@")
"""Of a URL. With a colon it may have a slash or an `@` in it: a password that nobody escaped."""

_UNESCAPED = re.compile(r"://[^\s/:@]*:([^\s/@]*/[^\s@]*)@")
_QUERY = re.compile(r"((?:://|\burl: )[^\s?#'\"<>]*)\?[^\s#'\"<>)]*")
_HEADER = re.compile(r"(?im)(\b(?:proxy-)?authorization['\"]?\s*[:=]).+$")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")

_SHORTEST: Final = 4
"""A secret shorter than this is left to the patterns: masking every `a` would hide the message too."""


class Redactor:
    """Masks what may be secret in a text.

    Two nets. Patterns take the user part and the query of every URL, wherever they come from: the
    configuration files of pip and netrc are not read by us. Known values are masked wherever they stand,
    since an error may quote a password without its URL.

    Args:
        environ: The environment of pip. Passwords in the URLs of its `PIP_*` and proxy variables are known
            values.
        texts: Lines of the lockfile; the variables that they expand are known values.
    """

    def __init__(self, environ: Mapping[str, str], texts: Iterable[str] = ()) -> None:
        found: set[str] = set()
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
        """Return the text with `****` where a secret may have been."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        text = _USERINFO.sub(f"{MASK}@", text)
        text = _QUERY.sub(rf"\1?{MASK}", text)
        return _HEADER.sub(rf"\1 {MASK}", text)


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
