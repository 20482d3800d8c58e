"""What a user does to a release who can write it, and not the journal."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from venvship.model import file_list
from venvship.model.spelling import canonical_json
from venvship.system.journal_lines import checksum


@contextlib.contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Let names in a sealed directory be changed for the length of a block."""
    mode = folder.stat().st_mode & 0o7777
    folder.chmod(0o755)
    try:
        yield
    finally:
        folder.chmod(mode)


def replace_file(path: Path, data: bytes) -> None:
    """Put other bytes in the place of a file: a new inode of the same mode, so that no other name changes."""
    mode = path.stat().st_mode & 0o7777
    with writable(path.parent):
        path.unlink()
        path.write_bytes(data)
        path.chmod(mode)


def rewrite_manifest(release: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a release's manifest."""
    path = release / ".venvship" / "manifest.json"
    data = json.loads(path.read_bytes())
    change(data)
    replace_file(path, json.dumps(data).encode())


def forge(release: Path, module: str, source: bytes, *, python: Path | None = None) -> None:
    """Change a module, its row in the list, and the list's hash in the manifest, so that each fits the other.

    Args:
        release: The release.
        module: The end of the module's path.
        source: Its new contents.
        python: The interpreter that the manifest is to name; by default that stays.
    """
    listing = release / ".venvship" / "files.json"
    entries = list(file_list.entries(listing.read_bytes()))
    number = next(n for n, entry in enumerate(entries) if entry.path.endswith(f"/{module}"))
    replace_file(release / entries[number].path, source)
    digest = hashlib.sha256(source).hexdigest()
    entries[number] = entries[number]._replace(size=len(source), sha256=digest)
    replace_file(listing, b"".join(file_list.chunks(entries)))

    def fit(manifest: dict[str, Any]) -> None:
        manifest["files_sha256"] = hashlib.sha256(listing.read_bytes()).hexdigest()
        if python is not None:
            manifest["python"]["path"] = os.fspath(python)

    rewrite_manifest(release, fit)


def forget_anchors(journal: Path) -> None:
    """Make a journal as an older venvship wrote it: without the hashes of manifests."""
    lines = []
    for line in journal.read_bytes().splitlines():
        data = {
            key: value for key, value in json.loads(line).items() if key not in {"sum", "manifest_sha256"}
        }
        lines.append(canonical_json({**data, "sum": checksum(data)}))
    journal.write_bytes(b"".join(line + b"\n" for line in lines))
