"""Where the packages of a lock come from: two indexes, of which one offers more than it should."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.index import LocalIndex
from tests.support.roots import Site
from tests.support.wheels import Distribution, build_wheel, lockfile_text
from venvship.errors import IndexChangedError
from venvship.operations.lock import LockResult

SECRET = "s3cret-of-shop"
SETTINGS = '[lock]\ninputs = ["requirements.in"]\n'


@pytest.fixture
def other_wheels(tmp_path: Path) -> Path:
    """The files of the other index."""
    folder = tmp_path / "other-wheels"
    folder.mkdir()
    return folder


@pytest.fixture
def other(other_wheels: Path) -> Iterator[LocalIndex]:
    """The index that is added."""
    with LocalIndex(other_wheels) as index:
        yield index


@pytest.fixture
def shop(site: Site, index: LocalIndex, wheelhouse: Path) -> Site:
    """A root with `core` 1.0 and `dep` 1.0 in its lockfile, from its one index. Nothing is released yet."""
    del site.environment["PIP_NO_INDEX"]
    site.environment.update(PIP_INDEX_URL=index.url, PIP_RETRIES="0")
    core = build_wheel(wheelhouse, "core", "1.0", requires=["dep"])
    dep = build_wheel(wheelhouse, "dep", "1.0")
    site.settings(SETTINGS)
    (site.path / "requirements.in").write_text("core\n")
    (site.path / "requirements.txt").write_text(
        f"#\n#    venvship lock\n#\n# from {name(index)}\n#\n{lockfile_text(core, dep)}"
    )
    return site


def add(site: Site, other: LocalIndex) -> None:
    site.environment["PIP_EXTRA_INDEX_URL"] = other.url


def lockfile(site: Site) -> str:
    return (site.path / "requirements.txt").read_text()


def pins(site: Site) -> list[str]:
    return [line.removesuffix(" \\") for line in lockfile(site).splitlines() if line[:1].isalnum()]


def name(index: LocalIndex) -> str:
    return index.url.rstrip("/")


def evil(folder: Path, version: str, package: str = "core") -> Distribution:
    """A wheel of an attacker."""
    return build_wheel(folder, package, version, files={f"{package}.py": "EVIL = True\n"})


def upgrade(site: Site, *, person: bool = False) -> LockResult:
    """Lock as a script does, or a person at a terminal."""
    return site.open(person=person).lock(upgrade=True)


def warned(result: LockResult, slug: str) -> list[str]:
    return [warning.message for warning in result.warnings if warning.slug == slug]


def test_the_lockfile_tells_the_index_of_most_packages_in_one_line_and_of_others_beside_them(
    shop: Site, index: LocalIndex, other: LocalIndex, other_wheels: Path
) -> None:
    build_wheel(other_wheels, "extra", "2.0")
    add(shop, other)
    (shop.path / "requirements.in").write_text("core\nextra\n")
    (shop.path / "requirements.txt").unlink()
    shop.open().lock()
    assert f"#    venvship lock\n#\n# from {name(index)}\n#\ncore==1.0" in lockfile(shop)
    assert f"    # via -r requirements.in\n    # from {name(other)}\n" in lockfile(shop)
    assert lockfile(shop).count("# from ") == 2
    assert not shop.open().lock().changed, "the lines are read back"


def test_an_update_takes_no_higher_version_of_another_index_and_reports_it_once(
    shop: Site, index: LocalIndex, other: LocalIndex, wheelhouse: Path, other_wheels: Path
) -> None:
    evil(other_wheels, "99.0")
    add(shop, other)
    build_wheel(wheelhouse, "core", "1.1", requires=["dep"])
    build_wheel(wheelhouse, "dep", "1.1")
    done = shop.run("update", "--upgrade")
    assert done.code == 0, done.err
    assert pins(shop) == ["core==1.1", "dep==1.1"], "the rest goes on, and so does its own index"
    assert f"core comes from {name(index)}; 99.0, which {name(other)} offers, was not taken" in done.err
    again = shop.run("update", "--upgrade")
    assert (again.code, again.out, again.err) == (0, "", "")


def test_the_same_version_elsewhere_does_not_get_into_the_hashes(
    shop: Site, other: LocalIndex, wheelhouse: Path, other_wheels: Path
) -> None:
    good = build_wheel(wheelhouse, "core", "1.1", requires=["dep"])
    bad = evil(other_wheels, "1.1")
    add(shop, other)
    result = upgrade(shop)
    assert "1.1 with other files" in warned(result, "other-index")[0]
    assert good.sha256 in lockfile(shop)
    assert bad.sha256 not in lockfile(shop)


def test_a_persons_first_lock_gives_each_version_the_hashes_of_one_index(
    shop: Site, other: LocalIndex, wheelhouse: Path, other_wheels: Path
) -> None:
    good = next(wheelhouse.glob("core-*.whl"))
    bad = evil(other_wheels, "1.0")
    add(shop, other)
    (shop.path / "requirements.txt").unlink()
    upgrade(shop, person=True)
    assert Distribution(good, "core", "1.0").sha256 in lockfile(shop)
    assert bad.sha256 not in lockfile(shop)


def test_a_lockfile_without_sources_is_no_reason_to_refuse_and_gets_them(
    shop: Site, index: LocalIndex, other: LocalIndex, other_wheels: Path
) -> None:
    bad = evil(other_wheels, "1.0")
    text = lockfile(shop).replace(f"# from {name(index)}\n#\n", "")
    # As pip-compile alone would have written it: with the hashes of all indexes.
    text = text.replace("core==1.0 \\\n", f"core==1.0 \\\n    --hash=sha256:{bad.sha256} \\\n")
    (shop.path / "requirements.txt").write_text(text)
    add(shop, other)
    shop.open().lock()
    assert f"# from {name(index)}\n" in lockfile(shop)
    assert bad.sha256 not in lockfile(shop)


def test_a_new_package_of_two_indexes_is_not_taken_unattended(
    shop: Site, other: LocalIndex, wheelhouse: Path, other_wheels: Path
) -> None:
    build_wheel(wheelhouse, "core", "1.1", requires=["dep", "new"])
    build_wheel(wheelhouse, "new", "1.0")
    build_wheel(wheelhouse, "dep", "1.1")
    evil(other_wheels, "99.0", "new")
    add(shop, other)
    upgrade(shop)
    assert pins(shop) == ["core==1.0", "dep==1.1"], "core 1.1 needs it, and so waits"
    before = lockfile(shop)
    (shop.path / "requirements.in").write_text("core\nnew\n")
    with pytest.raises(IndexChangedError, match="new is new, and offered with different files by") as raised:
        upgrade(shop)
    assert (raised.value.exit_code, raised.value.data["packages"]) == (20, ["new"])
    assert lockfile(shop) == before


def test_a_package_that_has_gone_from_its_index_is_refused_with_both_until_it_is_named(
    shop: Site, index: LocalIndex, other: LocalIndex, wheelhouse: Path, other_wheels: Path
) -> None:
    before = lockfile(shop)
    (moved,) = wheelhouse.glob("core-*.whl")
    moved.rename(other_wheels / moved.name)
    add(shop, other)
    with pytest.raises(IndexChangedError) as raised:
        upgrade(shop)
    text = f"core comes from {name(index)}, which offers nothing of it; {name(other)} does"
    assert text in raised.value.message
    assert lockfile(shop) == before
    result = shop.open().lock(upgrade_package=["core"])
    assert f"core from {name(other)}, before from {name(index)}" in warned(result, "index-changed")[0]
    assert name(other) in lockfile(shop)


def test_a_person_fixes_packages_to_an_index_by_the_settings(
    shop: Site, index: LocalIndex, other: LocalIndex, wheelhouse: Path, other_wheels: Path
) -> None:
    good = build_wheel(other_wheels, "core", "1.1", requires=["dep"])
    build_wheel(wheelhouse, "core", "5.0", requires=["dep"])
    add(shop, other)
    shop.settings(f'{SETTINGS}index = {{"co*" = "{other.url}"}}\n')
    index.requests.clear()
    result = upgrade(shop)
    assert pins(shop) == ["core==1.1", "dep==1.0"]
    assert good.sha256 in lockfile(shop)
    assert index.requests["/simple/core/"] == 0, "no other index is told the name"
    assert "core from" in warned(result, "index-changed")[0]


def test_an_index_that_pip_does_not_have_is_refused(shop: Site) -> None:
    shop.settings(f'{SETTINGS}index = {{core = "https://elsewhere.example/simple"}}\n')
    with pytest.raises(IndexChangedError, match=r"core comes from https://elsewhere\.example/simple"):
        shop.open().lock()


def test_no_credentials_get_into_the_lockfile_and_new_ones_are_no_new_index(
    shop: Site, index: LocalIndex, wheelhouse: Path
) -> None:
    index.credentials = ("deploy", SECRET)
    shop.environment["PIP_INDEX_URL"] = index.url_with("deploy", SECRET)
    build_wheel(wheelhouse, "core", "1.1", requires=["dep"])
    upgrade(shop)
    assert "core==1.1" in lockfile(shop)
    assert SECRET not in lockfile(shop)
    assert "deploy" not in lockfile(shop)
    assert f"# from {name(index)}\n" in lockfile(shop)


def test_a_folder_is_a_source_too_and_relative_to_the_lockfile(shop: Site) -> None:
    evil(shop.path / "wheels", "7.0")
    build_wheel(shop.path / "wheels", "found", "1.0")
    (shop.path / "requirements.in").write_text("--find-links wheels\ncore\nfound\n")
    shop.open().lock()
    assert pins(shop) == ["core==1.0", "dep==1.0", "found==1.0"]
    assert "    # from ./wheels\n" in lockfile(shop)
    build_wheel(shop.path / "wheels", "found", "1.1")
    upgrade(shop)
    assert pins(shop) == ["core==1.0", "dep==1.0", "found==1.1"]
