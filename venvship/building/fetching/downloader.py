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
import functools
import hashlib
import json
import os
import re
import sys
import threading
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Final
from urllib.parse import quote, urlsplit

import requests
from packaging.specifiers import SpecifierSet

from venvship.building.fetching.choice import algorithms, is_of, project_of, rank_of
from venvship.building.fetching.download_errors import GiveUpError, RefusedError, bare, none_of
from venvship.building.fetching.download_task import Report, Task, Wanted
from venvship.building.fetching.folders import Folders
from venvship.building.fetching.http_answer import (
    NotDecodedError,
    announced_length,
    decoded_body,
    raw_body,
)
from venvship.building.fetching.http_client import MOST, HttpClient
from venvship.building.fetching.index_page import (
    ACCEPT,
    HTML,
    JSON,
    Link,
    TooManyLinksError,
    filename_of,
    links_of,
)
from venvship.building.fetching.sources import Sources
from venvship.model import bounds
from venvship.model.metadata import fields_of, read_headers
from venvship.system.archives import Archive, ArchiveFile
from venvship.system.space import free, kept_free

CONNECTIONS: Final = 8
"""Downloads at once. More gain little from one index, and look like an attack to it."""

_METADATA: Final = re.compile(r"[^/]+\.dist-info/METADATA")
_SMALL_PAGE: Final = 1 << 20
"""Bytes of a page that every connection may read. One that has more is read and taken apart alone: its memory
is many times its size."""

_ASKED_FOR_ROOM: Final = 16 << 20
"""Bytes that are written between two looks at the room that is left."""

_REPLACED: Final = 1 << 20
"""Bytes that a file may have beyond those that the index lists. If it was replaced, its hash is the better
reason to refuse it."""

_OUT_OF_MEMORY: Final = f"the answers of the index take more than {bounds.MEMORY >> 20} MiB of memory"
_MOST_LISTED: Final = 500


