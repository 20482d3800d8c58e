"""What pip-compile may take of memory, and that it keeps no page of a package that it is done with."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.bench.inputs import read_metadata
from tests.support.hostile_index import JSON, Answer, HostileIndex, bomb, json_page, row, whole
from tests.support.roots import Site
from tests.support.wheels import build_wheel
from venvship.model import bounds

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited with prlimit(2)")

MIB = 1 << 20
FILES = 1500
"""Files of each package that are for another platform. As candidates, they take some 3 MiB."""

LINE = b'{"filename":"a","url":"b","hashes":{}}'
MANY_FILES = b'{"meta":{"api-version":"1.1"},"name":"app","files":[%s]}' % b",".join([LINE] * 1_500_000)
"""A page of 56 MiB that takes more than 500 MiB once it is parsed."""

PEAK = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10)
sys.exit(code)
"""
"""Runs a command, and prints the resident bytes of the largest process that it has waited for."""


@pytest.fixture
def shop(site: Site) -> Site:
    """A root that locks one package."""
    del site.environment["PIP_NO_INDEX"]
    site.environment["PIP_RETRIES"] = "0"
    site.settings('[lock]\ninputs = ["requirements.in"]\n')
    (site.path / "requirements.txt").unlink()
    wanted(site, ["app"])
    return site


def wanted(shop: Site, names: list[str]) -> None:
    (shop.path / "requirements.in").write_text("".join(f"{name}\n" for name in names))


def packages(names: list[str], folder: Path) -> Answer:
    """An index of packages, each with one wheel for all platforms and many for another one."""
    answers: dict[str, Answer] = {}
    for name in names:
        wheel = build_wheel(folder, name)
        metadata = read_metadata(wheel.path)

        def rows(
            name: str = name, wheel_hash: str = wheel.sha256, data: bytes = metadata
        ) -> Iterator[dict[str, object]]:
            for number in range(FILES):
                yield row(f"{name}-2.{number}-cp311-cp311-win_amd64.whl", f"{number:064x}")
            core = {"sha256": hashlib.sha256(data).hexdigest()}
            filename = f"{name}-1.0-py3-none-any.whl"
            yield row(filename, wheel_hash, **{"core-metadata": core, "data-dist-info-metadata": core})

        answers[f"/simple/{name}/"] = whole(json_page(rows()), JSON)
        answers[f"/files/{wheel.path.name}"] = whole(wheel.path.read_bytes(), "application/octet-stream")
        answers[f"/files/{wheel.path.name}.metadata"] = whole(metadata, "text/plain")

    def answer(request: BaseHTTPRequestHandler) -> None:
        if request.path in answers:
            answers[request.path](request)
        else:
            request.send_error(404)

    return answer


def peak_of_lock(shop: Site, folder: Path, number: int) -> int:
    """Lock so many packages; returns the resident bytes of the largest process."""
    names = [f"part{one}" for one in range(number)]
    wanted(shop, names)
    (shop.path / "requirements.txt").unlink(missing_ok=True)
    with HostileIndex(packages(names, folder)) as index:
        done = subprocess.run(
            [sys.executable, "-c", PEAK, shop.program, "-C", str(shop.path), "lock"],
            env=shop.environment | {"PIP_INDEX_URL": index.url},
            stdout=subprocess.PIPE,
            check=True,
            timeout=300,
        )
    assert (shop.path / "requirements.txt").read_text().count("==1.0") == number
    return int(done.stdout)


def test_no_process_of_a_lock_may_take_more_than_512_mib() -> None:
    assert bounds.LOCKING <= 512 * MIB


@pytest.mark.slow
def test_more_packages_take_no_more_memory_though_their_pages_are_long(shop: Site, tmp_path: Path) -> None:
    few, many = (peak_of_lock(shop, tmp_path / "wheels", number) for number in (2, 12))

    assert many - few < 12 * MIB, f"{few / MIB:.0f} MiB, then {many / MIB:.0f}"


@pytest.mark.parametrize(
    "answer", [bomb(600), whole(MANY_FILES, JSON)], ids=["it is packed", "it has many short lines"]
)
def test_a_page_that_takes_too_much_memory_ends_the_lock_and_not_the_host(shop: Site, answer: Answer) -> None:
    with HostileIndex(answer) as hostile:
        shop.environment["PIP_INDEX_URL"] = hostile.url
        done = shop.run("lock", "--json")

    error = done.json["error"]
    assert (done.code, error["slug"]) == (20, "too-large"), done.out
    assert f"more than the {bounds.LOCKING >> 20} MiB of memory" in error["message"]
    assert error["message"].endswith("requirements.txt was not written")
    assert "Traceback" not in done.out + done.err
    assert shop.debris() == []
