"""One lockfile, one commit and one interpreter give one tree digest, whoever builds it, where and when."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.support.checkouts import GIT_ENVIRONMENT, git, project_files, repository
from tests.support.differences import first_difference
from tests.support.index import LocalIndex
from tests.support.roots import command, finish, make_removable, plain_environment
from tests.support.second_user import command_for_others
from tests.support.users import NOBODY, as_root_only
from tests.support.wheels import Distribution, build_wheel, lockfile_text
from venvship import Root, TreeRow
from venvship.model.tree_difference import differences

RELEASE = """
import json, os, sys
from datetime import datetime
from venvship.api import Root, default_runtime
root, umask, now = sys.argv[1:]
os.umask(int(umask, 8))
environ = dict(os.environ)
runtime = default_runtime(environ=environ, actor="tester", clock=lambda: datetime.fromisoformat(now))
result = Root.open(root, runtime=runtime).release()
print(json.dumps([result.release.path, result.release.tree_digest, result.release.environment_digest]))
"""
"""Releases as a program does, in a process of its own: only there the clock can be another one."""

FACTS = """
epoch, order = os.environ.get("SOURCE_DATE_EPOCH"), list(set(map(str, range(99))))
pathlib.Path(project["project"]["name"], "facts.py").write_text(f"EPOCH, ORDER = {epoch!r}, {order!r}")
"""
"""The backend of the project writes a module that holds what builds most often differ in."""

SETTINGS = """\
name = "shop"
[build]
optimize = [0, 1, 2]
{project}
{hooks}
"""
PROJECT = '[project]\npath = "{checkout}"\ntimeout = 120\nbuild = "{kind}"\nshared = ["media"]\n'
GENERATE = (
    "[hooks]\ngenerate = ['sh', '-c', '(id; umask; pwd; date +%s%N) > \"$VENVSHIP_GENERATED/facts\"']\n"
)
"""What the hook writes is another thing at each place and time."""


class OrderedIndex(LocalIndex):
    """Sends files in an order of ours, whatever the order in which they are asked for.

    Attributes:
        order: The names of the files that are still to come.
        sent: Those that were sent, in their order.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.order: list[str] = []
        self.sent: list[str] = []
        self._turn = threading.Condition()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        name = request.path.rpartition("/")[2]
        with self._turn:
            if name in self.order:
                assert self._turn.wait_for(lambda: self.order[0] == name, timeout=60)
            super()._answer(request)
            if name in self.order:
                self.order.remove(name)
                self.sent.append(name)
                self._turn.notify_all()


@dataclass(frozen=True)
class Circumstances:
    """All that must not matter.

    Attributes:
        place: The folder of the root, below that of the test.
        umask: Of the process, octal.
        backwards: Whether the lockfile, and the downloads, are in the opposite order.
        now: The time that the clock says.
        written: The time of change that the lockfile and the checkout have, in seconds since the epoch.
        variables: Further ones of the environment.
    """

    place: str
    umask: str
    backwards: bool
    now: str
    written: int
    variables: tuple[tuple[str, str], ...] = ()


HERE = Circumstances("here", "0022", False, "2026-11-22T09:41:43+00:00", 1_700_000_000)
THERE = Circumstances(
    "there with a blank " + "x" * 90,
    "0077",
    True,
    "2031-02-03T23:59:59+05:30",
    1_234_567_890,
    (("SOURCE_DATE_EPOCH", "1600000000"), ("TZ", "Asia/Kolkata"), ("PYTHONHASHSEED", "7")),
)


def build_wheels(directory: Path) -> list[Distribution]:
    """Wheels in which the order, the umask and the place could show."""
    shared = {
        f"many/{number}.py": f"NAME = {'x' * number!r}\nONE = {{1, 2, {number}}}\n" for number in range(9)
    }
    library = build_wheel(
        directory,
        "library",
        files={
            "library/__init__.py": "",
            "library/deep.py": "A = frozenset('abc')\n",
            "library/tool.sh": ":\n",
        },
        executable=["library/tool.sh"],
        pth={"library.pth": "library\n"},
        data={"data/share/doc/README": "of library", "headers/library.h": "#define A\n"},
    )
    tool = build_wheel(
        directory,
        "tool",
        files={"tool.py": "def main():\n    print(__file__)\n"},
        scripts={"tool": "tool:main"},
        data={
            "data/share/doc/README": "of tool",  # the first by name wins
            "scripts/from-wheel": "#!python\nimport tool\n",
            "scripts/shell": "#!/bin/sh\necho\n",
        },
        requires=["library"],
    )
    return [
        library,
        build_wheel(directory, "many", files=shared),
        build_wheel(directory, "names", files={"space/one.py": "A = 1\n"}),
        build_wheel(directory, "names-two", files={"space/two.py": "A = 1\n"}),
        tool,
    ]


