"""The targets of http and tcp checks, taken apart. No input or output."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from venvship.model.redaction import MASK


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where an http check asks, and for which resource. `network_worker` gets it.

    Attributes:
        resource: Path and query, as they stand in the request line.
        shown: The URL for people, without the query: it may hold a secret, and the journal shows it.
        host: Name or address; empty for a Unix socket.
        socket: Path of a Unix socket; empty for TCP.
        host_header: The `Host` field.
    """

    resource: str
    shown: str
    host: str = ""
    port: int = 0
    socket: str = ""
    host_header: str = "localhost"
    tls: bool = False


def parse_endpoint(url: str) -> Endpoint:
    """Read the target of an http check.

    Args:
        url: `http://host:port/path`, `https://…`, or, for a Unix socket, `unix:/path/to.sock` or
            `unix:/path/to.sock:/path` (with or without `http://` before it).

    Raises:
        ValueError: It is none of these.
    """
    local = url.removeprefix("http://")
    if local.startswith("unix:/"):
        path, _, resource = local.removeprefix("unix:").partition(":/")
        return Endpoint(resource=_resource("/" + resource, ""), shown=_without_query(local), socket=path)
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"not a URL for an http check: {url!r}")
    host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode()
    if not all(33 <= ord(letter) < 127 for letter in host):
        raise ValueError(f"not a host name: {host!r}")
    place = f"[{host}]" if ":" in host else host
    place += "" if parts.port is None else f":{parts.port}"
    tls = parts.scheme == "https"
    return Endpoint(
        resource=_resource(parts.path, parts.query),
        shown=_without_query(f"{parts.scheme}://{place}{parts.path}?{parts.query}"),
        host=host,
        port=parts.port or (443 if tls else 80),
        host_header=place,
        tls=tls,
    )


def parse_address(text: str) -> tuple[str, int]:
    """Read `host:port` or `[IPv6 address]:port`.

    Raises:
        ValueError: It is neither.
    """
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"not host:port: {text!r}")
    return host, int(port)


def _without_query(url: str) -> str:
    before, mark, query = url.partition("?")
    return f"{before}?{MASK}" if mark and query else before


def _resource(path: str, query: str) -> str:
    # The letters that may stand in a request line; "%" because the user has escaped what needs it.
    safe = "/:@!$&'()*+,;=~-._%"
    return quote(path or "/", safe=safe) + ("?" + quote(query, safe=safe + "?") if query else "")
