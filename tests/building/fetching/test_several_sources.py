"""Several indexes, folders and pages: a file comes directly from wherever it is, with the fewest requests."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import Authority, needs_openssl
from tests.support.fetching import Fetcher, names, pins, with_credentials, without_pip
from tests.support.index import LocalIndex
from tests.support.wheels import build_wheel
from venvship.errors import BuildError, DistributionNotFoundError, HashMismatchError, TooLargeError
from venvship.model import bounds


@dataclass
class Two:
    """Two indexes, each over a folder of its own."""

    first: LocalIndex
    second: LocalIndex

    @property
    def environ(self) -> dict[str, str]:
        return {"PIP_INDEX_URL": self.first.url, "PIP_EXTRA_INDEX_URL": self.second.url}

    def pages(self) -> tuple[int, int]:
        """How many pages each was asked for."""
        first, second = (
            sum(count for path, count in index.requests.items() if path.startswith("/simple/"))
            for index in (self.first, self.second)
        )
        return first, second


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    with LocalIndex(tmp_path / "first") as first, LocalIndex(tmp_path / "second") as second:
        yield Two(first, second)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "wheels"
    made.mkdir()
    return made


@pytest.fixture
def static(folder: Path) -> Iterator[str]:
    """The URL of a plain web server over the folder: a page of links without hashes."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def test_the_second_index_is_asked_for_what_the_first_does_not_have(fetcher: Fetcher, two: Two) -> None:
    public = [build_wheel(two.first.directory, f"public-{letter}") for letter in "abc"]
    private = build_wheel(two.second.directory, "private")
    assert names(fetcher(pins(*public, private), environ=two.environ)) == [
        *(one.filename for one in public),
        private.filename,
    ]
    assert without_pip(fetcher)
    assert two.pages() == (4, 1)
    assert len(two.first.downloads() + two.second.downloads()) == 4


def test_the_order_of_the_indexes_decides_nothing(fetcher: Fetcher, two: Two) -> None:
    """The same name and version on both, with other bytes: only one has the hash of the lockfile."""
    build_wheel(two.first.directory, "app", files={"app.py": "another = 1\n"})
    right = build_wheel(two.second.directory, "app", files={"app.py": "right = 1\n"})
    for environ in (
        two.environ,
        {"PIP_INDEX_URL": two.second.url, "PIP_EXTRA_INDEX_URL": two.first.url},
    ):
        (fetched,) = fetcher(pins(right), environ=environ)
        assert fetched.sha256 == right.sha256
        assert without_pip(fetcher)


def test_a_file_with_another_hash_than_its_page_says_is_passed_over(fetcher: Fetcher, two: Two) -> None:
    wheel = build_wheel(two.first.directory, "app")
    (two.second.directory / wheel.filename).write_bytes(wheel.path.read_bytes())
    two.first.tampered = {wheel.filename}
    (fetched,) = fetcher(pins(wheel), environ=two.environ)
    assert fetched.sha256 == wheel.sha256
    assert without_pip(fetcher)
    two.second.tampered = {wheel.filename}
    with pytest.raises(HashMismatchError):
        fetcher(pins(wheel), environ=two.environ)


@pytest.mark.parametrize("wrong", ["status", "credentials", "down"])
def test_an_index_that_fails_is_passed_over_and_asked_once(fetcher: Fetcher, two: Two, wrong: str) -> None:
    wheels = [build_wheel(two.second.directory, f"pkg-{number}") for number in range(20)]
    environ = two.environ
    if wrong == "status":
        two.first.status = 500
    elif wrong == "credentials":
        with_credentials(two.first)
    else:
        two.first.stop()
    assert names(fetcher(pins(*wheels), environ=environ)) == [wheel.filename for wheel in wheels]
    assert without_pip(fetcher)
    # Each of the eight connections may have asked before the first answer came.
    assert wrong == "down" or two.pages()[0] <= 8
    assert two.pages()[1] == 20


def test_two_indexes_on_one_host_fail_each_for_itself(
    fetcher: Fetcher, index: LocalIndex, wheelhouse: Path
) -> None:
    wheels = [build_wheel(wheelhouse, f"pkg-{number}") for number in range(20)]
    index.shut = "/team/"
    environ = {"PIP_INDEX_URL": f"http://127.0.0.1:{index.port}/team/", "PIP_EXTRA_INDEX_URL": index.url}
    assert names(fetcher(pins(*wheels), environ=environ)) == [wheel.filename for wheel in wheels]
    assert without_pip(fetcher)


def test_each_index_gets_its_own_password(fetcher: Fetcher, two: Two) -> None:
    one, other = build_wheel(two.first.directory, "one"), build_wheel(two.second.directory, "other")
    two.first.credentials, two.second.credentials = ("a", "first word"), ("b", "second")
    environ = {
        "PIP_INDEX_URL": two.first.url_with("a", "first word"),
        "PIP_EXTRA_INDEX_URL": two.second.url_with("b", "second"),
    }
    assert names(fetcher(pins(one, other), environ=environ)) == [one.filename, other.filename]
    assert without_pip(fetcher)
    assert len(two.first.authorized) == len(two.second.authorized) == 1
    assert two.first.authorized != two.second.authorized


def test_a_package_that_nobody_has_is_reported_by_pip(fetcher: Fetcher, two: Two, folder: Path) -> None:
    wheel = build_wheel(folder, "app")
    text = pins(wheel)
    wheel.path.unlink()
    with pytest.raises(DistributionNotFoundError, match="app"):
        fetcher(text, environ={**two.environ, "PIP_FIND_LINKS": str(folder)})
    log = fetcher.log.read_text()
    assert "app: no folder has a wheel of it" in log
    assert "127.0.0.1 answers 404" in log


