"""Files whose bytes depend on where the release stands: scripts, RECORD, direct_url.json."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.releases import SITE, VERSION_FOLDER, digest_of, pinned, wheel_value
from venvship.building.tree.generated import (
    CANONICAL,
    Places,
    direct_url,
    entry_point_script,
    generate,
    rewritten_script,
    shebang,
)
from venvship.building.tree.placement import place, with_bytecode
from venvship.model.wheel import StoredBytecode, StoredFile, StoredWheel


def python_at(directory: Path) -> str:
    """A link to the running interpreter, in a directory of any name."""
    directory.mkdir(parents=True)
    (directory / "python").symlink_to(sys.executable)
    return str(directory / "python")


def run(script: bytes, tmp_path: Path, **env: str) -> str:
    path = tmp_path / "script"
    path.write_bytes(script)
    path.chmod(0o755)
    result = subprocess.run(
        [path, "an argument"], capture_output=True, text=True, check=False, env={"PATH": os.defpath, **env}
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


LONG = "d" * 130


# -- first lines ----------------------------------------------------------------------------------------


def test_a_short_plain_path_is_a_plain_first_line() -> None:
    assert shebang("/srv/shop/bin/python") == b"#!/srv/shop/bin/python\n"


def test_127_bytes_are_a_plain_first_line_and_128_are_not() -> None:
    fits = "/" + "d" * 123
    assert len(shebang(fits)) == 127
    assert shebang(fits).startswith(b"#!/d")
    assert shebang(fits + "d").startswith(b"#!/bin/sh\n")


@pytest.mark.parametrize(
    "name", ["plain", "with a blank", LONG, "it's", 'a"quote', "a$HOME`x`", "caf\u00e9 x"]
)
def test_both_kinds_of_scripts_run_from_any_path(tmp_path: Path, name: str) -> None:
    python = python_at(tmp_path / name)

    entry_point = entry_point_script("platform:python_version", python)
    assert run(entry_point.replace(b"sys.exit(", b"print("), tmp_path).startswith("3.")

    body = b"#!python\nimport sys\nprint(sys.argv[1], sys.executable)\n"
    assert run(rewritten_script(body, python), tmp_path) == f"an argument {python}"


def test_an_entry_point_with_dots_is_imported_by_its_first_name() -> None:
    script = entry_point_script("a.b:Class.method", "/p")

    assert b"from a.b import Class\n" in script
    assert b"sys.exit(Class.method())" in script


@pytest.mark.parametrize("name", ["plain", "with a blank"])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_a_scripts_encoding_survives_its_new_first_line(tmp_path: Path, name: str, newline: bytes) -> None:
    lines = [b"#!python", b"# -*- coding: latin-1 -*-", b"print(ascii('\xe9'))", b""]

    script = rewritten_script(newline.join(lines), python_at(tmp_path / name))

    assert run(script, tmp_path) == r"'\xe9'"


@pytest.mark.parametrize("first", [b"#!python", b"#!pythonw", b"#!python3 -E"])
def test_every_placeholder_is_replaced_as_a_whole_line(first: bytes) -> None:
    assert rewritten_script(first + b"\nx = 1\n", "/p/python") == b"#!/p/python\nx = 1\n"


def test_a_placeholder_without_a_body_is_still_a_script() -> None:
    assert rewritten_script(b"#!python", "/p/python") == b"#!/p/python\n"


# -- RECORD and its neighbours --------------------------------------------------------------------------


def generated(wheel: StoredWheel, places: Places, **changes: object) -> dict[str, bytes]:
    pyc = StoredFile(path="site/shop/__pycache__/__init__.cpython-311.pyc", size=1, sha256=digest_of("pyc"))
    bytecode = {wheel.sha256: StoredBytecode((pyc,), "/bytecode")}
    placement = place([wheel], version=VERSION_FOLDER, overlap=(), read=lambda _: b"")
    (files,) = generate(
        with_bytecode(placement, [wheel], bytecode, VERSION_FOLDER),
        [wheel],
        {wheel.name: pinned(wheel, **changes)},
        {"bin/tool": b"#!python\nprint()\n"},
        {"__pycache__/_venvship.cpython-311.pyc": b"bytecode"},
        places=(places,),
    )
    return {path: file.data for path, file in files.items()}


SHOP = wheel_value(
    "shop",
    {
        "site/shop/__init__.py": "x = 1\n",
        "site/shop/a, b.txt": "text",
        "site/shop-1.0.dist-info/METADATA": "Name: shop\n",
        "scripts/tool": "#!python\nprint()\n",
        "data/share/shop.conf": "conf",
    },
    scripts=(("shop", "shop", "main", "console"),),
)


def test_record_lists_every_file_with_hash_and_size_relative_to_site_packages() -> None:
    files = generated(SHOP, Places(release="/srv/r", lease="/srv/l"))

    rows = {
        row[0]: row[1:]
        for row in csv.reader(io.StringIO(files[f"{SITE}/shop-1.0.dist-info/RECORD"].decode()))
    }

    assert set(rows) == {
        "shop/__init__.py",
        "shop/__pycache__/__init__.cpython-311.pyc",
        "shop/a, b.txt",
        "shop-1.0.dist-info/METADATA",
        "shop-1.0.dist-info/INSTALLER",
        "shop-1.0.dist-info/REQUESTED",
        "shop-1.0.dist-info/RECORD",
        "../../../bin/shop",
        "../../../bin/tool",
        "../../../share/shop.conf",
    }
    hashed = base64.urlsafe_b64encode(hashlib.sha256(b"x = 1\n").digest()).decode().rstrip("=")
    assert rows["shop/__init__.py"] == [f"sha256={hashed}", "6"]
    assert rows["shop-1.0.dist-info/RECORD"] == ["", ""]
    # As pip records it for every line of a requirements file (PEP 376).
    assert files[f"{SITE}/shop-1.0.dist-info/REQUESTED"] == b""
    assert rows["shop-1.0.dist-info/REQUESTED"] == ["sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", "0"]
    assert rows["shop/__pycache__/__init__.cpython-311.pyc"] == ["", ""]
    assert rows["../../../bin/shop"][1] == str(len(files["bin/shop"]))


def test_a_record_changes_with_the_place_and_only_through_its_scripts() -> None:
    here = generated(SHOP, Places(release="/srv/r", lease="/srv/l"))
    there = generated(SHOP, Places(release="/srv/other", lease="/srv/l"))
    record = f"{SITE}/shop-1.0.dist-info/RECORD"

    def without_scripts(text: bytes) -> list[bytes]:
        return [line for line in text.splitlines() if b"/bin/" not in line]

    assert here[record] != there[record]
    assert without_scripts(here[record]) == without_scripts(there[record])


def test_only_what_was_named_by_url_has_a_direct_url() -> None:
    path = f"{SITE}/shop-1.0.dist-info/direct_url.json"

    assert path not in generated(SHOP, CANONICAL)
    assert path in generated(SHOP, CANONICAL, url="https://example.org/shop.whl")
    assert path not in generated(SHOP, CANONICAL, url="https://example.org/shop.whl", indexed=True)


def test_a_direct_url_has_the_folder_of_the_archive() -> None:
    files = generated(SHOP, CANONICAL, url="https://example.org/v1.tar.gz", subdirectory="python")
    assert json.loads(files[f"{SITE}/shop-1.0.dist-info/direct_url.json"])["subdirectory"] == "python"


@pytest.mark.parametrize(
    ("hashes", "shown"),
    [
        ([f"sha256:{SHOP.sha256}"], {"sha256": SHOP.sha256}),
        (["sha256:" + "0" * 64, f"sha256:{SHOP.sha256}"], {"sha256": SHOP.sha256}),
        (["sha512:" + "ab" * 64], {"sha512": "ab" * 64}),
        (["sha256:" + "ab" * 32], {"sha256": "ab" * 32}),
        (["sha256:" + "ab" * 32, "sha256:" + "cd" * 32], {}),
    ],
)
def test_a_direct_url_has_the_hash_of_the_file_there(hashes: list[str], shown: dict[str, str]) -> None:
    """Of source, that is not the hash of the wheel that was built."""
    files = generated(SHOP, CANONICAL, url="https://example.org/v1.tar.gz", hashes=tuple(hashes))
    info = json.loads(files[f"{SITE}/shop-1.0.dist-info/direct_url.json"])["archive_info"]
    assert info.get("hashes", {}) == shown
    assert info.get("hash") in {None, *(f"{algorithm}={digits}" for algorithm, digits in shown.items())}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.org/a.whl", "https://example.org/a.whl"),
        ("https://me:secret@example.org:8443/a.whl", "https://example.org:8443/a.whl"),
        ("https://${USER}:${TOKEN}@example.org/a.whl", "https://example.org/a.whl"),
        ("https://example.org/a.whl#sha256=00", "https://example.org/a.whl"),
        ("/srv/wheels/a b.whl", "file:///srv/wheels/a%20b.whl"),
    ],
)
def test_a_direct_url_has_no_credentials(url: str, shown: str) -> None:
    assert json.loads(direct_url(url, {"sha256": "ab" * 32}, wheels=None)) == {
        "url": shown,
        "archive_info": {"hash": f"sha256={'ab' * 32}", "hashes": {"sha256": "ab" * 32}},
    }


def test_the_canonical_direct_url_of_a_local_wheel_does_not_say_where_it_was() -> None:
    one = direct_url("/home/me/wheels/a.whl", {"sha256": "ab" * 32}, wheels=CANONICAL.wheels)
    other = direct_url("/srv/ci/a.whl", {"sha256": "ab" * 32}, wheels=CANONICAL.wheels)

    assert one == other
