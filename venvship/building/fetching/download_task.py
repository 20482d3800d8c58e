"""What the fetch and its downloader tell each other: JSON objects over a pipe."""

from __future__ import annotations

from typing import Any, Literal, TypedDict


class Wanted(TypedDict):
    """One wheel to download, from `url`, which may have credentials, or from where it is found.

    `hashes` are those allowed, `<algorithm>:<hex>`, of which a file needs one; `name` and `version` are
    normalised.
    """

    name: str
    version: str
    hashes: list[str]
    url: str | None


class Task(TypedDict):
    """The task on standard input.

    `sources` has the attributes of `Sources`, by name. Credentials in a URL there are good for its host.
    `folder` exists and gets the files. `tags` are the interpreter's, best first, and `python` is its version.
    With `only_look` nothing is downloaded, and the reports have what the pages list.
    """

    folder: str
    python: str
    tags: list[str]
    user_agent: str
    sources: dict[str, Any]
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
