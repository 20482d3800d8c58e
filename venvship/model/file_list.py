"""`files.json`: every file of a release but this one and the manifest, a row to a line.

    {"files":[
    [path, type, mode, size, sha256 or target],
    ...
    ],"format":1}

It is JSON, and may be read as such. The lines are for people, who use diff, and for several processes that
look at a release of 20,000 files, and parse a part of the list each.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from venvship.model import json_fields as fields
from venvship.model.release import FileEntry
from venvship.model.spelling import FORMAT, parse_json

_HEAD: Final = b'{"files":[\n'
_BETWEEN: Final = b",\n"
_END: Final = b"\n],"

_ROWS: Final = 1000
"""Rows in a piece."""


def chunks(entries: Iterable[FileEntry]) -> Iterator[bytes]:
    """Write the list in the order given, and in pieces: as one text, that of 200,000 files takes 120 MiB."""
    quoted = json.JSONEncoder(ensure_ascii=False).encode
    rows = (
        f'[{quoted(path)},"{kind}","{mode:04o}",{size},{quoted(target or sha256)}]'
        for path, kind, mode, size, sha256, target in entries
    )
    yield _HEAD
    separator = b""
    while some := list(itertools.islice(rows, _ROWS)):
        yield separator + _BETWEEN.decode().join(some).encode()
        separator = _BETWEEN
    yield _END + b'"format":%d}\n' % FORMAT


def rows(data: bytes) -> list[Any]:
    """Read the list: each row as `FileEntry.from_json` takes it.

    Raises:
        ValueError: It is no such list.
    """
    try:
        return fields.items(fields.mapping(parse_json(data))["files"])
    except (KeyError, ValueError) as error:
        raise ValueError("not a list of files") from error


def entries(data: bytes) -> tuple[FileEntry, ...]:
    """Read the list whole.

    Raises:
        ValueError: It is no such list, or has a path twice.
    """
    found = tuple(map(FileEntry.from_json, rows(data)))
    if len({entry.path for entry in found}) != len(found):
        raise ValueError("a path is there twice")
    return found


def parts(data: bytes, number: int) -> list[memoryview]:
    """Cut the list into parts, for `rows_of`, without reading it.

    Args:
        data: The list.
        number: How many parts; there are fewer of a short list.

    Raises:
        ValueError: It is no such list.
    """
    start, end = len(_HEAD), data.rfind(_END)
    # Without its rows, a list of ours is an empty list. No row has a line break in it.
    if not data.startswith(_HEAD) or end < start or rows(data[:start] + data[end:]) != []:
        # It was rewritten in another layout.
        return [memoryview(_rewritten(rows(data)))]
    whole = memoryview(data)
    found = []
    size = (end - start) // number + 1
    while start < end:
        cut = data.find(_BETWEEN, start + size, end)
        if cut < 0:
            cut = end
        found.append(whole[start:cut])
        start = cut + len(_BETWEEN)
    return found


def _rewritten(found: list[Any]) -> bytes:
    try:
        return json.dumps(found)[1:-1].encode()
    except RecursionError as error:
        raise ValueError("not a list of files") from error


def rows_of(part: memoryview) -> list[Any]:
    """Read a part, as `rows` reads the whole.

    Raises:
        ValueError: It is no JSON.
    """
    try:
        return fields.items(parse_json(b"".join((b"[", part, b"]"))))
    except ValueError as error:
        raise ValueError("not a list of files") from error
