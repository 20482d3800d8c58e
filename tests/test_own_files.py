"""Our own JSON files, changed by a fault or another user: a reader returns usable values, or our error.

Every value of every file is replaced by each that some code does not expect: of another type, a character
that no path has, an infinity, a number without end, an endless nest.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.hostile_json import variants
from tests.support.releases import LINUX
from tests.support.sealed import RELEASE_ID, empty_root, sealed
from venvship.building.store.cleaning import NOTES, read_notes
from venvship.building.store.index import index_bytes
from venvship.building.store.intake import prepare
from venvship.building.store.resolutions import read_resolution, resolution_path
from venvship.building.store.roots import registered_roots
from venvship.building.store.store import Store
from venvship.errors import VenvshipError
from venvship.model.spelling import readable_json
from venvship.model.wheel import StoredFile, StoredWheel
from venvship.root import RootLayout
from venvship.system import files
from venvship.workspace.place import place_problem
from venvship.workspace.quick_look import quick_problem
from venvship.workspace.underway import describe, under_way
from venvship.workspace.verified import last_verification

SHA256 = "a" * 64
TAG = "cpython-312-x86_64-linux-gnu-cb0d0d0a-o0"

WHEEL = StoredWheel(
    sha256=SHA256,
    filename="shop-1.0-py3-none-any.whl",
    name="shop",
    version="1.0",
    dist_info="shop-1.0.dist-info",
    requires_python=">=3.11",
    root_is_purelib=True,
    requires=("idna",),
    provides_extra=("fast",),
    scripts=(("shop", "shop", "main", "console"),),
    files=(StoredFile("site/shop.py", 3, SHA256), StoredFile("scripts/run", 3, SHA256, executable=True)),
    data="",
)


@pytest.fixture
def root(tmp_path: Path) -> RootLayout:
    return empty_root(tmp_path / "shop")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(os.fspath(tmp_path / "store"))
    prepare(store)
    return store


def hold(path: Path, good: dict[str, Any], read: Callable[[], None]) -> None:
    """Put every variant of a file in its place and read it; only our errors may escape."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(json.dumps(good).encode())
    read()  # the good one is no error
    wrong = []
    count = 0
    for label, data in variants(good):
        count += 1
        path.write_bytes(data)
        try:
            read()
        except VenvshipError:
            pass
        except Exception as error:  # noqa: BLE001 - all are listed at once
            wrong.append(f"{label}: {error!a:.200}")
    assert wrong == []
    assert count > 30


def as_paths(*paths: str) -> None:
    """What a value has to survive that is a path."""
    for path in paths:
        os.path.lexists(os.path.join("/nowhere", path))
        assert not path.startswith("/")
        assert ".." not in path.split("/")


def test_a_manifest_is_good_or_refused(root: RootLayout) -> None:
    path = sealed(root) / ".venvship" / "manifest.json"
    path.chmod(0o644)

    def read() -> None:
        manifest = root.manifest(RELEASE_ID, None)
        place_problem(root, manifest)
        quick_problem(root, manifest)
        os.path.lexists(manifest.environment.python.get("path", ""))
        as_paths(*(manifest.wheels or {}).values())
        readable_json(manifest.to_json())

    good = json.loads(path.read_bytes()) | {
        "path": str(root.release_path(RELEASE_ID)),
        "wheels": {"django": SHA256},
        "bytecode": TAG,
        "warnings": [{"slug": "file-overlap", "message": "two"}],
    }
    hold(path, good, read)


def test_a_list_of_files_is_good_or_refused(root: RootLayout) -> None:
    release = sealed(root)
    listing, manifest = release / ".venvship" / "files.json", release / ".venvship" / "manifest.json"
    manifest.chmod(0o644)
    known = json.loads(manifest.read_bytes())
    good = json.loads(listing.read_bytes())
    assert {row[1] for row in good["files"][:6]} == {"dir", "file", "link"}

    def read() -> None:
        known["files_sha256"] = hashlib.sha256(listing.read_bytes()).hexdigest()
        manifest.write_bytes(json.dumps(known).encode())
        found = root.manifest(RELEASE_ID, None)
        quick_problem(root, found)
        for entry in root.files(RELEASE_ID, found):
            as_paths(entry.path)
            assert entry.type in {"file", "dir", "link"}
            assert 0 <= entry.size < 1 << 63
            os.path.lexists(entry.target)

    for kind in ("dir", "file", "link"):
        rows = sorted(good["files"], key=lambda row: row[1] != kind)
        hold(listing, {**good, "files": rows}, read)


