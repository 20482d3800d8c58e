"""Building a release from a lockfile, with a real index, real pips and a real store."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.index import LocalIndex
from tests.support.releases import pinned, request_for
from tests.support.wheels import Distribution, build_wheel
from venvship.building.builder import build
from venvship.building.fetching.direct import WORTH_TAKING
from venvship.building.request import BuildRequest
from venvship.building.store.compile import bytecode_tag
from venvship.building.store.intake import prepare
from venvship.building.store.store import Store
from venvship.errors import (
    BuildError,
    FileConflictError,
    HashMismatchError,
    InterruptedByError,
    NoCompatibleWheelError,
    UnmetDependencyError,
)
from venvship.model.progress import Progress, Step
from venvship.model.release import Manifest
from venvship.model.settings import BuildSettings
from venvship.system.signals import Signals
from venvship.system.trees import remove_tree


class Builds:
    """A root, its store, and the environment that builds run in."""

    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        self.root = root
        self.environ = environ
        self.signals = Signals()
        self.steps: list[Step] = []
        root.mkdir(exist_ok=True)
        self.store = Store(str(root / "store"))
        prepare(self.store)

    def request(self, wheels: list[Distribution], **changes: object) -> BuildRequest:
        """Wheels by path, so that only the tests that are about it need pip."""
        changes.setdefault("requirements", [pinned(wheel, url=str(wheel.path)) for wheel in wheels])
        return request_for(self.root, wheels, **changes)  # type: ignore[arg-type]

    def build(self, request: BuildRequest, progress: Progress | None = None) -> Manifest:
        Path(request.log_dir).mkdir(mode=0o700, exist_ok=True)
        return build(
            request,
            self.store,
            environ=self.environ,
            signals=self.signals,
            progress=progress or self.steps.append,
        )

    def facts(self, name: str) -> Mapping[str, object]:
        (facts,) = self.facts_of_all(name)
        return facts

    def facts_of_all(self, name: str) -> list[Mapping[str, object]]:
        return [p.facts for p in self.steps if p.name == name and p.state == "done"]

    def debris(self) -> list[str]:
        """What is left below releases/ and state/."""
        return [*os.listdir(self.root / "releases"), *os.listdir(self.root / "state")]


@pytest.fixture
def builds(tmp_path: Path, clean_env: dict[str, str]) -> Iterator[Builds]:
    one = Builds(tmp_path / "root", clean_env)
    yield one
    remove_tree(one.root)


@pytest.fixture
def shop(wheelhouse: Path) -> Distribution:
    return build_wheel(
        wheelhouse,
        "shop",
        files={"shop/__init__.py": "def main():\n    print('open')\n", "shop/broken.py": "def (:\n"},
        scripts={"shop": "shop:main"},
        requires=["setuptools"],
    )


def test_a_lockfile_becomes_a_sealed_release(builds: Builds, shop: Distribution) -> None:
    request = builds.request([shop], requirements=[pinned(shop)])

    manifest = builds.build(request)

    release = Path(request.release_path)
    assert json.loads((release / ".venvship/manifest.json").read_bytes()) == manifest.to_json()
    assert [p.name for p in manifest.packages] == ["shop"]
    assert manifest.warnings == (
        {
            "slug": "unmet-dependency",
            "message": "shop 1.0 requires setuptools, which is not in the lockfile",
        },
    )
    # Until its caller has journalled the release, the scratch says that the build has not ended.
    assert sorted(builds.debris()) == [request.release_id, f"scratch-{request.release_id}"]
    assert [(p.name, p.state) for p in builds.steps if p.state != "advance"] == [
        (name, state)
        for name in ("fetch", "import", "compile", "assemble", "seal")
        for state in ("start", "done")
    ]
    assert builds.facts("fetch") == {"wheels": 1, "bytes": shop.path.stat().st_size}
    assert builds.facts("compile")["modules"] == 1
    assert builds.facts("assemble")["copied"] == 0
    advanced = [p for p in builds.steps if p.state == "advance"]
    assert {p.name for p in advanced} == {"fetch", "import", "compile", "assemble"}
    assert all(p.done <= p.total for p in advanced)
    compiled = [p for p in advanced if p.name == "compile"]
    assert compiled[-1].done == compiled[-1].total > 0


def run(*argv: str | Path) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True, env={"PATH": os.defpath}).stdout


def test_overlapping_code_of_one_package_is_linked_with_its_own_bytecode(
    builds: Builds, wheelhouse: Path
) -> None:
    wheels = [
        build_wheel(wheelhouse, name, files={"ns/__init__.py": f"WHO = {name!r}\n"})
        for name in ("aaa", "bbb")
    ]

    with pytest.raises(FileConflictError):
        builds.build(builds.request(wheels))
    request = builds.request(wheels, build=BuildSettings(overlap=("ns/__init__.py",)))
    manifest = builds.build(request)

    assert run(f"{request.release_path}/bin/python", "-c", "import ns; print(ns.WHO)") == "aaa\n"
    assert [warning["slug"] for warning in manifest.warnings] == ["file-overlap"]


def test_every_conflict_is_told_and_nothing_is_compiled(builds: Builds, wheelhouse: Path) -> None:
    wheels = [
        build_wheel(wheelhouse, name, files={f"ns/{module}.py": f"WHO = {name!r}\n" for module in "xyz"})
        for name in ("aaa", "bbb", "ccc")
    ]

    with pytest.raises(FileConflictError) as caught:
        builds.build(builds.request(wheels))

    found = caught.value.data["conflicts"]
    assert [one["packages"] for one in found] == [["aaa", "bbb", "ccc"]] * 3
    assert os.listdir(builds.store.bytecode_folder) == []
    assert "compile" not in {step.name for step in builds.steps}


def test_once_two_wheels_conflict_nothing_more_is_compiled_and_the_others_are_waited_for(
    builds: Builds, wheelhouse: Path, index: LocalIndex
) -> None:
    def wheel(name: str, size: int) -> Distribution:
        return build_wheel(wheelhouse, name, files={"ns.py": f"# {name}\n", f"{name}.bin": os.urandom(size)})

    aaa, bbb = wheel("aaa", WORTH_TAKING), wheel("bbb", WORTH_TAKING)
    late = wheel("late", 1)
    index.held = {late.filename: threading.Event()}
    request = builds.request([aaa, bbb, late], requirements=[pinned(one) for one in (aaa, bbb, late)])
    done = threading.Event()

    def let_it_go() -> None:
        while not done.wait(0.01):
            if builds.store.has(aaa.sha256) and builds.store.has(bbb.sha256):
                index.held[late.filename].set()

    watcher = threading.Thread(target=let_it_go)
    watcher.start()
    try:
        with pytest.raises(FileConflictError) as caught:
            builds.build(request)
    finally:
        done.set()
        watcher.join()
    assert [one["packages"] for one in caught.value.data["conflicts"]] == [["aaa", "bbb", "late"]]
    tag = bytecode_tag(request.environment.interpreter, request.build.optimize)
    compiled = [one.name for one in (aaa, bbb, late) if Store(builds.store.path).bytecode(one.sha256, tag)]
    assert len(compiled) <= 1, "what had come before the conflict"


@pytest.mark.parametrize("way", ["path", "url", "index"])
def test_a_wheel_for_another_python_is_refused_whichever_way_it_came(
    builds: Builds, wheelhouse: Path, index: LocalIndex, way: str
) -> None:
    wheel = build_wheel(wheelhouse, "later", requires_python=">=3.99")
    url = {"path": str(wheel.path), "url": index.file_url(wheel.filename), "index": None}[way]
    with pytest.raises(NoCompatibleWheelError) as caught:
        builds.build(builds.request([wheel], requirements=[pinned(wheel, url=url)]))
    assert ">=3.99" in caught.value.message


def test_a_wheel_for_another_python_is_refused_where_the_store_has_it(
    builds: Builds, wheelhouse: Path
) -> None:
    """An older venvship let it in, when it was named by its path, and recorded the choice."""
    wheel = build_wheel(wheelhouse, "later", requires_python=">=3.99")
    fits = build_wheel(wheelhouse, "fits", requires_python=">=3.11,!=3.99.*")
    request = builds.request([fits, wheel])
    for _ in range(2):
        with pytest.raises(NoCompatibleWheelError, match=r"later 1\.0 \(.*\) requires Python >=3\.99"):
            builds.build(request)
    assert builds.facts_of_all("fetch")[-1] == {"wheels": 0, "bytes": 0}
    assert os.listdir(builds.store.bytecode_folder) == []


# -- what goes wrong ------------------------------------------------------------------------------------


def test_a_build_that_failed_is_not_fetched_again(builds: Builds, wheelhouse: Path) -> None:
    needy = build_wheel(wheelhouse, "needy", requires=["nothing-of-that-name"])
    with pytest.raises(UnmetDependencyError):
        builds.build(builds.request([needy], build=BuildSettings(closed=True)))
    builds.steps.clear()

    builds.build(builds.request([needy]))

    assert builds.facts("fetch")["wheels"] == 0


def test_what_came_first_is_compiled_while_the_rest_is_on_its_way_and_kept_if_that_fails(
    builds: Builds, wheelhouse: Path, index: LocalIndex
) -> None:
    large = {"early/__init__.py": "", "early/noise.bin": os.urandom(WORTH_TAKING)}
    early, late = build_wheel(wheelhouse, "early", files=large), build_wheel(wheelhouse, "late")
    index.tampered = {late.filename}
    index.held = {late.filename: threading.Event()}
    request = builds.request([early, late], requirements=[pinned(early), pinned(late)])
    tag = bytecode_tag(request.environment.interpreter, request.build.optimize)
    done = threading.Event()

    def let_it_go() -> None:
        while not done.wait(0.01):
            if builds.store.has(early.sha256) and Store(builds.store.path).bytecode(early.sha256, tag):
                index.held[late.filename].set()

    watcher = threading.Thread(target=let_it_go)
    watcher.start()
    try:
        with pytest.raises(HashMismatchError):
            builds.build(request)
        assert index.held[late.filename].is_set(), "the early one was taken only when the late one had come"
    finally:
        done.set()
        watcher.join()
    assert builds.debris() == []
    index.tampered = set()
    builds.steps.clear()
    manifest = builds.build(request)
    assert builds.facts("fetch")["wheels"] == 1
    assert [package.name for package in manifest.packages] == ["early", "late"]


def test_a_download_is_gone_once_it_is_in_the_store_and_a_wheel_named_by_its_path_stays(
    builds: Builds, wheelhouse: Path
) -> None:
    ours, theirs = build_wheel(wheelhouse, "ours"), build_wheel(wheelhouse, "theirs")
    request = builds.request(
        [ours, theirs], requirements=[pinned(ours), pinned(theirs, url=str(theirs.path))]
    )
    downloads: dict[str, list[str]] = {}

    def look(now: Step) -> None:
        found = (builds.root / "state").rglob("*.whl")
        downloads.setdefault(f"{now.name} {now.state}", [path.name for path in found])

    builds.build(request, look)

    assert downloads["fetch done"] == [ours.filename]
    assert downloads["import done"] == []
    assert theirs.path.exists()


@pytest.mark.parametrize("step", ["fetch", "import", "compile", "assemble", "seal"])
def test_a_signal_in_any_step_leaves_nothing_behind(builds: Builds, shop: Distribution, step: str) -> None:
    request = builds.request([shop])

    def interrupt(now: Step) -> None:
        if (now.name, now.state) == (step, "start"):
            os.kill(os.getpid(), signal.SIGTERM)

    with builds.signals.install(), pytest.raises(InterruptedByError):
        builds.build(request, interrupt)

    assert builds.debris() == []


def test_an_exception_of_any_kind_leaves_nothing_behind(builds: Builds, shop: Distribution) -> None:
    request = builds.request([shop])

    def give_up(now: Step) -> None:
        if (now.name, now.state) == ("seal", "start"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        builds.build(request, give_up)

    assert builds.debris() == []


def test_a_directory_that_is_there_already_is_not_ours_to_remove(builds: Builds, shop: Distribution) -> None:
    request = builds.request([shop])
    Path(request.release_path).mkdir()
    (Path(request.release_path) / "precious").touch()

    with pytest.raises(BuildError, match="File exists"):
        builds.build(request)

    assert os.listdir(request.release_path) == ["precious"]


def test_a_release_is_built_at_its_real_path_or_not_at_all(builds: Builds, shop: Distribution) -> None:
    request = builds.request([shop])
    link = builds.root.parent / "link"
    link.symlink_to(builds.root)

    with pytest.raises(ValueError, match="real, absolute path"):
        builds.build(builds.request([shop], release_path=f"{link}/releases/{request.release_id}"))

    assert builds.debris() == []
