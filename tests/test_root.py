"""The layout of a root: what is where, what is current, and what a quick look finds."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.releases import LINUX
from tests.support.sealed import empty_root, sealed
from tests.support.users import unprivileged
from venvship.errors import (
    ForeignLinkError,
    FormatError,
    NotARootError,
    NotOwnerError,
    NotWritableError,
    ReleaseError,
    RootError,
    StateError,
    VenvshipError,
)
from venvship.model.release import Package
from venvship.model.root_path import refuse_path
from venvship.root import (
    RootLayout,
    read_json,
    user_name,
)
from venvship.system import files, trees
from venvship.workspace.folders import make_folders
from venvship.workspace.quick_look import quick_problem

A = "20261122T094143Z-3f9a1c2"
B = "20261121T020003Z-a01b22c"


@pytest.fixture
def root(tmp_path: Path) -> RootLayout:
    return empty_root(tmp_path / "shop")


def rewrite(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    data = json.loads(path.read_bytes())
    change(data)
    files.write_json(path, data, mode=path.stat().st_mode & 0o777)


# -- opening a root ---------------------------------------------------------------------------------------


def test_a_root_is_at_its_real_path(root: RootLayout, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("shop")

    assert RootLayout.at(tmp_path / "link").path == root.path
    assert RootLayout.at(str(root.path)) == root


def test_a_root_whose_settings_are_gone_is_still_one(root: RootLayout) -> None:
    root.settings_file.unlink()
    with pytest.raises(NotARootError):
        RootLayout.at(root.path)

    root.journal_file.touch()
    assert RootLayout.at(root.path) == root


def test_what_is_no_directory_is_no_root(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    for name in ("file", "missing"):
        with pytest.raises(NotARootError, match="director"):
            RootLayout.at(tmp_path / name)


@pytest.mark.parametrize("name", ["a:b", "a\nb", "a\rb"])
def test_a_path_that_path_or_a_shebang_cannot_carry_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "venvship.toml").touch()

    with pytest.raises(RootError, match="no colon and no line break"):
        RootLayout.at(tmp_path / name)
    with pytest.raises(RootError):
        refuse_path(f"/srv/{name}")


def test_a_path_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(RootError, match="UTF-8"):
        refuse_path(os.fsdecode(b"/srv/caf\xe9"))


def test_other_odd_paths_are_fine(tmp_path: Path) -> None:
    for name in ("with space", "é", "a;b"):
        refuse_path(f"/srv/{name}")
        (tmp_path / name).mkdir()
        (tmp_path / name / "venvship.toml").touch()
        assert RootLayout.at(tmp_path / name).path == tmp_path / name


# -- where things are ---------------------------------------------------------------------------------------


def test_everything_is_where_the_contract_says(root: RootLayout) -> None:
    places = {
        "venvship.toml": root.settings_file,
        "current": root.current_link,
        "previous": root.previous_link,
        "releases": root.releases,
        f"releases/{A}": root.release_path(A),
        "state": root.state,
        "state/journal.jsonl": root.journal_file,
        "state/operation.json": root.operation_file,
        "state/python.json": root.python_file,
        "state/settings.toml": root.kept_settings_file,
        "state/verified.json": root.verified_file,
        "state/leases": root.leases,
        f"state/leases/{A}": root.lease(A),
        "state/build.mutex": root.mutex("build"),
        f"log/{A}": root.log(A),
    }

    assert {name: root.path / name for name in places} == places


def test_the_folders_are_made_with_their_modes_whatever_the_umask(tmp_path: Path) -> None:
    (tmp_path / "venvship.toml").touch()
    root = RootLayout.at(tmp_path)
    assert os.listdir(tmp_path) == ["venvship.toml"], "opening writes nothing"

    before = os.umask(0o077)
    try:
        make_folders(root)
        make_folders(root)
    finally:
        os.umask(before)

    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (root.releases, root.state, root.leases)}
    assert modes == {"releases": 0o755, "state": 0o755, "leases": 0o755}
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o700


def test_a_root_in_which_nothing_can_be_made_is_not_writable() -> None:
    def look(base: Path) -> None:
        (base / "venvship.toml").touch()
        base.chmod(0o555)
        layout = RootLayout.at(base)
        with pytest.raises(NotWritableError, match="releases"):
            make_folders(layout)
        with pytest.raises(NotWritableError, match="not writable"):
            layout.require_writable()

    unprivileged(look)


def test_who_does_not_own_the_root_is_told_who_does(root: RootLayout) -> None:
    root.require_writable()
    if os.geteuid() != 0:
        pytest.skip("only root can give a directory away")
    os.chown(root.path, 65534, 65534)

    with pytest.raises(NotOwnerError) as caught:
        root.require_writable()

    owner = user_name(65534)
    assert caught.value.data == {"owner": owner}
    assert caught.value.hint == f"run it as {owner}"


def test_users_without_a_name_have_a_number() -> None:
    assert user_name(2**31 - 7) == str(2**31 - 7)
    assert user_name(0) == "root"


# -- current ------------------------------------------------------------------------------------------------


def test_nothing_is_current_before_the_first_release(root: RootLayout) -> None:
    assert root.current() is None
    assert root.previous() is None


def test_current_is_what_the_link_names(root: RootLayout) -> None:
    sealed(root)
    root.current_link.symlink_to(f"releases/{A}")

    assert root.current() == A


def test_a_link_to_a_release_that_is_gone_still_names_it(root: RootLayout) -> None:
    root.current_link.symlink_to(f"releases/{A}")
    root.previous_link.symlink_to(f"releases/{B}")

    assert root.current() == A
    assert root.previous() == B


@pytest.mark.parametrize("kind", ["directory", "file"])
def test_a_current_that_is_no_link_is_not_ours(root: RootLayout, kind: str) -> None:
    if kind == "directory":
        root.current_link.mkdir()
    else:
        root.current_link.touch()

    with pytest.raises(ForeignLinkError, match=f"current is a {kind}") as caught:
        root.current()
    assert caught.value.exit_code == 12
    assert (caught.value.hint or "").startswith("move it out of the way: mv ")


@pytest.mark.parametrize(
    "target",
    [
        "{root}/releases/" + A,
        "../elsewhere",
        "/opt/venv",
        "releases",
        "releases/",
        "releases/" + A + "/",
        "releases//" + A,
        "./releases/" + A,
        "releases/../releases/" + A,
        "releases/" + A + "/lib",
        "releases/latest",
        "releases/.trash-" + A,
        "other/releases/" + A,
        A,
        ".",
    ],
)
def test_a_link_that_is_not_one_of_ours_is_foreign(root: RootLayout, target: str) -> None:
    sealed(root)
    for link in (root.current_link, root.previous_link):
        link.symlink_to(target.format(root=root.path))

    with pytest.raises(ForeignLinkError, match="not one of this root's releases"):
        root.current()
    assert root.previous() is None, "comfort only: nothing to refuse for"


def test_a_current_that_cannot_be_read_is_not_called_a_file() -> None:
    def look(base: Path) -> None:
        (base / "venvship.toml").touch()
        layout = RootLayout.at(base)
        layout.current_link.symlink_to(f"releases/{A}")
        base.chmod(0o600)
        try:
            with pytest.raises(RootError, match="Permission denied") as caught:
                layout.current()
            assert not isinstance(caught.value, ForeignLinkError)
            assert layout.previous() is None
        finally:
            base.chmod(0o700)

    unprivileged(look)


# -- releases -----------------------------------------------------------------------------------------------


def test_a_directory_has_a_manifest_or_is_debris(root: RootLayout) -> None:
    sealed(root, A)
    (root.releases / B / ".venvship").mkdir(parents=True)
    (root.releases / f".trash-{A}").mkdir()
    (root.releases / "notes").mkdir()
    (root.releases / "README").touch()

    assert root.with_manifest() == [A]
    assert root.without_manifest() == sorted([f".trash-{A}", B])


def test_a_root_without_releases_has_neither(tmp_path: Path) -> None:
    (tmp_path / "venvship.toml").touch()
    root = RootLayout.at(tmp_path)

    assert root.with_manifest() == []
    assert root.without_manifest() == []
    root.releases.touch()
    with pytest.raises(RootError, match="cannot list"):
        root.with_manifest()


def test_links_that_a_switch_prepared_are_strays(root: RootLayout) -> None:
    for name in (".to.12ab", ".back.34cd", "current", "previous"):
        (root.path / name).symlink_to(f"releases/{A}")

    assert root.strays() == [".back.34cd", ".to.12ab"]


def test_a_manifest_is_read(root: RootLayout) -> None:
    sealed(root)

    manifest = root.manifest(A, None)

    assert manifest.id == A
    assert manifest.packages == (Package("django", "5.2.19"),)
    assert [e.path for e in root.files(A, manifest)] == [
        "bin", "lib", "lib/empty.py", "lib/module.py", "bin/python", "bin/run",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: data.pop("tree_digest"), "damaged"),
        (lambda data: data.update(id=B), f"says it is {B}"),
        (lambda data: data.update(python=[]), "damaged"),
        (lambda data: data.pop("format"), "damaged"),
    ],
)
def test_a_damaged_manifest_makes_the_release_unusable(
    root: RootLayout, change: Callable[[dict[str, Any]], Any], says: str
) -> None:
    """`tests/model/test_release.py` has all that may be wrong with one."""
    sealed(root)
    rewrite(root.release_path(A) / ".venvship" / "manifest.json", change)

    with pytest.raises(ReleaseError, match=says) as caught:
        root.manifest(A, None)
    assert caught.value.exit_code == 13


def test_a_manifest_of_a_newer_venvship_is_refused_as_such(root: RootLayout) -> None:
    sealed(root)
    rewrite(root.release_path(A) / ".venvship" / "manifest.json", lambda data: data.update(format=2))

    with pytest.raises(FormatError, match="format 2"):
        root.manifest(A, None)


def test_a_list_of_files_other_than_the_manifests_is_refused(root: RootLayout) -> None:
    sealed(root)
    manifest = root.manifest(A, None)
    listing = root.release_path(A) / ".venvship" / "files.json"
    good = listing.read_bytes()

    listing.write_bytes(good + b"\n")
    with pytest.raises(ReleaseError, match="not the one that the manifest names"):
        root.files(A, manifest)

    listing.unlink()
    with pytest.raises(ReleaseError, match="No such file"):
        root.files(A, manifest)


@pytest.mark.parametrize("content", [b"{}", b"[]", b'{"files": 1}', b'{"files": [["a"]]}', b"\0"])
def test_a_list_of_files_of_another_shape_is_damaged(root: RootLayout, content: bytes) -> None:
    sealed(root)
    digest = hashlib.sha256(content).hexdigest()
    rewrite(
        root.release_path(A) / ".venvship" / "manifest.json", lambda data: data.update(files_sha256=digest)
    )
    (root.release_path(A) / ".venvship" / "files.json").write_bytes(content)

    with pytest.raises(ReleaseError, match="is damaged"):
        root.files(A, root.manifest(A, None))
    assert "the list of its files is damaged" in str(quick_problem(root, root.manifest(A, None)))


# -- our JSON files -----------------------------------------------------------------------------------------


def test_a_file_that_is_missing_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert read_json(tmp_path / "missing.json") is None
    assert read_json(tmp_path / "file" / "below.json") is None


def test_a_file_is_read_with_all_its_keys(tmp_path: Path) -> None:
    files.write_json(tmp_path / "a.json", {"format": 1, "key": "é", "unknown": [1]})

    assert read_json(tmp_path / "a.json") == {"format": 1, "key": "é", "unknown": [1]}


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\0\0", b"\xff\xfe\xfd", b"[]", b"null", b'"format"', b"{}", b'{"format": "1"}',
     b'{"format": null}', b"[" * 100_000],
)  # fmt: skip
def test_a_file_of_another_shape_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)

    with pytest.raises(StateError, match=r"a\.json is damaged"):
        read_json(tmp_path / "a.json")


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="Is a directory"):
        read_json(tmp_path)


def test_a_file_of_a_newer_venvship_is_refused(tmp_path: Path) -> None:
    files.write_json(tmp_path / "a.json", {"format": 2})

    with pytest.raises(FormatError, match="knows up to 1") as caught:
        read_json(tmp_path / "a.json")
    assert caught.value.exit_code == 12


def test_the_interpreter_is_read_back(root: RootLayout) -> None:
    assert root.interpreter() is None
    files.write_json(root.python_file, {"format": 1, "setting": "3.12", **LINUX.to_json()})

    assert root.interpreter() == ("3.12", LINUX)

    for damage in ({"path": None, "tags": 5}, {"markers": []}, {"tags": None}):
        rewrite(root.python_file, lambda data, damage=damage: data.update(damage))
        with pytest.raises(StateError, match=r"python\.json is damaged"):
            root.interpreter()
    rewrite(root.python_file, lambda data: data.pop("setting"))
    with pytest.raises(StateError):
        root.interpreter()
    rewrite(root.python_file, lambda data: data.update(format=7))
    with pytest.raises(FormatError):
        root.interpreter()


# -- reads never write --------------------------------------------------------------------------------------


def test_looking_at_a_root_changes_nothing_in_it(root: RootLayout) -> None:
    sealed(root)
    (root.releases / B).mkdir()
    (root.path / ".to.1").symlink_to(f"releases/{A}")
    root.current_link.symlink_to(f"releases/{A}")

    def state() -> list[tuple[str, int, int, int]]:
        return [(n, s.st_ino, s.st_mode, s.st_mtime_ns) for n, s in trees.walk(root.path)]

    before = state()
    layout = RootLayout.at(root.path)
    layout.current(), layout.previous(), layout.with_manifest(), layout.without_manifest(), layout.strays()
    layout.interpreter()
    layout.require_writable()
    quick_problem(layout, layout.manifest(A, None))
    with pytest.raises(VenvshipError):
        layout.manifest(B, None)

    assert state() == before
