"""Which server did not serve a page or a file, and why, from pip's output and its debug log."""

from __future__ import annotations

import re
from typing import Final

from packaging.utils import canonicalize_name

from venvship.building.fetching.diagnosis import NAME, Diagnosis
from venvship.errors import DistributionNotFoundError, IndexUnreachableError

_SEARCH = re.compile(rf"location\(s\) to search for versions of {NAME}:")
_UNSERVED = re.compile(r"Could not fetch URL (\S+): (.*) - skipping")
_STATUS = re.compile(r"HTTP error (\d{3})|\b([45]\d\d) (?:Client|Server) Error")
_NO_ANSWER = re.compile(
    r"Max retries exceeded|timed out|Connection(?:Error|Reset| aborted| refused)|IncompleteRead"
    r"|ProtocolError|ProxyError|SSLError|Name or service not known|name resolution"
)
_NETWORK = re.compile(r"(?m)^error: (?:connection|ssl|proxy|incomplete)-[a-z-]+$\n\s*((?:.*\S.*(?:\n|\Z))+)")
"""An error of pip 26.3 and later about one file: a mark and a text with its URL, a mark and the reason."""

_CERTIFICATE = re.compile(r"certificate verify failed: (.+?)\.? \(_ssl\.c")
_URL = re.compile(r"https?://[^\s'\",)]+")

_REFUSED: Final = "its certificate is not valid here: "
_REASON_CHARACTERS: Final = 200


def index_outage(debug: str) -> Diagnosis | None:
    """The diagnosis for a page that an index did not serve, also where pip went on without it and ended well.

    pip then takes an older version, or the file of another index. 403 does not count: some indexes answer so
    for packages that they do not have.
    """
    outage = next((page for page in unserved_pages(debug) if _status(page[1]) != 403), None)
    return outage and unreachable(*outage)


def search_for(debug: str, name: str) -> str:
    """The part of a debug log that tells of pip's search for one project, on all indexes and pages."""
    _, *parts = _SEARCH.split(debug)
    names, texts = parts[::2], parts[1::2]
    return "".join(text for found, text in zip(names, texts, strict=True) if canonicalize_name(found) == name)


def unserved_pages(debug: str) -> list[tuple[str, str]]:
    """The URLs of pages that could not be had, with the reason; 404 and 410 are answers."""
    return [page for page in _UNSERVED.findall(debug) if _status(page[1]) not in {404, 410}]


def failed_download(output: str) -> Diagnosis | None:
    """The diagnosis for a request that ended pip, if one did."""
    if match := _NETWORK.search(output):
        text = " ".join(re.sub(r"^\W*? (?=\S)", "", line).strip() for line in match[1].splitlines())
        # The last URL: the text about a proxy begins with that of the proxy.
        *_, url = _URL.findall(text) or [""]
        before, _, after = text.rpartition(url) if url else (text, "", "")
        return _unserved(url or "a file", _certificate(text) or after.strip() or before)
    lines = [line for line in output.splitlines() if _STATUS.search(line) or _NO_ANSWER.search(line)]
    if not lines:
        return None
    urls = _URL.findall("\n".join(lines)) or _URL.findall(output) or ["a file"]
    if _status(lines[-1]) in {404, 410}:
        return Diagnosis(
            kind=DistributionNotFoundError,
            message=f"the file is not there any more: {urls[-1]}",
            hint="lock again, or ask the operator of the index",
        )
    return unreachable(urls[-1], lines[-1])


def unreachable(url: str, text: str, *names: str) -> Diagnosis:
    """The diagnosis for a URL that was not served.

    Args:
        url: The URL.
        text: The words of pip about it.
        names: The normalised names of the packages concerned.
    """
    if reason := _certificate(text):
        return _unserved(url, reason, *names)
    # The innermost cause: `…: Read timed out.")`, `(Caused by ResponseError('too many 503 error responses'))`
    cause = text.partition(" for url")[0].rstrip(" '\")")
    return _unserved(url, re.split(r"[>)]: |['\"]", cause)[-1], *names)


def _unserved(url: str, reason: str, *names: str) -> Diagnosis:
    hint = "see whether the index is up and pip's settings (index-url, proxy, cert, credentials) are right"
    if reason.startswith(_REFUSED):
        hint = (
            "ask who runs the server for a valid certificate, or name the authority that signed it in pip's "
            "setting `cert`; see also whether the clock of this host is right"
        )
    return Diagnosis(
        kind=IndexUnreachableError,
        message=f"the package index did not serve {url}: {reason[-_REASON_CHARACTERS:]}",
        hint=hint,
        names=names,
        data={"url": url},
    )


def _certificate(text: str) -> str:
    """The reason for which a certificate was not taken; empty if there is none in an error's text."""
    match = _CERTIFICATE.search(text)
    return f"{_REFUSED}{match[1]}" if match else ""


def _status(text: str) -> int:
    match = _STATUS.search(text)
    return int(match[1] or match[2]) if match else 0