class Builder:
    """Releases one lockfile, and one commit, under different circumstances."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o755)
        self.folder = folder
        self.program = command()
        self.wheels = build_wheels(folder / "wheelhouse")
        table = f"[tool.backend]\nrun = '''{FACTS}'''"
        files = {**project_files(table=table), "media/.gitkeep": "", "bin/manage": "#!/bin/sh\n"}
        self.origin = repository(folder / "origin", files)
        (self.origin / "bin" / "manage").chmod(0o755)
        git(self.origin, "commit", "--quiet", "--all", "--amend", "--no-edit")

    def release(
        self, circumstances: Circumstances, *, kind: str = "", generate: bool = False, user: int | None = None
    ) -> tuple[Path, str, str]:
        """Release in a root of its own; returns the release's path and its two digests."""
        folder = self.folder / circumstances.place
        folder.mkdir()
        root, checkout = folder / "root", folder / "checkout"
        root.mkdir()
        git(folder, "clone", "--quiet", str(self.origin), str(checkout))
        project = PROJECT.format(checkout=checkout, kind=kind) if kind else ""
        hooks = GENERATE if generate else ""
        (root / "venvship.toml").write_text(SETTINGS.format(project=project, hooks=hooks))
        order = self.wheels[::-1] if circumstances.backwards else self.wheels
        with OrderedIndex(self.folder / "wheelhouse") as index:
            index.order = [wheel.filename for wheel in order]
            text = lockfile_text(*order, options=[f"--index-url {index.url}"])
            (root / "requirements.txt").write_text(text)
            environment = {**plain_environment(folder / "home"), **GIT_ENVIRONMENT}
            del environment["PIP_NO_INDEX"]
            for path in (root, *root.iterdir(), *checkout.rglob("*")):
                os.utime(path, (circumstances.written, circumstances.written), follow_symlinks=False)
            done = self._run(folder, root, circumstances, environment, user)
            assert index.sent == [wheel.filename for wheel in order]
        path, tree, environment_digest = done
        if generate:
            assert (Path(path) / "generated" / "facts").is_file()
        return Path(path), tree, environment_digest

    def _run(
        self,
        folder: Path,
        root: Path,
        circumstances: Circumstances,
        environment: dict[str, str],
        user: int | None,
    ) -> list[str]:
        options: dict[str, Any] = {}
        if user is not None:
            options = {"user": user, "group": user, "extra_groups": []}
            for path in (folder, *folder.rglob("*")):
                os.chown(path, user, user, follow_symlinks=False)
        python = Path(self.program).read_text().partition("\n")[0].removeprefix("#!")
        arguments = ("-P", "-c", RELEASE, root, circumstances.umask, circumstances.now)
        variables = {**environment, **dict(circumstances.variables)}
        done = finish(python, *arguments, cwd=folder, env=variables, **options)
        assert done.code == 0, done.out + done.err
        found = json.loads(done.out)
        assert isinstance(found, list)
        return found


@pytest.fixture(scope="module")
def open_folder() -> Iterator[Path]:
    """A directory that other users can enter, unlike those that pytest gives tests."""
    folder = Path(tempfile.mkdtemp(prefix="digest-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        make_removable(folder)
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def program_for_others(open_folder: Path) -> str:
    """A `venvship` that another user can run."""
    (open_folder / "program").mkdir()
    return command_for_others(open_folder / "program")


@pytest.fixture
def builder(open_folder: Path) -> Builder:
    return Builder(Path(tempfile.mkdtemp(dir=open_folder, prefix="")))


def listed(release: Path) -> list[TreeRow]:
    """The files that the tree digest of a release is made of, as `show --files` finds them again."""
    shown = Root.open(release.parents[1]).show(release.name, files=True)
    assert "tree-not-proven" not in {warning.slug for warning in shown.warnings}
    assert shown.files
    return list(shown.files)


def require_equal(one: tuple[Path, str, str], other: tuple[Path, str, str]) -> None:
    """Fail with the name of the first file that differs, unless the digests are equal."""
    assert one[1] == other[1], f"the first file that differs: {first_difference(one[0], other[0])}"
    assert one[2] == other[2]
    assert first_difference(one[0], other[0]) == "", "equal digests are those of equal files"
    assert list(differences(listed(one[0]), listed(other[0]))) == []


KINDS = pytest.mark.parametrize(
    ("kind", "generate"),
    [("", False), ("wheel", True), ("tree", True)],
    ids=["lockfile", "wheel and generate", "tree and generate"],
)


@KINDS
def test_root_umask_order_and_day_do_not_matter(builder: Builder, kind: str, generate: bool) -> None:
    here = builder.release(HERE, kind=kind, generate=generate)
    there = builder.release(THERE, kind=kind, generate=generate)
    require_equal(here, there)


@as_root_only
@KINDS
def test_the_user_does_not_matter(
    builder: Builder, program_for_others: str, kind: str, generate: bool
) -> None:
    builder.program = program_for_others
    here = builder.release(HERE, kind=kind, generate=generate, user=0)
    there = builder.release(THERE, kind=kind, generate=generate, user=NOBODY)
    assert os.stat(there[0]).st_uid == NOBODY
    require_equal(here, there)


def test_a_difference_names_the_first_file(builder: Builder) -> None:
    one = builder.release(HERE)
    builder.wheels[3] = build_wheel(
        builder.folder / "wheelhouse", "names-two", "1.0", files={"space/two.py": "A = 2\n"}
    )
    other = builder.release(THERE)
    assert one[1] != other[1]
    with pytest.raises(
        AssertionError, match=r"the first file that differs: lib/python3\.\d+/site-packages/space/"
    ):
        require_equal(one, other)
    paths = [found.path for found in differences(listed(one[0]), listed(other[0]))]
    assert paths == sorted(paths)
    assert [path.rpartition("/")[2] for path in paths if "__pycache__" not in path] == ["RECORD", "two.py"]
    assert all("/names_two-1.0.dist-info/" in path or "/space/" in path for path in paths)
