"""Build requirements: chosen once, kept in the store, and copied into a new environment for each build."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.checkouts import BACKEND, commit, project_files, repository
from tests.support.index import LocalIndex
from tests.support.projects import Shop, constraints
from tests.support.wheels import build_wheel
from venvship.building.store.cleaning import sweep
from venvship.building.store.compile import bytecode_tag
from venvship.building.supply import Supply
from venvship.errors import StoreDamagedError
from venvship.model.release import Manifest
from venvship.model.source import BuildRequirement
from venvship.system.files import hash_file
from venvship.system.signals import Signals
from venvship.system.trees import remove_tree

DOWN = 503
"""How an index answers that is down. pip is told to give up at once."""

CHECKED = "import maker, subprocess; assert maker.VALUE == 'good'; subprocess.run(['maker'], check=True)"
"""A backend that uses a build requirement as a module and as a program."""


def project(run: str = CHECKED, requires: str = '"maker>=1"', value: int = 0) -> dict[str, str]:
    files = project_files(table=f'[tool.backend]\nrun = """{run}"""')
    files["pyproject.toml"] = files["pyproject.toml"].replace("requires = []", f"requires = [{requires}]")
    return {**files, "shop/__init__.py": f"VALUE = {value}\n"}


def make(wheelhouse: Path, version: str, more: int = 0, **options: str) -> None:
    """A build requirement with a program and so many further files, and one that it needs."""
    build_wheel(wheelhouse, "needed", "1.0", files={"needed.py": ""})
    build_wheel(
        wheelhouse,
        "maker",
        version,
        files={
            "maker.py": "import needed\nVALUE = 'good'\ndef main():\n    pass\n",
            **{f"maker_data/{number}.txt": str(number) for number in range(more)},
        },
        scripts={"maker": "maker:main"},
        requires=["needed"],
        **options,  # type: ignore[arg-type]
    )


def names(manifest: Manifest) -> list[str]:
    assert manifest.project is not None
    return [f"{one.name} {one.version}" for one in manifest.project.build_requirements]


@pytest.fixture
def shop(tmp_path: Path, clean_env: dict[str, str], wheelhouse: Path, index: LocalIndex) -> Iterator[Shop]:
    one = Shop(tmp_path, clean_env)
    one.environ |= {"PIP_INDEX_URL": index.url, "PIP_RETRIES": "0"}
    make(wheelhouse, "2.0")
    repository(one.checkout, project())
    yield one
    remove_tree(one.root)


def test_the_next_build_asks_no_index_and_makes_the_same_tree(
    shop: Shop, tmp_path: Path, index: LocalIndex
) -> None:
    first = shop.build(shop.request())
    commit(shop.checkout, project(value=1))
    index.status = DOWN
    request = shop.request()

    kept = shop.build(request)

    assert names(first) == names(kept) == ["maker 2.0", "needed 1.0"]
    assert "build requirements from the store: maker 2.0, needed 1.0" in shop.log(request)
    (tmp_path / "other").mkdir()
    index.status = None
    other = Shop(tmp_path / "other", shop.environ)
    other.checkout = shop.checkout
    try:
        assert other.build(other.request()).tree_digest == kept.tree_digest
    finally:
        remove_tree(other.root)


def test_a_build_that_writes_to_its_environment_spoils_no_other(shop: Shop, index: LocalIndex) -> None:
    spoils = "import maker, os; os.chmod(maker.__file__, 0o644); open(maker.__file__, 'w').write('spoilt')"
    commit(shop.checkout, project(spoils))
    shop.build(shop.request())
    before = contents(shop)
    commit(shop.checkout, project())
    index.status = DOWN

    shop.build(shop.request())

    after = contents(shop)
    assert after.keys() >= before.keys()
    assert not any("spoilt" in text for text in after.values())


def contents(shop: Shop) -> dict[str, str]:
    folder = Path(shop.store.wheels_folder)
    return {str(path): path.read_text() for path in folder.rglob("*.py")}


@pytest.mark.parametrize("more", [0, 600], ids=["few files", "as many as several processes copy"])
def test_a_file_of_the_store_that_was_changed_is_not_used(shop: Shop, wheelhouse: Path, more: int) -> None:
    make(wheelhouse, "2.1", more)
    shop.build(shop.request())
    (module,) = Path(shop.store.wheels_folder).rglob("maker.py")
    data = module.read_bytes()
    module.chmod(0o644)
    module.write_bytes(data.replace(b"good", b"evil"))
    module.chmod(0o444)
    commit(shop.checkout, project(value=1))
    with pytest.raises(StoreDamagedError, match=r"maker\.py: its contents have changed"):
        shop.build(shop.request())


@pytest.mark.parametrize(
    ("later", "found"),
    [(timedelta(hours=23), "2.0"), (timedelta(hours=25), "3.0"), (timedelta(hours=-1), "3.0")],
    ids=["within a day", "after a day", "by a clock that was set back"],
)
def test_what_is_not_locked_is_chosen_again_after_a_day(
    shop: Shop, wheelhouse: Path, later: timedelta, found: str
) -> None:
    shop.build(shop.request())
    make(wheelhouse, "3.0")
    commit(shop.checkout, project(value=1))
    request = shop.request()
    manifest = shop.build(replace(request, created_at=request.created_at + later))
    assert names(manifest) == [f"maker {found}", "needed 1.0"]


def test_another_index_is_asked_at_once_and_other_credentials_are_no_other_index(
    shop: Shop, wheelhouse: Path, index: LocalIndex
) -> None:
    shop.build(shop.request())
    make(wheelhouse, "3.0")
    urls = {"2.0": index.url_with("user", "secret"), "3.0": index.url.rstrip("/")}
    for value, (found, url) in enumerate(urls.items(), start=1):
        commit(shop.checkout, project(value=value))
        shop.environ["PIP_INDEX_URL"] = url
        assert names(shop.build(shop.request())) == [f"maker {found}", "needed 1.0"]


def test_a_variable_in_an_option_line_counts_by_its_value(
    shop: Shop, wheelhouse: Path, index: LocalIndex
) -> None:
    del shop.environ["PIP_INDEX_URL"]
    urls = [(index.url, "2.0"), (index.url_with("user", "secret"), "2.0"), (index.url.rstrip("/"), "3.0")]
    for value, (url, found) in enumerate(urls, start=1):
        commit(shop.checkout, project(value=value))
        shop.environ["IDX_URL"] = url
        request = shop.request()
        lockfile = replace(request.environment.lockfile, options=("--index-url ${IDX_URL}",))
        request = replace(request, environment=request.environment._replace(lockfile=lockfile))
        assert names(shop.build(request)) == [f"maker {found}", "needed 1.0"]
        make(wheelhouse, "3.0")


def test_what_is_locked_is_never_chosen_again(shop: Shop, wheelhouse: Path, index: LocalIndex) -> None:
    text = "".join(
        f"{name}=={version} --hash=sha256:{hash_file(next(wheelhouse.glob(f'{name}-*')))}\n"
        for name, version in (("maker", "2.0"), ("needed", "1.0"))
    )
    shop.build(shop.request(project=constraints(shop, text)))
    commit(shop.checkout, project(value=1))
    index.status = DOWN
    request = shop.request(project=constraints(shop, text))
    manifest = shop.build(replace(request, created_at=request.created_at + timedelta(days=400)))
    assert names(manifest) == ["maker 2.0", "needed 1.0"]
    assert manifest.project is not None
    assert manifest.project.pinned


def test_wheels_that_the_store_has_no_longer_are_fetched_again(shop: Shop) -> None:
    shop.build(shop.request())
    (module,) = Path(shop.store.wheels_folder).rglob("maker.py")
    remove_tree(module.parents[2])
    commit(shop.checkout, project(value=1))
    assert names(shop.build(shop.request())) == ["maker 2.0", "needed 1.0"]
    assert list(Path(shop.store.wheels_folder).rglob("maker.py"))


def test_a_requirement_by_its_path_is_read_each_time(shop: Shop, wheelhouse: Path) -> None:
    path = next(wheelhouse.glob("maker-2.0*"))
    by_path = f'"maker @ {path.as_uri()}"'
    commit(shop.checkout, project(requires=by_path))
    shop.build(shop.request())
    build_wheel(wheelhouse, "maker", "2.0", files={"maker.py": "VALUE = 'other'\n"})
    commit(shop.checkout, project("import maker; assert maker.VALUE == 'other'", requires=by_path, value=1))
    assert names(shop.build(shop.request())) == ["maker 2.0"]
    assert not list(Path(shop.store.wheels_folder).rglob("maker.py"))


def test_a_wheel_that_the_store_refuses_is_installed_by_pip(shop: Shop, wheelhouse: Path) -> None:
    make(wheelhouse, "2.0", record="wrong-hash")
    request = shop.request()
    manifest = shop.build(request)
    assert names(manifest) == ["maker 2.0", "needed 1.0"]
    assert "not kept in the store" in shop.log(request)
    assert not os.path.lexists(os.path.join(shop.store.path, "build-requirements"))


def test_a_backend_may_ask_for_more(shop: Shop, wheelhouse: Path, index: LocalIndex) -> None:
    build_wheel(wheelhouse, "further", "1.0", files={"further.py": ""})
    more = "\n\ndef get_requires_for_build_wheel(config_settings=None):\n    return ['further']\n"
    for value in (0, 1):
        files = project("import maker, further", value=value)
        commit(shop.checkout, {**files, "backend.py": BACKEND + more})
        manifest = shop.build(shop.request())
        assert names(manifest) == ["further 1.0", "maker 2.0", "needed 1.0"]
        index.status = DOWN


def test_a_record_half_written_is_swept_and_one_that_is_garbage_is_reported(shop: Shop) -> None:
    shop.build(shop.request())
    folder = Path(shop.store.path, "build-requirements")
    (record,) = folder.iterdir()
    (folder / f".{record.name}.0123456789ab").write_text("{")
    assert sweep(shop.store) == 1
    assert os.listdir(folder) == [record.name]
    data = json.loads(record.read_text())
    record.write_text(json.dumps({**data, "wheels": [["maker"]]}))
    commit(shop.checkout, project(value=1))
    with pytest.raises(StoreDamagedError, match="build-requirements"):
        shop.build(shop.request())


def test_the_record_names_what_the_manifest_names(shop: Shop) -> None:
    manifest = shop.build(shop.request())
    (record,) = Path(shop.store.path, "build-requirements").iterdir()
    rows = json.loads(record.read_text())["wheels"]
    assert manifest.project is not None
    assert tuple(BuildRequirement(*row[:2]) for row in rows) == manifest.project.build_requirements


def test_what_a_build_has_left_is_gone_and_its_wheel_compiled_before_the_release_begins(shop: Shop) -> None:
    request = shop.request()
    scratch = shop.root / "state" / "scratch"
    scratch.mkdir()
    os.mkdir(request.log_dir)
    supply = Supply(request, shop.store, scratch=str(scratch), environ=shop.environ, signals=Signals())

    assert supply.build() == 1

    assert [path.name for path in (scratch / "downloads").rglob("*")] == ["shop", "wheels"]
    (wheel,) = [wheel for name, wheel in supply.wheels().items() if name == "shop"]
    tag = bytecode_tag(request.environment.interpreter, request.build.optimize)
    assert shop.store.bytecode(wheel.sha256, tag) is not None
