"""The body of an HTTP answer, piece by piece and up to a bound. A part of the downloader's process.

`requests` would decode an answer itself, and a few KiB of it can become GiBs, with an older urllib3 in one
piece. It would also read the bodies of redirects whole. So nothing is decoded but gzip, which the downloader
asks for, and never more than a piece at a time.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

import requests

PIECE: Final = 256 << 10
"""Bytes of a body that are held at once."""

_GZIP: Final = 16 + zlib.MAX_WBITS


class OneAnswerSession(requests.Session):
    """A session that follows no redirects. `requests` reads the body of a redirect whole, even unfollowed."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        """Hide the target from `requests`; `target_of` has it."""
        return None

    def target_of(self, response: requests.Response) -> str | None:
        """The URL that an answer redirects to, perhaps relative; `None` if it is no redirect."""
        return super().get_redirect_target(response)


class NotDecodedError(Exception):
    """The body is encoded in a way that was not asked for, or is cut short; the message says which."""


def raw_body(response: requests.Response) -> Iterator[bytes]:
    """The bytes of a body as they come over the line.

    Raises:
        requests.RequestException: The connection broke, or was silent for too long.
    """
    # Without this header nothing in requests or urllib3 decodes.
    response.raw.headers.pop("Content-Encoding", None)
    yield from response.iter_content(PIECE)


def decoded_body(response: requests.Response) -> Iterator[bytes]:
    """The bytes of a body, after decompression.

    Raises:
        NotDecodedError: It is encoded otherwise than by gzip, or its compressed data is broken.
        requests.RequestException: The connection broke, or was silent for too long.
    """
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    body = raw_body(response)
    if encoding in {"", "identity"}:
        yield from body
        return
    if encoding not in {"gzip", "x-gzip"}:
        raise NotDecodedError(f"the index answers in the encoding {encoding[:40]!r}")
    decoder = zlib.decompressobj(_GZIP)
    for received in body:
        left = received
        while left and not decoder.eof:
            try:
                piece = decoder.decompress(left, PIECE)
            except zlib.error as error:
                raise NotDecodedError(f"the answer of the index is no gzip: {error}") from error
            left = decoder.unconsumed_tail
            yield piece
    if not decoder.eof:
        raise NotDecodedError("the answer of the index is cut short")


def announced_length(response: requests.Response) -> int | None:
    """The bytes that the body will have by its `Content-Length`; `None` if there is none that makes sense."""
    value = response.headers.get("Content-Length", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else None
