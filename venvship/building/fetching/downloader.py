"""Download wheels whose hashes are known, several at once.

Run as a script, by the interpreter that runs venvship.

In a process of its own, so that it can be ended at any time, together with whatever it waits for, and so that
the process that builds a release stays one without threads.

It gives up without a second try wherever it takes more than that: a package of which the index has no wheel
with an allowed hash, an answer that is not 200, a wrong hash. pip fetches those files, and reports why they
cannot be had.

Standard input: a JSON object, `Task`. Standard output: a JSON object per line, a `Report` on one wheel, in
the order in which they come. No argument list has credentials in it.

The simple repository API is that of https://packaging.python.org/en/latest/specifications/simple-repository-api/.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import posixpath
import re
import sys
import threading
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from html.parser import HTMLParser
from typing import Any, Final, NamedTuple, TypedDict
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

import requests
from packaging.metadata import parse_email
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

CONNECTIONS: Final = 8
"""Downloads at once. More gain little from one index, and look like an attack to it."""

_JSON: Final = "application/vnd.pypi.simple.v1+json"
_HTML: Final = ("application/vnd.pypi.simple.v1+html", "text/html")
_ACCEPT: Final = f"{_JSON}, {_HTML[0]};q=0.2, {_HTML[1]};q=0.1"
_CHUNK: Final = 256 << 10
_METADATA: Final = re.compile(r"[^/]+\.dist-info/METADATA")
_SOURCE: Final = re.compile(r"\.(?:tar\.(?:gz|bz2|xz|Z)|tgz|zip|tar)$")
_MOST_METADATA: Final = 1 << 20
_FILENAME_CHARACTERS: Final = 255
_MOST_LISTED: Final = 500

_Origin = tuple[str, str]
"""The scheme of a URL, and its host with the port."""


class Wanted(TypedDict):
    """One wheel to download: from `url`, which may have credentials, or from its project's page on the index.

    `hashes` are those allowed, `<algorithm>:<hex>`, of which a file needs one; `name` and `version` are
    normalised.
    """

    name: str
    version: str
    hashes: list[str]
    url: str | None


class Task(TypedDict):
    """The task on standard input.

    The URL `index` may have credentials, which are good for all of its host.
    `folder` exists and gets the files. `tags` are the interpreter's, best first, and `python` is its version.
    With `only_look` nothing is downloaded, and the reports have what the pages list.
    `certificates` is a file, or null; `timeout` in seconds is that of each wait.
    """

    folder: str
    python: str
    tags: list[str]
    certificates: str | None
    timeout: float
    user_agent: str
    index: str
    wanted: list[Wanted]
    only_look: bool


class Report(TypedDict):
    """One wheel that came, with its path and SHA-256, or the `problem` that kept it from coming.

    `listed` are the files of the wanted version on the page, if none of them could be taken: file name,
    hashes as in `Wanted`, Requires-Python or `""`.
    """

    name: str
    path: str | None
    sha256: str | None
    problem: str | None
    listed: list[tuple[str, list[str], str]]


class Link(NamedTuple):
    """One file that a page of the index lists; `hashes` as in `Wanted`, those that the page tells."""

    filename: str
    url: str
    hashes: frozenset[str]
    requires_python: str = ""
    yanked: bool = False


class GiveUpError(Exception):
    """The file is left to pip; the message says why, and `listed` which files of its version there are."""

    def __init__(self, message: str, listed: Iterable[Link] = ()) -> None:
        super().__init__(message)
        self.listed = [(link.filename, sorted(link.hashes), link.requires_python) for link in listed]


class Downloader:
    """One task, from several threads."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._rank = {tag: rank for rank, tag in enumerate(task["tags"])}
        self._local = threading.local()
        self._hopeless: dict[_Origin, str] = {}
        """The origins that are not asked again, each with its problem: it may concern all files there."""

    def download(self, wanted: Wanted) -> Report:
        """Download one wheel, or report why not."""
        report = Report(name=wanted["name"], path=None, sha256=None, problem=None, listed=[])
        try:
            if self._task["only_look"]:
                links = self._links(wanted["name"])
                raise GiveUpError("only looked at", [link for link in links if _is_of(link.filename, wanted)])
            report["path"], report["sha256"] = self._download(wanted)
        except GiveUpError as error:
            report["problem"], report["listed"] = str(error), error.listed[:_MOST_LISTED]
        except Exception as error:  # noqa: BLE001 - indexes are strange; the other wheels must come
            report["problem"] = f"{type(error).__name__}: {error}"
        return report

    def _download(self, wanted: Wanted) -> tuple[str, str]:
        allowed = frozenset(wanted["hashes"])
        if wanted["url"] is not None:
            filename = _filename(wanted["url"])
            if _rank_of(filename, wanted, self._rank) is None:
                raise GiveUpError("it is not a wheel for this interpreter, by its name")
            return self._save(wanted["url"], filename, allowed)
        link = self._best(self._links(wanted["name"]), wanted, allowed)
        return self._save(link.url, link.filename, link.hashes & allowed)

    def _best(self, links: Sequence[Link], wanted: Wanted, allowed: frozenset[str]) -> Link:
        """Choose as pip does: not yanked; the highest version; the best tag; the highest build number."""
        ranked = [
            (not link.yanked, *rank, link.filename, link)
            for link in links
            if link.hashes & allowed
            and self._runs_here(link.requires_python)
            and (rank := _rank_of(link.filename, wanted, self._rank)) is not None
        ]
        if not ranked:
            raise GiveUpError(
                "the index shows no wheel of it with an allowed hash for this interpreter",
                [link for link in links if _is_of(link.filename, wanted)],
            )
        best: Link = max(ranked, key=lambda row: row[:-1])[-1]
        return best

    def _runs_here(self, requires_python: str) -> bool:
        try:
            return SpecifierSet(requires_python).contains(self._task["python"], prereleases=True)
        except InvalidSpecifier:  # pip ignores it
            return True

    def _links(self, name: str) -> list[Link]:
        """Ask for the page of a project."""
        index = self._task["index"]
        with self._get(f"{index.rstrip('/')}/{quote(name)}/", {"Accept": _ACCEPT}) as response:
            kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            try:
                if kind == _JSON:
                    return list(_links_of_json(response.json(), response.url))
                if kind in _HTML:
                    return list(_links_of_html(response.text, response.url))
            except requests.RequestException as error:
                raise GiveUpError(f"the index: {error}") from error
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                raise GiveUpError(f"the page of it is not understood: {error}") from error
        raise self._give_up_on(index, f"the index answers with {kind or 'no content type'}")

    def _save(self, url: str, filename: str, allowed: frozenset[str]) -> tuple[str, str]:
        """Write a file, hashing on the way; returns its path and SHA-256."""
        path = os.path.join(self._task["folder"], filename)
        digests = {algorithm: hashlib.new(algorithm) for algorithm in {"sha256", *_algorithms(allowed)}}
        # Compression on the way would change the bytes that are hashed.
        with self._get(url, {"Accept-Encoding": "identity"}) as response:
            try:
                with open(path, "xb") as file:
                    for chunk in response.iter_content(_CHUNK):
                        for digest in digests.values():
                            digest.update(chunk)
                        file.write(chunk)
            except (requests.RequestException, OSError) as error:
                _discard(path)
                raise GiveUpError(f"its download: {error}") from error
        sha256 = digests["sha256"].hexdigest()
        if allowed.isdisjoint(f"{name}:{digest.hexdigest()}" for name, digest in digests.items()):
            _discard(path)
            raise GiveUpError(f"the downloaded file has the hash {sha256}")
        try:
            if not self._runs_here(_requires_python(path)):
                raise GiveUpError("it is not for this version of Python")
        except GiveUpError:
            _discard(path)
            raise
        return path, sha256

    def _get(self, url: str, headers: Mapping[str, str]) -> requests.Response:
        """Ask for a URL, with the credentials of the index if that is on the same host."""
        url, own = _without_credentials(url)
        base, given = _without_credentials(self._task["index"])
        auth = own or (given if _origin(url) == _origin(base) else None)
        if (problem := self._hopeless.get(_origin(url))) is not None:
            raise GiveUpError(problem)
        try:
            response = self._session().get(
                url,
                auth=auth,
                headers=dict(headers),
                stream=True,
                timeout=self._task["timeout"],
                verify=self._task["certificates"] or True,
            )
        except requests.RequestException as error:
            raise self._give_up_on(url, f"{urlsplit(url).hostname} cannot be reached: {error}") from error
        except (OSError, ValueError) as error:  # a missing file of certificates; an invalid URL
            raise GiveUpError(f"{url}: {error}") from error
        if response.status_code != requests.codes.ok:
            response.close()
            problem = f"{urlsplit(url).hostname} answers {response.status_code}"
            if response.status_code in {requests.codes.not_found, requests.codes.gone}:
                raise GiveUpError(problem)
            raise self._give_up_on(url, problem)
        return response

    def _give_up_on(self, url: str, problem: str) -> GiveUpError:
        """Ask this host for nothing more."""
        self._hopeless[_origin(_without_credentials(url)[0])] = problem
        return GiveUpError(problem)

    def _session(self) -> requests.Session:
        """One for each thread, which keeps its connection."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.headers["User-Agent"] = self._task["user_agent"]
        return session


def _rank_of(filename: str, wanted: Wanted, ranks: Mapping[str, int]) -> tuple[Any, ...] | None:
    """The rank of a file, the greater the better; `None` if it is no wheel of this pin, or runs elsewhere."""
    # packaging allows anything in a build number. The tags are a product of three compressed sets: those of a
    # long name would fill the memory.
    if "/" in filename or not filename.isprintable() or len(filename) > _FILENAME_CHARACTERS:
        return None
    try:
        name, version, build, tags = parse_wheel_filename(filename)
    except InvalidWheelFilename:
        return None
    matching = [ranks[str(tag)] for tag in tags if str(tag) in ranks]
    # By PEP 440, 1.0+cpu satisfies a pin 1.0.
    pinned = SpecifierSet(f"=={wanted['version']}")
    if name != wanted["name"] or not matching or not pinned.contains(version, prereleases=True):
        return None
    return version, -min(matching), build


def _algorithms(hashes: Iterable[str]) -> set[str]:
    return {value.partition(":")[0] for value in hashes}


def _is_of(filename: str, wanted: Wanted) -> bool:
    """Whether a file is of this pin, by its name."""
    if not filename.isprintable() or len(filename) > _FILENAME_CHARACTERS:
        return False
    try:
        if filename.lower().endswith(".whl"):
            name, version, _, _ = parse_wheel_filename(filename)
        else:
            name, version = parse_sdist_filename(_SOURCE.sub(".tar.gz", filename))
    except ValueError:
        return False
    return name == wanted["name"] and SpecifierSet(f"=={wanted['version']}").contains(
        version, prereleases=True
    )


def _links_of_json(page: Any, base: str) -> Iterator[Link]:  # noqa: ANN401 - it is checked here
    """The files of a page in the JSON form (PEP 691); any of four errors if it has another form."""
    version = str(page["meta"]["api-version"])
    if version.partition(".")[0] != "1":
        raise ValueError(f"version {version} of the API")
    for file in page["files"]:
        yield Link(
            filename=str(file["filename"]),
            url=urljoin(base, file["url"]),
            hashes=frozenset(f"{name}:{value}".lower() for name, value in file["hashes"].items()),
            requires_python=str(file.get("requires-python") or ""),
            yanked=file.get("yanked", False) is not False,
        )


def _links_of_html(text: str, base: str) -> Iterator[Link]:
    """The files of a page in the HTML form (PEP 503)."""
    page = _Page()
    page.feed(text)
    page.close()
    base = urljoin(base, page.base)
    for attributes in page.anchors:
        target = urlsplit(urljoin(base, attributes["href"]))
        algorithm, equals, digest = target.fragment.partition("=")
        yield Link(
            filename=_filename(target.geturl()),
            url=urlunsplit(target._replace(fragment="")),
            hashes=frozenset({f"{algorithm}:{digest}".lower()} if equals else ()),
            requires_python=attributes.get("data-requires-python", ""),
            yanked="data-yanked" in attributes,
        )


def _requires_python(wheel: str) -> str:
    """The Requires-Python in a wheel's own metadata: not every index passes it on."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            (name,) = [name for name in archive.namelist() if _METADATA.fullmatch(name)]
            with archive.open(name) as file:
                return parse_email(file.read(_MOST_METADATA))[0].get("requires_python", "")
    except (OSError, ValueError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise GiveUpError(f"it is not a wheel: {error}") from error


class _Page(HTMLParser):
    """The anchors of a page, and its base URL."""

    def __init__(self) -> None:
        super().__init__()
        self.base = ""
        self.anchors: list[dict[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an anchor that has a target."""
        attributes = {name: value or "" for name, value in attrs}
        if tag == "a" and attributes.get("href"):
            self.anchors.append(attributes)
        elif tag == "base" and not self.base:
            self.base = attributes.get("href", "")


def _filename(url: str) -> str:
    return posixpath.basename(unquote(urlsplit(url).path))


def _without_credentials(url: str) -> tuple[str, tuple[str, str] | None]:
    """Split a URL into the URL without user and password, and these two."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    name, _, password = user.partition(":")
    return urlunsplit(parts._replace(netloc=host)), (unquote(name), unquote(password))


def _origin(url: str) -> _Origin:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


def _discard(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def main() -> None:
    """Download everything that standard input asks for."""
    task: Task = json.load(sys.stdin)
    downloader = Downloader(task)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for done in as_completed([pool.submit(downloader.download, wanted) for wanted in task["wanted"]]):
            sys.stdout.write(json.dumps(done.result()) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
