"""Indexes that are down, silent or wrong, and packages that cannot be had: what the command line answers.

Each command starts a pip, so most tests ask for the JSON form only; `shop` holds `current` and debris.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.answers import accepted, links, refusal, refused, released
from tests.support.index import LocalIndex
from tests.support.roots import Site, make_site
from tests.support.wheels import Distribution, build_sdist, build_wheel, lockfile_text

ZEROS = "0" * 64


def lock(site: Site, text: str | Distribution) -> None:
    written = text if isinstance(text, str) else lockfile_text(text)
    (site.path / "requirements.txt").write_text(written)


def test_a_tampered_wheel_is_refused_before_any_of_its_code_runs(
    online: Site, index: LocalIndex, wheelhouse: Path, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    evil = f"import os\nos.mknod({os.fspath(ran)!r})\n"
    wheel = build_wheel(wheelhouse, "evil", files={"evil.py": evil}, pth={"evil.pth": evil})
    lock(online, wheel)
    index.tampered.add(wheel.filename)
    before = set(os.listdir(online.store / "wheels"))
    error = refused(online, "release", code=20, slug="hash-mismatch")
    assert "evil 1.0 (requirements.txt, line 1)" in error["message"]
    assert index.downloads(), "it was served"
    assert set(os.listdir(online.store / "wheels")) == before
    assert not ran.exists()


def test_a_package_that_is_not_there_is_not_found(online: Site) -> None:
    lock(online, f"no-such-package==1.0 --hash=sha256:{ZEROS}\n")
    error = refusal(online.run("release", "--json"), 20, "distribution-not-found")
    assert "no-such-package" in error["message"]


def test_a_wheel_for_another_platform_is_not_compatible(online: Site, wheelhouse: Path) -> None:
    lock(online, build_wheel(wheelhouse, "native", tag="cp39-cp39-win_amd64"))
    error = refusal(online.run("release", "--json"), 20, "no-compatible-wheel")
    assert "win_amd64" in error["message"]


def test_a_source_is_not_built_and_the_setting_is_named(
    online: Site, wheelhouse: Path, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    lock(online, build_sdist(wheelhouse, "source", mark=ran))
    error = refusal(online.run("release", "--json"), 20, "source-only")
    assert "[build] sdists" in error["hint"]
    assert not ran.exists()


def test_two_wheels_that_fight_over_a_module_conflict(online: Site, wheelhouse: Path) -> None:
    one = build_wheel(wheelhouse, "one", files={"same.py": "X = 1\n"})
    two = build_wheel(wheelhouse, "two", files={"same.py": "X = 2\n"})
    lock(online, lockfile_text(one, two))
    error = refusal(online.run("release", "--json"), 20, "file-conflict")
    assert "same.py" in error["message"]
    assert "overlap" in f"{error['message']} {error['hint']}"


def test_a_missing_dependency_fails_where_the_settings_ask_for_it(online: Site, wheelhouse: Path) -> None:
    online.settings("[build]\nclosed = true\n")
    lock(online, build_wheel(wheelhouse, "needy", requires=["absent-friend"]))
    error = refusal(online.run("release", "--json"), 20, "unmet-dependency")
    assert "absent-friend" in error["message"]


def test_a_wheel_that_breaks_the_rules_is_invalid(online: Site, wheelhouse: Path) -> None:
    lock(online, build_wheel(wheelhouse, "sloppy", record="wrong-hash"))
    refusal(online.run("release", "--json"), 20, "invalid-wheel")


@pytest.fixture
def babbling() -> Iterator[int]:
    """The port of something that answers, but not in HTTP."""
    stop = threading.Event()

    def serve(server: socket.socket) -> None:
        server.settimeout(0.1)
        while not stop.is_set():
            try:
                client, _ = server.accept()
            except TimeoutError:
                continue
            client.sendall(b"220 mail.example ESMTP\r\n")
            client.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        yield server.getsockname()[1]
        stop.set()
        thread.join()


def test_an_index_that_refuses_connections_is_unreachable(online: Site, wheelhouse: Path) -> None:
    lock(online, build_wheel(wheelhouse, "thing"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    online.environment["PIP_INDEX_URL"] = f"http://127.0.0.1:{port}/simple/"
    error = refused(online, "release", code=20, slug="index-unreachable")
    assert f"127.0.0.1:{port}" in error["message"]


def test_an_index_that_does_not_speak_http_is_unreachable(
    online: Site, wheelhouse: Path, babbling: int
) -> None:
    lock(online, build_wheel(wheelhouse, "thing"))
    online.environment["PIP_INDEX_URL"] = f"http://127.0.0.1:{babbling}/simple/"
    refused(online, "release", code=20, slug="index-unreachable")


def test_an_index_that_answers_with_an_error_is_unreachable(
    online: Site, index: LocalIndex, wheelhouse: Path
) -> None:
    lock(online, build_wheel(wheelhouse, "thing"))
    index.status = 503
    error = refusal(online.run("release", "--json"), 20, "index-unreachable")
    assert "503" in error["message"]


def test_an_index_that_never_answers_is_given_up_after_the_timeout(
    online: Site, wheelhouse: Path, silent: int
) -> None:
    online.settings("[build]\ntimeout = 1\n")
    lock(online, build_wheel(wheelhouse, "thing"))
    online.environment["PIP_INDEX_URL"] = f"http://127.0.0.1:{silent}/simple/"
    online.environment["PIP_DEFAULT_TIMEOUT"] = "100"
    began = time.monotonic()
    error = refused(online, "release", code=20, slug="fetch-timeout")
    assert time.monotonic() - began < 50, "twice"
    assert "[build] timeout" in error["hint"]


# -- no room ------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with little room; skips where none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=0755", "none", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def crowded(
    small_disk: Path, tmp_path: Path, application: dict[str, Distribution], known_python: Path
) -> tuple[Site, Callable[[int], Path]]:
    """A root with two releases and its own store on a small disk, and a way to fill that disk."""
    site = make_site(
        small_disk / "root", application, small_disk / "root/store", tmp_path / "home", known_python
    )
    released(site, "1.0", "1.1")

    def fill(leave: int) -> Path:
        filler = small_disk / "filler"
        filler.unlink(missing_ok=True)
        room = os.statvfs(small_disk)
        filler.write_bytes(b"\0" * (room.f_bavail * room.f_frsize - leave))
        return filler

    return site, fill


def test_a_full_disk_fails_a_release_and_not_a_rollback(
    crowded: tuple[Site, Callable[[int], Path]],
) -> None:
    site, fill = crowded
    before = links(site.path)
    site.lock("1.2")
    for leave in (64 * 1024, 0):
        filler = fill(leave)
        error = refused(site, "release", code=20, slug="disk-full")
        assert "no room" in error["message"] or "not enough room" in error["message"]
    done = site.run("rollback")
    assert done.code == 0, done.err
    assert site.current == os.path.basename(before["previous"])
    filler.unlink()
    accepted(site.run("release", "--force", "--json"))
    assert site.debris() == []
