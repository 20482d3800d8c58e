"""Wheels of projects: built from the commit, for the interpreter of the root, and with nothing left over."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.checkouts import commit, git, project_files, repository, write
from tests.support.hostile_index import HostileIndex, endless
from tests.support.index import LocalIndex
from tests.support.projects import Shop, constraints
from tests.support.wheels import build_wheel
from venvship.building.project.checkout import GitCheckout, open_checkout
from venvship.building.request import BuildRequest, Changed, ProjectBuild
from venvship.errors import (
    BuildError,
    CheckoutError,
    InvalidWheelError,
    ProgramNotFoundError,
    TooLargeError,
)
from venvship.model.release import Manifest
from venvship.model.settings_project import ProjectSettings
from venvship.model.source import BuildRequirement
from venvship.system.git_copy import directory_for_objects
from venvship.system.signals import Signals
from venvship.system.trees import remove_tree


@pytest.fixture
def shop(tmp_path: Path, clean_env: dict[str, str]) -> Iterator[Shop]:
    one = Shop(tmp_path, clean_env)
    repository(one.checkout, project_files())
    yield one
    remove_tree(one.root)


def test_a_project_becomes_a_member_of_a_release(shop: Shop) -> None:
    write(shop.checkout, {"shop/untracked.py": "x = 1\n", "shop/__init__.py": "edited = 1\n"})
    request = shop.request()

    manifest = shop.build(request)

    assert [(p.name, p.version) for p in manifest.packages] == [("shop", "1.0")]
    assert shop.installed(request) == ["__init__.py"]
    (module,) = Path(request.release_path).rglob("shop/__init__.py")
    assert module.read_text() == "NAME = 'shop'\n"
    assert manifest.project is not None
    assert manifest.project.source.commit == git(shop.checkout, "rev-parse", "HEAD")
    assert manifest.wheels == {"shop": manifest.project.wheel_sha256}
    assert (manifest.project.build_requirements, manifest.project.pinned) == ((), False)
    assert Manifest.from_json(manifest.to_json()) == manifest._replace(sha256="")


def test_an_equal_source_is_not_built_again(shop: Shop) -> None:
    first = shop.build(shop.request())
    assert "build" in {step.name for step in shop.steps}
    commit(shop.checkout, {}, subject="Nothing")

    second = shop.build(shop.request())

    assert "build" not in {step.name for step in shop.steps}
    assert second.tree_digest == first.tree_digest
    assert second.project is not None
    assert second.project.source.subject == "Nothing"


def test_the_same_commit_gives_the_same_tree_on_two_hosts(
    shop: Shop, tmp_path: Path, clean_env: dict[str, str]
) -> None:
    other = Shop(tmp_path / "other" if (tmp_path / "other").mkdir() is None else tmp_path, clean_env)
    git(tmp_path, "clone", "--quiet", str(shop.checkout), str(other.checkout))
    assert other.build(other.request()).tree_digest == shop.build(shop.request()).tree_digest
    remove_tree(other.root)


def test_the_version_of_a_project_may_come_from_git(shop: Shop) -> None:
    run = (
        "import subprocess; d = subprocess.run(['git', 'describe', '--tags'], capture_output=True, text=True)"
        "; pathlib.Path('version').write_text(d.stdout.removeprefix('v'))"
    )
    table = f'[tool.backend]\nversion-from = "version"\nrun = """{run}"""'
    commit(shop.checkout, project_files(version=None, table=table))
    git(shop.checkout, "tag", "v3.1")
    manifest = shop.build(shop.request(shop.requirement(None)))
    assert [p.version for p in manifest.packages] == ["3.1"]


def test_a_dirty_project_is_built_as_it_is(shop: Shop) -> None:
    write(shop.checkout, {"shop/__init__.py": "edited = 1\n", "shop/untracked.py": ""})
    before = sorted(str(path) for path in shop.checkout.rglob("*"))
    with directory_for_objects() as objects:
        opened = open_checkout(
            str(shop.checkout), "HEAD", environ=shop.environ, signals=Signals(), require=lambda _path: None
        )
        assert isinstance(opened, GitCheckout)
        checkout = opened.with_changes(objects)
        source = checkout.source("", kind="wheel", recipe="", dynamic=False)
        project = ProjectBuild(
            settings=ProjectSettings(timeout=120.0), name="shop", changed=Changed(checkout.changed, objects)
        )
        request = shop.request(replace(shop.requirement(), source=source), project=project)
        manifest = shop.build(request)
    (module,) = Path(request.release_path).rglob("shop/__init__.py")
    assert module.read_text() == "edited = 1\n"
    assert shop.installed(request) == ["__init__.py"]
    assert manifest.project is not None
    assert manifest.project.source.dirty
    assert sorted(str(path) for path in shop.checkout.rglob("*")) == before


def test_before_runs_in_the_clean_copy_and_its_files_are_built(shop: Shop) -> None:
    script = "import os, pathlib; pathlib.Path('shop/made.py').write_text('x = 1'); print(os.getcwd())"
    request = shop.request(before=(sys.executable, "-c", script))
    shop.build(request)
    assert shop.installed(request) == ["__init__.py", "made.py"]
    assert not (shop.checkout / "shop/made.py").exists()
    assert str(shop.root) in shop.log(request)


def test_build_requirements_come_from_the_index_and_are_recorded(
    shop: Shop, wheelhouse: Path, index: LocalIndex
) -> None:
    build_wheel(wheelhouse, "maker", "2.0", files={"maker.py": ""})
    files = project_files()
    files["pyproject.toml"] = files["pyproject.toml"].replace("requires = []", 'requires = ["maker>=1"]')
    commit(shop.checkout, files)
    shop.environ["PIP_INDEX_URL"] = index.url
    manifest = shop.build(shop.request())
    assert manifest.project is not None
    assert manifest.project.build_requirements == (BuildRequirement("maker", "2.0"),)
    assert not manifest.project.pinned
    assert shop.build(shop.request()).project == manifest.project


def test_build_requirements_are_installed_by_hash(shop: Shop, wheelhouse: Path, index: LocalIndex) -> None:
    maker = build_wheel(wheelhouse, "maker", "2.0", files={"maker.py": ""})
    build_wheel(wheelhouse, "maker", "3.0", files={"maker.py": ""})
    files = project_files()
    files["pyproject.toml"] = files["pyproject.toml"].replace("requires = []", 'requires = ["maker>=1"]')
    commit(shop.checkout, files)
    shop.environ["PIP_INDEX_URL"] = index.url
    locked = constraints(shop, f"maker==2.0 --hash=sha256:{maker.sha256}\n")
    wrong = constraints(shop, f"maker==2.0 --hash=sha256:{'0' * 64}\n")
    lacking = constraints(shop, f"maker==2.0 --hash=sha256:{maker.sha256}\n")

    shop.fails(shop.request(project=wrong), BuildError, "installation of its build requirements")
    manifest = shop.build(shop.request(project=locked))

    assert manifest.project is not None
    assert manifest.project.build_requirements == (BuildRequirement("maker", "2.0"),)
    assert manifest.project.pinned
    remove_tree(Path(shop.request().root_path) / "releases")
    files["pyproject.toml"] = files["pyproject.toml"].replace('["maker>=1"]', '["maker>=1", "other"]')
    commit(shop.checkout, files)
    shop.fails(shop.request(project=lacking), BuildError, "lock of its build requirements, has not other")


def test_a_page_without_an_end_does_not_fill_the_memory_where_wheels_alone_are_installed(shop: Shop) -> None:
    files = project_files()
    files["pyproject.toml"] = files["pyproject.toml"].replace("requires = []", 'requires = ["maker>=1"]')
    commit(shop.checkout, files)
    locked = constraints(shop, f"maker==2.0 --hash=sha256:{'0' * 64}\n")
    with HostileIndex(endless()) as hostile:
        shop.environ["PIP_INDEX_URL"] = hostile.url
        error = shop.fails(shop.request(project=locked), TooLargeError, "MiB of memory")
    assert "the installation of its build requirements failed" in error.message


# -- bad input ------------------------------------------------------------------------------------------


def failing(shop: Shop, run: str) -> BuildRequest:
    """A request to build a project whose backend runs this first."""
    commit(shop.checkout, project_files(table=f'[tool.backend]\nrun = """{run}"""'))
    return shop.request(timeout=300.0)


def test_a_build_that_hangs_is_ended(shop: Shop) -> None:
    commit(shop.checkout, project_files(table='[tool.backend]\nrun = "time.sleep(600)"'))
    error = shop.fails(shop.request(timeout=3.0), BuildError, "took longer than 3 s and was ended")
    assert "[project] timeout" in str(error.hint)


def test_a_build_that_fails_shows_its_last_words(shop: Shop) -> None:
    request = failing(shop, "sys.exit('error: the moon is full')")
    error = shop.fails(request, BuildError, "its build backend failed: .*the moon is full")
    assert error.data["log"] == f"{request.log_dir}/build.txt"
    assert "the moon is full" in shop.log(request)


def test_a_build_that_prints_secrets_has_them_nowhere(shop: Shop) -> None:
    shop.environ["DATABASE_PASSWORD"] = "hunter2hunter2"
    request = failing(
        shop, "sys.exit('error: ' + os.environ['DATABASE_PASSWORD'] + ' https://me:pw1234@host/')"
    )
    error = shop.fails(request, BuildError, "its build backend failed")
    for text in (error.message, shop.log(request)):
        assert "hunter2" not in text
        assert "pw1234" not in text
        assert "****" in text


def test_warnings_of_a_backend_are_in_the_log_alone(shop: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    """Here each warning is an error, so a build that let one through would fail."""
    shop.environ["DATABASE_PASSWORD"] = "hunter2hunter2"
    request = failing(shop, "import warnings; warnings.warn('pale moon, ' + os.environ['DATABASE_PASSWORD'])")
    shop.build(request)
    assert "pale moon, ****" in shop.log(request)
    assert capfd.readouterr() == ("", "")


def test_the_hooks_of_a_backend_share_its_import_and_nothing_else(shop: Shop) -> None:
    files = project_files(
        table='[tool.backend]\nrun = """assert ASKED == []; print("built in a copy of", os.getppid())"""'
    )
    files["backend.py"] += (
        "\nASKED = []\ndef get_requires_for_build_wheel(config_settings=None):\n"
        '    ASKED.append(1)\n    print("asked in a copy of", os.getppid())\n    return []\n'
    )
    commit(shop.checkout, files)
    request = shop.request()

    shop.build(request)

    found = re.findall(r"(asked|built) in a copy of (\d+)", shop.log(request))
    assert [what for what, _ in found] == ["asked", "built"]
    assert len({process for _, process in found}) == 1


def test_a_build_sees_no_packages_but_its_own(shop: Shop) -> None:
    """Whatever name of the interpreter it starts, and wherever pip puts a package with compiled code."""
    wanted = (
        "sys.prefix != sys.base_prefix",
        "all(name.startswith(sys.prefix) for name in sys.path if name.endswith('-packages'))",
        "site.ENABLE_USER_SITE is False",
        "all(shutil.which(f'python{n}').startswith(sys.prefix) for n in names)",
        "os.path.samefile(os.path.join(sys.prefix, 'lib64'), os.path.join(sys.prefix, 'lib'))",
    )
    checks = "; ".join(f"assert {one}, 'wrong'" for one in wanted)
    names = "names = ('', 3, '3.%d' % sys.version_info[1])"
    request = failing(
        shop, f"global site, shutil; import site, shutil; {names}; {checks}; print('as it should be')"
    )
    shop.build(request)
    assert "as it should be" in shop.log(request)


def test_a_build_without_its_compiler_says_so(shop: Shop) -> None:
    request = failing(shop, "sys.exit(\\\"error: command 'x86_64-gcc' failed: No such file or directory\\\")")
    shop.fails(request, BuildError, "needs x86_64-gcc, which is not on this host")


def test_a_before_that_fails_or_is_not_there_is_an_error(shop: Shop) -> None:
    shop.fails(shop.request(before=("false",)), BuildError, "`before` failed")
    shop.fails(shop.request(before=("no-such-npm",)), ProgramNotFoundError, "no-such-npm")


def test_a_build_of_another_version_than_the_project_says_is_refused(shop: Shop) -> None:
    commit(shop.checkout, project_files(table='[tool.backend]\nversion-from = "v"'))
    commit(shop.checkout, {"v": "9.9"})
    shop.fails(shop.request(), InvalidWheelError, r"made version 9\.9")


def test_a_wheel_of_another_name_is_refused(shop: Shop) -> None:
    shop.fails(shop.request(shop.requirement(name="store")), InvalidWheelError, "which is shop")


def test_a_project_that_no_backend_can_build_is_refused(shop: Shop) -> None:
    files = project_files()
    commit(
        shop.checkout, {"pyproject.toml": files["pyproject.toml"].replace("requires = []", "requires = 3")}
    )
    shop.fails(shop.request(), BuildError, "it cannot be built: .*requires")
    commit(shop.checkout, {"pyproject.toml": files["pyproject.toml"].replace('"backend"', '"no_such"')})
    shop.fails(shop.request(), BuildError, "no_such")


# -- submodules and large files -------------------------------------------------------------------------


def with_submodule(shop: Shop, tmp_path: Path) -> None:
    repository(tmp_path / "lib", {"made.py": "LIB = 1\n"})
    git(
        shop.checkout,
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        str(tmp_path / "lib"),
        "shop/lib",
    )
    commit(shop.checkout, {})


def test_submodules_are_part_of_the_copy(shop: Shop, tmp_path: Path) -> None:
    with_submodule(shop, tmp_path)
    request = shop.request()
    shop.build(request)
    assert shop.installed(request) == ["__init__.py", "made.py"]


def test_a_submodule_that_is_not_fetched_is_an_error(shop: Shop, tmp_path: Path) -> None:
    with_submodule(shop, tmp_path)
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(shop.checkout), str(clone))
    request = shop.request(shop.requirement(path=clone))
    error = shop.fails(request, CheckoutError, "submodule shop/lib of .* is not fetched")
    assert str(error.hint) == f"git -C {clone} submodule update --init --recursive"


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n"


def test_files_of_git_lfs_take_the_place_of_their_pointers(shop: Shop) -> None:
    from hashlib import sha256

    data = b"LARGE = 1\n"
    oid = sha256(data).hexdigest()
    pointer = POINTER.format(oid, len(data))
    commit(
        shop.checkout,
        {"shop/large.py": pointer, "shop/text.txt": pointer, ".gitattributes": "*.py filter=lfs\n"},
    )
    shop.fails(shop.request(), CheckoutError, r"pointers of Git LFS in place of files: shop/large\.py")
    folder = shop.checkout / ".git/lfs/objects" / oid[:2] / oid[2:4]
    folder.mkdir(parents=True)
    (folder / oid).write_bytes(data)
    request = shop.request()
    shop.build(request)
    (module,) = Path(request.release_path).rglob("shop/large.py")
    assert module.read_bytes() == data
    (text,) = Path(request.release_path).rglob("shop/text.txt")
    assert text.read_text() == pointer


def test_plain_files_are_built_as_they_are(shop: Shop, tmp_path: Path) -> None:
    write(tmp_path / "plain", {**project_files(), "node_modules/x.py": "", "shop/more.py": ""})
    request = shop.request(shop.requirement(path=tmp_path / "plain"))
    manifest = shop.build(request)
    assert shop.installed(request) == ["__init__.py", "more.py"]
    assert manifest.project is not None
    assert manifest.project.source.commit == ""
    assert manifest.project.source.tree.startswith("sha256:")
    write(tmp_path / "plain", {"shop/more.py": "x = 1\n"})
    assert shop.requirement(path=tmp_path / "plain").source != request.environment.selected[0].source
