"""A server with recorded answers of PyPI and of OSV about known vulnerabilities, and what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

FIXED: Final = {
    "aliases": ["CVE-2099-1000", "GHSA-aaaa-bbbb-cccc"],
    "details": "A crafted upload\nfills the memory.",
    "fixed_in": ["0.9.7", "1.2", "1.1"],
    "id": "PYSEC-2099-1",
    "link": "https://osv.dev/vulnerability/PYSEC-2099-1",
    "source": "osv",
    "summary": None,
    "withdrawn": None,
}
"""As PyPI answers, in the fields and with the types that it has: of another branch, and not in order."""

DOUBLE: Final = {
    **FIXED,
    "id": "GHSA-aaaa-bbbb-cccc",
    "aliases": ["CVE-2099-1000"],
    "summary": "Memory exhaustion",
    "fixed_in": ["1.1"],
}
UNFIXED: Final = {**FIXED, "id": "PYSEC-2099-2", "aliases": ["CVE-2099-2000"], "fixed_in": []}
WITHDRAWN: Final = {
    **FIXED,
    "id": "PYSEC-2099-3",
    "aliases": ["CVE-2099-3000"],
    "withdrawn": "2099-02-01T00:00:00Z",
}


def document(identifier: str, *, name: str = "App", **changes: Any) -> dict[str, Any]:
    """A document in OSV's form: versions before 1.2 are vulnerable, but for 1.1.1 and what follows it."""
    events = [{"introduced": "0"}, {"fixed": "1.1.1"}, {"introduced": "1.1.9"}, {"fixed": "1.2"}]
    return {
        "id": identifier,
        "schema_version": "1.7.0",
        "modified": "2099-01-02T00:00:00Z",
        "summary": "Memory exhaustion",
        "affected": [
            {
                "package": {"name": name, "ecosystem": "PyPI", "purl": f"pkg:pypi/{name.lower()}"},
                "ranges": [
                    {"type": "GIT", "repo": "https://example.com/app", "events": [{"introduced": "0"}]},
                    {"type": "ECOSYSTEM", "events": events},
                ],
                "versions": ["0.9"],
            },
            {"package": {"name": name, "ecosystem": "npm"}, "versions": ["1.2"]},
        ],
        **changes,
    }


@dataclass
class AdvisoryService:
    """The server.

    Attributes:
        url: Its address.
        vulnerabilities: By `name version`, those that PyPI answers with; a name that is missing is 404.
        documents: By name, the documents that OSV answers with.
        asked: The packages that it was asked about, `name version`.
        broken: The status, or the body, of every answer; `None` for proper ones.
        broken_after: The number of proper answers, after which all are 503; `None` for no such number.
        affects: Whether the documents of OSV concern a package in a version.
    """

    url: str = ""
    vulnerabilities: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    documents: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    broken: int | bytes | None = None
    broken_after: int | None = None
    affects: Callable[[str, str], bool] = lambda _name, _version: True

    def answer(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Note a request, and answer it."""
        if path == "/query":
            query = json.loads(body)
            assert query["package"]["ecosystem"] == "PyPI"
            name, version = query["package"]["name"], query["version"]
        else:
            _, name, version, last = path.split("/")
            assert last == "json"
        self.asked.append(f"{name} {version}")
        if self.broken_after is not None and len(self.asked) > self.broken_after:
            return 503, b""
        if self.broken is not None:
            return (self.broken, b"") if isinstance(self.broken, int) else (200, self.broken)
        if path == "/query":
            found = self.documents.get(name, []) if self.affects(name, version) else []
            return 200, json.dumps({"vulns": found} if found else {}).encode()
        if f"{name} {version}" not in self.vulnerabilities:
            return 404, b'{"message": "Not Found"}'
        known = self.vulnerabilities[f"{name} {version}"]
        return 200, json.dumps({"info": {"name": name}, "urls": [], "vulnerabilities": known}).encode()


@contextmanager
def advisory_service() -> Iterator[AdvisoryService]:
    """Serve until the block ends."""
    service = AdvisoryService()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, answer = service.answer(self.path, body)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = _answer  # noqa: N815 - the names that the base class looks for

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        service.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()
