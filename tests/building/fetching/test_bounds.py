"""Answers of an index that are too large, too many, too slow or not what they say."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import zlib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.fetching import ZEROS, Fetcher, pin_with_hash
from tests.support.hostile_index import (
    JSON,
    MIB,
    Answer,
    HostileIndex,
    begin,
    bomb,
    dripping,
    endless,
    html_page,
    json_page,
    page_and_file,
    redirecting,
    redirecting_with_endless_body,
    row,
    whole,
)
from venvship.building.fetching import downloader, pip_fetch
from venvship.building.fetching.direct import MALLOC, look_at_pages
from venvship.building.fetching.download_task import Report, Task
from venvship.building.fetching.downloader import Downloader
from venvship.building.fetching.fetch import fetch
from venvship.building.fetching.fetch_session import Session
from venvship.building.fetching.sources import Sources
from venvship.errors import DiskFullError, FetchTimeoutError, TooLargeError
from venvship.model import bounds
from venvship.system.space import kept_free

linux = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited with prlimit(2)")

APP = pin_with_hash("app", "1.0", ZEROS)
WHEEL = "app-1.0-py3-none-any.whl"
AT_ONCE = 8
"""Seconds that a bound may take at most, on a busy host: what it bounds would take for ever."""


def task(index: HostileIndex, folder: Path, *names: str) -> Task:
    return {
        "folder": str(folder),
        "python": "3.11.7",
        "tags": ["py3-none-any"],
        "user_agent": "",
        "sources": Sources(indexes=[index.url], timeout=5.0)._asdict(),
        "only_look": False,
        "wanted": [
            {"name": name, "version": "1.0", "hashes": [f"sha256:{ZEROS}"], "url": None} for name in names
        ],
    }


_MEASURED = """
import os, runpy, sys
runpy.run_path(sys.argv[1], run_name="__main__")
if os.path.exists("/proc/self/status"):
    sys.stderr.write(open("/proc/self/status").read())
