"""A small sealed release, made without a build."""

from __future__ import annotations

import hashlib
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

from venvship.model import file_list
from venvship.model.environment import RecordedEnvironment
from venvship.model.release import FileEntry, Manifest, Package
from venvship.root import RootLayout
from venvship.system import files, trees
from venvship.workspace.folders import make_folders

RELEASE_ID = "20261122T094143Z-3f9a1c2"


def empty_root(path: Path) -> RootLayout:
    """Make a root without a release."""
    path.mkdir()
    (path / "venvship.toml").touch()
    layout = RootLayout.at(path)
    make_folders(layout)
    return layout


def sealed(root: RootLayout, release_id: str = RELEASE_ID) -> Path:
    """A small sealed release, as the build layer leaves one."""
    path = root.release_path(release_id)
    (path / ".venvship").mkdir(parents=True)
    (path / "lib").mkdir()
    (path / "bin").mkdir()
    (path / "lib" / "module.py").write_text("x = 1\n")
    (path / "lib" / "empty.py").touch()
    (path / "bin" / "run").write_text("#!/bin/sh\n")
    (path / "bin" / "python").symlink_to("/usr/bin/python3.11")
    entries = []
    for name, found in trees.walk(path):
        if name.startswith(".venvship"):
            continue
        if stat.S_ISLNK(found.st_mode):
            target = os.readlink(path / name)
            entries.append(FileEntry(path=name, type="link", mode=0o777, target=target))
        elif stat.S_ISDIR(found.st_mode):
            entries.append(FileEntry(path=name, type="dir", mode=0o555))
        else:
            data = (path / name).read_bytes()
            mode = 0o555 if name.startswith("bin") else 0o444
            sha256 = hashlib.sha256(data).hexdigest()
            entries.append(FileEntry(path=name, type="file", mode=mode, size=len(data), sha256=sha256))
    listing = b"".join(file_list.chunks(entries))
    (path / ".venvship" / "files.json").write_bytes(listing)
    manifest = Manifest(
        id=release_id,
        created_at=datetime(2026, 11, 22, 9, 41, 43, tzinfo=UTC),
        environment=RecordedEnvironment("2" * 64, "1" * 64, {"version": "3.11"}),
        tree_digest="3" * 64,
        files_sha256=hashlib.sha256(listing).hexdigest(),
        packages=(Package("django", "5.2.19"),),
    )
    files.write_json(path / ".venvship" / "manifest.json", manifest.to_json(), mode=0o444)
    for entry in reversed(entries):
        if entry.type != "link":
            (path / entry.path).chmod(entry.mode)
    (path / ".venvship" / "files.json").chmod(0o444)
    path.chmod(0o555)
    return path
