"""Hostile inputs, made one by one: wheels, archives, lockfiles of every format, source distributions.

A point is one input that a whole `release` gets. It is refused with an exit code of its kind, or harmless:
then nothing of the release lies or leads outside of it, and `verify` finds nothing. Nothing is written outside
the root in any case, and no code of the package has run.
"""
# ruff: noqa: E501 - tables of inputs

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import json
import os
import re
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.index import LocalIndex
from tests.support.roots import Site
from tests.torture.lab import Lab, release, write_settings
from tests.torture.tally import Scale, Tally
from venvship.model import bounds

BOUND = 60.0
"""Seconds that one release may take."""

REFUSALS = {10, 11, 20}
"""Settings, the lockfile, or what it names."""

UNPRINTABLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters but the end of a line, and what changes the order of the others."""

NAME, VERSION = "evil", "1.0"
INFO = f"{NAME}-{VERSION}.dist-info"
DATA = f"{NAME}-{VERSION}.data"
WHEEL = f"{NAME}-{VERSION}-py3-none-any.whl"
METADATA = f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\n"
WHEEL_FILE = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@dataclass(frozen=True)
class Input:
    """One hostile input.

    Attributes:
        family: What kind it is of.
        label: Which one.
        write: Writes its files into a directory, and returns the name and the contents of the lockfile. An
            index serves what is in the directory; `INDEX` stands for its URL.
    """

    family: str
    label: str
    write: Callable[[Path], tuple[str, bytes]]


def code(marker: str) -> bytes:
    """A program that leaves a mark, as a module and as a line of a `.pth` file."""
    return f"import os; open({marker!r}, 'a').close()\n".encode()


# -- wheels ------------------------------------------------------------------------------------------------


@dataclass
class Draft:
    """A wheel that is still being made.

    Attributes:
        members: Contents and `st_mode` by name, in order.
        record: All of RECORD; `None`: what the members need.
    """

    members: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    record: bytes | None = None

    def rows(self) -> list[str]:
        """The lines of a right RECORD."""
        return [_row(name, data) for name, (data, _) in self.members.items() if not name.endswith("/")]

    def write(self, path: Path) -> None:
        """Write the wheel."""
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, (data, mode) in self.members.items():
                archive.writestr(_info(name, mode), data)
            record = "\n".join([*self.rows(), f"{INFO}/RECORD,,", ""]).encode()
            archive.writestr(
                _info(f"{INFO}/RECORD", 0o100644), record if self.record is None else self.record
            )


def _row(name: str, data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    quoted = f'"{name}"' if "," in name or '"' in name else name
    return f"{quoted},sha256={digest},{len(data)}"


def _info(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("x", (2024, 1, 1, 0, 0, 0))
    info.filename = info.orig_filename = name
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


Edit = Callable[[Draft, str], None]
Patch = Callable[[bytes], bytes]


def wheel(
    family: str, label: str, edit: Edit | None = None, patch: Patch = bytes, name: str = WHEEL
) -> Input:
    """A wheel that is named by its path, with the right hash."""

    def write(folder: Path) -> tuple[str, bytes]:
        marker = os.fspath(folder / "ran")
        draft = Draft({f"{NAME}/__init__.py": (code(marker), 0o100644)})
        draft.members[f"{INFO}/METADATA"] = METADATA.encode(), 0o100644
        draft.members[f"{INFO}/WHEEL"] = WHEEL_FILE.encode(), 0o100644
        if edit is not None:
            edit(draft, marker)
        path = folder / name
        draft.write(path)
        path.write_bytes(patch(path.read_bytes()))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return "requirements.txt", f"{path} --hash=sha256:{digest}\n".encode()

    return Input(family, label, write)


def _adds(name: str, mode: int = 0o100644, data: bytes | None = None) -> Edit:
    def edit(draft: Draft, marker: str) -> None:
        draft.members[name] = code(marker) if data is None else data, mode

    return edit


def _info_file(name: str, data: bytes) -> Edit:
    return _adds(f"{INFO}/{name}", data=data)


def _record(change: Callable[[list[str]], list[str] | bytes]) -> Edit:
    def edit(draft: Draft, _marker: str) -> None:
        rows = change([*draft.rows(), f"{INFO}/RECORD,,"])
        draft.record = (
            rows if isinstance(rows, bytes) else "\n".join([*rows, ""]).encode("utf-8", "surrogateescape")
        )

    return edit


PLACES = (
    *(
        "/etc/x.py",
        "//etc/x.py",
        "../x.py",
        "../../x.py",
        "evil/../../x.py",
        "evil/../../../../../../../../tmp/x.py",
    ),
    *("./x.py", "evil/./x.py", "evil//x.py", "..", ".", "", "/", "evil/..", "C:/x.py", "evil\\..\\..\\x.py"),
    *(
        "evil/a\x00b.py",
        "evil/a\nb.py",
        "evil/\x1b[2J.py",
        "evil/\x7f.py",
        "evil/\x9b.py",
        "evil/\u202egpj.py",
    ),
    *("evil/" + "n" * 256 + ".py", "/".join(["d"] * 3000), "evil/" + "é" * 200 + ".py"),
    *("sitecustomize.py", "usercustomize.py", "sitecustomize/__init__.py", "_venvship.py", "!venvship.pth"),
    *(
        "~venvship.start",
        "pyvenv.cfg",
        ".venvship/manifest.json",
        ".venvship/files.json",
        "current",
        "venvship.toml",
    ),
    *(
        "pip-99.dist-info/METADATA",
        "other-1.0.dist-info/RECORD",
        "evil.egg-info/PKG-INFO",
        "evil.pth",
        "a.pth",
    ),
    *("__pycache__/evil.cpython-311.pyc", "evil/__pycache__/__init__.cpython-311.pyc", "evil.py/__init__.py"),
)
SCHEMES = (
    *(
        "purelib/../../x.py",
        "platlib/../../../x.py",
        "scripts/../../x",
        "scripts/../python",
        "headers/../../../x.h",
    ),
    *("data/../x", "data/../../x", "data//etc/x", "data/bin/python", "data/bin/python3", "data/bin/pip"),
    *(
        "data/bin/activate",
        "data/pyvenv.cfg",
        "data/.venvship/manifest.json",
        "data/.venvship/lockfile",
        "unknown/x",
    ),
    *("x", "", "scripts/python", "scripts/python3", "scripts/python3.11", "scripts/PYTHON", "scripts/pypy"),
    *("scripts/activate", "scripts/pip", "scripts/a/b", "scripts/a\nb", "scripts/-rf", "scripts/\x1b[2J"),
    *("data/lib/python3.11/site-packages/sitecustomize.py", "data/lib64/python3.11/site-packages/x.pth"),
    *(
        "purelib/sitecustomize.py",
        "platlib/_venvship.py",
        "headers/../../bin/python",
        "data/lib/python3.11/os.py",
    ),
)
MODES = (0o120777, 0o010644, 0o020644, 0o060644, 0o140755, 0o040755, 0o104755, 0o102755, 0o101777, 0o100000)
METADATAS = {
    "empty": b"",
    "no name": b"Metadata-Version: 2.1\nVersion: 1.0\n",
    "no version": b"Metadata-Version: 2.1\nName: evil\n",
    "other name": METADATA.replace("evil", "good").encode(),
    "other version": METADATA.replace("1.0", "2.0").encode(),
    "two names": METADATA.encode() + b"Name: good\n",
    "version of 6,000 digits": METADATA.replace("1.0", "9" * 6000).encode(),
    "not UTF-8": METADATA.encode() + b"Author: \xff\xfe\n",
    "null bytes": METADATA.encode() + b"\x00" * 100,
    "16 MiB": METADATA.encode() + b"\n" + b"x" * (16 << 20),
    "100,000 dependencies": METADATA.encode() + b"Requires-Dist: other\n" * 100_000,
    "dependency with 6,000 digits": METADATA.encode() + b"Requires-Dist: a>=" + b"9" * 6000 + b"\n",
    "dependency in parentheses": METADATA.encode() + b"Requires-Dist: a; " + b"(" * 5000 + b"\n",
    "dependency with an escape": METADATA.encode() + b"Requires-Dist: \x1b]0;x\x07 @ file:///etc/passwd\n",
    "Requires-Python of another one": METADATA.encode() + b"Requires-Python: <3\n",
    "Requires-Python that is none": METADATA.encode() + b"Requires-Python: " + b">" * 5000 + b"\n",
    "folded lines": METADATA.encode() + b"Summary: a\n b\n c\n" * 1000,
    "a colon": b":" * 100_000,
}
WHEELS = {
    "empty": b"",
    "version 2": WHEEL_FILE.replace("1.0", "2.0").encode(),
    "version of digits": WHEEL_FILE.replace("1.0", "9" * 6000).encode(),
    "no version": b"Root-Is-Purelib: true\n",
    "not UTF-8": b"\xff\xfe" * 100,
    "purelib maybe": WHEEL_FILE.replace("true", "maybe").encode(),
}
ENTRIES = {
    "no brackets": b"evil = evil:main\n",
    "twice": b"[console_scripts]\na = evil:b\na = evil:c\n",
    "slash": b"[console_scripts]\n../../x = evil:main\n",
    "absolute": b"[console_scripts]\n/tmp/x = evil:main\n",
    "python": b"[console_scripts]\npython = evil:main\n",
    "python3": b"[gui_scripts]\npython3 = evil:main\n",
    "dots": b"[console_scripts]\n.. = evil:main\n",
    "statement": b"[console_scripts]\nx = evil:main;import os\n",
    "newline": b"[console_scripts]\nx = evil:main\n  and more\n",
    "call": b"[console_scripts]\nx = evil:__import__('os').system('id')\n",
    "escape": b"[console_scripts]\n\x1b[2Jx = evil:main\n",
    "not UTF-8": b"[console_scripts]\n\xff = evil:main\n",
    "10,000": b"[console_scripts]\n" + b"".join(b"s%d = evil:main\n" % n for n in range(10_000)),
    "hidden": b"[console_scripts]\n.x = evil:main\n",
    "option": b"[console_scripts]\n-x = evil:main\n",
    "interpolation": b"[console_scripts]\nx = %(y)s\n",
}
RECORDS: Mapping[str, Callable[[list[str]], list[str] | bytes]] = {
    "empty": lambda _: [],
    "no line for the package": lambda rows: rows[1:],
    "another hash": lambda rows: [rows[0].replace("sha256=", "sha256=A"), *rows[1:]],
    "another size": lambda rows: [rows[0] + "0", *rows[1:]],
    "negative size": lambda rows: [rows[0].rpartition(",")[0] + ",-1", *rows[1:]],
    "size of digits": lambda rows: [rows[0].rpartition(",")[0] + "," + "9" * 6000, *rows[1:]],
    "md5": lambda rows: [f"{rows[0].partition(',')[0]},md5=AAAAAAAAAAAAAAAAAAAAAA,1", *rows[1:]],
    "unknown algorithm": lambda rows: [rows[0].replace("sha256=", "sha999="), *rows[1:]],
    "no hash": lambda rows: [f"{rows[0].partition(',')[0]},,", *rows[1:]],
    "a file that is not there": lambda rows: [*rows, "not/there.py,,"],
    "outside": lambda rows: [*rows, "../../../etc/passwd,,"],
    "absolute": lambda rows: [*rows, "/etc/passwd,,"],
    "twice the same": lambda rows: [rows[0], *rows],
    "twice, differently": lambda rows: [rows[0] + "1", *rows],
    "two columns": lambda rows: [rows[0].rpartition(",")[0], *rows[1:]],
    "five columns": lambda rows: [rows[0] + ",,", *rows[1:]],
    "open quotes": lambda rows: ['"' + rows[0], *rows[1:]],
    "not UTF-8": lambda rows: "\n".join(rows).encode() + b"\n\xff\xfe,,\n",
    "null bytes": lambda rows: "\n".join(rows).encode() + b"\n\x00,,\n",
    "UTF-16": lambda rows: "\n".join(rows).encode("utf-16"),
    "one long line": lambda _: b"a" * (1 << 20),
    "200,000 lines": lambda rows: [*rows, *("x,," for _ in range(200_000))],
}
NAMES = (
    *(
        "evil.whl",
        "evil-1.0.whl",
        "evil-1.0-py3-none.whl",
        "evil-1.0-py3-none-any-more-parts.whl",
        "-1.0-py3-none-any.whl",
    ),
    *(
        "evil-x.y-py3-none-any.whl",
        "evil-1.0-cp27-cp27m-win32.whl",
        "evil-1.0-py3-none-any.WHL",
        "good-1.0-py3-none-any.whl",
    ),
    *(
        "evil-2.0-py3-none-any.whl",
        "evil-1.0-\x1b[2J-none-any.whl",
        "evil-1.0-py3-none-\u202eany.whl",
        "evil-1.0-py3-none-any.zip",
    ),
)


def _flags(bits: int) -> Patch:
    """Set flags of the first member, in its header and in the directory."""

    def patch(data: bytes) -> bytes:
        changed = bytearray(data)
        for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            at = data.index(signature) + offset
            struct.pack_into("<H", changed, at, struct.unpack_from("<H", data, at)[0] | bits)
        return bytes(changed)

    return patch


def _field(signature: bytes, offset: int, form: str, *values: int) -> Patch:
    """Write numbers into the first structure with this signature."""

    def patch(data: bytes) -> bytes:
        changed = bytearray(data)
        struct.pack_into(form, changed, data.index(signature) + offset, *values)
        return bytes(changed)

    return patch


HEADER, ENTRY, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
PATCHES: Mapping[str, Patch] = {
    "empty": lambda _: b"",
    "one byte": lambda data: data[:1],
    "half": lambda data: data[: len(data) // 2],
    "no directory": lambda data: data[: data.index(ENTRY)],
    "no end": lambda data: data[: data.index(END)],
    "only an end": lambda data: data[data.index(END) :],
    "bytes before": lambda data: b"#!/bin/sh\nexit\n" + data,
    "bytes after": lambda data: data + b"x" * 100,
    "two archives": lambda data: data + data,
    "a long comment": lambda data: data[:-2] + struct.pack("<H", 60_000) + b"PK\x05\x06" * 15_000,
    "a gap": lambda data: data.replace(ENTRY, b"\x00" * 40 + ENTRY, 1),
    "encrypted": _flags(0x1),
    "patched data": _flags(0x20),
    "strong encryption": _flags(0x40),
    "masked": _flags(0x2000),
    "data descriptor": _flags(0x8),
    "UTF-8": _flags(0x800),
    "other name in the header": lambda data: data.replace(b"evil/__init__", b"live/__init__", 1),
    "method 99": _field(ENTRY, 10, "<H", 99),
    "bzip2": _field(ENTRY, 10, "<H", 12),
    "lzma": _field(ENTRY, 10, "<H", 14),
    "method of the header": _field(HEADER, 8, "<H", 0),
    "another CRC": _field(ENTRY, 16, "<I", 1),
    "compressed size 0": _field(ENTRY, 20, "<I", 0),
    "compressed size 4 GiB": _field(ENTRY, 20, "<I", 0xFFFFFFFF),
    "size 0": _field(ENTRY, 24, "<I", 0),
    "size 1": _field(ENTRY, 24, "<I", 1),
    "size 4 GiB": _field(ENTRY, 24, "<I", 0xFFFFFFFF),
    "size 3 GiB": _field(ENTRY, 24, "<I", 0xC0000000),
    "name of 0": _field(ENTRY, 28, "<H", 0),
    "name of 65,535": _field(ENTRY, 28, "<H", 0xFFFF),
    "extra of 65,535": _field(ENTRY, 30, "<H", 0xFFFF),
    "disk 7": _field(ENTRY, 34, "<H", 7),
    "offset elsewhere": _field(ENTRY, 42, "<I", 7),
    "offset outside": _field(ENTRY, 42, "<I", 0xFFFFFFF0),
    "version 99": _field(ENTRY, 6, "<H", 99),
    "0 entries": _field(END, 8, "<HH", 0, 0),
    "65,535 entries": _field(END, 8, "<HH", 0xFFFF, 0xFFFF),
    "directory of 0": _field(END, 12, "<I", 0),
    "directory of 4 GiB": _field(END, 12, "<I", 0xFFFFFFFF),
    "directory elsewhere": _field(END, 16, "<I", 1),
    "directory outside": _field(END, 16, "<I", 0xFFFFFFF0),
    "a tar archive": lambda _: _tar([("evil/__init__.py", b"x", tarfile.REGTYPE, "")]),
    "text": lambda _: b"<html>404</html>" * 100,
}


def _every_size(size: int) -> Patch:
    """Let each entry of the directory declare this size."""

    def patch(data: bytes) -> bytes:
        changed = bytearray(data)
        at = data.find(ENTRY)
        while at >= 0:
            struct.pack_into("<I", changed, at + 24, size)
            at = data.find(ENTRY, at + 1)
        return bytes(changed)

    return patch


def _members(count: int) -> Edit:
    def edit(draft: Draft, _marker: str) -> None:
        for number in range(count):
            draft.members[f"{NAME}/{number}.txt"] = b"", 0o100644

    return edit


def _without(name: str) -> Edit:
    def edit(draft: Draft, _marker: str) -> None:
        del draft.members[name]

    return edit


def _twice(data: bytes) -> Edit:
    return _adds(f"{DATA}/purelib/{NAME}/__init__.py", data=data)


def wheels() -> Iterator[Input]:
    """All wheels."""
    for place in PLACES:
        yield wheel("name of a member", repr(place)[:60], _adds(place))
    for place in SCHEMES:
        yield wheel("place in .data", repr(place)[:60], _adds(f"{DATA}/{place}"))
    for mode in MODES:
        yield wheel("mode", oct(mode), _adds(f"{NAME}/x", mode, b"/etc/passwd"))
        yield wheel(
            "mode of a script", oct(mode), _adds(f"{DATA}/scripts/x", mode, b"../../../../etc/passwd")
        )
    for label, data in METADATAS.items():
        yield wheel("METADATA", label, _info_file("METADATA", data))
    for label, data in WHEELS.items():
        yield wheel("WHEEL", label, _info_file("WHEEL", data))
    for label, data in ENTRIES.items():
        yield wheel("entry points", label, _info_file("entry_points.txt", data))
    for label, change in RECORDS.items():
        yield wheel("RECORD", label, _record(change))
    for label, patch in PATCHES.items():
        yield wheel("archive", label, patch=patch)
    for name in NAMES:
        yield wheel("file name", repr(name), name=name)
    yield wheel("contents", "3 GiB in each member", patch=_every_size(3 << 30))
    yield wheel("contents", "more members than there may be", _members(bounds.MEMBERS + 1))
    yield wheel("contents", "no METADATA", _without(f"{INFO}/METADATA"))
    yield wheel("contents", "no WHEEL", _without(f"{INFO}/WHEEL"))
    yield wheel(
        "contents", "a second dist-info", _adds("evil-2.0.dist-info/METADATA", data=METADATA.encode())
    )
    yield wheel("contents", "one place twice, differently", _twice(b"x = 2\n"))
    yield wheel("contents", "direct_url.json", _info_file("direct_url.json", b'{"url": "file:///etc"}'))
    yield wheel("contents", "INSTALLER", _info_file("INSTALLER", b"\x1b[2J"))
    yield wheel("contents", "RECORD.jws", _info_file("RECORD.jws", b"{}"))


# -- lockfiles ---------------------------------------------------------------------------------------------

HASH = "sha256:" + "0a" * 32
PIN = f"evil==1.0 --hash={HASH}"
LINES = (
    *("", "\n", "#", "evil", "evil==1.0", "evil>=1.0", "evil~=1.0", "evil==1.*", "evil===1.0", "evil!=1", "evil==1.0,==1.0"),
    *("evil==1.0 --hash=", "evil==1.0 --hash=sha256:", "evil==1.0 --hash=sha256:zz", f"evil==1.0 --hash=md5:{'a' * 32}"),
    *(f"evil==1.0 --hash=sha1:{'a' * 40}", f"evil==1.0 --hash {HASH}x", f"evil==1.0 --hash={HASH} --hash=sha256:1", f"evil==1.0 -hash={HASH}"),
    *(f"evil=={'9' * 6000} --hash={HASH}", f"{'e' * 100_000}==1.0 --hash={HASH}", f"{PIN} ; {'(' * 5000}", f"{PIN} ; os_name == 'a' or " * 300),
    *(f"{PIN} ; extra == 'x'", f"{PIN} ; python_version > {'9' * 6000}", f"evil[{','.join(['a'] * 9000)}]==1.0 --hash={HASH}"),
    *("-e .", "-e git+https://example.org/x#egg=evil", "--editable=.", f". --hash={HASH}", f"./ --hash={HASH}", f"/etc/passwd --hash={HASH}"),
    *(f"evil @ file:///etc/passwd --hash={HASH}", f"evil @ file:///dev/zero --hash={HASH}", f"evil @ file:%00 --hash={HASH}"),
    *(f"evil @ ftp://example.org/evil-1.0-py3-none-any.whl --hash={HASH}", f"evil @ git+ssh://example.org/x --hash={HASH}"),
    *(f"evil @ https://u:p@example.org/evil-1.0-py3-none-any.whl --hash={HASH}", f"evil @ https://[::1/x.whl --hash={HASH}"),
    *(f"evil @ javascript:1 --hash={HASH}", f"evil @ https://example.org/../../x.whl --hash={HASH}", f"evil @ data:,x --hash={HASH}"),
    *(f"evil @ https://example.org/%2e%2e%2fx-1.0-py3-none-any.whl --hash={HASH}", f"evil @ file://host/x.whl --hash={HASH}"),
    *("-r requirements.txt", "-r /etc/shadow", "-r /dev/zero", "-r /dev/stdin", "-r /proc/self/environ", "-r .", "-r more\x00"),
    *("-r https://example.org/x.txt", "-r ~/x", "-r ${HOME}/x", "-c /etc/passwd", f"-c requirements.txt\n{PIN}", "-r", "-r ''"),
    *(f"--pre\n{PIN}", f"--no-deps\n{PIN}", f"--global-option=x\n{PIN}", f"--config-settings=x=y\n{PIN}", f"--root=/\n{PIN}"),
    *(f"--target=/tmp\n{PIN}", f"--prefix=/\n{PIN}", f"--user\n{PIN}", f"--build=/tmp\n{PIN}", f"--log=/tmp/x\n{PIN}"),
    *(f"--python=/bin/sh\n{PIN}", f"--require-virtualenv\n{PIN}", f"--cert=/etc/passwd\n{PIN}", f"--client-cert=x\n{PIN}"),
    *(f"--proxy=http://example.org\n{PIN}", f"--no-require-hashes\n{PIN}", f"--trusted-host *\n{PIN}", f"--unknown\n{PIN}"),
    *(f"--index-url file:///etc\n{PIN}", f"--index-url https://u:p@example.org\n{PIN}", f"--index-url ''\n{PIN}", f"-i javascript:1\n{PIN}"),
    *(f"--find-links /\n{PIN}", f"--find-links /proc\n{PIN}", f"--find-links https://u:p@example.org\n{PIN}", f"-f \x1b[2J\n{PIN}"),
    *(f"{PIN}\nevil==2.0 --hash={HASH}", f"{PIN}\nEVIL==1.1 --hash={HASH}", f"{PIN}\nother==1", f"{PIN} \\", f"{PIN} \\\n\\\n\\"),
    *("\x00", "\x1b]0;x\x07", "\u202eevil==1.0", "\ufeff\ufeff", "évil==1.0", "evil==1.0\r--hash=x", "evil==1.0\x0b--hash=x", "evil==1.0\u2028x"),
    *("$(touch ran)==1.0", "`touch ran`==1.0", "evil==1.0; touch ran", "|touch ran", "--hash=x", "%(x)s==1", "{bin}==1", "<evil>", "[evil]"),
)  # fmt: skip
BYTES = (
    b"\xff\xfe" + "evil==1.0".encode("utf-16-le"),
    b"\xff" * 1000,
    b"PK\x03\x04" * 50,
    b"\x1f\x8b\x08" * 9,
    b"\x00" * 4096,
)

PYLOCK_HEAD = 'lock-version = "1.0"\ncreated-by = "x"\n'
PACKAGE = '[[packages]]\nname = "evil"\nversion = "1.0"\n'
FILE = f'{{name = "{WHEEL}", url = "https://example.org/{WHEEL}", hashes = {{sha256 = "{"0a" * 32}"}}}}'
PYLOCKS = (
    *("", "[", "a = ", 'lock-version = "2.0"', 'lock-version = "1.0"', f"{PYLOCK_HEAD}packages = []", f"{PYLOCK_HEAD}packages = 7"),
    *(f"{PYLOCK_HEAD}packages = {'[' * 3000}", f"{PYLOCK_HEAD}a = {'9' * 6000}", f"{PYLOCK_HEAD}{PACKAGE}", f"{PYLOCK_HEAD}{PACKAGE}wheels = []"),
    *(f"{PYLOCK_HEAD}{PACKAGE}wheels = [{{}}]", f"{PYLOCK_HEAD}{PACKAGE}wheels = [{FILE}]\nindex = 7", f"{PYLOCK_HEAD}{PACKAGE * 2}"),
    *(f"{PYLOCK_HEAD}{PACKAGE}wheels = [{FILE.replace(old, new)}]" for old, new in (
        ("sha256", "md5"), ("0a" * 32, "zz"), ("0a" * 32, ""), ("https:", "ftp:"), ("https:", "file:"), ("https://example.org", "https://u:p@example.org"),
        (WHEEL, "../../x.whl"), (WHEEL, "evil-2.0-py3-none-any.whl"), (WHEEL, "good-1.0-py3-none-any.whl"), (WHEEL, "x"), (WHEEL, "\\u001b[2J"),
        ("url", "path"), ("hashes", "hash"), ("name =", "nam ="), ("hashes", "size = -1, hashes"), ("hashes", "size = 99999999999999, hashes"),
    )),
    *(f"{PYLOCK_HEAD}{PACKAGE}[packages.{kind}]\n{body}\n" for kind, body in (
        ("vcs", 'type = "git"\nurl = "https://example.org/x"\ncommit-id = "a"'), ("directory", 'path = "/etc"'), ("directory", 'path = "."\neditable = true'),
        ("archive", f'url = "https://example.org/x.tar.gz"\nhashes = {{sha256 = "{"0a" * 32}"}}'), ("archive", f'path = "/etc/passwd"\nhashes = {{sha256 = "{"0a" * 32}"}}'),
        ("archive", f'path = "/dev/zero"\nhashes = {{sha256 = "{"0a" * 32}"}}'), ("sdist", f'path = "../x.tar.gz"\nhashes = {{sha256 = "{"0a" * 32}"}}'),
    )),
    *(f"{PYLOCK_HEAD}{PACKAGE}marker = {marker!r}\nwheels = [{FILE}]" for marker in ("(" * 3000, "x", "os_name == 'a'", "1" * 6000)),
    *(f"{PYLOCK_HEAD}{key} = {value}\n{PACKAGE}wheels = [{FILE}]" for key, value in (
        ("requires-python", '"<3"'), ("requires-python", '"x"'), ("environments", "['os_name == \"nt\"']"), ("environments", "7"), ("extras", '["a"]'),
    )),
)  # fmt: skip


POETRY_END = '[metadata]\nlock-version = "2.1"\n'
POETRY_PACKAGE = f'[[package]]\nname = "evil"\nversion = "1.0"\ngroups = ["main"]\nfiles = [{{file = "{WHEEL}", hash = "{HASH}"}}]\n'
POETRY_LOCKS = (
    *("", "[", "[metadata]\n", '[metadata]\nlock-version = "1.1"', f"package = 7\n{POETRY_END}", POETRY_END, POETRY_PACKAGE * 2 + POETRY_END),
    *(POETRY_PACKAGE.replace(old, new) + POETRY_END for old, new in (
        ('"evil"', '"../evil"'), ('"evil"', '"e\\u001b[2J"'), ('"evil"', f'"{"e" * 100_000}"'), ('"1.0"', f'"{"9" * 6000}"'), ('"1.0"', '"1.0 --pre"'),
        ('["main"]', "[7]"), ('["main"]', "7"), (HASH, ""), (HASH, "md5:0"), (HASH, f"{HASH} --pre"), ("files = [", f"files = {'[' * 3000}"),
        ("files =", f"markers = '{'(' * 3000}'\nfiles ="), ("files =", "markers = 7\nfiles ="), ("files =", "markers = {main = 7}\nfiles ="),
    )),
    *(f"{POETRY_PACKAGE}[package.source]\ntype = '{kind}'\nurl = '{url}'\nresolved_reference = '{'1b' * 20}'\n{POETRY_END}" for kind, url in (
        ("legacy", "https://u:p@example.org/"), ("legacy", "file:///etc"), ("legacy", "x --target=/"), ("legacy", "javascript:1"), ("url", "https://example.org/x"),
        ("url", "file:///etc/passwd"), ("file", "/etc/passwd"), ("file", "../../x.whl"), ("directory", "/etc"), ("directory", "."), ("git", "--upload-pack=touch ran"),
        ("git", "ext::sh -c touch% ran"), ("svn", "x"),
    )),
)  # fmt: skip
PIPFILE_PACKAGE = {"version": "==1.0", "hashes": [HASH]}


def pipfile_locks() -> Iterator[str]:
    """All that a Pipfile.lock may be instead of one."""
    yield from (
        "",
        "7",
        "[]",
        "{}",
        "{" * 5000,
        '{"a": 1, "a": 2}',
        '{"_meta": NaN}',
        f'{{"_meta": {"9" * 6000}}}',
    )
    for sources in (
        7,
        [7],
        [{"url": 7}],
        [{"url": "https://u:p@example.org"}],
        [{"url": "x\n--target=/", "verify_ssl": False}],
    ):
        yield _pipfile({"evil": PIPFILE_PACKAGE}, sources)
    changes: tuple[dict[str, object], ...] = (
        {"version": "1.0"}, {"version": 7}, {"version": "==1.0 --pre"}, {"hashes": 7}, {"hashes": [7]}, {"hashes": []}, {"hashes": [f"{HASH} --pre"]},
        {"markers": "(" * 3000}, {"markers": 7}, {"sys_platform": "== 'x' or (1"}, {"index": "nowhere"}, {"extras": [7]}, {"extras": ["a] --pre ["]},
        {"git": "--upload-pack=touch ran", "ref": "1b" * 20}, {"git": "https://example.org/x", "ref": "main"}, {"path": "/etc"}, {"path": "."},
        {"file": "file:///etc/passwd"}, {"file": f"https://u:p@example.org/{WHEEL}"}, {"editable": "yes"},
    )  # fmt: skip
    for change in changes:
        yield _pipfile({"evil": {**PIPFILE_PACKAGE, **change}}, [])
    for name in ("../evil", "e\x1b[2J", "e" * 100_000, "evil --pre"):
        yield _pipfile({name: PIPFILE_PACKAGE}, [])


def _pipfile(packages: object, sources: object) -> str:
    return json.dumps({"_meta": {"pipfile-spec": 6, "sources": sources}, "default": packages}, indent=4)


PDM_HEAD = '[metadata]\ngroups = ["default"]\nstrategy = ["inherit_metadata"]\nlock_version = "4.5.0"\n'
PDM_PACKAGE = f'[[package]]\nname = "evil"\nversion = "1.0"\ngroups = ["default"]\nfiles = [{{file = "{WHEEL}", hash = "{HASH}"}}]\n'
PDM_LOCKS = (
    *("", "[", "[metadata]\n", PDM_HEAD, PDM_HEAD.replace("inherit", "forget"), PDM_HEAD.replace("4.5", "9"), PDM_HEAD + PDM_PACKAGE * 2),
    *(PDM_HEAD + PDM_PACKAGE.replace("files", f"{more}\nfiles") for more in (
        "extras = 7", 'extras = ["a] --pre ["]', "marker = 7", f"marker = '{'(' * 3000}'", 'path = "/etc"', 'path = "."', 'url = "file:///etc/passwd"',
        'url = "https://u:p@example.org/x.whl"', f'git = "--upload-pack=touch ran"\nrevision = "{"1b" * 20}"', 'hg = "x"', "editable = 7", 'subdirectory = "../.."',
    )),
)  # fmt: skip
UV_LOCKS = (
    "",
    "[",
    "version = 99",
    'version = 1\nsource = { editable = "../../../../etc" }',
    f"version = {'9' * 6000}",
    f"a = {'[' * 3000}",
)


def lockfiles() -> Iterator[Input]:
    """All lockfiles, of every format."""
    for name, texts in (
        ("poetry.lock", POETRY_LOCKS),
        ("pdm.lock", PDM_LOCKS),
        ("Pipfile.lock", pipfile_locks()),
        ("uv.lock", UV_LOCKS),
    ):
        for text in texts:
            yield _lock(name, text.encode())
        for data in BYTES:
            yield _lock(name, data)
    for text in LINES:
        yield _lock("requirements.txt", text.encode())
    for data in BYTES:
        yield _lock("requirements.txt", data)
    for text in PYLOCKS:
        yield _lock("pylock.toml", text.encode())
    for data in BYTES:
        yield _lock("pylock.toml", data)


def _lock(name: str, data: bytes) -> Input:
    return Input(name, repr(data[-80:]), lambda _folder: (name, data))


# -- source distributions ----------------------------------------------------------------------------------

Entry = tuple[str, bytes, bytes, str]
"""Name, contents, type, and target of a link."""

STEM = f"{NAME}-{VERSION}"
OUTSIDE = "../../../../../../../../../../../.."
ENTRIES_OF_TARS: Mapping[str, tuple[Entry, ...]] = {
    "outside": ((f"{STEM}/{OUTSIDE}{{outside}}/x", b"x", tarfile.REGTYPE, ""),),
    "absolute": (("{outside}/x", b"x", tarfile.REGTYPE, ""),),
    "link outside": ((f"{STEM}/l", b"", tarfile.SYMTYPE, "{outside}"), (f"{STEM}/l/x", b"x", tarfile.REGTYPE, "")),
    "link upwards": ((f"{STEM}/l", b"", tarfile.SYMTYPE, f"{OUTSIDE}{{outside}}"), (f"{STEM}/l/x", b"x", tarfile.REGTYPE, "")),
    "link to a link": (
        (f"{STEM}/a", b"", tarfile.SYMTYPE, "."),
        (f"{STEM}/a/b", b"", tarfile.SYMTYPE, f"{OUTSIDE}{{outside}}"),
        (f"{STEM}/b/x", b"x", tarfile.REGTYPE, ""),
    ),
    "hard link outside": ((f"{STEM}/l", b"", tarfile.LNKTYPE, "{outside}/there"), (f"{STEM}/l", b"x", tarfile.REGTYPE, "")),
    "device": ((f"{STEM}/d", b"", tarfile.CHRTYPE, ""),),
    "FIFO": ((f"{STEM}/f", b"", tarfile.FIFOTYPE, ""),),
    "another folder": (("other-1.0/x", b"x", tarfile.REGTYPE, ""),),
    "no pyproject.toml": (),
}  # fmt: skip


def _tar(entries: Iterator[Entry] | list[Entry] | tuple[Entry, ...]) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as archive:
        for name, data, kind, target in entries:
            member = tarfile.TarInfo(name)
            member.size, member.type, member.linkname, member.mode = len(data), kind, target, 0o4755
            archive.addfile(member, io.BytesIO(data))
    return whole.getvalue()


def sources() -> Iterator[Input]:
    """Source distributions that do not build, and try to leave something elsewhere while they are unpacked."""
    for label, entries in ENTRIES_OF_TARS.items():
        yield Input("source distribution", label, _source(entries))


def _source(entries: tuple[Entry, ...]) -> Callable[[Path], tuple[str, bytes]]:
    def write(folder: Path) -> tuple[str, bytes]:
        outside = os.fspath(folder.parent / "outside")
        metadata: Entry = (f"{STEM}/PKG-INFO", METADATA.encode(), tarfile.REGTYPE, "")
        filled = [(n.format(outside=outside), d, k, t.format(outside=outside)) for n, d, k, t in entries]
        archive = _tar([metadata, *filled])
        (folder / f"{STEM}.tar.gz").write_bytes(archive)
        digest = hashlib.sha256(archive).hexdigest()
        return "requirements.txt", f"--index-url INDEX\nevil==1.0 --hash=sha256:{digest}\n".encode()

    return write


def inputs() -> list[Input]:
    """The whole corpus."""
    return [*wheels(), *lockfiles(), *sources()]


# -- what they do ------------------------------------------------------------------------------------------


def run(lab: Lab, scale: Scale) -> Tally:
    """Release each of them in a root that has a release already."""
    tally = Tally("hostile wheels, lockfiles and archives")
    every = inputs()
    site = lab.root("corpus")
    release(site, "1.0")
    folder, outside = lab.path / "given", lab.path / "outside"
    outside.mkdir()
    (outside / "there").write_text("as it was")
    with tally.timed(), LocalIndex(folder) as index:
        site.environment |= {"PIP_NO_INDEX": "0", "INDEX": index.url}
        for number in scale.choose(every):
            given = every[number]
            tally.point(f"{given.family}: {given.label}", _try(site, given, folder, outside))
    return tally


def _try(site: Site, given: Input, folder: Path, outside: Path) -> list[str]:
    folder.mkdir()
    for name in ("requirements.txt", "pylock.toml", "uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock"):
        (site.path / name).unlink(missing_ok=True)
    name, contents = given.write(folder)
    (site.path / name).write_bytes(contents.replace(b"INDEX", site.environment["INDEX"].encode()))
    write_settings(site, f'lockfile = "{name}"\n[build]\nsdists = ["evil"]\n')
    before, kept = site.current, _seen(folder, outside)
    done = site.run("release", "--force", timeout=BOUND)
    wrong = []
    if done.code not in {0, *REFUSALS}:
        wrong.append(f"exit {done.code}: {done.err[-200:]!r}")
    if "Traceback" in done.err:
        wrong.append(f"a traceback: {done.err[-200:]!r}")
    if found := UNPRINTABLE.search(done.out + done.err):
        wrong.append(f"{found[0]!r} is printed")
    if (folder / "ran").exists():
        wrong.append("its code has run")
    if _seen(folder, outside) != kept:
        wrong.append(f"outside of the root: {sorted(_seen(folder, outside) ^ kept)[:3]}")
    if done.code == 0:
        wrong += _harm(site)
    elif site.current != before:
        wrong.append("refused, and current has changed")
    _empty(folder)
    return wrong


def _seen(*folders: Path) -> set[tuple[str, int, int]]:
    return {
        (os.fspath(path), path.lstat().st_size, path.lstat().st_mode)
        for path in itertools.chain.from_iterable(folder.rglob("*") for folder in folders)
    }


def _harm(site: Site) -> list[str]:
    """What is wrong with a release that was made of such an input."""
    base = (site.path / "current").resolve()
    wrong = []
    for path in base.rglob("*"):
        mode = path.lstat().st_mode
        inside = path.relative_to(base)
        if stat.S_ISLNK(mode):
            if not path.resolve().is_relative_to(base) and not inside.name.startswith("python"):
                wrong.append(f"{inside} leads to {os.readlink(path)}")
        elif not stat.S_ISDIR(mode) and (not stat.S_ISREG(mode) or mode & 0o7222):
            wrong.append(f"{inside} has mode {mode:o}")
    if (found := site.run("verify")).code:
        wrong.append(f"verify: exit {found.code}: {found.out[-200:]}")
    return wrong


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
