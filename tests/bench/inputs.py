"""What is measured with: the wheels of a lockfile, an index of them, and the peers."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from packaging.utils import canonicalize_name, parse_wheel_filename

REPOSITORY = Path(__file__).resolve().parent.parent.parent
PEERS = REPOSITORY / "scripts" / "bench-peers.txt"
DEVELOPMENT = REPOSITORY / "scripts" / "requirements-dev.txt"
PYTHON = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
"""The interpreter of everything that is measured: the one below the development virtualenv."""

NOT_OURS = shutil.ignore_patterns(".?*", "__pycache__", "*.egg-info", "build-out", "dist")


class InputError(Exception):
    """Something to measure with cannot be had; the message says what."""


def call(*argv: str | Path, cwd: Path = REPOSITORY) -> None:
    """Run a command of the preparations, with the user's own settings of where packages come from.

    Raises:
        InputError: It failed.
    """
    dropped = {
        "PYTHONHOME",
        "PYTHONPATH",
        "PIP_TARGET",
        "PIP_PREFIX",
        "PIP_ROOT",
        "PIP_CONSTRAINT",
        "PIP_USER",
    }
    env = {name: value for name, value in os.environ.items() if name not in dropped}
    env |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_REQUIRE_VIRTUALENV": "0"}
    done = subprocess.run(
        [str(word) for word in argv], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise InputError(f"{Path(argv[0]).name} {argv[1]} {argv[2]}: {lines[-1] if lines else 'failed'}")


@dataclass(frozen=True)
class Inputs:
    """A lockfile, and the wheels that it selects here.

    Attributes:
        lockfile: The file it came from.
        text: What it says, without option lines: where from is for the row to say.
        wheels: The folder of its wheels, by now local.
        index: A folder to be served as an index (PEP 503, 658), with the same wheels.
    """

    lockfile: Path
    text: str
    wheels: Path
    index: Path

    @property
    def files(self) -> list[Path]:
        """The wheels, sorted."""
        return sorted(self.wheels.glob("*.whl"))

    @property
    def members(self) -> int:
        """How many files they hold, without the bytecode that is made of them."""
        return sum(len(_members(wheel)) for wheel in self.files)


def prepare(lockfile: Path, cache: Path) -> Inputs:
    """Download what a lockfile selects, once, and lay an index out.

    Raises:
        InputError: It cannot be read or downloaded.
    """
    try:
        raw = lockfile.read_bytes()
    except OSError as error:
        raise InputError(f"{lockfile}: {error.strerror}") from error
    # Its place counts: it may name files relative to itself.
    key = hashlib.sha256(f"{lockfile.resolve()} {PYTHON} ".encode() + raw).hexdigest()[:16]
    folder = cache / f"inputs-{key}"
    if not folder.is_dir():
        new = cache / f".new-{os.getpid()}"
        shutil.rmtree(new, ignore_errors=True)
        try:
            download(lockfile, new / "wheels")
            lay_out_index(new)
            new.rename(folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    text = "".join(line for line in raw.decode().splitlines(keepends=True) if not line.startswith("-"))
    return Inputs(lockfile, text, folder / "wheels", folder)


def download(lockfile: Path, wheels: Path) -> None:
    """Have pip fetch all wheels of a lockfile.

    Raises:
        InputError: It cannot.
    """
    wheels.mkdir(parents=True)
    options = ("--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:")
    call(sys.executable, "-m", "pip", "download", *options, "--dest", wheels, "-r", lockfile)


def lay_out_index(folder: Path) -> None:
    """Write pages for the wheels, as PyPI has them: hashes, and each wheel's metadata beside it."""
    links: dict[Path, list[str]] = {}
    for wheel in sorted((folder / "wheels").glob("*.whl")):
        metadata = read_metadata(wheel)
        wheel.with_name(f"{wheel.name}.metadata").write_bytes(metadata)
        page = folder / "simple" / canonicalize_name(wheel.name.split("-")[0]) / "index.html"
        core = f"sha256={hashlib.sha256(metadata).hexdigest()}"
        link = f"../../wheels/{quote(wheel.name)}#sha256={sha256_of(wheel)}"
        links.setdefault(page, []).append(
            f'<a href="{link}" data-core-metadata="{core}" data-dist-info-metadata="{core}">{wheel.name}</a>'
        )
    for page, anchors in links.items():
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(f"<!DOCTYPE html><html><body>{' '.join(anchors)}</body></html>\n")