# -- folders ------------------------------------------------------------------------------------------------


def test_a_folder_costs_no_request(fetcher: Fetcher, two: Two, folder: Path) -> None:
    here, there = build_wheel(folder, "here"), build_wheel(two.second.directory, "there")
    environ = {**two.environ, "PIP_FIND_LINKS": f"/none {folder}"}
    fetched = fetcher(pins(here, there), environ=environ)
    assert names(fetched) == [here.filename, there.filename]
    assert fetched[0].path == str(here.path)
    assert without_pip(fetcher)
    assert two.pages() == (1, 1)
    assert here.path.exists(), "it is somebody else's file"


def test_a_folder_alone_will_do(fetcher: Fetcher, index: LocalIndex, folder: Path) -> None:
    wheels = [build_wheel(folder, "app", tag=tag) for tag in ("py3-none-any", "cp39-cp39-win_amd64")]
    text = pins(wheels[0], options=["--no-index", f"--find-links {folder}"])
    assert names(fetcher(text)) == [wheels[0].filename]
    assert without_pip(fetcher)
    assert not index.requests


def test_of_several_files_in_a_folder_the_one_with_an_allowed_hash_is_taken(
    fetcher: Fetcher, index: LocalIndex, tmp_path: Path
) -> None:
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    right = build_wheel(folders[0], "app", files={"app.py": "right = 1\n"})
    build_wheel(folders[1], "app", files={"app.py": "another = 1\n"})
    for given in (folders, folders[::-1]):
        environ = {"PIP_FIND_LINKS": " ".join(map(str, given))}
        (fetched,) = fetcher(pins(right), environ=environ)
        assert fetched.path == str(right.path)
        assert without_pip(fetcher)
    assert not index.requests


def test_a_folder_with_a_file_of_another_hash_leaves_the_index(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex, folder: Path
) -> None:
    right = build_wheel(wheelhouse, "app")
    build_wheel(folder, "app", files={"app.py": "another = 1\n"})
    os.mkfifo(folder / "app-1.0-1-py3-none-any.whl")
    (fetched,) = fetcher(pins(right), environ={"PIP_FIND_LINKS": str(folder)})
    assert fetched.sha256 == right.sha256
    assert without_pip(fetcher)


def test_a_wheel_in_a_folder_that_says_only_inside_for_which_python_it_is_is_not_taken(
    fetcher: Fetcher, folder: Path
) -> None:
    wheel = build_wheel(folder, "app", requires_python="<3")
    with pytest.raises(BuildError):
        fetcher(pins(wheel, options=["--no-index", f"--find-links {folder}"]))
    assert not without_pip(fetcher)


# -- pages --------------------------------------------------------------------------------------------------


def test_a_page_of_links_is_asked_for_once(
    fetcher: Fetcher, index: LocalIndex, folder: Path, static: str
) -> None:
    wheels = [build_wheel(folder, f"pkg-{number}") for number in range(20)]
    environ = {"PIP_FIND_LINKS": static}
    assert names(fetcher(pins(*wheels), environ=environ)) == [wheel.filename for wheel in wheels]
    assert without_pip(fetcher)
    assert not index.requests


def test_a_file_that_a_page_has_with_other_bytes_comes_from_the_index(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex, folder: Path, static: str
) -> None:
    right = build_wheel(wheelhouse, "app")
    build_wheel(folder, "app", files={"app.py": "another = 1\n"})
    (fetched,) = fetcher(pins(right), environ={"PIP_FIND_LINKS": static})
    assert fetched.sha256 == right.sha256
    assert without_pip(fetcher)


# -- how to connect -----------------------------------------------------------------------------------------


@needs_openssl
def test_a_trusted_host_needs_no_certificate(fetcher: Fetcher, tmp_path: Path, wheelhouse: Path) -> None:
    wheel = build_wheel(wheelhouse, "app")
    index = LocalIndex(wheelhouse)
    index.certificate = Authority(tmp_path / "authority").self_signed("alone")
    with index:
        environ = {"PIP_INDEX_URL": index.url, "PIP_TRUSTED_HOST": f"127.0.0.1:{index.port}"}
        assert names(fetcher(pins(wheel), environ=environ)) == [wheel.filename]
        assert without_pip(fetcher)
        assert "Warning" not in (fetcher.log.read_text() if fetcher.log.exists() else "")


def test_a_proxy_of_pips_settings_is_asked(fetcher: Fetcher, wheelhouse: Path, index: LocalIndex) -> None:
    wheel = build_wheel(wheelhouse, "app")
    environ = {
        "PIP_INDEX_URL": "http://packages.example.org/simple",
        "PIP_TRUSTED_HOST": "packages.example.org",
        "PIP_PROXY": f"http://127.0.0.1:{index.port}",
        "no_proxy": "*",
    }
    assert names(fetcher(pins(wheel), environ=environ)) == [wheel.filename]
    assert without_pip(fetcher)


def test_a_page_beyond_its_bound_is_refused_only_if_nobody_else_has_the_file(
    fetcher: Fetcher, two: Two
) -> None:
    wheel = build_wheel(two.second.directory, "app")

    class Endless(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            try:
                for _ in range(bounds.PAGE // 65536 + 2):
                    self.wfile.write(b" " * 65536)
            except OSError:
                pass

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        environ = {
            "PIP_INDEX_URL": f"http://127.0.0.1:{server.server_address[1]}/",
            "PIP_EXTRA_INDEX_URL": two.second.url,
        }
        text = pins(wheel)
        assert names(fetcher(text, environ=environ)) == [wheel.filename]
        assert without_pip(fetcher)
        wheel.path.unlink()
        with pytest.raises(TooLargeError):
            fetcher(text, environ=environ)
        server.shutdown()
        thread.join()