"""
"""The largest memory of a process by wait4(2) counts that of its parent before exec, so it tells its own."""


def by_pip(index: HostileIndex) -> dict[str, str]:
    """The variables for a fetch from an index that is left to pip: a keyring is asked by pip alone."""
    return {"PIP_INDEX_URL": index.url, "PIP_KEYRING_PROVIDER": "subprocess"}


def downloaded(answer: Answer, *names: str) -> tuple[list[Report], int, list[str]]:
    """Run a downloader; returns its reports, its largest memory in bytes, and the files that it left."""
    with HostileIndex(answer) as index, tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _MEASURED, downloader.__file__],
            input=json.dumps(task(index, Path(folder), *(names or ("app",)))).encode(),
            capture_output=True,
            env={**os.environ, **MALLOC},
            check=True,
        )
        peak = re.search(rb"VmHWM:\s+(\d+) kB", done.stderr)
        reports = [json.loads(line) for line in done.stdout.splitlines()]
        return reports, int(peak[1]) << 10 if peak else 0, os.listdir(folder)


def refused(fetcher: Fetcher, answer: Answer, text: str = APP, **options: Any) -> TooLargeError:
    """Fetch from an index, and see that its answer is dropped at once, with nothing left of it."""
    with HostileIndex(answer) as index, pytest.raises(TooLargeError) as caught:
        fetcher(text, environ={"PIP_INDEX_URL": index.url}, **options)
    assert caught.value.exit_code == 20
    assert list(fetcher.runs[-1].rglob("*.whl")) == []
    assert fetcher.log.exists()
    return caught.value


# -- pages ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [bomb(), endless(), endless(JSON)], ids=["gzip", "html", "json"])
def test_a_page_beyond_its_bound_is_dropped_and_pip_does_not_try_either(
    fetcher: Fetcher, answer: Answer
) -> None:
    error = refused(fetcher, answer)
    assert (
        f"app 1.0 (requirements.txt, line 1): its page on 127.0.0.1 has more than {bounds.PAGE:,} bytes"
        in (error.message)
    )
    assert "by its URL" in (error.hint or "")
    assert sorted(os.listdir(fetcher.runs[-1] / "scratch")) == ["direct", "tmp"]  # no pip had a folder


def test_eight_bombs_at_once_take_no_more_memory_than_one() -> None:
    reports, memory, left = downloaded(bomb(), *(f"app{number}" for number in range(8)))
    assert [report["final"] for report in reports] == ["size"] * 8
    assert memory < 200 * MIB
    assert left == []


def test_a_large_page_is_read() -> None:
    rows = [row(f"other-1.{number}-py3-none-any.whl", ZEROS) for number in range(20_000)]
    page = json_page([*rows, row(WHEEL, "1" * 64)])
    assert len(page) > 8 * MIB

    (report,), memory, _ = downloaded(whole(page, JSON))

    assert report["final"] is None
    assert [filename for filename, _, _ in report["listed"]] == [WHEEL]
    assert memory < 200 * MIB


@pytest.mark.parametrize("form", ["html", "json"])
def test_a_page_with_more_links_than_any_project_has_files_is_dropped(form: str) -> None:
    number = bounds.LINKS + 1
    rows = ({"filename": "a", "url": "a", "hashes": {}} for _ in range(number))
    page = whole(html_page(number)) if form == "html" else whole(json_page(rows), JSON)

    (report,), memory, _ = downloaded(page)

    assert report["final"] == "size"
    assert f"more than {bounds.LINKS:,} files" in (report["problem"] or "")
    assert memory < 512 * MIB


@linux
def test_a_page_that_takes_too_much_memory_ends_the_fetch_and_not_the_host(fetcher: Fetcher) -> None:
    dense = b'{"meta": {"api-version": "1.1"}, "files": [' + b"[]," * (18 * MIB) + b"[]]}"
    assert len(dense) < bounds.PAGE
    error = refused(fetcher, whole(dense, JSON))
    assert f"take more than {bounds.MEMORY >> 20} MiB of memory" in error.message


@pytest.mark.parametrize(
    "answer",
    [
        bomb(1, "deflate", zlib.compress),
        bomb(1, "br", lambda _: b"\x0b\x02\x80brotli\x03"),
        bomb(1, "gzip, gzip"),
        bomb(1, "gzip", lambda data: data),
        bomb(1, "gzip", lambda data: gzip.compress(data)[:-9]),
        whole(b"[" * 200_000, JSON),
        whole(b'{"meta": {"api-version": "1.1"}, "files": [%s]}' % (b"9" * 10_000), JSON),
        whole(json_page([{"filename": "app", "url": "http://[", "hashes": {}}]), JSON),
    ],
    ids=["deflate", "brotli", "twice", "no-gzip", "cut-short", "nested", "digits", "url"],
)
def test_an_answer_that_makes_no_sense_is_left_to_pip(answer: Answer) -> None:
    (report,), memory, _ = downloaded(answer)
    assert report["final"] is None
    assert report["problem"]
    assert memory < 200 * MIB


@pytest.mark.parametrize("version", ["9" * 6000, f"1.{'0' * 6000}"])
def test_a_requirement_of_thousands_of_digits_on_a_page_hides_no_other_file(version: str) -> None:
    rows = [row(WHEEL, ZEROS, 5, **{"requires-python": f">={version}"}), row(WHEEL, "1" * 64)]
    (report,), _, _ = downloaded(page_and_file(json_page(rows), whole(b"12345")))
    assert report["problem"] == f"the downloaded file has the hash {_sha256(b'12345')}"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# -- files ----------------------------------------------------------------------------------------------


def _announcing(length: int) -> Answer:
    def answer(request: Any) -> None:
        begin(request, "application/octet-stream", Content_Length=length)
        for _ in range(4):
            request.wfile.write(bytes(MIB))

    return answer


def test_a_file_is_dropped_where_it_has_more_bytes_than_the_index_lists(fetcher: Fetcher) -> None:
    page = json_page([row(WHEEL, ZEROS, 3 * MIB)])
    for file in (_announcing(5 * MIB), endless("application/octet-stream")):
        error = refused(fetcher, page_and_file(page, file))
        assert f"{WHEEL} has more than the {3 * MIB:,} bytes that the index lists" in error.message


def test_a_file_that_announces_more_bytes_than_any_wheel_has_is_not_begun(fetcher: Fetcher) -> None:
    page = json_page([row(WHEEL, ZEROS)])
    error = refused(fetcher, page_and_file(page, _announcing(bounds.FILE + 1)))
    assert f"{WHEEL} has more than {bounds.FILE:,} bytes" in error.message
    page = json_page([row(WHEEL, ZEROS, 1 << 62)])
    assert "has more than" in refused(fetcher, page_and_file(page, _announcing(bounds.FILE + 1))).message


def test_a_file_for_which_there_is_no_room_is_not_begun(tmp_path: Path) -> None:
    with HostileIndex(whole(b"")) as index:
        one = Downloader(task(index, tmp_path))
        with pytest.raises(downloader.RefusedError, match="no room") as caught:
            one._require_room(1 << 60)
    assert caught.value.final == "room"


def test_the_room_is_asked_again_while_a_file_comes(tmp_path: Path) -> None:
    asked: list[int] = []

    class Full(Downloader):
        def _require_room(self, needed: int) -> None:
            asked.append(needed)
            if len(asked) == 3:
                raise downloader.RefusedError("no room", "room")

    file = endless("application/octet-stream")
    with HostileIndex(page_and_file(json_page([row(WHEEL, ZEROS)]), file)) as index:
        wanted = task(index, tmp_path, "app")["wanted"][0]
        report = Full(task(index, tmp_path, "app")).download(wanted)
    assert (report["final"], report["path"]) == ("room", None)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("sources", [False, True])
def test_a_pip_is_ended_when_the_disk_is_nearly_full(fetcher: Fetcher, sources: bool) -> None:
    class Full(Session):
        def require_room(self) -> None:
            raise DiskFullError("no room left")

    with HostileIndex(dripping()) as index:
        environ = by_pip(index)
        plain = fetcher.session(APP, sdists=["app"] if sources else [], environ=environ)
        plain.require_room()
        session = Full(**{field.name: getattr(plain, field.name) for field in fields(plain)})
        with pytest.raises(DiskFullError, match="no room left"):
            fetch(session.request.environment.selected, session)


def test_downloads_leave_some_room_and_no_more_than_a_fiftieth_of_a_small_disk(tmp_path: Path) -> None:
    found = os.statvfs(tmp_path)
    assert kept_free(tmp_path) == min(bounds.ROOM, found.f_blocks * found.f_frsize // 50)


# -- redirects ------------------------------------------------------------------------------------------


def test_redirects_are_followed_up_to_a_bound_and_their_bodies_not_read(fetcher: Fetcher) -> None:
    with (
        HostileIndex(redirecting(bytes(MIB))) as index,
        pytest.raises(TooLargeError, match="redirects more than"),
    ):
        fetcher(APP, environ={"PIP_INDEX_URL": index.url})
    assert sum(index.asked.values()) == bounds.REDIRECTS + 1

    (report,), memory, _ = downloaded(redirecting_with_endless_body)
    assert report["final"] == "size"
    assert memory < 100 * MIB


def test_a_redirect_to_another_scheme_is_left_to_pip() -> None:
    (report,), _, _ = downloaded(lambda request: begin(request, status=302, Location="file:///etc/passwd"))
    assert report["problem"] == "127.0.0.1 redirects to file:"


# -- time -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slow", ["page", "json", "file"])
@pytest.mark.parametrize("way", ["directly", "by pip"])
def test_an_answer_that_never_waits_long_and_never_ends_ends_with_the_timeout(
    fetcher: Fetcher, slow: str, way: str
) -> None:
    answer = {
        "page": dripping(),
        "json": dripping(b"{", JSON),
        "file": page_and_file(json_page([row(WHEEL, ZEROS)]), dripping(kind="application/octet-stream")),
    }[slow]
    with HostileIndex(answer) as index:
        environ = by_pip(index) if way == "by pip" else {"PIP_INDEX_URL": index.url}
        began = time.monotonic()
        with pytest.raises(FetchTimeoutError, match="longer than 2 s"):
            fetcher(APP, environ=environ, timeout=2)
    assert time.monotonic() - began < 2 + 5


def test_no_index_is_looked_at_for_a_reason_when_the_time_is_over(fetcher: Fetcher) -> None:
    with HostileIndex(whole(b"<html>")) as index:
        session = fetcher.session(APP, environ={"PIP_INDEX_URL": index.url})
        selected = session.request.environment.selected
        assert look_at_pages(selected, session, until=time.monotonic() - 1) == {}
        assert not index.asked
        assert look_at_pages(selected, session, until=time.monotonic() + 30) == {"app": ()}


def test_hashing_a_wheel_by_path_ends_with_the_timeout(fetcher: Fetcher) -> None:
    path = fetcher.root / WHEEL
    path.touch()
    os.truncate(path, 8 << 40)  # sparse: it takes no room
    began = time.monotonic()
    with pytest.raises(FetchTimeoutError, match="longer than 1 s"):
        fetcher(f"{path} --hash=sha256:{ZEROS}\n", timeout=1)
    assert time.monotonic() - began < 1 + 5


# -- pip ------------------------------------------------------------------------------------------------


@linux
def test_a_bomb_that_pip_reads_ends_at_the_bound_of_its_memory(fetcher: Fetcher) -> None:
    with HostileIndex(bomb(700)) as index, pytest.raises(TooLargeError) as caught:
        fetcher(APP, environ=by_pip(index))
    assert f"{bounds.MEMORY >> 20} MiB" in caught.value.message


@linux
@pytest.mark.parametrize("sources", [False, True])
def test_a_file_that_pip_writes_ends_at_its_bound(fetcher: Fetcher, sources: bool) -> None:
    page = json_page([{"filename": WHEEL, "url": f"/files/{WHEEL}", "hashes": {"sha256": ZEROS}}])
    with HostileIndex(page_and_file(page, endless("application/octet-stream"))) as index:
        environ = by_pip(index)
        plain = fetcher.session(APP, sdists=["app"] * sources, environ=environ)
        assert plain.largest == bounds.FILE
        with pytest.raises(TooLargeError, match="a file of more than 5,242,880 bytes") as caught:
            fetch(plain.request.environment.selected, replace(plain, largest=5 * MIB))
    assert caught.value.exit_code == 20
    written = [path.stat().st_size for path in fetcher.runs[-1].rglob("*") if path.is_file()]
    assert max(written) <= 5 * MIB


def test_no_pip_gets_more_requirements_than_its_memory_is_for(fetcher: Fetcher) -> None:
    session = fetcher.session("".join(pin_with_hash(f"pkg-{n}", "1.0", ZEROS) for n in range(430)))
    shards = pip_fetch._shards(session.request.environment.selected, session)
    sizes = [len(shard.requirements) for shard in shards]
    assert sum(sizes) == 430
    assert max(sizes) <= 50
    assert len({shard.folder for shard in shards}) == len(shards) == 9


@pytest.mark.parametrize(("sources", "bounded"), [(False, True), (True, False)])
@linux
def test_only_a_pip_that_builds_nothing_has_a_bound_of_memory(
    fetcher: Fetcher, sources: bool, bounded: bool
) -> None:
    seen: list[str] = []

    class Watched(Session):
        def require_room(self) -> None:
            children = [path.read_text() for path in Path("/proc/self/task").glob("*/children")]
            for pid in " ".join(children).split():
                with contextlib.suppress(OSError):
                    if b"\0pip\0" in Path(f"/proc/{pid}/cmdline").read_bytes():
                        limits = Path(f"/proc/{pid}/limits").read_text()
                        seen.extend(re.findall(r"Max data size +(\S+)", limits))

    with HostileIndex(dripping()) as index:
        environ = by_pip(index)
        plain = fetcher.session(APP, sdists=["app"] * sources, environ=environ, timeout=4)
        session = Watched(**{field.name: getattr(plain, field.name) for field in fields(plain)})
        with pytest.raises(FetchTimeoutError):
            fetch(session.request.environment.selected, session)
    assert {*seen} == {str(bounds.MEMORY) if bounded else "unlimited"}
