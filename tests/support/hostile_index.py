"""An index on localhost that answers as no index should."""

from __future__ import annotations

import json
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

JSON = "application/vnd.pypi.simple.v1+json"
MIB = 1 << 20

Answer = Callable[[BaseHTTPRequestHandler], None]


class HostileIndex:
    """Gives one answer to all that ask, while the `with` block runs.

    Attributes:
        asked: How often each path was asked for.
        sent: Bytes of bodies that were sent, about.
    """

    def __init__(self, answer: Answer) -> None:
        self.asked: Counter[str] = Counter()
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.asked[self.path] += 1
                try:
                    answer(self)
                except OSError:  # the client has seen enough
                    self.close_connection = True

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> HostileIndex:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Of the simple API."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/simple/"


def begin(
    request: BaseHTTPRequestHandler, kind: str = "text/html", status: int = 200, **headers: Any
) -> None:
    """Send the head of an answer; `Content_Length=3` is that header. The body ends with the connection."""
    request.send_response(status)
    request.send_header("Content-Type", kind)
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), str(value))
    request.end_headers()
    request.close_connection = True


def whole(body: bytes, kind: str = "text/html", **headers: Any) -> Answer:
    """One body for all."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        begin(request, kind, Content_Length=len(body), **headers)
        request.wfile.write(body)

    return answer


def endless(kind: str = "text/html") -> Answer:
    """A body that does not end."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        begin(request, kind)
        while True:
            request.wfile.write(bytes(MIB))

    return answer


def dripping(head: bytes = b"<html>", kind: str = "text/html") -> Answer:
    """A body of which a byte comes every tenth of a second: no wait for the next one is ever long."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        begin(request, kind)
        request.wfile.write(head)
        while True:
            request.wfile.write(b" ")
            request.wfile.flush()
            time.sleep(0.1)

    return answer


def bomb(size: int = 300, encoding: str = "gzip", pack: Callable[[bytes], bytes] | None = None) -> Answer:
    """A page of a MiB that has `size` MiB once it is decompressed."""
    if pack is not None:
        return whole(pack(b"<a href=x>" + bytes(size * MIB)), Content_Encoding=encoding)
    packer = zlib.compressobj(1, wbits=31)
    parts = [packer.compress(b"<a href=x>"), *(packer.compress(bytes(MIB)) for _ in range(size))]
    return whole(b"".join([*parts, packer.flush()]), Content_Encoding=encoding)


def redirecting(body: bytes = b"") -> Answer:
    """A redirect to the next page of redirects, with a body."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        target = f"{request.path.partition('?')[0]}?{time.monotonic_ns()}"
        begin(request, status=302, Location=target, Content_Length=len(body))
        request.wfile.write(body)

    return answer


def redirecting_with_endless_body(request: BaseHTTPRequestHandler) -> None:
    begin(request, status=302, Location="/elsewhere/")
    while True:
        request.wfile.write(bytes(MIB))


def html_page(links: int) -> bytes:
    return b"<html>" + b"".join(b'<a href="a-%d.zip">x</a>' % number for number in range(links))


def json_page(rows: Iterator[dict[str, object]] | list[dict[str, object]]) -> bytes:
    return json.dumps({"meta": {"api-version": "1.1"}, "name": "app", "files": list(rows)}).encode()


def row(filename: str, sha256: str, size: int | None = None, **more: object) -> dict[str, object]:
    """A file of a page in the JSON form, with all that the largest index tells of one."""
    found: dict[str, object] = {
        "filename": filename,
        "url": f"/files/{filename}",
        "hashes": {"sha256": sha256},
        "core-metadata": {"sha256": sha256},
        "data-dist-info-metadata": {"sha256": sha256},
        "provenance": None,
        "requires-python": ">=3.8",
        "upload-time": "2026-01-01T00:00:00.000000Z",
        "yanked": False,
        **more,
    }
    return found if size is None else {**found, "size": size}


def page_and_file(page: bytes, file: Answer) -> Answer:
    """A page in the JSON form, and another answer for the files on it."""
    send_page = whole(page, JSON)
    return lambda request: (file if request.path.startswith("/files/") else send_page)(request)
