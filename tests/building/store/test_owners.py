"""Nothing of a store is used that belongs to another user, or that others can write."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.releases import INTERPRETER, pinned
from tests.support.wheels import Distribution, build_wheel
from venvship.building.store.compile import Compiler, bytecode_tag, compile_wheels
from venvship.building.store.intake import importing, prepare
from venvship.building.store.store import Store, selection_key
from venvship.building.tree.link import link_stored
from venvship.errors import ForeignStoreError
from venvship.model.wheel import StoredWheel, WheelFile
from venvship.system.signals import Signals

NOBODY = 65534

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    files = {"pkg/__init__.py": "x = 1\n", "pkg/sub/deep.py": "y = 2\n"}
    return build_wheel(tmp_path_factory.mktemp("wheels"), "pkg", files=files)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, wheel: Distribution) -> Path:
    folder = tmp_path_factory.mktemp("filled") / "above"
    folder.mkdir()
    store = Store(os.fspath(folder / "store"))
    prepare(store)
    with importing(store) as batch:
        batch.add([WheelFile(os.fspath(wheel.path), wheel.sha256)])
        batch.select(key_of(wheel), wheel.sha256, {"name": "pkg"})
    compile_wheels(store, [store.wheel(wheel.sha256)], COMPILER, signals=Signals())
    return folder


COMPILER = Compiler(INTERPRETER, (0,), jobs=1)


def key_of(wheel: Distribution) -> str:
    return selection_key(pinned(wheel), INTERPRETER, False)


@pytest.fixture
def store(tmp_path: Path, filled: Path) -> Iterator[Path]:
    shutil.copytree(filled, tmp_path / "above")
    yield tmp_path / "above" / "store"
    for path, _, _ in os.walk(tmp_path):
        os.chmod(path, 0o700)


def use(path: Path, wheel: Distribution, target: Path) -> StoredWheel:
    """Use a store as a build does, with nothing cached."""
    store = Store(os.fspath(path))
    prepare(store)
    chosen = store.selection(key_of(wheel))
    assert chosen == wheel.sha256
    stored = store.wheel(chosen)
    compiled = store.bytecode(chosen, bytecode_tag(INTERPRETER, (0,)))
    assert compiled is not None
    target.mkdir()
    for data, files in ((stored.data, stored.files), (compiled.data, compiled.files)):
        for number, file in enumerate(files):
            link = target / f"{os.path.basename(data)}-{len(os.listdir(target))}-{number}"
            link_stored(f"{data}/{file.path}", os.fspath(link), file, "auto", store.owners)
    return stored


def every(store: Path) -> list[Path]:
    """The directory above the store, the store, and every file and directory in it that a build uses."""
    return [store.parent, store, *sorted(p for p in store.rglob("*") if not p.is_symlink())]


def give_away(path: Path) -> None:
    os.chown(path, NOBODY, NOBODY)


def open_to_all(path: Path) -> None:
    path.chmod(path.stat().st_mode | 0o002)


def open_to_a_group(path: Path) -> None:
    os.chown(path, 0, NOBODY)
    path.chmod(path.stat().st_mode | 0o020)


CHANGES: tuple[tuple[Callable[[Path], None], str], ...] = (
    (give_away, "belongs to nobody"),
    (open_to_all, "can be written by every user"),
    (open_to_a_group, "can be written by the group"),
)


def test_no_entry_and_no_directory_on_the_way_is_used_that_another_user_may_write(
    store: Path, wheel: Distribution, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    use(store, wheel, tmp_path / "good")
    count = 0
    for path in every(store):
        before = path.stat()
        for change, words in CHANGES:
            change(path)
            target = tmp_path / f"target-{count}"
            with pytest.raises(ForeignStoreError, match=words) as caught:
                use(store, wheel, target)
            assert str(path) in caught.value.message
            assert caught.value.exit_code == 20
            if change is not give_away and store in (path, *path.parents):
                assert f"chmod -R go-w {store};" in (caught.value.hint or ""), "one line for the whole store"
            linked = list(target.iterdir()) if target.exists() else []
            assert all(other.stat().st_uid == 0 for other in linked if not other.samefile(path))
            os.chown(path, before.st_uid, before.st_gid)
            path.chmod(before.st_mode & 0o7777)
            count += 1
    use(store, wheel, tmp_path / "again")
    record_property("cases", count)
    assert count >= 60


def test_a_store_of_root_is_used_and_so_is_one_with_a_link_on_the_way(
    store: Path, wheel: Distribution, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(store)
    use(tmp_path / "link", wheel, tmp_path / "target")

    os.chown(tmp_path / "link", NOBODY, NOBODY, follow_symlinks=False)
    use(tmp_path / "link", wheel, tmp_path / "again")  # its folder is ours, so nobody can replace it


def test_sources_of_another_user_are_not_compiled(store: Path, wheel: Distribution) -> None:
    shutil.rmtree(store / "bytecode" / wheel.sha256)
    give_away(next(store.glob("wheels/*/data/site/pkg/sub/deep.py")))
    opened = Store(os.fspath(store))

    with pytest.raises(ForeignStoreError, match="belongs to nobody"):
        compile_wheels(opened, [opened.wheel(wheel.sha256)], COMPILER, signals=Signals())
    assert not (store / "bytecode" / wheel.sha256).exists()


@pytest.mark.parametrize("how", ["hardlink", "copy"])
def test_the_owner_that_counts_is_that_of_the_file_that_was_linked_or_copied(
    store: Path, wheel: Distribution, tmp_path: Path, how: str
) -> None:
    opened = Store(os.fspath(store))
    stored = opened.wheel(wheel.sha256)
    file = next(file for file in stored.files if file.path.endswith("deep.py"))
    give_away(Path(stored.data) / file.path)

    with pytest.raises(ForeignStoreError, match="belongs to nobody"):
        link_stored(f"{stored.data}/{file.path}", str(tmp_path / "x.py"), file, how, opened.owners)
