"""Download wheels whose hashes are known, several at once.

Run as a script, by the interpreter that runs venvship.

In a process of its own, so that it can be ended at any time, together with whatever it waits for, and so that
the process that builds a release stays one without threads.

It gives up without a second try wherever it takes more than that: a package of which the index has no wheel
with an allowed hash, an answer that is not 200, a wrong hash. pip fetches those files, and reports why they
cannot be had. Only an answer beyond its bound is final: it is dropped at once, and pip has no such bounds.

Standard input: a JSON object, `Task`. Standard output: a JSON object per line, a `Report` on one wheel, in
the order in which they come. No argument list has credentials in it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sys
import threading
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, Final, Literal, TypedDict
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

import requests
from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

from venvship.building.fetching.http_answer import (
    NotDecodedError,
    OneAnswerSession,
    announced_length,
    decoded_body,
    raw_body,
)
from venvship.building.fetching.index_page import (
    ACCEPT,
    HTML,
    JSON,
    Link,
    TooManyLinksError,
    filename_of,
    links_of,
)
from venvship.model import bounds
from venvship.model.metadata import fields_of, read_headers
from venvship.system.archives import Archive, ArchiveFile
from venvship.system.space import free, kept_free

CONNECTIONS: Final = 8
"""Downloads at once. More gain little from one index, and look like an attack to it."""

_METADATA: Final = re.compile(r"[^/]+\.dist-info/METADATA")
_SOURCE: Final = re.compile(r"\.(?:tar\.(?:gz|bz2|xz|Z)|tgz|zip|tar)$")
_SMALL_PAGE: Final = 1 << 20
"""Bytes of a page that every connection may read. One that has more is read and taken apart alone: its memory
is many times its size."""

_ASKED_FOR_ROOM: Final = 16 << 20
"""Bytes that are written between two looks at the room that is left."""

_REPLACED: Final = 1 << 20
"""Bytes that a file may have beyond those that the index lists. If it was replaced, its hash is the better
reason to refuse it."""

_FILENAME_CHARACTERS: Final = 255
_MOST: Final = ", the most that venvship takes"
_OUT_OF_MEMORY: Final = f"the answers of the index take more than {bounds.MEMORY >> 20} MiB of memory"
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
    hashes as in `Wanted`, Requires-Python or `""`. `final` is set if pip must not try either: `"size"` for
    an answer beyond its bound, `"room"` for a full disk.
    """

    name: str
    path: str | None
    sha256: str | None
    problem: str | None
    listed: list[tuple[str, list[str], str]]
    final: Literal["size", "room"] | None


class GiveUpError(Exception):
    """The file is left to pip; the message says why, and `listed` which files of its version there are."""

    def __init__(self, message: str, listed: Iterable[Link] = ()) -> None:
        super().__init__(message)
        self.listed = [(link.filename, sorted(link.hashes), link.requires_python) for link in listed]


class RefusedError(Exception):
    """The answer is dropped, and pip must not try either; the message says why. `final` is as in `Report`."""

    def __init__(self, message: str, final: Literal["size", "room"] = "size") -> None:
        super().__init__(message)
        self.final = final


