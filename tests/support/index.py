"""A package index on localhost: the simple repository API (PEP 503, 691) over a directory of files."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import ssl
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Literal
from urllib.parse import quote, unquote, urlsplit


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _project_of(filename: str) -> str:
    if filename.endswith(".whl"):
        return _normalised(filename.split("-", maxsplit=1)[0])
    return _normalised(filename.removesuffix(".tar.gz").removesuffix(".zip").rpartition("-")[0])


class LocalIndex:
    """Serves the wheels and sdists of a directory while the `with` block runs.

    What it does wrong on purpose can be changed at any time.

    Attributes:
        directory: The files; those added later are found.
        requests: How often each path was asked for.
        credentials: `(user, password)` to insist on, or `None`.
        status: A status code to answer every page and file with, or `None`.
        statuses: The same for the pages of single projects, by normalised name.
        shut: A path below which everything is answered with 403.
        hang: Accept connections and never answer.
        tampered: File names to serve with other bytes than the page's hash says.
        fragments: Whether pages tell hashes.
        algorithm: That of the hashes.
        authorized: The `Authorization` headers that were sent.
        certificate: A file with a key and a certificate, to be set before the block: then it speaks TLS.
        uploaded: When a file was uploaded, by its name (RFC 3339); those not named are ten years old. If this
            is not empty, pages are served in the JSON form: HTML has no place for it.
        form: Of the pages: `"html"`, or `"json"` (PEP 691, 700).
        yanked: File names that were yanked (PEP 592).
        requires_python: What pages say of file names, where they say it.
        held: What has to be set before a file is sent, by its name.
        renamed: File names as pages give them, by those they have.
        files_at: The URL of the folder of files, if that is elsewhere.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.requests: Counter[str] = Counter()
        self.credentials: tuple[str, str] | None = None
        self.status: int | None = None
        self.statuses: dict[str, int] = {}
        self.shut = ""
        self.hang = False
        self.tampered: set[str] = set()
        self.fragments = True
        self.algorithm = "sha256"
        self.authorized: set[str] = set()
        self.uploaded: dict[str, str] = {}
        self.form: Literal["html", "json"] = "html"
        self.yanked: set[str] = set()
        self.requires_python: dict[str, str] = {}
        self.held: dict[str, threading.Event] = {}
        self.renamed: dict[str, str] = {}
        self.files_at = "../../files/"
        self.certificate: Path | None = None
        self._released = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> LocalIndex:
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index._answer(self)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if self.certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._released.set()
        self.stop()

    def stop(self) -> None:
        """Close the port: from now on, connections are refused."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = None

    @property
    def port(self) -> int:
        assert self._server is not None, "the index is not running"
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Of the simple API, without credentials."""
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}/simple/"

    def file_url(self, filename: str) -> str:
        """Of one file, as on the project's page but without the fragment."""
        return f"http://127.0.0.1:{self.port}/files/{quote(filename)}"

    def url_with(self, user: str, password: str) -> str:
        """The URL of the simple API with credentials in it."""
        return f"http://{quote(user, safe='')}:{quote(password, safe='')}@127.0.0.1:{self.port}/simple/"

    def downloads(self) -> list[str]:
        """Names of the files that were fetched, sorted, each as often as it was."""
        return sorted(
            path.rpartition("/")[2] for path in self.requests.elements() if path.startswith("/files/")
        )

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        # By its path alone also if it is asked as a proxy is: by a whole URL.
        path = unquote(urlsplit(request.path).path)
        self.requests[path] += 1
        if authorization := request.headers.get("Authorization"):
            self.authorized.add(authorization)
        if self.hang:
            self._released.wait()
            return
        if self.shut and path.startswith(self.shut):
            self._send(request, 403, b"not for you", "text/plain")
            return
        if self.status is not None:
            self._send(request, self.status, b"out of order", "text/plain")
            return
        if self.credentials is not None and not self._admitted(request):
            request.send_response(401)
            request.send_header("WWW-Authenticate", 'Basic realm="packages"')
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        if path.startswith("/files/"):
            file = self.directory / Path(path).name
            if not file.is_file():
                self._send(request, 404, b"no such file", "text/plain")
                return
            if file.name in self.held:
                self.held[file.name].wait(60)
            data = file.read_bytes()
            if file.name in self.tampered:
                data += b"tampered with"
            self._send(request, 200, data, "application/octet-stream")
        elif match := re.fullmatch(r"/simple/([^/]+)/?", path):
            project = _normalised(match[1])
            if project in self.statuses:
                self._send(request, self.statuses[project], b"out of order", "text/plain")
            else:
                self._send_page(request, project)
        else:
            self._send(request, 404, b"not here", "text/plain")

    def _admitted(self, request: BaseHTTPRequestHandler) -> bool:
        assert self.credentials is not None
        expected = base64.b64encode(":".join(self.credentials).encode()).decode()
        return request.headers.get("Authorization") == f"Basic {expected}"

    def _send_page(self, request: BaseHTTPRequestHandler, project: str) -> None:
        files = sorted(f for f in self.directory.iterdir() if _project_of(f.name) == project)
        if not files:
            self._send(request, 404, b"no such project", "text/plain")
            return
        if self.uploaded or self.form == "json":
            self._send_json(request, project, files)
            return
        links = []
        for file in files:
            fragment = f"#{self.algorithm}={self._hash(file)}" if self.fragments else ""
            shown = self.renamed.get(file.name, file.name)
            href = html.escape(f"{self.files_at}{quote(shown)}{fragment}")
            more = ' data-yanked="by mistake"' if file.name in self.yanked else ""
            if wanted := self.requires_python.get(file.name):
                more += f' data-requires-python="{html.escape(wanted)}"'
            links.append(f'<a href="{href}"{more}>{html.escape(shown)}</a><br>')
        page = "<!DOCTYPE html><html><body>" + "\n".join(links) + "</body></html>"
        self._send(request, 200, page.encode(), "text/html")

    def _send_json(self, request: BaseHTTPRequestHandler, project: str, files: list[Path]) -> None:
        entries = [
            {
                "filename": self.renamed.get(file.name, file.name),
                "url": f"{self.files_at}{quote(file.name)}",
                "hashes": {self.algorithm: self._hash(file)} if self.fragments else {},
                "requires-python": self.requires_python.get(file.name),
                "yanked": file.name in self.yanked and "by mistake",
                "upload-time": self.uploaded.get(file.name, "2016-01-01T00:00:00Z"),
                "size": file.stat().st_size,
            }
            for file in files
        ]
        page = {"meta": {"api-version": "1.1"}, "name": project, "files": entries, "versions": []}
        self._send(request, 200, json.dumps(page).encode(), "application/vnd.pypi.simple.v1+json")

    def _hash(self, file: Path) -> str:
        return hashlib.new(self.algorithm, file.read_bytes()).hexdigest()

    @staticmethod
    def _send(request: BaseHTTPRequestHandler, status: int, data: bytes, kind: str) -> None:
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)
