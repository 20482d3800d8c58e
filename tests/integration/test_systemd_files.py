"""Files of variables, read by venvship and by a real systemd, where one can be started in a namespace."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.support.processes import eventually
from venvship.model.variables import parse_variables

SYSTEMD: Final = next(filter(os.path.exists, ("/lib/systemd/systemd", "/usr/lib/systemd/systemd")), "")
FILES: Final = 60
LETTERS: Final = "AB=' \"\\\n\t#;$`x\r"
START: Final = """
mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system /run/user/0 || exit 1
env -i PATH="$PATH" XDG_RUNTIME_DIR=/run/user/0 HOME="$1" "$2" --user --log-target=null --unit=default.target
exit $?
"""
"""As a child of the shell: process 1 of the namespace would be the manager of a system."""

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not SYSTEMD or not shutil.which("unshare"), reason="needs root, systemd and unshare"
)


def version() -> int:
    """The version of systemd. Before 254, a backslash at the end of a comment continued it."""
    said = subprocess.run([SYSTEMD, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"systemd (\d+)", said)
    return int(found[1]) if found else 0


def written(chance: random.Random) -> str:
    """A file of variables that may be strange."""
    text = ""
    for _ in range(chance.randint(1, 5)):
        text += chance.choice(["A", "B", "AB", "BA ", " A", "1", "#", "x x"])
        text += "=" * chance.choice([1, 1, 1, 1, 2, 0])
        text += "".join(chance.choice(LETTERS) for _ in range(chance.randint(0, 12)))
        text += chance.choice(["\n", "\n", "\r\n", ""])
    return text


def test_every_file_gives_the_variables_that_systemd_makes_of_it(tmp_path: Path) -> None:
    chance = random.Random(20261130)
    units = tmp_path / ".config" / "systemd" / "user"
    units.mkdir(parents=True)
    texts = []
    while len(texts) < FILES:
        text = written(chance)
        if version() >= 254 or not re.search(r"(?m)^[ \t\r]*[#;].*\\", text):
            texts.append(text)
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.env").write_text(text, newline="")
        output = f"{tmp_path}/{number}"
        script = f"env -0 >{output}.new; mv {output}.new {output}.out"
        (units / f"t{number}.service").write_text(
            f"[Service]\nType=oneshot\nEnvironmentFile={output}.env\nExecStart=/bin/sh -c '{script}'\n"
        )
    wants = "".join(f"Wants=t{number}.service\n" for number in range(FILES))
    (units / "default.target").write_text(f"[Unit]\n{wants}")
    argv = ["unshare", "-m", "-p", "-f", "--kill-child", "--mount-proc", "-C", "sh", "-c", START]
    manager = subprocess.Popen(
        [*argv, "sh", str(tmp_path), SYSTEMD], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        outputs = [tmp_path / f"{number}.out" for number in range(FILES)]
        done = eventually(lambda: manager.poll() is not None or all(map(Path.exists, outputs)), seconds=300)
        if manager.poll() is not None and not outputs[0].exists():
            pytest.skip("systemd cannot be started here")
        assert done
    finally:
        manager.kill()
        manager.wait()
    for text, output in zip(texts, outputs, strict=True):
        found = dict(row.split("=", 1) for row in output.read_bytes().decode().split("\0") if row)
        theirs = {name: value for name, value in found.items() if set(name) <= set("AB1x")}
        assert dict(parse_variables(text).values) == theirs, text
