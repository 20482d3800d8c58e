"""Real wheels and source distributions, made in milliseconds without a build backend."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import re
import tarfile
import zipfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

EPOCH = (2024, 1, 1, 0, 0, 0)

Contents = str | bytes


@dataclass(frozen=True)
class Distribution:
    """A file that was built: a wheel or a source distribution."""

    path: Path
    name: str
    version: str

    @property
    def filename(self) -> str:
        return self.path.name

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    @property
    def line(self) -> str:
        """The lockfile line that pins it."""
        return f"{self.name}=={self.version} --hash=sha256:{self.sha256}"


def lockfile_text(*distributions: Distribution | Iterable[Distribution], options: Iterable[str] = ()) -> str:
    """Lockfile lines as pip-compile writes them; several distributions of one pin share their line.

    Args:
        distributions: One per pin, or a group of them whose hashes are all allowed.
        options: Option lines to put on top.
    """
    lines = list(options)
    for entry in distributions:
        group = [entry] if isinstance(entry, Distribution) else list(entry)
        hashes = [f"    --hash=sha256:{sha256}" for sha256 in sorted({d.sha256 for d in group})]
        lines.append(" \\\n".join([f"{group[0].name}=={group[0].version}", *hashes]))
    return "\n".join(lines) + "\n"


def module_name(name: str) -> str:
    """The import name that `build_wheel` gives a distribution unless told otherwise."""
    return re.sub(r"[-_.]+", "_", name).lower()


def _bytes(contents: Contents) -> bytes:
    return contents.encode() if isinstance(contents, str) else contents


def _record_hash(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def build_wheel(
    directory: Path,
    name: str,
    version: str = "1.0",
    *,
    files: Mapping[str, Contents] | None = None,
    tag: str = "py3-none-any",
    build: str = "",
    requires: Iterable[str] = (),
    extras: Mapping[str, Iterable[str]] | None = None,
    requires_python: str | None = None,
    scripts: Mapping[str, str] | None = None,
    gui_scripts: Mapping[str, str] | None = None,
    entry_points: Mapping[str, Mapping[str, str]] | None = None,
    pth: Mapping[str, str] | None = None,
    data: Mapping[str, Contents] | None = None,
    executable: Collection[str] = (),
    pycache: bool = False,
    purelib: bool | None = None,
    record: str = "right",
    raw_members: Iterable[tuple[zipfile.ZipInfo, bytes]] = (),
    metadata: str | None = None,
    wheel_version: str = "1.0",
) -> Distribution:
    """Build a wheel.

    Args:
        directory: Where to put it; made if missing.
        name: As in METADATA.
        version: As in METADATA.
        files: Members by archive path; by default one package with `__version__` in it.
        tag: The whole compatibility tag, such as `"cp39-cp39-manylinux_2_17_x86_64"`; may be compressed.
        build: Build tag, such as `"1"`.
        requires: `Requires-Dist` lines.
        extras: `Requires-Dist` lines by extra.
        requires_python: `Requires-Python`.
        scripts: Console scripts, name to `module:attribute`.
        gui_scripts: The same for `gui_scripts`.
        entry_points: Further groups of entry points.
        pth: Top-level `.pth` files.
        data: Members below `<name>-<version>.data/`, such as `"scripts/tool"` or `"data/share/x"`.
        executable: Archive paths (as in `files`, or as in `data`) with executable bits.
        pycache: Add a `__pycache__` member beside every `.py`.
        purelib: `Root-Is-Purelib`; by default what the tag says.
        record: `"right"`, `"missing"` (no RECORD), `"wrong-hash"` (of the first file), `"unlisted"` (the
            first file is not in it), `"extra"` (lists a file that is not there), `"no-hash"` (of the first).
        raw_members: Members added as they are, after all others, with RECORD lines.
        metadata: All of METADATA, instead of what the arguments give.
        wheel_version: `Wheel-Version`.
    """
    if files is None:
        files = {f"{module_name(name)}/__init__.py": f"__version__ = {version!r}\n"}
    stem = f"{re.sub(r'[-_.]+', '_', name)}-{version}"
    info, data_dir = f"{stem}.dist-info", f"{stem}.data"
    members: dict[str, tuple[bytes, bool]] = {}
    for path, contents in {**files, **(pth or {})}.items():
        members[path] = (_bytes(contents), path in executable)
    for path, contents in (data or {}).items():
        members[f"{data_dir}/{path}"] = (_bytes(contents), path in executable)
    if pycache:
        for path in [p for p in members if p.endswith(".py")]:
            folder, _, file = path.rpartition("/")
            cached = f"{folder}/__pycache__/{file[:-3]}.cpython-311.pyc".lstrip("/")
            members[cached] = (b"stale bytecode", False)

    groups = {
        **({"console_scripts": scripts} if scripts else {}),
        **({"gui_scripts": gui_scripts} if gui_scripts else {}),
        **(entry_points or {}),
    }
    if metadata is None:
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        lines += [f"Requires-Python: {requires_python}"] if requires_python else []
        lines += [f"Requires-Dist: {line}" for line in requires]
        for extra, extra_requires in (extras or {}).items():
            lines.append(f"Provides-Extra: {extra}")
            lines += [f'Requires-Dist: {line}; extra == "{extra}"' for line in extra_requires]
        metadata = "\n".join([*lines, "", "Made by a test.", ""])
    if purelib is None:
        purelib = tag.endswith("-none-any")
    wheel_tags = [
        f"{py}-{abi}-{plat}"
        for py in tag.split("-", maxsplit=1)[0].split(".")
        for abi in tag.split("-")[1].split(".")
        for plat in tag.split("-")[2].split(".")
    ]
    wheel = [
        f"Wheel-Version: {wheel_version}",
        "Generator: tests 1.0",
        f"Root-Is-Purelib: {str(purelib).lower()}",
    ]
    wheel += [f"Tag: {one}" for one in wheel_tags]
    members[f"{info}/METADATA"] = (metadata.encode(), False)
    members[f"{info}/WHEEL"] = ("\n".join([*wheel, ""]).encode(), False)
    if groups:
        text = "\n".join(
            f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in entries.items())
            for group, entries in groups.items()
        )
        members[f"{info}/entry_points.txt"] = (text.encode(), False)

    directory.mkdir(parents=True, exist_ok=True)
    path_of_wheel = directory / f"{stem}{f'-{build}' if build else ''}-{tag}.whl"
    first = next(iter(members))
    rows: list[str] = []
    with zipfile.ZipFile(path_of_wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, (contents, is_executable) in members.items():
            member = zipfile.ZipInfo(path, EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = (0o100755 if is_executable else 0o100644) << 16
            archive.writestr(member, contents)
            hashed = _record_hash(contents)
            if path == first and record == "unlisted":
                continue
            if path == first and record == "wrong-hash":
                hashed = _record_hash(contents + b"!")
            row = f"{_csv(path)},{hashed},{len(contents)}"
            rows.append(f"{_csv(path)},," if path == first and record == "no-hash" else row)
        for raw, contents in raw_members:
            archive.writestr(raw, contents)
            rows.append(f"{_csv(raw.filename)},{_record_hash(contents)},{len(contents)}")
        if record == "extra":
            rows.append(f"not/there.py,{_record_hash(b'')},0")
        if record != "missing":
            rows.append(f"{info}/RECORD,,")
            archive.writestr(zipfile.ZipInfo(f"{info}/RECORD", EPOCH), "\n".join([*rows, ""]))
    return Distribution(path_of_wheel, name, version)


def _csv(path: str) -> str:
    return f'"{path}"' if "," in path else path


BACKEND = '''\
"""A build backend in the tree: builds offline, in no time."""
import os, sys, zipfile

NAME, VERSION, ARCHIVE_NAME, MODULE = {name!r}, {version!r}, {archive!r}, {module!r}
FAILS, MARK = {fails!r}, {mark!r}

if MARK:
    with open(MARK, "a") as file:
        file.write("ran\\n")


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    if FAILS:
        sys.exit("error: no compiler found; " + os.environ.get("INDEX_PASSWORD", ""))
    tag = "py3-none-any"
    filename = f"{{ARCHIVE_NAME}}-{{VERSION}}-{{tag}}.whl"
    info = f"{{ARCHIVE_NAME}}-{{VERSION}}.dist-info"
    members = {{
        f"{{MODULE}}/__init__.py": f"__version__ = {{VERSION!r}}\\n",
        f"{{info}}/METADATA": f"Metadata-Version: 2.1\\nName: {{NAME}}\\nVersion: {{VERSION}}\\n",
        f"{{info}}/WHEEL": f"Wheel-Version: 1.0\\nGenerator: tests\\nRoot-Is-Purelib: true\\nTag: {{tag}}\\n",
    }}
    with zipfile.ZipFile(os.path.join(wheel_directory, filename), "w") as archive:
        for path, text in members.items():
            archive.writestr(path, text)
        rows = "".join(f"{{path}},,\\n" for path in [*members, f"{{info}}/RECORD"])
        archive.writestr(f"{{info}}/RECORD", rows)
    return filename
'''


def build_sdist(
    directory: Path,
    name: str,
    version: str = "1.0",
    *,
    build_requires: Iterable[str] = (),
    fails: bool = False,
    mark: Path | None = None,
    setup: str | None = None,
) -> Distribution:
    """Build a source distribution with its backend inside, so that it builds without a network.

    Args:
        directory: Where to put it; made if missing.
        name: Its name.
        version: Its version.
        build_requires: What `[build-system] requires` asks for; the index must have it.
        fails: Building a wheel fails, and prints the variable INDEX_PASSWORD.
        mark: A file that gets a line whenever any code of the distribution runs.
        setup: Its setup.py, of a source without pyproject.toml and without a backend.
    """
    archive_name = re.sub(r"[-_.]+", "_", name)
    stem = f"{archive_name}-{version}"
    backend = BACKEND.format(
        name=name,
        version=version,
        archive=archive_name,
        module=module_name(name),
        fails=fails,
        mark=os.fspath(mark) if mark else "",
    )
    requirements = ", ".join(f'"{line}"' for line in build_requires)
    members = {
        f"{stem}/PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{stem}/pyproject.toml": (
            f'[build-system]\nrequires = [{requirements}]\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        ),
        f"{stem}/backend.py": backend,
    }
    if setup is not None:
        members = {f"{stem}/PKG-INFO": members[f"{stem}/PKG-INFO"], f"{stem}/setup.py": setup}
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{stem}.tar.gz"
    with (
        open(path, "wb") as file,
        gzip.GzipFile(fileobj=file, mode="wb", mtime=0, filename="") as compressed,
        tarfile.open(fileobj=compressed, mode="w") as archive,
    ):
        for member, text in members.items():
            entry = tarfile.TarInfo(member)
            entry.size = len(text.encode())
            entry.mode = 0o644
            archive.addfile(entry, io.BytesIO(text.encode()))
    return Distribution(path, name, version)


def build_setuptools(directory: Path, name: str, version: str = "1.0") -> Distribution:
    """Build a wheel that passes for setuptools, and makes the same wheel of every source."""
    backend = BACKEND.format(
        name=name, version=version, archive=name, module=module_name(name), fails=False, mark=""
    )
    files = {
        "setuptools/__init__.py": "",
        "setuptools/build_meta.py": f"{backend}\n\n__legacy__ = sys.modules[__name__]\n",
    }
    return build_wheel(directory, "setuptools", "999.0", files=files)


def as_zip(sdist: Distribution, path: Path) -> Path:
    """Pack a source distribution anew, as a zip archive."""
    with tarfile.open(sdist.path) as tar, zipfile.ZipFile(path, "w") as archive:
        for member in tar.getmembers():
            contents = tar.extractfile(member)
            assert contents is not None
            archive.writestr(member.name, contents.read())
    return path
