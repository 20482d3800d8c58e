"""A quick look at a release: every name, its type, size and mode, and no contents."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.sealed import RELEASE_ID, empty_root, sealed
from venvship.model.release import FileEntry
from venvship.root import RootLayout
from venvship.system import trees
from venvship.workspace.quick_look import entry_problem, quick_problem


@pytest.fixture
def root(tmp_path: Path) -> RootLayout:
    return empty_root(tmp_path / "shop")


ALONE_AND_WITH_COPIES = pytest.mark.parametrize("copies", [0, 2], ids=["alone", "with copies"])


@ALONE_AND_WITH_COPIES
def test_a_quick_look_finds_nothing_wrong_with_a_sealed_release(root: RootLayout, copies: int) -> None:
    sealed(root)

    assert quick_problem(root, root.manifest(RELEASE_ID, None), copies=copies) is None


def remove(path: Path) -> None:
    path.parent.chmod(0o755)
    path.unlink()
    path.parent.chmod(0o555)


def replace(path: Path, make: Callable[[Path], object]) -> None:
    path.parent.chmod(0o755)
    if path.is_dir():
        trees.remove_tree(path)
    else:
        path.unlink()
    make(path)
    path.parent.chmod(0o555)


def link_to(target: str) -> Callable[[Path], None]:
    return lambda path: replace(path, lambda place: place.symlink_to(target))


def resize(path: Path, text: str) -> None:
    path.chmod(0o644)
    path.write_text(text)
    path.chmod(0o444)


@ALONE_AND_WITH_COPIES
@pytest.mark.parametrize(
    ("name", "damage", "problem"),
    [
        ("lib/module.py", remove, "lib/module.py: missing"),
        ("bin/python", remove, "bin/python: missing"),
        ("lib/module.py", lambda p: resize(p, ""), "lib/module.py: 0 bytes instead of 6"),
        ("lib/empty.py", lambda p: resize(p, "x"), "lib/empty.py: 1 bytes instead of 0"),
        ("lib/module.py", lambda p: p.chmod(0o644), "lib/module.py: mode 0644 instead of 0444"),
        ("bin/run", lambda p: p.chmod(0o444), "bin/run: mode 0444 instead of 0555"),
        ("bin/run", lambda p: p.chmod(0o4555), "bin/run: mode 4555 instead of 0555"),
        ("lib", lambda p: p.chmod(0o777), "lib: mode 0777 instead of 0555"),
        ("lib/module.py", lambda p: replace(p, Path.mkdir), "lib/module.py: a directory instead of a file"),
        ("lib/module.py", link_to("empty.py"), "lib/module.py: a link instead of a file"),
        ("lib/module.py", lambda p: replace(p, os.mkfifo), "lib/module.py: a special file instead of a file"),
        ("bin/python", lambda p: replace(p, Path.touch), "bin/python: a file instead of a link"),
        ("bin/python", link_to("/bin/sh"), "bin/python: points to /bin/sh instead of /usr/bin/python3.11"),
        ("lib", link_to("bin"), "lib: a link instead of a directory"),
        ("lib", lambda p: replace(p, Path.touch), "lib: a file instead of a directory"),
    ],
)  # fmt: skip
def test_a_quick_look_notices_what_is_missing_resized_retyped_or_of_another_mode(
    root: RootLayout, name: str, damage: Callable[[Path], None], problem: str, copies: int
) -> None:
    path = sealed(root)
    damage(path / name)

    assert quick_problem(root, root.manifest(RELEASE_ID, None), copies=copies) == problem


def test_a_quick_look_reads_no_contents(root: RootLayout) -> None:
    path = sealed(root)
    resize(path / "lib" / "module.py", "x = 2\n")

    assert quick_problem(root, root.manifest(RELEASE_ID, None)) is None


def test_an_entry_below_what_is_no_directory_is_missing(tmp_path: Path) -> None:
    (tmp_path / "lib").touch()

    assert entry_problem(str(tmp_path), FileEntry("lib/a", "file", 0o444), frozenset({0})) == "missing"


def test_a_quick_look_answers_without_descriptors_for_copies(
    root: RootLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sealed(root)
    monkeypatch.setattr(os, "pipe", unavailable)

    assert quick_problem(root, root.manifest(RELEASE_ID, None), copies=2) is None
    (path / "lib" / "module.py").chmod(0o644)
    assert (
        quick_problem(root, root.manifest(RELEASE_ID, None), copies=2)
        == "lib/module.py: mode 0644 instead of 0444"
    )


def unavailable() -> tuple[int, int]:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


NOBODY = 65534
OWNED = ["", ".venvship/manifest.json", ".venvship/files.json", "lib", "lib/module.py", "bin/python"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
@ALONE_AND_WITH_COPIES
@pytest.mark.parametrize("name", OWNED)
def test_a_quick_look_notices_another_owner_than_that_of_the_root(
    root: RootLayout, name: str, copies: int
) -> None:
    path = sealed(root)
    os.chown(path / name, NOBODY, -1, follow_symlinks=False)

    manifest = root.manifest(RELEASE_ID, None)
    assert quick_problem(root, manifest, copies=copies) == f"{name or '.'}: belongs to nobody"

    for each in [path, *path.rglob("*"), root.path]:
        os.chown(each, NOBODY, -1, follow_symlinks=False)
    assert quick_problem(root, manifest, copies=copies) is None, "the root belongs to the same user"


@pytest.mark.parametrize(
    ("name", "mode", "problem"),
    [
        ("", 0o755, ".: mode 0755 instead of 0555"),
        (".venvship/manifest.json", 0o644, ".venvship/manifest.json: mode 0644 instead of 0444"),
        (".venvship/files.json", 0o646, ".venvship/files.json: mode 0646 instead of 0444"),
    ],
)
def test_a_quick_look_looks_at_what_is_not_on_the_list(
    root: RootLayout, name: str, mode: int, problem: str
) -> None:
    path = sealed(root)
    (path / name).chmod(mode)

    assert quick_problem(root, root.manifest(RELEASE_ID, None)) == problem
