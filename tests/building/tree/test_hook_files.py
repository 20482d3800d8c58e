"""What the generate hook leaves is a part of the release, or refused; elsewhere it can change nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.users import NOBODY, as_root_only, unprivileged
from venvship.building.tree.assembled import Assembled
from venvship.building.tree.closing import closing
from venvship.building.tree.hook_files import copied, generated_files, with_generated
from venvship.errors import BuildError, GenerateError
from venvship.model.release import FileEntry
from venvship.system.trees import remove_tree

CODE = b"print('code')\n"

Hook = Callable[[Path], object]


def assembled_at(release: Path, *further: FileEntry) -> Assembled:
    """A small release as `assemble` leaves it: directories open, files closed."""
    (release / "lib" / "site").mkdir(parents=True)
    (release / ".venvship").mkdir()
    (release / "lib" / "site" / "app.py").write_bytes(CODE)
    (release / "lib" / "site" / "app.py").chmod(0o444)
    entries = (
        FileEntry(".venvship", "dir", 0o555),
        *further,
        FileEntry("lib", "dir", 0o555),
        FileEntry("lib/site", "dir", 0o555),
        FileEntry("lib/site/app.py", "file", 0o444, len(CODE), hashlib.sha256(CODE).hexdigest()),
    )
    return Assembled(
        entries=entries, tree_digest="x", packages=(), wheels={}, warnings=(), stamps={}, linked={}
    )


@pytest.fixture
def release(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "releases" / "it"
    yield path
    if path.exists():
        remove_tree(path)


def taken(release: Path, hook: Hook) -> Assembled:
    """Run a hook in a new release, and close it as the seal does."""
    found = with_generated(str(release), assembled_at(release), lambda folder: hook(Path(folder)))
    with closing(str(release), found, copies=1) as directories:
        directories.results(lambda: None)
    return found


def listed(found: Assembled) -> dict[str, FileEntry]:
    return {
        entry.path.removeprefix("generated/"): entry
        for entry in found.entries
        if entry.path.startswith("generated")
    }


def test_files_are_listed_with_their_hashes_and_closed(release: Path) -> None:
    def hook(folder: Path) -> None:
        (folder / "css").mkdir(mode=0o777)
        (folder / "css" / "a.css").write_text("a {}")
        (folder / "css" / "a.css").chmod(0o666)
        (folder / "run").write_text("#!/bin/sh\n")
        (folder / "run").chmod(0o6771)
        (folder / "secret").write_text("x")
        (folder / "secret").chmod(0o000)

    found = taken(release, hook)

    assert listed(found) == {
        "generated": FileEntry("generated", "dir", 0o555),
        "css": FileEntry("generated/css", "dir", 0o555),
        "css/a.css": FileEntry("generated/css/a.css", "file", 0o444, 4, hashlib.sha256(b"a {}").hexdigest()),
        "run": FileEntry("generated/run", "file", 0o555, 10, hashlib.sha256(b"#!/bin/sh\n").hexdigest()),
        "secret": FileEntry("generated/secret", "file", 0o444, 1, hashlib.sha256(b"x").hexdigest()),
    }
    assert found.entries == tuple(sorted(found.entries))
    assert found.tree_digest == "x", "the digest of the tree knows nothing of them"
    assert generated_files(found) == 3
    for entry in listed(found).values():
        assert stat.S_IMODE((release / entry.path).lstat().st_mode) == entry.mode


def test_a_hook_that_makes_nothing_leaves_an_empty_folder(release: Path) -> None:
    assert [*listed(taken(release, lambda _: None))] == ["generated"]


def test_links_within_the_release_stay_and_are_relative(release: Path) -> None:
    def hook(folder: Path) -> None:
        (folder / "css").mkdir()
        (folder / "a.css").write_text("a")
        (folder / "near.css").symlink_to("a.css")
        (folder / "css" / "far.css").symlink_to(release / "lib" / "site" / "app.py")
        (folder / "dangling").symlink_to("not/there")

    found = listed(taken(release, hook))

    assert {name: entry.target for name, entry in found.items() if entry.type == "link"} == {
        "near.css": "a.css",
        "css/far.css": "../../lib/site/app.py",
        "dangling": "not/there",
    }
    assert (release / "generated" / "css" / "far.css").read_bytes() == CODE


def test_a_file_with_another_name_elsewhere_becomes_a_copy(release: Path, tmp_path: Path) -> None:
    outside = tmp_path / "media.png"
    outside.write_text("picture")

    found = taken(release, lambda folder: os.link(outside, folder / "media.png"))

    mine = release / "generated" / "media.png"
    outside.write_text("another")
    assert mine.read_text() == "picture"
    assert mine.stat().st_nlink == 1
    assert listed(found)["media.png"].sha256 == hashlib.sha256(b"picture").hexdigest()
    assert sorted(os.listdir(release / "generated")) == ["media.png"]


def out_of_the_release(folder: Path) -> None:
    (folder / "static").symlink_to("/usr/share")


def up_and_out(folder: Path) -> None:
    (folder / "static").symlink_to("../../../other")


def through_a_link(folder: Path) -> None:
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("/etc/passwd")


def fifo(folder: Path) -> None:
    os.mkfifo(folder / "static")


def unix_socket(folder: Path) -> None:
    here = os.getcwd()
    os.chdir(folder)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("static")
    finally:
        os.chdir(here)


def odd_name(folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).write_text("x")


def replaced_by_a_link(folder: Path) -> None:
    folder.parent.chmod(0o700)
    folder.rmdir()
    folder.symlink_to("/usr/share")


def removed(folder: Path) -> None:
    folder.parent.chmod(0o700)
    folder.rmdir()


@pytest.mark.parametrize(
    ("hook", "path", "problem"),
    [
        (out_of_the_release, "generated/static", "is a link out of the release, to /usr/share"),
        (up_and_out, "generated/static", "is a link out of the release, to ../../../other"),
        (through_a_link, "generated/a", "is a link out of the release, to b"),
        (fifo, "generated/static", "is a special file"),
        (unix_socket, "generated/static", "is a special file"),
        (odd_name, "generated/\udcff", "has a name that the list of files cannot have"),
        (replaced_by_a_link, "generated", "is no directory any more"),
        (removed, "generated", "is gone"),
    ],
)
def test_what_a_release_cannot_have_is_refused(release: Path, hook: Hook, path: str, problem: str) -> None:
    with pytest.raises(GenerateError) as caught:
        taken(release, hook)

    assert caught.value.exit_code == 20
    assert caught.value.data["path"] == path
    assert problem in caught.value.message


def a_new_file(folder: Path) -> None:
    (folder.parent / "lib").chmod(0o700)
    (folder.parent / "lib" / "x.pyc").write_text("")


def another_mode(folder: Path) -> None:
    (folder.parent / "lib" / "site" / "app.py").chmod(0o644)


def other_contents_of_the_same_size(folder: Path) -> None:
    path = folder.parent / "lib" / "site" / "app.py"
    path.chmod(0o644)
    path.write_bytes(CODE.upper())
    path.chmod(0o444)


def a_missing_file(folder: Path) -> None:
    (folder.parent / "lib" / "site").chmod(0o700)
    (folder.parent / "lib" / "site" / "app.py").unlink()


@pytest.mark.parametrize(
    ("hook", "named"),
    [
        (a_new_file, "lib/x.pyc: not part of the release"),
        (another_mode, "lib/site/app.py: mode 0644 instead of 0444"),
        (other_contents_of_the_same_size, "lib/site/app.py: replaced or written to"),
        (a_missing_file, "lib/site/app.py: missing"),
    ],
)
def test_a_change_elsewhere_fails_the_seal_and_is_named(release: Path, hook: Hook, named: str) -> None:
    with pytest.raises(BuildError) as caught:
        taken(release, hook)

    assert f"{release}/{named}" in caught.value.message
    assert "VENVSHIP_GENERATED" in (caught.value.hint or "")


def test_a_change_after_the_hook_fails_the_seal(release: Path) -> None:
    def hook(folder: str) -> None:
        Path(folder, "a").write_text("one")

    found = with_generated(str(release), assembled_at(release), hook)
    path = release / "generated" / "a"
    path.chmod(0o644)
    path.write_text("two")
    path.chmod(0o444)

    with (
        pytest.raises(BuildError, match="replaced or written to"),
        closing(str(release), found, copies=1) as directories,
    ):
        directories.results(lambda: None)


def test_an_ordinary_users_hook_cannot_write_elsewhere() -> None:
    def act(folder: Path) -> None:
        release = folder / "it"

        def hook(generated: str) -> None:
            Path(generated, "a").write_text("")
            for path in ("new", "lib/new", "lib/site/new", "lib/site/app.py"):
                with pytest.raises(PermissionError):
                    (release / path).write_text("")

        assert generated_files(with_generated(str(release), assembled_at(release), hook)) == 1

    unprivileged(act)


@as_root_only
def test_a_file_of_another_user_becomes_ones_own_and_a_directory_is_refused(
    release: Path, tmp_path: Path
) -> None:
    def hook(folder: Path) -> None:
        (folder / "a").write_text("a")
        os.chown(folder / "a", NOBODY, NOBODY)

    found = taken(release, hook)
    assert (release / "generated" / "a").stat().st_uid == os.geteuid()
    assert listed(found)["a"].size == 1

    def another(folder: Path) -> None:
        (folder / "d").mkdir()
        os.chown(folder / "d", NOBODY, NOBODY)

    with pytest.raises(GenerateError, match="belongs to another user"):
        taken(tmp_path / "second", another)
    remove_tree(tmp_path / "second")


def test_a_package_with_a_folder_of_this_name_is_refused(release: Path) -> None:
    entry = FileEntry("generated", "dir", 0o555)

    with pytest.raises(GenerateError, match="a package brings generated/"):
        with_generated(str(release), assembled_at(release, entry), lambda _: None)


def test_a_copy_for_another_place_is_the_same_and_a_damaged_one_is_refused(
    release: Path, tmp_path: Path
) -> None:
    def hook(folder: Path) -> None:
        (folder / "css").mkdir()
        (folder / "css" / "a.css").write_text("a {}")
        (folder / "link").symlink_to(folder / "css" / "a.css")

    before = taken(release, hook)
    rows = [entry for entry in before.entries if entry.path.startswith("generated")]
    there = tmp_path / "there"

    after = taken(there, lambda folder: copied(str(release), rows)(str(folder)))

    assert listed(after) == listed(before)
    assert (there / "generated" / "link").read_text() == "a {}"
    remove_tree(there)
    damaged = release / "generated" / "css" / "a.css"
    damaged.chmod(0o644)
    damaged.write_text("b {}")
    with pytest.raises(GenerateError, match=r"a\.css is damaged"):
        taken(there, lambda folder: copied(str(release), rows)(str(folder)))
    remove_tree(there)


def test_a_folder_that_was_made_anew_counts(release: Path) -> None:
    def hook(folder: Path) -> None:
        folder.parent.chmod(0o700)
        shutil.rmtree(folder)
        folder.mkdir()
        (folder / "a").write_text("")

    assert generated_files(taken(release, hook)) == 1
