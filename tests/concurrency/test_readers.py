"""What readers see while `current` is switched under them."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.support.roots import Site

READER = """
import os, sys
link, allowed = sys.argv[1], set(sys.argv[2:])
print("ready", flush=True)
seen, reads = set(), 0
while not os.path.exists(link + ".stop"):
    for _ in range(200):
        reads += 1
        try:
            target = os.path.basename(os.readlink(link))
            with open(link + "/.venvship/manifest.json", "rb") as file:
                file.read(1)
        except OSError as error:
            target = f"error {error.errno}"
        if target not in allowed:
            seen.add(target)
print(reads, sorted(seen))
"""

SWITCHES = 250
"""Which effects a reader sees is left to chance here; `races.watched` looks at every one."""


def test_readers_see_the_old_or_the_new_release_during_many_switches(site: Site) -> None:
    a, b = site.release("1.0"), site.release("1.1")
    link = site.path / "current"
    readers = [
        subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", READER, str(link), a, b], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
    root = site.open()
    for number in range(SWITCHES):
        root.promote(a if number % 2 == 0 else b)
    (site.path / "current.stop").touch()
    for reader in readers:
        out, _ = reader.communicate(timeout=30)
        reads, seen = out.strip().split(" ", 1)
        assert int(reads) > SWITCHES
        assert seen == "[]"
    assert os.path.basename(os.readlink(link)) == b
