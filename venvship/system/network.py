"""Asking a service a question over the network, and not waiting for longer than agreed.

The time-outs of the standard library are for one system call each: a server that sends a byte a second never
runs into them. Here every wait ends at one moment that was fixed before the first one, and looks up ten times
a second for a reason to give up earlier.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import io
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Any, Final, TypeVar, cast
from urllib.parse import quote, unquote, urlsplit

from venvship.system.signals import TICK

T = TypeVar("T")

MAX_BODY: Final = 1 << 20
"""How many bytes of a body are read."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one exchange may take.

    Attributes:
        until: Its end, as `time.monotonic` counts.
        poll: Called ten times a second while waiting; what it raises ends the exchange.
    """

    until: float
    poll: Callable[[], None]

    @classmethod
    def lasting(cls, seconds: float, poll: Callable[[], None]) -> Patience:
        """From now on, for so many seconds."""
        return cls(time.monotonic() + seconds, poll)

    def pause(self) -> float:
        """How long to wait now, in seconds.

        Raises:
            TimeoutError: The time is over.
        """
        self.poll()
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return min(left, TICK)

    def share(self, parts: int) -> Patience:
        """The first of so many equal parts of what is left."""
        now = time.monotonic()
        return Patience(now + (self.until - now) / parts, self.poll)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where an http check asks, and what for.

    Attributes:
        host: Name or address; empty for a Unix socket.
        port: TCP port.
        socket_path: Of a Unix socket; empty for TCP.
        request: What stands in the request line: path and query.
        host_header: The `Host` field.
        tls: Whether it is https.
        authorization: The `Authorization` field, from `user:password@` in the URL; or empty.
        shown: The URL for people, without a password.
    """

    host: str
    port: int
    socket_path: str
    request: str
    host_header: str
    tls: bool
    authorization: str
    shown: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said.

    Attributes:
        status: The status code.
        head: Status line and header fields, for a log.
        body: Its first `MAX_BODY` bytes.
    """

    status: int
    head: str
    body: bytes


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
        path, _, request = local.removeprefix("unix:").partition(":/")
        return Endpoint(
            host="",
            port=0,
            socket_path=path,
            request=_request("/" + request, ""),
            host_header="localhost",
            tls=False,
            authorization="",
            shown=local,
        )
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"not a URL for an http check: {url!r}")
    host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode()
    if not all(33 <= ord(letter) < 127 for letter in host):
        raise ValueError(f"not a host name: {host!r}")
    place = f"[{host}]" if ":" in host else host
    place += "" if parts.port is None else f":{parts.port}"
    authorization = ""
    if parts.username is not None:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        authorization = "Basic " + base64.b64encode(secret).decode()
    return Endpoint(
        host=host,
        port=parts.port or (443 if parts.scheme == "https" else 80),
        socket_path="",
        request=_request(parts.path, parts.query),
        host_header=place,
        tls=parts.scheme == "https",
        authorization=authorization,
        shown=f"{parts.scheme}://{place}{parts.path}" + (f"?{parts.query}" if parts.query else ""),
    )


def parse_address(text: str) -> tuple[str, int]:
    """Read `host:port` or `[IPv6 address]:port`.

    Raises:
        ValueError: It is neither.
    """
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdigit():
        raise ValueError(f"not host:port: {text!r}")
    return host, int(port)


def get(endpoint: Endpoint, patience: Patience) -> Answer:
    """Send one GET request, and read the answer. No proxies, no redirects, no second try.

    Raises:
        OSError: No connection, none that is trusted, or not in time (`TimeoutError`).
        http.client.HTTPException: The answer is not HTTP, or ended early.
    """
    if endpoint.socket_path:
        sock = _connect(socket.AF_UNIX, endpoint.socket_path, patience)
    else:
        sock = connect(endpoint.host, endpoint.port, patience)
    with contextlib.ExitStack() as stack:
        channel = Channel(sock, patience)
        stack.callback(channel.close)
        if endpoint.tls:
            channel.start_tls(endpoint.host)
        channel.sendall(_request_bytes(endpoint))
        # The response only ever calls `makefile` of what it is given.
        response = HTTPResponse(cast("socket.socket", channel), method="GET")
        stack.callback(response.close)
        try:
            response.begin()
            body = response.read(MAX_BODY)
        except OSError:
            raise
        except ValueError as error:
            # Such as a chunk of negative size, which http.client does not expect.
            raise HTTPException(f"malformed: {error}") from error
        if response.length and len(body) < MAX_BODY:
            raise HTTPException("the connection was closed in the middle of the answer")
        # Not `str(response.headers)`: it folds them for a mail, and fails on what could not be sent as one.
        fields = "".join(f"{name}: {value}\n" for name, value in response.getheaders())
        return Answer(response.status, f"HTTP {response.status} {response.reason}\n{fields}\n", body)


def connect(host: str, port: int, patience: Patience) -> socket.socket:
    """Connect to the first address of a host that answers.

    Returns:
        A non-blocking socket, the caller's to close.

    Raises:
        OSError: None answers, or not in time; the error of the last one.
    """
    addresses = _resolve(host, port, patience)
    failure: OSError = OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))
    for number, (family, address) in enumerate(addresses):
        try:
            # Its share: the first of two addresses may be a black hole, the second the service.
            return _connect(family, address, patience.share(len(addresses) - number))
        except OSError as error:
            failure = error
    raise failure


class Channel:
    """A connected socket all of whose waits end in time. As much of a socket as `HTTPResponse` needs."""

    def __init__(self, sock: socket.socket, patience: Patience) -> None:
        self._sock = sock
        self._patience = patience

    def start_tls(self, host: str) -> None:
        """Verify the server and encrypt from here on.

        Raises:
            OSError: `ssl.SSLError` if it is not to be trusted.
        """
        context = ssl.create_default_context()
        encrypted = context.wrap_socket(self._sock, server_hostname=host, do_handshake_on_connect=False)
        self._sock = encrypted
        self._when_ready(encrypted.do_handshake, select.POLLIN)

    def sendall(self, data: bytes) -> None:
        """Send everything.

        Raises:
            OSError: It could not be sent, or not in time.
        """
        rest = memoryview(data)
        while rest:
            rest = rest[self._when_ready(lambda: self._sock.send(rest), select.POLLOUT) :]  # noqa: B023  # called at once

    def recv_into(self, buffer: Any) -> int:  # noqa: ANN401
        """Receive something, and return how many bytes; 0 at the end.

        Raises:
            OSError: Nothing came, or not in time.
        """
        return self._when_ready(lambda: self._sock.recv_into(buffer), select.POLLIN)

    def makefile(self, *_args: object) -> io.BufferedReader:
        """A file to read from, for `HTTPResponse`."""
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def _when_ready(self, operation: Callable[[], T], event: int) -> T:
        while True:
            try:
                return operation()
            except ssl.SSLWantWriteError:
                wanted = select.POLLOUT
            except ssl.SSLWantReadError:
                wanted = select.POLLIN
            except BlockingIOError:
                wanted = event
            _wait(self._sock, wanted, self._patience)


class _Reader(io.RawIOBase):
    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401
        return self._channel.recv_into(buffer)


def _request(path: str, query: str) -> str:
    # What may stand in a request line; "%" because the user has escaped what needs it.
    safe = "/:@!$&'()*+,;=~-._%"
    return quote(path or "/", safe=safe) + ("?" + quote(query, safe=safe + "?") if query else "")


def _request_bytes(endpoint: Endpoint) -> bytes:
    fields = {
        "Host": endpoint.host_header,
        "User-Agent": "venvship",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    if endpoint.authorization:
        fields["Authorization"] = endpoint.authorization
    lines = [f"GET {endpoint.request} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def _wait(sock: socket.socket, event: int, patience: Patience) -> None:
    poll = select.poll()
    poll.register(sock, event)
    while not poll.poll(patience.pause() * 1000):
        pass


def _connect(family: int, address: Any, patience: Patience) -> socket.socket:  # noqa: ANN401
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        while (number := sock.connect_ex(address)) == errno.EAGAIN:
            # A Unix socket whose queue is full; nothing to poll for (connect(2)).
            time.sleep(patience.pause())
        if number == errno.EINPROGRESS:
            _wait(sock, select.POLLOUT, patience)
            number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number == 0 and family != socket.AF_UNIX and sock.getsockname() == sock.getpeername():
            # Nobody listens, and the kernel gave us the very port that we were calling: TCP allows two
            # ends that open at the same time, so we reached ourselves.
            number = errno.ECONNREFUSED
        if number:
            raise OSError(number, os.strerror(number))
    except BaseException:
        sock.close()
        raise
    return sock


def _resolve(host: str, port: int, patience: Patience) -> list[tuple[int, Any]]:
    """Look a host up. The resolver has no time-out: it runs in a thread that may be left behind."""
    found: list[Any] = []

    def look_up() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.append(error)

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    while not found:
        thread.join(patience.pause())
    if isinstance(found[0], OSError):
        raise found[0]
    if isinstance(found[0], UnicodeError):
        raise socket.gaierror(socket.EAI_NONAME, f"not a host name: {host!r}") from found[0]
    return [(family, address) for family, _, _, _, address in found[0]]
