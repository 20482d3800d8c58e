"""What a file of a release takes in memory while the release is made."""

from __future__ import annotations

import hashlib
import tracemalloc
from dataclasses import replace

import pytest

from tests.support.releases import VERSION_FOLDER, pinned, wheel_value
from venvship.building.tree.assemble import require_bounded
from venvship.building.tree.generated import CANONICAL, Places, generate
from venvship.building.tree.placement import place, with_bytecode
from venvship.errors import BuildError
from venvship.model import bounds, file_list
from venvship.model.release import FileEntry, sealed_mode, tree_digest
from venvship.model.wheel import StoredBytecode, StoredFile

MODULES = 5_000
MOST = 1_100
"""Bytes for each file: 210 MiB for 200,000. One more text of the whole list, and it is more."""


def hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_release_takes_little_memory_for_each_of_its_files() -> None:
    names = [f"package/folder_{number // 200:04d}/module_number_{number:06d}" for number in range(MODULES)]
    tracemalloc.start()
    try:
        modules = tuple(StoredFile(f"site/{name}.py", 1000, hashed(name)) for name in names)
        wheel = replace(wheel_value("large", {}), files=modules)
        compiled = tuple(
            StoredFile(
                f"site/{name}.cpython-311.pyc".replace("/mod", "/__pycache__/mod"), 2000, hashed(f"{name} ")
            )
            for name in names
        )
        bytecode = {wheel.sha256: StoredBytecode(compiled, "/var/lib/venvship/store/bytecode/large")}
        placement = place([wheel], version=VERSION_FOLDER, overlap=(), read=lambda _: b"")
        placement = with_bytecode(placement, [wheel], bytecode, VERSION_FOLDER)
        assert len(placement.files) == 2 * MODULES
        places = (Places(release="/srv/shop/releases/one", lease="/srv/shop/state/leases/one"), CANONICAL)
        real, _ = generate(placement, [wheel], {"large": pinned(wheel)}, {}, {}, places=places)
        assert len(real[f"lib/{VERSION_FOLDER}/site-packages/{wheel.dist_info}/RECORD"].data) > 100 * MODULES
        entries = tuple(
            FileEntry(path, "file", sealed_mode(False), placed.file.size, placed.file.sha256)
            for path, placed in placement.files.items()
            if placed.file is not None
        )
        assert tree_digest(entries)
        assert sum(map(len, file_list.chunks(entries))) > 200 * MODULES
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak / (2 * MODULES) < MOST


def test_a_release_of_too_many_files_is_refused() -> None:
    require_bounded(bounds.RELEASE)
    with pytest.raises(BuildError, match="it would have 250,001 files"):
        require_bounded(bounds.RELEASE + 1)