class Downloader:
    """One task, from several threads."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._rank = {tag: rank for rank, tag in enumerate(task["tags"])}
        self._sources = Sources(**task["sources"])
        self._client = HttpClient(self._sources, task["user_agent"])
        self._folders = Folders(self._sources.folders, self._rank)
        self._large_page = threading.Lock()
        self._pages: dict[str, list[Link]] = {}
        self._reading_pages = threading.Lock()

    def download(self, wanted: Wanted) -> Report:
        """Download one wheel, or report why not."""
        report = Report(name=wanted["name"], path=None, sha256=None, problem=None, listed=[], final=None)
        try:
            if self._task["only_look"]:
                raise GiveUpError("only looked at", self._seen(wanted))
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

    def _seen(self, wanted: Wanted) -> list[Link]:
        """The files of a pin that the indexes list."""
        found: list[Link] = []
        for index in self._sources.indexes:
            with self._links(index, wanted["name"]) as links:
                found += [link for link in links if is_of(link.filename, wanted)]
        return found

    def _download(self, wanted: Wanted) -> tuple[str, str]:
        """Take the file from wherever one with an allowed hash is: what costs no request first."""
        allowed = frozenset(wanted["hashes"])
        if (url := wanted["url"]) is not None:
            filename = filename_of(url)
            if rank_of(filename, wanted, self._rank) is None:
                raise GiveUpError("it is not a wheel for this interpreter, by its name")
            return self._save(Link(filename, url, allowed), allowed, at=url)
        problems: list[GiveUpError | RefusedError] = []
        for take in self._places():
            try:
                return take(wanted)
            except (GiveUpError, RefusedError) as error:
                if isinstance(error, RefusedError) and error.final == "room":
                    raise
                problems.append(bare(error))
        raise none_of(problems)

    def _places(self) -> Iterator[Callable[[Wanted], tuple[str, str]]]:
        if self._sources.folders:
            yield self._from_folders
        for page in self._sources.pages:
            yield functools.partial(self._from_page, page)
        for index in self._sources.indexes:
            yield functools.partial(self._from_index, index)

    def _from_folders(self, wanted: Wanted) -> tuple[str, str]:
        path, sha256 = self._folders.find(wanted)
        self._require_python(path)
        return path, sha256

    def _from_page(self, page: str, wanted: Wanted) -> tuple[str, str]:
        allowed = frozenset(wanted["hashes"])
        return self._save(self._best(self._links_of_page(page), wanted, allowed), allowed, at=page)

    def _from_index(self, index: str, wanted: Wanted) -> tuple[str, str]:
        allowed = frozenset(wanted["hashes"])
        with self._links(index, wanted["name"]) as links:
            link = self._best(links, wanted, allowed)
        return self._save(link, allowed, at=index)

    def _best(self, links: Sequence[Link], wanted: Wanted, allowed: frozenset[str]) -> Link:
        """Choose as pip does: not yanked; the highest version; the best tag; the highest build number.

        A link without a hash is taken if no other will do: its file is hashed anyway.
        """
        ranked = [
            (bool(link.hashes), not link.yanked, *rank, link.filename, link)
            for link in links
            if (link.hashes & allowed or not link.hashes)
            and self._runs_here(link.requires_python)
            and (rank := rank_of(link.filename, wanted, self._rank)) is not None
        ]
        if not ranked:
            raise GiveUpError(
                "the index shows no wheel of it with an allowed hash for this interpreter",
                [link for link in links if is_of(link.filename, wanted)],
            )
        best: Link = max(ranked, key=lambda row: row[:-1])[-1]
        return best

    def _runs_here(self, requires_python: str) -> bool:
        try:
            return SpecifierSet(requires_python).contains(self._task["python"], prereleases=True)
        except ValueError:  # pip ignores it
            return True

    @contextlib.contextmanager
    def _links(self, index: str, name: str) -> Iterator[list[Link]]:
        """Ask for the page of a project; its links are gone after the block."""
        with contextlib.ExitStack() as stack:
            links = self._read_page(f"{index.rstrip('/')}/{quote(name)}/", index, stack)
            yield links
            links.clear()

    def _links_of_page(self, page: str) -> list[Link]:
        """The links of a page that `--find-links` names, to files that are wanted; it is asked for once."""
        with self._reading_pages:
            if page not in self._pages:
                names = {wanted["name"] for wanted in self._task["wanted"]}
                with contextlib.ExitStack() as stack:
                    links = self._read_page(page, page, stack)
                    self._pages[page] = [link for link in links if project_of(link.filename) in names]
            return self._pages[page]

    def _read_page(self, url: str, at: str, stack: contextlib.ExitStack) -> list[Link]:
        """The links of a page. A large one is read alone, until the stack is closed."""
        headers = {"Accept": ACCEPT, "Accept-Encoding": "gzip"}
        response = stack.enter_context(self._client.get(url, headers, at=at))
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind not in {JSON, *HTML}:
            raise self._client.give_up_on(at, f"the index answers with {kind or 'no content type'}")
        try:
            page = bytearray()
            for piece in decoded_body(response):
                if len(page) <= _SMALL_PAGE < len(page) + len(piece):
                    stack.enter_context(self._large_page)
                page += piece
                if len(page) > bounds.PAGE:
                    host = urlsplit(response.url).hostname
                    raise RefusedError(f"its page on {host} has more than {bounds.PAGE:,} bytes{MOST}")
            return list(links_of(kind, page, response.encoding, response.url))
        except TooManyLinksError as error:
            raise RefusedError(str(error)) from error
        except (requests.RequestException, NotDecodedError) as error:
            raise GiveUpError(f"the index: {error}") from error
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise GiveUpError(f"the page of it is not understood: {error}") from error

    def _save(self, link: Link, allowed: frozenset[str], *, at: str) -> tuple[str, str]:
        """Write a file, hashing on the way; returns its path and SHA-256. `at` is what leads to it."""
        filename, size = link.filename, link.size
        path = os.path.join(self._task["folder"], filename)
        digests = {algorithm: hashlib.new(algorithm) for algorithm in algorithms(allowed)}
        # Compression on the way would change the bytes that are hashed.
        with self._client.get(link.url, {"Accept-Encoding": "identity"}, at=at) as response:
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
            self._require_python(path)
        except (GiveUpError, RefusedError):
            _discard(path)
            raise
        return path, sha256

    def _require_python(self, path: str) -> None:
        """Refuse a wheel that says only inside that it is for another version of Python."""
        if not self._runs_here(_requires_python(path)):
            raise GiveUpError("it is not for this version of Python")

    def _require_room(self, needed: int) -> None:
        """Refuse a download that would fill the disk; `needed` bytes of it are still to come."""
        folder = self._task["folder"]
        if free(folder).bytes < needed + kept_free(folder):
            raise RefusedError(f"there is no room for it on the file system of {folder}", "room")


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
    return f"{filename} has more than {most:,} bytes{MOST}"


def _discard(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def main() -> None:
    """Download everything that standard input asks for."""
    # Of a trusted host: the settings say so.
    warnings.filterwarnings("ignore", message="Unverified HTTPS request")
    task: Task = json.load(sys.stdin)
    downloader = Downloader(task)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for done in as_completed([pool.submit(downloader.download, wanted) for wanted in task["wanted"]]):
            sys.stdout.write(json.dumps(done.result()) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
