"""Every input that is no regular file, or has no end, is refused at once, with the exit code of its kind.

An input that blocked would stop these tests: none of the FIFOs has a writer.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.irregular import IRREGULAR, replace_by
from tests.support.roots import Site
from venvship.building.fetching.pip_settings import NotPlainError, plain_sources
from venvship.building.store.store import Store
from venvship.errors import VenvshipError
from venvship.root import RootLayout
from venvship.workspace.place import place_problem
from venvship.workspace.quick_look import quick_problem
from venvship.workspace.settings_files import read_kept_settings
from venvship.workspace.underway import under_way

KINDS = ["FIFO", "link to a FIFO", "socket", "endless device", "file of /proc", "file of 8 TiB"]
assert {*KINDS} <= IRREGULAR.keys()
HASH = f"--hash=sha256:{'0' * 64}"


def lockfile(site: Site) -> tuple[Path, Callable[[], object]]:
    return site.path / "requirements.txt", site.open().release


def lockfile_of_an_update(site: Site) -> tuple[Path, Callable[[], object]]:
    return site.path / "requirements.txt", site.open().update


def pylock(site: Site) -> tuple[Path, Callable[[], object]]:
    return site.path / "pylock.toml", lambda: site.open().release(lockfile=str(site.path / "pylock.toml"))


def included_lockfile(site: Site) -> tuple[Path, Callable[[], object]]:
    (site.path / "requirements.txt").write_text("-r ./more.txt\n")
    return site.path / "more.txt", site.open().release


def settings(site: Site) -> tuple[Path, Callable[[], object]]:
    return site.path / "venvship.toml", site.open().release


def wheel(site: Site) -> tuple[Path, Callable[[], object]]:
    (site.path / "requirements.txt").write_text(f"./good-1.0-py3-none-any.whl {HASH}\n")
    site.settings("[build]\ntimeout = 2\n")
    return site.path / "good-1.0-py3-none-any.whl", site.open().release


def lock_input(site: Site) -> tuple[Path, Callable[[], object]]:
    site.settings('[lock]\ninputs = ["a.in"]\n')
    return site.path / "a.in", site.open().lock


def included_lock_input(site: Site) -> tuple[Path, Callable[[], object]]:
    site.settings('[lock]\ninputs = ["a.in"]\n')
    (site.path / "a.in").write_text("app\n-c limits.txt\n")
    return site.path / "limits.txt", site.open().lock


def lockfile_to_write(site: Site) -> tuple[Path, Callable[[], object]]:
    site.settings('[lock]\ninputs = ["a.in"]\n')
    (site.path / "a.in").write_text("app\n")
    return site.path / "requirements.txt", site.open().lock


def journal(site: Site) -> tuple[Path, Callable[[], object]]:
    (site.path / "state").mkdir(exist_ok=True)
    return site.path / "state" / "journal.jsonl", site.open().history


def interpreter(site: Site) -> tuple[Path, Callable[[], object]]:
    return site.path / "state" / "python.json", site.open().release


INPUTS = [
    (lockfile, 11),
    (lockfile_of_an_update, 11),
    (pylock, 11),
    (included_lockfile, 11),
    (settings, 10),
    (wheel, 20),
    (lock_input, 10),
    (included_lock_input, 10),
    (lockfile_to_write, 11),
    (journal, 12),
    (interpreter, 12),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("prepare", "code"), INPUTS)
def test_an_input_that_is_no_file_is_refused_at_once(
    site: Site, kind: str, prepare: Callable[[Site], tuple[Path, Callable[[], object]]], code: int
) -> None:
    path, command = prepare(site)
    replace_by(IRREGULAR[kind], path)

    if (prepare, kind) == (wheel, "file of 8 TiB"):
        return  # it is a file; `test_hashing_a_wheel_by_path_ends_with_the_timeout` has it
    with pytest.raises(VenvshipError) as caught:
        command()

    assert caught.value.exit_code == code
    assert str(path) in caught.value.message


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_a_release_that_is_no_file_is_damage(site: Site, kind: str) -> None:
    release_id = site.release("1.0")
    layout = RootLayout.at(site.path)
    manifest = layout.manifest(release_id, None)
    folder = layout.release_path(release_id) / ".venvship"

    replace_by(IRREGULAR[kind], folder / "files.json")
    assert "files.json" in (quick_problem(layout, manifest) or "")
    replace_by(IRREGULAR[kind], folder / "manifest.json")
    with pytest.raises(VenvshipError) as caught:
        layout.manifest(release_id, None)
    assert caught.value.exit_code == 13
    startup = next(layout.release_path(release_id).glob("lib/*/site-packages/!venvship.pth"))
    replace_by(IRREGULAR[kind], startup)
    place_problem(layout, manifest._replace(path=""))  # it looks there, and goes on without it


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_a_command_can_do_without_counts_as_missing(site: Site, kind: str) -> None:
    layout = RootLayout.at(site.path)

    replace_by(IRREGULAR[kind], layout.kept_settings_file)
    replace_by(IRREGULAR[kind], layout.operation_file)

    assert read_kept_settings(layout) is None
    assert under_way(layout) is None


@pytest.mark.parametrize("kind", KINDS)
def test_an_index_file_of_the_store_that_is_no_file_is_damage(site: Site, kind: str) -> None:
    store = Store(str(site.store))
    sha256 = min(os.listdir(store.wheels_folder))
    replace_by(IRREGULAR[kind], Path(store.wheel_path(sha256)) / "wheel.json")

    with pytest.raises(VenvshipError) as caught:
        store.wheel(sha256)
    assert (caught.value.slug, caught.value.exit_code) == ("store-damaged", 20)


@pytest.mark.parametrize("kind", KINDS)
def test_a_configuration_of_pip_that_is_no_file_is_left_to_pip(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "pip.conf"
    IRREGULAR[kind](path)

    with pytest.raises(NotPlainError, match=r"pip\.conf is not read"):
        plain_sources([], {"PIP_CONFIG_FILE": str(path), "HOME": str(tmp_path)}, [], str(tmp_path))
