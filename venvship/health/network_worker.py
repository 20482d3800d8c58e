"""Ask one question over the network. A program of its own, run as `python -I -S -B -c TEXT`.

Standard input is a JSON object: everybody may read a list of arguments, and a URL or a header can be secret.

* `kind`: `"http"` or `"tcp"`
* `timeout`: seconds for the whole exchange
* `host` and `port`; or, for http, `socket`, the path of a Unix socket
* for http: `tls`; `ca`, the path of a PEM file or null; `resource`, the path and query; `headers`, pairs
  (name, value); `look_for`, text or null

Standard output is a JSON object: `peer`, the other end of the connection, and for http `status` and `found`;
or `error`, a word of `describe`, with `text` in words of this host and `said` in words of the service.
Standard error is for the check's log: status line, header fields, and the beginning of the body.

When the time is over, SIGALRM ends the process wherever it is. The time-outs of the standard library are for
one system call each: a server that sends a byte a second never runs into them, and the resolver has none.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import struct
import sys
import time
from typing import Any

MAX_BODY = 1 << 20
"""How many bytes of a body are read."""

LOGGED_BODY = 1 << 16
"""How many bytes of a body the log gets."""


class AnswerError(Exception):
    """The answer is not HTTP, or ended early. A second argument is words of the service."""


def main() -> None:
    """Answer the request on standard input."""
    request = json.load(sys.stdin.buffer)
    if request["kind"] == "http":
        import http.client  # noqa: F401 - before the clock starts: importing is not the service's time
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    signal.setitimer(signal.ITIMER_REAL, request["timeout"])
    json.dump(ask(request), sys.stdout)


def ask(request: dict[str, Any]) -> dict[str, Any]:
    """Ask, and return the answer or the failure."""
    try:
        if request["kind"] == "http":
            return get(request)
        with connect(request) as sock:
            return {"peer": peer(sock)}
    except (OSError, AnswerError) as error:
        if isinstance(error, AnswerError):
            text, said = (*error.args, "")[:2]
            return {"error": describe(error), "text": text, "said": said}
        text = error.strerror if isinstance(error, socket.gaierror) else str(error)
        return {"error": describe(error), "text": text or type(error).__name__}


def describe(error: Exception) -> str:
    """Name a failure in one of the words that the caller knows."""
    match error:
        case TimeoutError():
            return "timeout"
        case ConnectionRefusedError():
            return "refused"
        case FileNotFoundError():
            return "no-socket"
        case socket.gaierror():
            return "no-host"
        case AnswerError() | ConnectionError():
            return "no-answer"
        case _:
            return "no-connection"


def get(request: dict[str, Any]) -> dict[str, Any]:
    """Send one GET request, and read the answer. No proxies, no redirects, no second try.

    Raises:
        OSError: No connection, none that is trusted, or not in time (`TimeoutError`).
        AnswerError: The answer is not HTTP, or ended early.
    """
    from http.client import HTTPConnection, HTTPException

    sock = connect(request)
    other_end = peer(sock)
    if request["tls"]:
        import ssl

        trusted = ssl.create_default_context(cafile=request["ca"])
        sock = trusted.wrap_socket(sock, server_hostname=request["host"])
    connection = HTTPConnection("localhost")  # never looked up: the socket is connected
    connection.sock = sock
    connection.putrequest("GET", request["resource"], skip_host=True, skip_accept_encoding=True)
    for name, value in request["headers"]:
        connection.putheader(name, value)
    connection.endheaders()
    try:
        response = connection.getresponse()
        body = response.read(MAX_BODY)
    except OSError:
        raise
    except (HTTPException, ValueError) as error:  # ValueError: a chunk of negative size
        raise AnswerError(type(error).__name__, str(error)) from error
    if response.length and len(body) < MAX_BODY:
        raise AnswerError("the connection was closed in the middle of the answer")
    # Not `str(response.headers)`: it folds them for a mail, and fails on what could not be sent as one.
    fields = "".join(f"{name}: {value}\n" for name, value in response.getheaders())
    head = f"HTTP {response.status} {response.reason}\n{fields}\n"
    sys.stderr.buffer.write(head.encode(errors="replace") + body[:LOGGED_BODY] + b"\n")
    wanted = request["look_for"]
    found = wanted is None or wanted.encode() in body
    return {"peer": other_end, "status": response.status, "found": found}


def peer(sock: socket.socket) -> dict[str, Any]:
    """The other end: of TCP the address that answered, of a Unix socket the process that listens."""
    if sock.family != socket.AF_UNIX:
        address, port, *_ = sock.getpeername()
        return {"address": address, "port": port}
    if not hasattr(socket, "SO_PEERCRED"):
        return {"pid": 0}
    pid, _, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return {"pid": pid}


def connect(request: dict[str, Any]) -> socket.socket:
    """Connect to the Unix socket, or to the first address of the host that answers.

    Raises:
        OSError: None answers, or not in time; the error of the last one.
    """
    if request.get("socket"):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(request["socket"])
        return sock
    until = time.monotonic() + request["timeout"]
    try:
        found = socket.getaddrinfo(request["host"], request["port"], type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, f"not a host name: {request['host']!r}") from error
    failure = OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))
    for number, (family, kind, protocol, _, address) in enumerate(found):
        sock = socket.socket(family, kind, protocol)
        # Its share of the time: the first of two addresses may be a black hole, the second the service.
        sock.settimeout(max((until - time.monotonic()) / (len(found) - number), 0.001))
        try:
            sock.connect(address)
            if sock.getsockname() == sock.getpeername():
                # Nobody listens, and the kernel gave us the very port that we were calling: TCP allows two
                # ends that open at the same time, so we reached ourselves.
                raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        except OSError as error:
            sock.close()
            failure = error
        else:
            sock.settimeout(None)  # from here on the alarm
            return sock
    raise failure


if __name__ == "__main__":
    main()
