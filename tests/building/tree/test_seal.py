"""Assembling a release and sealing it, from wheels that are in the store already."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.releases import CREATED_AT, INTERPRETER, SITE, pinned, request_for, unpacked
from tests.support.wheels import Distribution, build_wheel
from venvship.building.request import BuildRequest
from venvship.building.store.compile import bytecode_tag
from venvship.building.tree.assemble import assemble
from venvship.building.tree.assembled import Assembled
from venvship.building.tree.combination import combine
from venvship.building.tree.foundation import foundation
from venvship.building.tree.seal import require_readable, seal
from venvship.errors import BuildError, StoreDamagedError
from venvship.model.release import FileEntry, Manifest
from venvship.system.files import open_directory
from venvship.system.signals import Signals
from venvship.system.trees import remove_tree, walk


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Distribution]:
    directory = tmp_path_factory.mktemp("wheels")
    return [
        build_wheel(
            directory,
            "Shop",
            files={"shop/__init__.py": "def main():\n    print('open')\n", "shop/native.so": b"\x7fELF"},
            scripts={"shop": "shop:main"},
            data={
                "scripts/tool": "#!python\nimport shop, sys\nprint(sys.argv[1:])\nshop.main()\n",
                "scripts/shell": "#!/bin/sh\necho shell\n",
                "headers/shop.h": "/* shop */\n",
                "data/share/shop/shop.conf": "key = 1\n",
            },
        ),
        build_wheel(directory, "idna", "3.10"),
    ]


class Candidate:
    """A release directory and what it takes to assemble and seal it."""

    def __init__(self, root: Path, wheels: list[Distribution], **changes: object) -> None:
        self.request: BuildRequest = request_for(root, wheels, **changes)  # type: ignore[arg-type]
        self.path = Path(self.request.release_path)
        self.path.mkdir(mode=0o700)
        self.sync_fd = open_directory(self.path)
        self.store = root / "store"
        self.wheels = {
            r.name: unpacked(w, self.store)
            for r, w in zip(self.request.environment.selected, wheels, strict=True)
        }

    def assemble(
        self, signals: Signals | None = None, *, environ: Mapping[str, str] | None = None
    ) -> Assembled:
        scratch = Path(self.request.root_path) / "state" / "scratch"
        scratch.mkdir(exist_ok=True)
        signals = signals or Signals()
        environ = environ or {"PATH": os.defpath}
        with foundation(self.request, scratch=str(scratch), environ=environ, signals=signals) as base:
            combination = combine(self.request, self.wheels)
            return assemble(self.request, combination, {}, foundation=base, signals=signals)

    def seal(self, assembled: Assembled) -> Manifest:
        return seal(self.request, assembled, sync_fd=self.sync_fd, signals=Signals())

    def seal_folder(self) -> set[str]:
        return {path.name for path in (self.path / ".venvship").iterdir()}


Candidates = Callable[..., Candidate]


@pytest.fixture
def candidate(tmp_path: Path, wheels: list[Distribution]) -> Iterator[Candidates]:
    made: list[Candidate] = []

    def make(root: Path = tmp_path / "root", **changes: object) -> Candidate:
        made.append(Candidate(root, sorted(wheels, key=lambda w: w.name.lower()), **changes))
        return made[-1]

    yield make
    for one in made:
        os.close(one.sync_fd)
        remove_tree(one.request.root_path)


class Sealed(NamedTuple):
    """A sealed release, for tests that only read it."""

    candidate: Candidate
    assembled: Assembled
    manifest: Manifest

    @property
    def path(self) -> Path:
        return self.candidate.path


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory, wheels: list[Distribution]) -> Iterator[Sealed]:
    one = Candidate(tmp_path_factory.mktemp("sealed"), sorted(wheels, key=lambda w: w.name.lower()))
    assembled = one.assemble()
    yield Sealed(one, assembled, one.seal(assembled))
    os.close(one.sync_fd)
    remove_tree(one.request.root_path)


def everything(path: Path) -> dict[str, tuple[str, int, str]]:
    """Type, mode and contents of every name."""
    found = {}
    for name, status in walk(path):
        full = path / name
        if stat.S_ISLNK(status.st_mode):
            found[name] = ("link", 0, os.readlink(full))
        elif stat.S_ISDIR(status.st_mode):
            found[name] = ("dir", stat.S_IMODE(status.st_mode), "")
        else:
            found[name] = (
                "file",
                stat.S_IMODE(status.st_mode),
                hashlib.sha256(full.read_bytes()).hexdigest(),
            )
    return found


def run(*argv: str | Path) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True, env={"PATH": os.defpath}).stdout


# -- a sealed release -----------------------------------------------------------------------------------


def test_files_json_describes_exactly_the_files_of_the_release(sealed: Sealed) -> None:
    listed = json.loads((sealed.path / ".venvship/files.json").read_bytes())
    assert listed["format"] == 1
    entries = [FileEntry.from_json(row) for row in listed["files"]]
    assert [entry.path for entry in entries] == sorted(entry.path for entry in entries)
    there = everything(sealed.path)
    del there[".venvship/manifest.json"], there[".venvship/files.json"]
    assert {
        e.path: (e.type, 0 if e.type == "link" else e.mode, e.target or e.sha256) for e in entries
    } == there


def test_the_manifest_lists_what_the_release_is_made_of(sealed: Sealed) -> None:
    one = sealed.candidate

    written = (one.path / ".venvship/manifest.json").read_bytes()
    manifest = Manifest.from_json(json.loads(written))
    assert manifest._replace(sha256=hashlib.sha256(written).hexdigest()) == sealed.manifest
    assert (manifest.id, manifest.created_at) == (one.request.release_id, CREATED_AT)
    assert [(p.name, p.version) for p in manifest.packages] == [("idna", "3.10"), ("shop", "1.0")]
    files = (one.path / ".venvship/files.json").read_bytes()
    assert manifest.files_sha256 == hashlib.sha256(files).hexdigest()
    lockfile = (one.path / ".venvship/lockfile").read_bytes()
    assert lockfile == one.request.environment.lockfile.content
    assert manifest.environment.lockfile_sha256 == hashlib.sha256(lockfile).hexdigest()
    assert manifest.environment.python["path"] == INTERPRETER.path
    assert manifest.environment.python["full_version"] == INTERPRETER.version
    assert manifest.message == "from a test"
    assert manifest.wheels == {wheel.name: wheel.sha256 for wheel in one.wheels.values()}
    assert manifest.bytecode == bytecode_tag(INTERPRETER, one.request.build.optimize)


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_nothing_of_a_sealed_release_is_writable_whatever_the_umask(
    candidate: Candidates, umask: int
) -> None:
    one = candidate()  # before: nothing is built where others can write
    before = os.umask(umask)
    try:
        one.seal(one.assemble())
    finally:
        os.umask(before)

    modes = {(kind, mode) for kind, mode, _ in everything(one.path).values()}
    assert modes == {("dir", 0o555), ("file", 0o444), ("file", 0o555), ("link", 0)}
    assert stat.S_IMODE(one.path.stat().st_mode) == 0o555


def test_stored_files_are_shared_with_the_store(sealed: Sealed) -> None:
    shop, assembled = sealed.candidate.wheels["shop"], sealed.assembled
    assert (sealed.path / SITE / "shop/__init__.py").samefile(f"{shop.data}/site/shop/__init__.py")
    assert (sealed.path / "bin/shell").samefile(f"{shop.data}/scripts/shell")
    assert assembled.linked == {"hardlink": len(assembled.stamps)}


def test_the_release_works_as_a_virtual_environment(sealed: Sealed) -> None:
    assert os.readlink(sealed.path / "bin/python") == INTERPRETER.path
    assert run(sealed.path / "bin/shop") == "open\n"
    assert run(sealed.path / "bin/tool", "an argument") == "['an argument']\nopen\n"
    assert run(sealed.path / "bin/shell") == "shell\n"
    assert run(sealed.path / "bin/python", "-c", "import sys; print(sys.prefix)") == f"{sealed.path}\n"
    assert (sealed.path / "share/shop/shop.conf").read_text() == "key = 1\n"
    assert (sealed.path / f"include/site/python{INTERPRETER.minor}/shop/shop.h").exists()


def test_the_installed_packages_can_be_asked_about_themselves(sealed: Sealed) -> None:
    script = (
        "import importlib.metadata as m, json\n"
        "print(json.dumps({d.name: [d.version, d.read_text('INSTALLER'), d.read_text('REQUESTED'),"
        " all(f.locate().is_file() for f in d.files), len(d.files),"
        " [e.value for e in d.entry_points]] for d in m.distributions()}))"
    )
    assert json.loads(run(sealed.path / "bin/python", "-I", "-c", script)) == {
        "Shop": ["1.0", "venvship\n", "", True, 13, ["shop:main"]],
        "idna": ["3.10", "venvship\n", "", True, 6, []],
    }


def test_what_virtualenv_leaves_and_a_release_does_not_want_is_gone(sealed: Sealed) -> None:
    names = set(everything(sealed.path))
    assert not names & {"CACHEDIR.TAG", ".gitignore", f"{SITE}/_virtualenv.py", f"{SITE}/_virtualenv.pth"}
    assert {"bin/activate", "bin/activate.fish", "bin/activate.csh"} <= names
    assert not (sealed.path.parent / ".venv").exists()


@pytest.mark.parametrize("variable", ["VIRTUALENV_SYSTEM_SITE_PACKAGES", "VIRTUALENV_CONFIG_FILE"])
def test_virtualenvs_own_settings_have_no_say(candidate: Candidates, tmp_path: Path, variable: str) -> None:
    config = tmp_path / "virtualenv.ini"
    config.write_text("[virtualenv]\nsystem_site_packages = true\nprompt = surprise\n")
    home = tmp_path / "home"
    home.mkdir()
    one = candidate()

    one.assemble(
        environ={
            "PATH": os.defpath,
            "HOME": str(home),
            "VIRTUALENV_ALWAYS_COPY": "1",
            variable: "1" if variable != "VIRTUALENV_CONFIG_FILE" else str(config),
            "PYTHONHOME": "/nowhere",
        }
    )

    text = (one.path / "pyvenv.cfg").read_text()
    assert "include-system-site-packages = false" in text
    assert "surprise" not in text + (one.path / "bin/activate").read_text()
    assert (one.path / "bin/python").is_symlink()
    assert list(home.iterdir()) == []


# -- the tree digest ------------------------------------------------------------------------------------


def test_two_roots_give_one_tree_digest(candidate: Candidates, tmp_path: Path) -> None:
    one = candidate(tmp_path / "one")
    # Another path, another kind of first line, another id, and copies instead of links.
    other = candidate(
        tmp_path / ("a longer path " + "x" * 120), release_id="20270101T000000Z-0000000", link="copy"
    )

    assert one.assemble().tree_digest == other.assemble().tree_digest
    assert (one.path / "bin/shop").read_bytes() != (other.path / "bin/shop").read_bytes()


def test_a_local_wheel_gives_one_tree_digest_wherever_it_is(
    tmp_path: Path, candidate: Candidates, wheels: list[Distribution]
) -> None:
    idna, shop = sorted(wheels, key=lambda w: w.name.lower())
    digests = set()
    for name in ("one", "other"):
        local = pinned(idna, url=str(tmp_path / name / idna.filename))
        digests.add(candidate(tmp_path / name, requirements=[local, pinned(shop)]).assemble().tree_digest)

    assert len(digests) == 1


# -- what goes wrong ------------------------------------------------------------------------------------


def test_a_failed_sync_publishes_nothing(candidate: Candidates) -> None:
    one = candidate()
    assembled = one.assemble()

    with pytest.raises(BuildError, match="could not seal the release"):
        seal(one.request, assembled, sync_fd=-1, signals=Signals())

    assert one.seal_folder() == {"lockfile", ".files.json.new", ".manifest.json.new"}


def tampered_file(one: Candidate) -> None:
    path = one.path / SITE / "shop/__init__.py"
    status = path.stat()
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"open", b"evil"))
    path.chmod(0o444)
    assert path.stat().st_size == status.st_size


ALONE_AND_WITH_COPIES = pytest.mark.parametrize("copies", [0, 2], ids=["alone", "with copies"])


@ALONE_AND_WITH_COPIES
def test_a_release_that_changed_since_it_was_assembled_is_not_sealed(
    candidate: Candidates, copies: int
) -> None:
    """Which changes are found, `test_closing` shows."""
    one = candidate(copies=copies)
    assembled = one.assemble()
    tampered_file(one)

    with pytest.raises(BuildError, match="changed while it was built"):
        one.seal(assembled)

    assert one.seal_folder() == {"lockfile"}


@ALONE_AND_WITH_COPIES
def test_a_store_that_was_changed_is_found(candidate: Candidates, copies: int) -> None:
    one = candidate(copies=copies)
    stored = next(one.store.glob("*/site/shop/__init__.py"))
    stored.chmod(0o644)

    with pytest.raises(StoreDamagedError, match="its mode is 0644 instead of 0444"):
        one.assemble()


@ALONE_AND_WITH_COPIES
def test_the_release_is_the_same_however_many_processes_link_it(
    candidate: Candidates, sealed: Sealed, copies: int
) -> None:
    one = candidate(copies=copies)
    assembled = one.assemble()
    one.seal(assembled)

    assert assembled.tree_digest == sealed.assembled.tree_digest
    assert assembled.linked == {"hardlink": len(assembled.stamps)}
    assert {path for path, _ in walk(one.path)} - {e.path for e in assembled.entries} == {
        ".venvship/manifest.json",
        ".venvship/files.json",
    }


def test_signals_are_looked_at_between_wheels(candidate: Candidates) -> None:
    one = candidate()
    seen = set()

    class Watching(Signals):
        def raise_if_received(self) -> None:
            seen.add(
                tuple((one.path / SITE / name).exists() for name in ("idna/__init__.py", "shop/native.so"))
            )

    one.assemble(Watching())

    assert {(True, False), (False, True)} & seen


def test_a_release_that_no_command_could_read_is_not_sealed() -> None:
    require_readable("the list of its files", 10, 10)
    with pytest.raises(BuildError, match="the list of its files would have 11 bytes, and venvship reads 10"):
        require_readable("the list of its files", 11, 10)
