"""Direct downloads and pip bring the same files, end in time and keep secrets, whichever of them it is."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.fetching import (
    SECRET,
    WAYS,
    ZEROS,
    Fetcher,
    Way,
    command_lines,
    everything_said,
    names,
    numbered,
    pin_with_hash,
    pins,
    processes_in,
    with_credentials,
    without_pip,
)
from tests.support.index import LocalIndex
from tests.support.wheels import build_sdist, build_wheel, lockfile_text
from venvship.errors import (
    DistributionNotFoundError,
    FetchTimeoutError,
    HashMismatchError,
    InterruptedByError,
    NoCompatibleWheelError,
    SourceOnlyError,
)
from venvship.model.interpreter import Interpreter
from venvship.system.signals import Signals


@pytest.fixture(params=["html", "json", "pip"])
def fetcher(fetcher: Fetcher, index: LocalIndex, request: pytest.FixtureRequest) -> Fetcher:
    """Fetches directly, from pages in one form and in the other, and with pip."""
    if request.param == "pip":
        # Any setting about keyrings leaves a fetch to pip.
        return replace(fetcher, environ={**fetcher.environ, "PIP_KEYRING_PROVIDER": "subprocess"})
    index.form = request.param
    return fetcher


def brought(fetcher: Fetcher, text: str, **options: object) -> list[str]:
    """The names of the files that a lockfile brings, by the way that the fetcher stands for."""
    fetched = fetcher(text, **options)  # type: ignore[arg-type]
    assert without_pip(fetcher) == ("PIP_KEYRING_PROVIDER" not in fetcher.environ)
    return names(fetched)


# -- which files come -----------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
def test_a_file_is_compared_by_the_hash_that_its_pin_has(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex, algorithm: str
) -> None:
    index.algorithm = algorithm
    foreign = build_wheel(wheelhouse, "app", tag="cp39-cp39-win_amd64")
    wheel = build_wheel(wheelhouse, "app")
    hashes = [hashlib.new(algorithm, one.path.read_bytes()).hexdigest() for one in (foreign, wheel)]
    line = f"app==1.0 {' '.join(f'--hash={algorithm}:{value}' for value in hashes)}\n"
    assert brought(fetcher, line) == [wheel.filename]
    index.tampered = {wheel.filename}
    with pytest.raises(HashMismatchError):
        fetcher(line)


def test_every_requirement_gets_its_wheel_in_order_by_one_download_with_a_hash_of_ours(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex
) -> None:
    wheels = [build_wheel(wheelhouse, f"pkg-{letter}") for letter in "cabfedhgi"]
    fetched = fetcher(pins(*wheels))
    assert names(fetched) == [wheel.filename for wheel in wheels]
    for one, wheel in zip(fetched, wheels, strict=True):
        assert hashlib.sha256(Path(one.path).read_bytes()).hexdigest() == one.sha256 == wheel.sha256
        assert one.source_sha256 is None
    assert index.downloads() == sorted(wheel.filename for wheel in wheels)


def test_the_best_tag_comes_and_of_two_builds_the_later(
    fetcher: Fetcher, wheelhouse: Path, interpreter: Interpreter
) -> None:
    abi = f"cp{interpreter.minor.replace('.', '')}"
    platform = interpreter.tags[0].split("-")[2]
    tagged = [
        build_wheel(wheelhouse, "tagged", tag=tag) for tag in ("py3-none-any", f"{abi}-{abi}-{platform}")
    ]
    tagged.append(build_wheel(wheelhouse, "tagged", tag="cp27-cp27m-win32"))
    built = [numbered(wheelhouse, build) for build in ("9", "10", "2")]
    assert brought(fetcher, lockfile_text(tagged, built)) == [tagged[1].filename, built[1].filename]


def test_a_file_that_is_not_allowed_or_not_for_this_python_is_passed_over(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex
) -> None:
    _, future, present = (numbered(wheelhouse, build) for build in ("3", "2", "1"))
    index.requires_python = {future.filename: ">=3.99", present.filename: ">=3.8,!=3.9.*"}
    assert brought(fetcher, lockfile_text([future, present])) == [present.filename]


def test_a_yanked_file_comes_where_there_is_no_other(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex
) -> None:
    first, second = (numbered(wheelhouse, build) for build in ("1", "2"))
    index.yanked = {second.filename}
    assert brought(fetcher, lockfile_text([first, second])) == [first.filename]
    assert brought(fetcher, pins(second)) == [second.filename]


def test_a_local_version_satisfies_a_public_pin(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex
) -> None:
    wheel = build_wheel(wheelhouse, "torch", "2.0+cpu")
    assert brought(fetcher, pin_with_hash("torch", "2.0", wheel.sha256)) == [wheel.filename]


def test_a_wheel_by_url_comes_from_there_and_no_page_is_read(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex
) -> None:
    wheel = build_wheel(wheelhouse, "app")
    text = f"app @ {index.file_url(wheel.filename)} --hash=sha256:{wheel.sha256}\n"
    assert brought(fetcher, text) == [wheel.filename]
    assert set(index.requests) == {f"/files/{wheel.filename}"}


# -- how it ends ----------------------------------------------------------------------------------------


def test_an_index_that_never_answers_is_given_up_in_time_and_nothing_stays(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex
) -> None:
    wheels = [build_wheel(wheelhouse, f"pkg-{letter}") for letter in "abcdefghi"]
    index.hang = True
    with pytest.raises(FetchTimeoutError, match=r"longer than 2 s.*pkg-") as caught:
        fetcher(pins(*wheels), timeout=2)
    assert "[build] timeout" in (caught.value.hint or "")
    assert not processes_in(fetcher.runs[-1])


def test_a_signal_ends_the_fetch_and_nothing_stays(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex
) -> None:
    wheel = build_wheel(wheelhouse, "app")
    index.hang = True
    signals = Signals()
    with signals.install():
        timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM))
        timer.start()
        with pytest.raises(InterruptedByError):
            fetcher(pins(wheel), signals=signals)
        timer.join()
    assert not processes_in(fetcher.runs[-1])


# -- secrets --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_credentials_work_and_show_up_nowhere(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex, way: Way
) -> None:
    with_credentials(index)
    wheel = build_wheel(wheelhouse, "app")
    options, environ = way(fetcher, index)
    seen: set[str] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            seen.update(line for line in command_lines() if SECRET in line)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        assert brought(fetcher, options + pins(wheel), environ=environ) == [wheel.filename]
        assert SECRET not in everything_said(fetcher, None)
        with pytest.raises(DistributionNotFoundError) as caught:
            fetcher(options + pin_with_hash("missing", "1.0", ZEROS), environ=environ)
        assert SECRET not in everything_said(fetcher, caught.value)
    finally:
        done.set()
        watcher.join()
    assert not seen


# -- why nothing came ------------------------------------------------------------------------------------


def test_a_lockfile_with_the_hash_of_the_source_alone_is_no_sign_of_a_replaced_file(
    fetcher: Fetcher, wheelhouse: Path
) -> None:
    source = build_sdist(wheelhouse, "app")
    build_wheel(wheelhouse, "app")
    with pytest.raises(SourceOnlyError, match=r"only the source distribution app-1\.0\.tar\.gz") as caught:
        fetcher(pins(source))
    assert 'add "app" to `[build] sdists`' in (caught.value.hint or "")


def test_a_file_for_another_python_is_named_with_it_beside_a_source(
    fetcher: Fetcher, wheelhouse: Path, index: LocalIndex
) -> None:
    source, wheel = build_sdist(wheelhouse, "app"), build_wheel(wheelhouse, "app")
    index.requires_python = {source.filename: ">=3.99", wheel.filename: ">=3.99"}
    with pytest.raises(NoCompatibleWheelError, match=r"it requires Python >=3\.99"):
        fetcher(lockfile_text([source, wheel]))


def test_a_wheel_of_a_local_version_for_another_platform_is_named_with_its_tags(
    fetcher: Fetcher, wheelhouse: Path
) -> None:
    wheel = build_wheel(wheelhouse, "app", "2.1.0+cpu", tag="cp39-cp39-win_amd64")
    with pytest.raises(NoCompatibleWheelError, match="its wheels are for cp39-cp39-win_amd64"):
        fetcher(pins(wheel))