class Downloader:
    """One task, from several threads."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._rank = {tag: rank for rank, tag in enumerate(task["tags"])}
        self._local = threading.local()
        self._large_page = threading.Lock()
        self._hopeless: dict[_Origin, str] = {}
        """The origins that are not asked again, each with its problem: it may concern all files there."""

    def download(self, wanted: Wanted) -> Report:
        """Download one wheel, or report why not."""
        report = Report(name=wanted["name"], path=None, sha256=None, problem=None, listed=[], final=None)
        try:
            if self._task["only_look"]:
                with self._links(wanted["name"]) as links:
                    found = [link for link in links if _is_of(link.filename, wanted)]
                raise GiveUpError("only looked at", found)
            report["path"], report["sha256"] = self._download(wanted)
        except GiveUpError as error:
            report["problem"], report["listed"] = str(error), error.listed[:_MOST_LISTED]
        except RefusedError as error:
            report["problem"], report["final"] = str(error), error.final
        except MemoryError:
            report["problem"], report["final"] = _OUT_OF_MEMORY, "size"
        except Exception as error:  # noqa: BLE001 - indexes are strange; the other wheels must come
            report["problem"] = f"{type(error).__name__}: {error}"
        return report

    def _download(self, wanted: Wanted) -> tuple[str, str]:
        allowed = frozenset(wanted["hashes"])
        if wanted["url"] is not None:
            filename = filename_of(wanted["url"])
            if _rank_of(filename, wanted, self._rank) is None:
                raise GiveUpError("it is not a wheel for this interpreter, by its name")
            return self._save(wanted["url"], filename, allowed)
        with self._links(wanted["name"]) as links:
            link = self._best(links, wanted, allowed)
        return self._save(link.url, link.filename, link.hashes & allowed, link.size)

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
        except ValueError:  # pip ignores it
            return True

    @contextlib.contextmanager
    def _links(self, name: str) -> Iterator[list[Link]]:
        """Ask for the page of a project; its links are gone after the block."""
        index = self._task["index"]
        with contextlib.ExitStack() as stack:
            url = f"{index.rstrip('/')}/{quote(name)}/"
            headers = {"Accept": ACCEPT, "Accept-Encoding": "gzip"}
            response = stack.enter_context(self._get(url, headers))
            kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            if kind not in {JSON, *HTML}:
                raise self._give_up_on(index, f"the index answers with {kind or 'no content type'}")
            try:
                page = bytearray()
                for piece in decoded_body(response):
                    if len(page) <= _SMALL_PAGE < len(page) + len(piece):
                        stack.enter_context(self._large_page)
                    page += piece
                    if len(page) > bounds.PAGE:
                        host = urlsplit(response.url).hostname
                        raise RefusedError(f"its page on {host} has more than {bounds.PAGE:,} bytes{_MOST}")
                links = list(links_of(kind, page, response.encoding, response.url))
                del page
            except TooManyLinksError as error:
                raise RefusedError(str(error)) from error
            except (requests.RequestException, NotDecodedError) as error:
                raise GiveUpError(f"the index: {error}") from error
            except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
                raise GiveUpError(f"the page of it is not understood: {error}") from error
            yield links
            links.clear()

    def _save(self, url: str, filename: str, allowed: frozenset[str], size: int = 0) -> tuple[str, str]:
        """Write a file, hashing on the way; returns its path and SHA-256. `size` is the index's, or 0."""
        path = os.path.join(self._task["folder"], filename)
        digests = {algorithm: hashlib.new(algorithm) for algorithm in {"sha256", *_algorithms(allowed)}}
        # Compression on the way would change the bytes that are hashed.
        with self._get(url, {"Accept-Encoding": "identity"}) as response:
            most = min(size + _REPLACED if size else bounds.FILE, bounds.FILE)
            announced = announced_length(response) or 0
            if announced > most:
                raise RefusedError(_too_large(filename, most, size))
            try:
                with open(path, "xb") as file:
                    written = looked_at = 0
                    self._require_room(announced)
                    for chunk in raw_body(response):
                        written += len(chunk)
                        if written > most:
                            raise RefusedError(_too_large(filename, most, size))
                        if written - looked_at > _ASKED_FOR_ROOM:
                            looked_at = written
                            self._require_room(max(0, announced - written))
                        for digest in digests.values():
                            digest.update(chunk)
                        file.write(chunk)
            except RefusedError:
                _discard(path)
                raise
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
        except (GiveUpError, RefusedError):
            _discard(path)
            raise
        return path, sha256

    def _require_room(self, needed: int) -> None:
        """Refuse a download that would fill the disk; `needed` bytes of it are still to come."""
        folder = self._task["folder"]
        if free(folder).bytes < needed + kept_free(folder):
            raise RefusedError(f"there is no room for it on the file system of {folder}", "room")

    def _get(self, url: str, headers: Mapping[str, str]) -> requests.Response:
        """Ask for a URL, and for those that it redirects to."""
        for _ in range(bounds.REDIRECTS + 1):
            response = self._ask(url, headers)
            target = self._session().target_of(response)
            if not target:
                return self._required(response, url)
            response.close()
            url = urljoin(response.url, requests.utils.requote_uri(target))
            if urlsplit(url).scheme not in {"http", "https"}:
                raise GiveUpError(f"{urlsplit(response.url).hostname} redirects to {urlsplit(url).scheme}:")
        raise RefusedError(f"{urlsplit(url).hostname} redirects more than {bounds.REDIRECTS} times{_MOST}")

    def _ask(self, url: str, headers: Mapping[str, str]) -> requests.Response:
        """Ask for one URL, with the credentials of the index if that is on the same host."""
        url, own = _without_credentials(url)
        base, given = _without_credentials(self._task["index"])
        auth = own or (given if _origin(url) == _origin(base) else None)
        if (problem := self._hopeless.get(_origin(url))) is not None:
            raise GiveUpError(problem)
        try:
            return self._session().get(
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

    def _required(self, response: requests.Response, url: str) -> requests.Response:
        """Give up on an answer that is not 200."""
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

    def _session(self) -> OneAnswerSession:
        """One for each thread, which keeps its connection."""
        session: OneAnswerSession | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = OneAnswerSession()
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


def _requires_python(wheel: str) -> str:
    """The Requires-Python in a wheel's own metadata: not every index passes it on."""
    try:
        with ArchiveFile(wheel) as file, Archive(file) as archive:
            (member,) = [one for one in archive.infolist() if _METADATA.fullmatch(one.filename)]
            if member.file_size > bounds.METADATA:
                raise RefusedError(f"{member.filename} in it has more than {bounds.METADATA:,} bytes")
            return (*fields_of(read_headers(archive.read(member)), "Requires-Python"), "")[0]
    except (OSError, ValueError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise GiveUpError(f"it is not a wheel: {error}") from error


def _too_large(filename: str, most: int, listed: int) -> str:
    if most < bounds.FILE:
        return f"{filename} has more than the {listed:,} bytes that the index lists for it"
    return f"{filename} has more than {most:,} bytes{_MOST}"


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
