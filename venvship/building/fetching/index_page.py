"""The page of a project on an index, in both forms of the simple repository API.

The API is that of https://packaging.python.org/en/latest/specifications/simple-repository-api/. A part of the
downloader's process: what comes here has at most `bounds.PAGE` bytes.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from venvship.model import bounds

JSON: Final = "application/vnd.pypi.simple.v1+json"
HTML: Final = ("application/vnd.pypi.simple.v1+html", "text/html")
_KEYS: Final = ("filename", "url", "hashes", "requires-python", "yanked", "size")
ACCEPT: Final = f"{JSON}, {HTML[0]};q=0.2, {HTML[1]};q=0.1"


class Link(NamedTuple):
    """One file that a page of the index lists.

    Attributes:
        filename: Its name.
        url: Its URL, without a fragment.
        hashes: Those that the page tells, each `<algorithm>:<hex>` in lower case.
        requires_python: The Python versions that it is for; `""` for all.
        yanked: Whether it was yanked (PEP 592).
        size: Its bytes (PEP 700); 0 if the page does not tell.
    """

    filename: str
    url: str
    hashes: frozenset[str]
    requires_python: str = ""
    yanked: bool = False
    size: int = 0


class TooManyLinksError(Exception):
    """A page lists more files than any project has; the message says so."""

    def __init__(self) -> None:
        super().__init__(f"its page lists more than {bounds.LINKS:,} files, the most that venvship takes")


def links_of(kind: str, data: bytes | bytearray, encoding: str | None, base: str) -> Iterator[Link]:
    """Read a page.

    Args:
        kind: `JSON` or one of `HTML`.
        data: The page.
        encoding: Of an HTML page, as its `Content-Type` has it.
        base: The URL of the page.

    Raises:
        TooManyLinksError: It lists too many files.
        ValueError, LookupError, TypeError, AttributeError, RecursionError: It has another form.
    """
    if kind != JSON:
        return _html(data, encoding, base)
    # Each file is cut down at once: indexes tell three times as much of it.
    return _bounded(_links_of_json(json.loads(data, object_hook=_needed), base))


def filename_of(url: str) -> str:
    """The name of the file that a URL leads to."""
    return posixpath.basename(unquote(urlsplit(url).path))


def _needed(found: dict[str, object]) -> dict[str, object]:
    if "filename" in found and "url" in found:
        return {name: found[name] for name in _KEYS if name in found}
    return found


def _bounded(links: Iterable[Link]) -> Iterator[Link]:
    for number, link in enumerate(links, start=1):
        if number > bounds.LINKS:
            raise TooManyLinksError
        yield link


def _links_of_json(page: Any, base: str) -> Iterator[Link]:  # noqa: ANN401 - it is checked here
    """The files of a page in the JSON form (PEP 691, 700)."""
    version = str(page["meta"]["api-version"])
    if version.partition(".")[0] != "1":
        raise ValueError(f"version {version} of the API")
    for file in page["files"]:
        size = file.get("size")
        yield Link(
            filename=str(file["filename"]),
            url=urljoin(base, file["url"]),
            hashes=frozenset(f"{name}:{value}".lower() for name, value in file["hashes"].items()),
            requires_python=str(file.get("requires-python") or ""),
            yanked=file.get("yanked", False) is not False,
            size=size if type(size) is int and size > 0 else 0,
        )


def _html(data: bytes | bytearray, encoding: str | None, base: str) -> Iterator[Link]:
    """The files of a page in the HTML form (PEP 503)."""
    page = _Page()
    page.feed(data.decode(encoding or "utf-8", "replace"))
    page.close()
    base = urljoin(base, page.base)
    for attributes in page.anchors:
        target = urlsplit(urljoin(base, attributes["href"]))
        algorithm, equals, digest = target.fragment.partition("=")
        yield Link(
            filename=filename_of(target.geturl()),
            url=urlunsplit(target._replace(fragment="")),
            hashes=frozenset({f"{algorithm}:{digest}".lower()} if equals else ()),
            requires_python=attributes.get("data-requires-python", ""),
            yanked="data-yanked" in attributes,
        )


class _Page(HTMLParser):
    """The anchors of a page, and its base URL."""

    def __init__(self) -> None:
        super().__init__()
        self.base = ""
        self.anchors: list[dict[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an anchor that has a target."""
        if tag not in {"a", "base"}:
            return
        kept = {name: value or "" for name, value in attrs if name in _ATTRIBUTES}
        if tag == "base":
            self.base = self.base or kept.get("href", "")
        elif kept.get("href"):
            if len(self.anchors) == bounds.LINKS:
                raise TooManyLinksError
            self.anchors.append(kept)


_ATTRIBUTES: Final = frozenset({"href", "data-requires-python", "data-yanked"})