def test_a_list_of_files_with_a_path_twice_is_refused(root: RootLayout) -> None:
    release = sealed(root)
    listing, manifest = release / ".venvship" / "files.json", release / ".venvship" / "manifest.json"
    data = json.loads(listing.read_bytes())
    listing.write_bytes(json.dumps({**data, "files": [*data["files"], data["files"][0]]}).encode())
    known = json.loads(manifest.read_bytes())
    known["files_sha256"] = hashlib.sha256(listing.read_bytes()).hexdigest()
    manifest.chmod(0o644)
    manifest.write_bytes(json.dumps(known).encode())

    with pytest.raises(VenvshipError, match="a path is there twice"):
        root.files(RELEASE_ID, root.manifest(RELEASE_ID, None))


def test_the_interpreter_is_good_or_refused(root: RootLayout) -> None:
    def read() -> None:
        found = root.interpreter()
        assert found is not None
        os.access(found[1].path, os.X_OK)
        readable_json(found[1].to_json())

    hold(root.python_file, {"format": 1, "setting": "3.12", **LINUX.to_json()}, read)


def test_the_last_look_of_verify_is_good_or_none(root: RootLayout) -> None:
    looks = {RELEASE_ID: {"at": "2026-11-22T09:41:43Z", "files": 40, "damaged": 1}}

    def read() -> None:
        found = last_verification(root, RELEASE_ID)
        assert found is None or readable_json(found.to_json())

    hold(root.verified_file, {"format": 1, "releases": looks}, read)


def test_the_operation_under_way_is_good_or_none(root: RootLayout) -> None:
    entry = {
        "operation": "rollback",
        "actor": "ann",
        "pid": os.getpid(),
        "started": "12",
        "since": "2026-11-22T09:41:43Z",
    }

    def read() -> None:
        under_way(root)
        for mutex in ("build", "switch", "turn-back"):
            describe(root, mutex)

    hold(root.operation_file, {"format": 1, "switch": entry, "build": entry}, read)


def test_the_index_of_a_wheel_is_good_or_refused(store: Store) -> None:
    def read() -> None:
        wheel = Store(store.path).wheel(SHA256)
        as_paths(wheel.filename, wheel.dist_info, *(file.path for file in wheel.files))
        index_bytes(wheel.to_json())

    hold(Path(store.wheel_path(SHA256)) / "wheel.json", {"format": 1, **WHEEL.to_json()}, read)


def test_the_index_of_bytecode_is_good_or_refused(store: Store) -> None:
    def read() -> None:
        found = store.bytecode(SHA256, TAG)
        assert found is not None
        as_paths(*(file.path for file in found.files))

    good = {"format": 1, "sha256": SHA256, "tag": TAG, "files": [["site/x.pyc", 3, SHA256]], "skipped": {}}
    hold(Path(store.bytecode_path(SHA256, TAG)) / "bytecode.json", good, read)


def test_the_choice_of_a_wheel_is_good_or_refused(store: Store) -> None:
    good = {"format": 1, "key": SHA256, "sha256": SHA256, "facts": {"name": "shop"}}
    hold(Path(store.selection_path(SHA256)), good, lambda: as_paths(store.selection(SHA256) or "x"))


def test_the_choice_of_build_requirements_is_good_or_refused(store: Store) -> None:
    os.mkdir(store.wheel_path(SHA256))

    def read() -> None:
        found = read_resolution(store, SHA256)
        for _, sha256 in found.wheels if found is not None else ():
            os.path.lexists(store.wheel_path(sha256))

    rows = [["maker", "1.0", SHA256]]
    good = {"format": 1, "key": SHA256, "at": "2026-11-22T09:41:43Z", "bytecode": TAG, "wheels": rows}
    hold(Path(resolution_path(store, SHA256)), good, read)


def test_the_list_of_roots_is_good_or_refused(store: Store) -> None:
    key = hashlib.sha256(b"/srv/shop").hexdigest()

    def read() -> None:
        for root in registered_roots(store).values():
            os.path.lexists(root)

    hold(Path(store.path) / "roots" / f"{key}.json", {"format": 1, "root": "/srv/shop"}, read)


def test_notes_of_a_clean_up_are_good_or_none(store: Store) -> None:
    note = {"since": "2026-11-22T09:41:43Z", "longest": 86_400}
    good = {"format": 1, "seen": "2026-11-22T09:41:43Z", "unnamed": {f"wheels/{SHA256}": note}}
    hold(
        Path(store.path) / NOTES,
        good,
        lambda: files.write_json(Path(store.path) / "x", read_notes(store).to_json()),
    )
