"""The fast way to a wheel, past pip: when it is taken, what it brings, and that pip comes after it."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.fetching import (
    SECRET,
    WAYS,
    ZEROS,
    Fetcher,
    Way,
    by_configuration,
    everything_said,
    names,
    pin_with_hash,
    pins,
    with_credentials,
    without_pip,
)
from tests.support.index import LocalIndex
from tests.support.wheels import build_sdist, build_wheel
from venvship.building.fetching.download_task import Wanted
from venvship.building.fetching.downloader import Downloader
from venvship.building.fetching.sources import Sources
from venvship.errors import (
    BuildError,
    HashMismatchError,
    IndexUnreachableError,
    NoCompatibleWheelError,
)


@pytest.fixture(params=["html", "json"])
def either(index: LocalIndex, request: pytest.FixtureRequest) -> LocalIndex:
    """The index, with pages in one form and in the other."""
    index.form = request.param
    return index


# -- what it brings -------------------------------------------------------------------------------------


def test_a_wheel_by_url_on_the_host_of_the_index_comes_with_its_password(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex
) -> None:
    with_credentials(index)
    wheel, other = build_wheel(wheelhouse, "app"), build_wheel(wheelhouse, "other")
    options, environ = by_configuration(fetcher, index)
    text = f"{options}app @ {index.file_url(wheel.filename)} --hash=sha256:{wheel.sha256}\n{pins(other)}"
    assert names(fetcher(text, environ=environ)) == [wheel.filename, other.filename]
    assert without_pip(fetcher)


@pytest.mark.parametrize("version", ["3.11.7+", "3.11.7rc1"])
def test_an_interpreter_that_is_not_released_counts_as_the_version_that_it_becomes(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex, version: str
) -> None:
    wheel = build_wheel(wheelhouse, "app", requires_python=">=3.11.7")
    fetcher = replace(fetcher, interpreter=fetcher.interpreter._replace(version=version))
    assert names(fetcher(pins(wheel))) == [wheel.filename]
    assert without_pip(fetcher)


# -- what is left to pip --------------------------------------------------------------------------------


def test_only_what_does_not_come_directly_is_left_to_pip(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex
) -> None:
    wheels = [build_wheel(wheelhouse, f"pkg-{letter}") for letter in "abc"]
    source = build_sdist(wheelhouse, "sourced")
    fetched = fetcher(pins(*wheels, source), sdists=["sourced"])
    assert fetched[-1].source_sha256 == source.sha256
    assert all(index.requests[f"/files/{wheel.filename}"] == 1 for wheel in wheels)
    assert "sourced: the index shows no wheel of it" in fetcher.log.read_text()


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"PIP_FIND_LINKS": "{wheelhouse}/app-1.0-py3-none-any.whl"}, "find-links: Not a directory"),
        ({"PIP_KEYRING_PROVIDER": "subprocess"}, "pip is set up with keyring-provider"),
        ({"PIP_INDEX_URL": "http://deploy@127.0.0.1:{port}/simple"}, "has a user without a password"),
    ],
)
def test_settings_that_are_not_understood_are_left_to_pip(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex, environ: dict[str, str], said: str
) -> None:
    wheel = build_wheel(wheelhouse, "app")
    environ = {
        name: value.format(url=index.url, wheelhouse=wheelhouse, port=index.port)
        for name, value in environ.items()
    }
    assert names(fetcher(pins(wheel), environ=environ)) == [wheel.filename]
    assert not without_pip(fetcher)
    assert said in fetcher.log.read_text()


def test_a_file_of_an_index_without_hashes_is_hashed_when_it_came(
    fetcher: Fetcher, wheelhouse: Path, either: LocalIndex
) -> None:
    either.fragments = False
    wheel = build_wheel(wheelhouse, "app")
    assert names(fetcher(pins(wheel))) == [wheel.filename]
    assert without_pip(fetcher)
    either.tampered = {wheel.filename}
    with pytest.raises(HashMismatchError):
        fetcher(pins(wheel))
    assert not os.listdir(fetcher.runs[-1] / "scratch" / "direct")


def test_a_tampered_file_is_not_kept_and_pip_finds_out_what_it_is(
    fetcher: Fetcher, wheelhouse: Path, either: LocalIndex
) -> None:
    wheel = build_wheel(wheelhouse, "app")
    either.tampered = {wheel.filename}
    with pytest.raises(HashMismatchError):
        fetcher(pins(wheel))
    assert not os.listdir(fetcher.runs[-1] / "scratch" / "direct")
    assert either.requests[f"/files/{wheel.filename}"] == 2


def test_a_file_that_is_no_archive_is_left_to_pip(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex
) -> None:
    junk = wheelhouse / "app-1.0-py3-none-any.whl"
    junk.write_bytes(b"no archive")
    with pytest.raises(BuildError, match="is invalid"):
        fetcher(pin_with_hash("app", "1.0", hashlib.sha256(b"no archive").hexdigest()))
    assert "app: it is not a wheel" in fetcher.log.read_text()


def test_a_wheel_that_says_only_inside_for_which_python_it_is_is_refused(
    fetcher: Fetcher, wheelhouse: Path, either: LocalIndex
) -> None:
    with pytest.raises(NoCompatibleWheelError, match=r"requires Python >=3\.99"):
        fetcher(pins(build_wheel(wheelhouse, "modern", requires_python=">=3.99")))


@pytest.mark.parametrize(
    "name",
    [
        "../../../app-1.0-py3-none-any.whl",
        "app-1.0-1/../../../x-py3-none-any.whl",
        "app-1.0-1\0-py3-none-any.whl",
        f"app-1.0-{'1' * 5000}-py3-none-any.whl",
        f"app-1.0-{'.'.join(f'a{n}' for n in range(90))}-none-any.whl",
    ],
    ids=["parent", "build", "nul", "digits", "tags"],
)
def test_a_name_that_leads_elsewhere_or_nowhere_is_not_written(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex, name: str
) -> None:
    index.form = "json"
    wheel = build_wheel(wheelhouse, "app")
    index.renamed = {wheel.filename: name}
    (fetched,) = fetcher(pins(wheel))  # pip goes by the URL
    assert sorted(fetcher.root.rglob("*.whl")) == sorted([wheel.path, Path(fetched.path)])
    assert "app: the index shows no wheel of it" in fetcher.log.read_text()


def test_what_nobody_thought_of_keeps_one_wheel_from_coming_directly_and_no_other(
    tmp_path: Path,
) -> None:
    class Surprised(Downloader):
        def _download(self, wanted: Wanted) -> tuple[str, str]:
            raise LookupError(f"surprise about {wanted['name']}")

    one = Surprised(
        {
            "folder": str(tmp_path),
            "python": "3.11.7",
            "tags": ["py3-none-any"],
            "user_agent": "",
            "sources": Sources(indexes=["http://127.0.0.1:1/"], timeout=1.0)._asdict(),
            "only_look": False,
            "wanted": [],
        }
    )
    wanted = Wanted(name="app", version="1.0", hashes=[], url=None)
    assert one.download(wanted)["problem"] == "LookupError: surprise about app"


def test_a_host_that_is_down_is_asked_no_more_and_others_are(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex
) -> None:
    wheels = [build_wheel(wheelhouse, f"pkg-{number}") for number in range(20)]
    with LocalIndex(wheelhouse) as down:
        down.status = 403
        far = [
            f"far-{number} @ {down.file_url(f'far_{number}-1.0-py3-none-any.whl')} --hash=sha256:{ZEROS}\n"
            for number in range(3)
        ]
        with pytest.raises(IndexUnreachableError, match="403"):
            fetcher("".join(far) + pins(*wheels))
    assert fetcher.log.read_text().count("127.0.0.1 answers 403") >= 3
    assert all(index.requests[f"/files/{wheel.filename}"] == 1 for wheel in wheels)


def test_an_index_that_is_down_is_asked_once_for_all_and_then_by_pip(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex
) -> None:
    wheels = [build_wheel(wheelhouse, f"pkg-{number}") for number in range(40)]
    index.status = 503
    with pytest.raises(IndexUnreachableError, match="503"):
        fetcher(pins(*wheels))
    assert (
        sum(f"pkg-{number}: 127.0.0.1 answers 503" in fetcher.log.read_text() for number in range(40)) == 40
    )
    # The eight that were at it before the first answer, and then pips, of which the first ends the others.
    assert sum(index.requests.values()) < 30


# -- settings that it honours ---------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_wrong_credentials_show_up_nowhere_either(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex, way: Way
) -> None:
    index.credentials = ("deploy", "another")
    options, environ = way(fetcher, index)
    with pytest.raises(IndexUnreachableError, match="401") as caught:
        fetcher(options + pins(build_wheel(wheelhouse, "app")), environ=environ)
    assert "app: 127.0.0.1 answers 401" in fetcher.log.read_text()
    assert SECRET not in everything_said(fetcher, caught.value)


def test_a_token_in_the_query_of_a_url_that_cannot_be_reached_shows_up_nowhere(fetcher: Fetcher) -> None:
    url = "http://127.0.0.1:1/app-1.0-py3-none-any.whl?token=${INDEX_TOKEN}"
    with pytest.raises(IndexUnreachableError, match="Connection refused") as caught:
        fetcher(f"app @ {url} --hash=sha256:{ZEROS}\n", environ={"INDEX_TOKEN": SECRET})
    assert "app: 127.0.0.1 cannot be reached" in fetcher.log.read_text()
    assert SECRET not in everything_said(fetcher, caught.value)


def test_another_host_that_has_the_files_does_not_get_the_password(
    fetcher: Fetcher, wheelhouse: Path, either: LocalIndex
) -> None:
    with_credentials(either)
    wheel = build_wheel(wheelhouse, "app")
    options, environ = by_configuration(fetcher, either)
    with LocalIndex(wheelhouse) as files:
        either.files_at = files.file_url("")
        assert names(fetcher(options + pins(wheel), environ=environ)) == [wheel.filename]
        assert without_pip(fetcher)
        assert files.downloads() == [wheel.filename]
        assert not files.authorized
    assert either.authorized


def test_a_proxy_is_asked_instead(fetcher: Fetcher, wheelhouse: Path, index: LocalIndex) -> None:
    wheel = build_wheel(wheelhouse, "app")
    with LocalIndex(wheelhouse) as proxy:
        environ = {"http_proxy": f"http://127.0.0.1:{proxy.port}", "no_proxy": ""}
        assert names(fetcher(pins(wheel), environ=environ)) == [wheel.filename]
        assert without_pip(fetcher)
        assert proxy.downloads() == [wheel.filename]
    assert not index.requests


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl to make a certificate")
@pytest.mark.parametrize("variable", ["PIP_CERT", "REQUESTS_CA_BUNDLE"])
def test_a_certificate_is_honoured_and_without_it_there_is_no_connection(
    fetcher: Fetcher, wheelhouse: Path, tmp_path: Path, variable: str
) -> None:
    pem = tmp_path / "localhost.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(pem), "-days", "2"]
    argv += ["-out", f"{pem}.crt", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(argv, check=True, capture_output=True)
    certificate = Path(f"{pem}.crt")
    pem.write_bytes(pem.read_bytes() + certificate.read_bytes())
    wheel = build_wheel(wheelhouse, "app")
    index = LocalIndex(wheelhouse)
    index.certificate = pem
    with index:
        environ = {"PIP_INDEX_URL": index.url}
        trusting = {**environ, variable: str(certificate)}
        assert names(fetcher(pins(wheel), environ=trusting)) == [wheel.filename]
        assert without_pip(fetcher)
        with pytest.raises(IndexUnreachableError):
            fetcher(pins(wheel), environ=environ)
        assert "certificate verify failed" in fetcher.log.read_text()


# -- an index that is not ours --------------------------------------------------------------------------


@pytest.fixture
def pypiserver(wheelhouse: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """pypiserver over the wheelhouse, with a password for everything.

    Yields:
        Host and port.
    """
    digest = base64.b64encode(hashlib.sha1(SECRET.encode()).digest()).decode()
    (tmp_path / "htpasswd").write_text(f"deploy:{{SHA}}{digest}\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    argv = [sys.executable, "-m", "pypiserver", "run", "--interface", "127.0.0.1", "--port", str(port)]
    argv += ["--passwords", str(tmp_path / "htpasswd"), "--authenticate", "update,download,list"]
    argv += ["--hash-algo", request.param, str(wheelhouse)]
    with open(tmp_path / "pypiserver.log", "wb") as log:
        server = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < deadline, (tmp_path / "pypiserver.log").read_text()
                time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


@pytest.mark.parametrize("pypiserver", ["sha256"], indirect=True)
def test_a_server_of_another_make_gives_its_wheels_directly(
    fetcher: Fetcher, wheelhouse: Path, pypiserver: str
) -> None:
    wheels = [build_wheel(wheelhouse, name) for name in ("first", "second.part", "third")]
    environ = {"PIP_INDEX_URL": f"http://deploy:{SECRET}@{pypiserver}/simple/"}
    assert names(fetcher(pins(*wheels), environ=environ)) == [wheel.filename for wheel in wheels]
    assert without_pip(fetcher)
    wrong = {"PIP_INDEX_URL": f"http://deploy:wrong-{SECRET}@{pypiserver}/simple/"}
    with pytest.raises(IndexUnreachableError) as caught:
        fetcher(pins(*wheels), environ=wrong)
    assert SECRET not in everything_said(fetcher, caught.value)


@pytest.mark.parametrize("pypiserver", ["md5"], indirect=True)
def test_a_server_that_knows_other_hashes_only_is_left_to_pip(
    fetcher: Fetcher, wheelhouse: Path, pypiserver: str
) -> None:
    wheel = build_wheel(wheelhouse, "app")
    environ = {"PIP_INDEX_URL": f"http://deploy:{SECRET}@{pypiserver}/simple/"}
    assert names(fetcher(pins(wheel), environ=environ)) == [wheel.filename]
    assert not without_pip(fetcher)
    assert SECRET not in everything_said(fetcher, None)
