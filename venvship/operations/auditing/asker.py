"""Ask a service for the known vulnerabilities of packages, one request for each.

Run as a script, by the interpreter that runs venvship: in a process of its own, so that it can be ended at
any time, and so that a hostile answer costs no more than the memory of that process.

There is no second try. Once the service cannot be reached, it is not asked about the other packages.

Standard input: a JSON object, `Task`. Standard output: a JSON object per line, a `Report` on one package.
"""

from __future__ import annotations

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypedDict
from urllib.parse import quote, urljoin, urlsplit

import requests

from venvship.building.fetching.http_answer import NotDecodedError, OneAnswerSession, decoded_body
from venvship.model import bounds
from venvship.model.advisories.advisory import Advisory
from venvship.model.advisories.documents import ECOSYSTEM, from_osv, from_pypi
from venvship.model.spelling import parse_json

CONNECTIONS: Final = 4
"""Requests at once. More would look like an attack to a service that costs nothing."""


class Task(TypedDict):
    """The task on standard input.

    `service` is a key of `SERVICES`, `url` its address. `packages` are normalised names with versions.
    `certificates` is a file, or null; `timeout` in seconds is that of each wait.
    """

    service: str
    url: str
    packages: list[tuple[str, str]]
    certificates: str | None
    timeout: float
    user_agent: str


class Report(TypedDict):
    """The answer about one package; `problem` is set if there is none. `unknown`: no such package there."""

    name: str
    version: str
    advisories: list[dict[str, object]]
    unknown: bool
    problem: str | None


class _UnansweredError(Exception):
    """There is no answer; the message says why."""


class Asker:
    """One task, from several threads."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._local = threading.local()
        self._hopeless: str | None = None

    def ask(self, package: tuple[str, str]) -> Report:
        """Ask about one package."""
        name, version = package
        report = Report(name=name, version=version, advisories=[], unknown=False, problem=self._hopeless)
        if report["problem"] is not None:
            return report
        try:
            found = self._advisories(name, version)
            report["unknown"] = found is None
            report["advisories"] = [one.to_json() for one in found or ()]
        except _UnansweredError as error:
            self._hopeless = report["problem"] = str(error)
        except MemoryError:
            self._hopeless = report["problem"] = f"the answer about {name} takes too much memory"
        return report

    def _advisories(self, name: str, version: str) -> tuple[Advisory, ...] | None:
        """The advisories about a package; `None` if the service does not know it."""
        base = self._task["url"]
        if self._task["service"] == "pypi":
            body = self._answer("GET", f"{base}/{quote(name)}/{quote(version)}/json", None)
        else:
            about = {"package": {"name": name, "ecosystem": ECOSYSTEM}, "version": version}
            body = self._answer("POST", f"{base}/query", json.dumps(about).encode())
        if body is None:
            return None
        try:
            answer = parse_json(body)
            if self._task["service"] == "pypi":
                return from_pypi(answer, version)
            return from_osv(answer, name, version)
        except (ValueError, RecursionError) as error:
            raise _UnansweredError(f"the answer about {name} {version} makes no sense: {error}") from error

    def _answer(self, method: str, url: str, data: bytes | None) -> bytes | None:
        """The body of an answer, after redirects; `None` for 404."""
        host = urlsplit(url).hostname
        session = self._session()
        try:
            for _ in range(bounds.REDIRECTS + 1):
                response = session.request(
                    method,
                    url,
                    data=data,
                    headers={"Accept": "application/json", "Accept-Encoding": "gzip"},
                    stream=True,
                    timeout=self._task["timeout"],
                    verify=self._task["certificates"] or True,
                )
                with response:
                    target = session.target_of(response)
                    if target is None:
                        return self._body(response)
                    url = urljoin(response.url, requests.utils.requote_uri(target))
                    if urlsplit(url).scheme not in {"http", "https"}:
                        break
            raise _UnansweredError(f"{host} redirects too often, or to no address of the web")
        except (requests.RequestException, NotDecodedError, OSError, ValueError) as error:
            raise _UnansweredError(f"{host} gives no answer: {error}") from error

    def _body(self, response: requests.Response) -> bytes | None:
        host = urlsplit(response.url).hostname
        if response.status_code == requests.codes.not_found and self._task["service"] == "pypi":
            return None
        if response.status_code != requests.codes.ok:
            raise _UnansweredError(f"{host} answers {response.status_code}")
        body = bytearray()
        for piece in decoded_body(response):
            body += piece
            if len(body) > bounds.ADVISORY_ANSWER:
                raise _UnansweredError(f"an answer of {host} has more than {bounds.ADVISORY_ANSWER:,} bytes")
        return bytes(body)

    def _session(self) -> OneAnswerSession:
        """One for each thread, which keeps its connection."""
        session: OneAnswerSession | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = OneAnswerSession()
            session.headers["User-Agent"] = self._task["user_agent"]
        return session


def main() -> None:
    """Ask about all packages of the task, and report each answer."""
    task: Any = json.load(sys.stdin)
    asker = Asker(task)
    packages = [(name, version) for name, version in task["packages"]]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for report in pool.map(asker.ask, packages):
            sys.stdout.write(json.dumps(report) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