def read_metadata(wheel: Path) -> bytes:
    """A wheel's METADATA."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n))
        return archive.read(name)


def sha256_of(path: Path) -> str:
    """The hash of a file, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve an index on loopback while the block runs, from a process of its own.

    Yields:
        Its URL.
    """
    server = subprocess.Popen(
        [PYTHON, "-I", "-u", "-m", "http.server", "--bind", "127.0.0.1", "--protocol", "HTTP/1.1", "0"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    with server, server.stdout:
        try:
            found = re.search(r" port (\d+) ", server.stdout.readline())
            if found is None:
                raise InputError("the local index did not start")
            yield f"http://127.0.0.1:{found[1]}/simple/"
        finally:
            server.terminate()


@dataclass(frozen=True)
class Peer:
    """A program to be measured against.

    Attributes:
        path: Where it is; `""` if it cannot be had.
        problem: Why not.
    """

    path: str
    problem: str = ""


def find_uv(cache: Path) -> Peer:
    """The uv that `bench-peers.txt` pins, in a virtualenv in the cache."""
    key = hashlib.sha256(PYTHON.encode() + PEERS.read_bytes()).hexdigest()[:16]
    venv = cache / f"peers-{key}"
    if not (venv / "bin" / "uv").is_file():
        try:
            call(sys.executable, "-m", "virtualenv", "--quiet", "--no-seed", "--python", PYTHON, venv)
            install(venv, "--require-hashes", "--no-deps", "-r", PEERS)
        except InputError as error:
            return Peer("", f"uv cannot be had: {error}")
    return Peer(str(venv / "bin" / "uv"))


def install(venv: Path, *arguments: str | Path) -> None:
    """Have pip install wheels into a virtualenv that has no pip.

    Raises:
        InputError: It failed.
    """
    pip = (sys.executable, "-m", "pip", "--python", venv / "bin" / "python", "install")
    call(*pip, "--quiet", "--only-binary", ":all:", *arguments)


def install_venvship(work: Path) -> Path:
    """Install a wheel of this tree in a virtualenv of its own, as a user would have it.

    An editable install starts Python more slowly, which would flatter every ratio to a bare interpreter.

    Returns:
        The `venvship` in it.

    Raises:
        InputError: It cannot be built, or a dependency cannot be had.
    """
    # From a copy: setuptools writes into the tree that it builds from.
    shutil.copytree(REPOSITORY, work / "source", ignore=NOT_OURS)
    options = ("--quiet", "--no-deps", "--no-build-isolation")
    call(sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", work / "wheel", work / "source")
    pins = re.findall(r"^[A-Za-z0-9._-]+==[^ ]+", DEVELOPMENT.read_text(), re.MULTILINE)
    (work / "constraints.txt").write_text("\n".join(pins) + "\n")
    venv = work / "venvship"
    call(sys.executable, "-m", "virtualenv", "--quiet", "--no-seed", "--python", PYTHON, venv)
    install(venv, "--constraint", work / "constraints.txt", *(work / "wheel").glob("*.whl"))
    return venv / "bin" / "venvship"


# -- another version of one package ---------------------------------------------------------------------


def typical(wheels: Sequence[Path]) -> Path:
    """The wheel to change: with as many files as wheels have on average, and pure Python if there is one.

    Raises:
        InputError: None of them names its folder of metadata as it is named itself.
    """
    members = {wheel: _members(wheel) for wheel in wheels}
    mean = sum(map(len, members.values())) / len(members)
    plain = [wheel for wheel in wheels if f"{_stem(wheel)}.dist-info/METADATA" in members[wheel]]
    pure = [wheel for wheel in plain if wheel.name.endswith("-none-any.whl")]
    if not plain:
        raise InputError("no wheel of the lockfile can be made another version of")
    return min(pure or plain, key=lambda wheel: (abs(len(members[wheel]) - mean), wheel.name))


def _members(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return [name for name in archive.namelist() if not name.endswith("/")]


def _stem(wheel: Path) -> str:
    return "-".join(wheel.name.split("-")[:2])


def another_version(wheel: Path, number: int, directory: Path) -> Path:
    """Write a wheel with the same contents and a version of its own, `1.2+bench.1`.

    Returns:
        The new wheel.
    """
    stem = _stem(wheel)
    old = stem.partition("-")[2]
    new = f"{old}{'.' if '+' in old else '+'}bench.{number}"
    new_stem = f"{stem.partition('-')[0]}-{new}"
    path = directory / wheel.name.replace(stem, new_stem, 1)
    directory.mkdir(parents=True, exist_ok=True)
    rows: list[str] = []
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for member in source.infolist():
            data = source.read(member)
            name = re.sub(rf"^{re.escape(stem)}\.(dist-info|data)/", rf"{new_stem}.\1/", member.filename)
            if name.endswith(".dist-info/RECORD"):
                continue
            if name == f"{new_stem}.dist-info/METADATA":
                data = re.sub(rb"(?m)^Version: .*$", b"Version: " + new.encode(), data, count=1)
            member.filename = name
            target.writestr(member, data, zipfile.ZIP_DEFLATED)
            if not name.endswith("/"):
                digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
                rows.append(f'"{name}",sha256={digest},{len(data)}')
        record = f"{new_stem}.dist-info/RECORD"
        target.writestr(record, "\n".join([*rows, f'"{record}",,', ""]))
    return path


def pin(wheel: Path) -> str:
    """The lockfile line for one wheel."""
    name, version, _, _ = parse_wheel_filename(wheel.name)
    return f"{name}=={version} --hash=sha256:{sha256_of(wheel)}"


def repinned(text: str, wheel: Path) -> str:
    """A lockfile's text, with the line of one package replaced.

    Raises:
        InputError: It does not pin that package.
    """
    wanted = canonicalize_name(wheel.name.split("-")[0])
    lines = re.sub(r"\\\n", " ", text).splitlines()
    at = [n for n, line in enumerate(lines) if canonicalize_name(line.partition("==")[0].strip()) == wanted]
    if len(at) != 1:
        raise InputError(f"{wanted} is pinned {len(at)} times in the lockfile")
    lines[at[0]] = pin(wheel)
    return "\n".join([*lines, ""])
