"""Applications as people have them: checkouts with real dependencies, and a root that is made from one.

Their files are in `tests/integration/applications`, as they would be in a repository; `gitignore` there is
`.gitignore` here.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.support.checkouts import commit, repository, write
from tests.support.network import TRUST, environment
from tests.support.roots import Finished, finish

TEMPLATES: Final = Path(__file__).resolve().parent.parent / "integration" / "applications"
SECONDS: Final = 600.0
"""Only a hang takes as long."""


@dataclass
class Application:
    """A checkout, a root that is released from it, and the commands that were typed on the way.

    Attributes:
        checkout: The checkout.
        root: The root.
        home: HOME of all commands.
        typed: The commands of venvship, in order.
    """

    checkout: Path
    root: Path
    home: Path
    typed: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """Of the user's shell."""
        return {**environment(network=True), "HOME": str(self.home)}

    @property
    def current(self) -> Path:
        """The live release."""
        return (self.root / "current").resolve()

    @property
    def unchanged(self) -> bool:
        """Whether the checkout is as its last commit."""
        done = self.tool("git", "status", "--porcelain")
        return not done.out

    def tool(self, *argv: str) -> Finished:
        """Run a tool of the user's in the checkout."""
        done = finish(*argv, cwd=self.checkout, env=self.environment, timeout=SECONDS)
        assert done.code == 0, f"{shlex.join(argv)}\n{done.out}{done.err}"
        return done

    def venvship(self, line: str, *, exits: int = 0) -> Finished:
        """Type a command, and hold its exit status against what is expected."""
        self.typed.append(f"venvship {line}")
        argv = ("venvship", *shlex.split(line))
        done = finish(*argv, cwd=self.checkout.parent, env=self.environment, timeout=SECONDS)
        assert done.code == exits, f"{shlex.join(argv)} exited with {done.code}\n{done.out}{done.err}"
        return done

    def go_live(self) -> None:
        """Type the commands of the get-started page. The second is the one that the first prints."""
        made = self.venvship(f"init {self.root} --from {self.checkout}")
        following = made.out.partition("Next:\n")[2].strip()
        assert following == f"venvship -C {self.root} release"
        self.venvship(following.removeprefix("venvship "))

    def cron(self) -> Finished:
        """Run the line that `schedule cron` prints, as cron does: by sh, with next to no environment."""
        printed = self.venvship(f"-C {self.root} schedule cron --every 1m").out
        (line,) = (one for one in printed.splitlines() if one and not one.startswith("#"))
        matched = re.fullmatch(r"\* \* \* \* \* (.*)", line)
        assert matched, line
        # Not the pause that spreads many hosts over a minute.
        words, jitter = re.subn(r" --jitter \d+$", "", matched[1])
        assert jitter == 1
        # What stands above the line in a crontab, where packages do not come from PyPI.
        kept = [
            f"{name}={value}"
            for name, value in self.environment.items()
            if name == "HOME" or name in TRUST or name.startswith("PIP_")
        ]
        kept += ["VENVSHIP_SYSLOG=", "SHELL=/bin/sh", "PATH=/usr/bin:/bin"]
        argv = ["env", "-i", *kept, "/bin/sh", "-c", words.replace("\\%", "%")]
        return finish(*argv, cwd=self.home, env=self.environment, timeout=SECONDS)

    def python(self, source: str, **variables: str) -> Any:
        """Run a script with the live release's Python; returns the JSON that it prints."""
        done = finish(
            self.root / "current" / "bin" / "python",
            "-c",
            source,
            cwd=Path("/"),
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **variables},
            timeout=SECONDS,
        )
        assert done.code == 0, done.out + done.err
        return json.loads(done.out)

    def commit(self, files: dict[str, str], subject: str) -> None:
        """Change files of the checkout, and commit them."""
        commit(self.checkout, files, subject=subject)

    def read(self, name: str) -> str:
        """The text of a file of the checkout."""
        return (self.checkout / name).read_text()

    def replaced(self, name: str, *pairs: tuple[str, str]) -> dict[str, str]:
        """A file of the checkout with other texts in it, for `commit`."""
        text = self.read(name)
        for old, new in pairs:
            assert old in text, (name, old)
            text = text.replace(old, new)
        return {name: text}


def application(name: str, place: Path) -> Application:
    """Make the checkout of an application, with one commit; its root is not there yet."""
    folder = TEMPLATES / name
    files = {
        str(path.relative_to(folder)).replace("gitignore", ".gitignore"): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    place.mkdir(exist_ok=True)
    (place / "home").mkdir()
    checkout = place / "src" / name
    write(checkout, files)
    if (program := checkout / "manage.py").exists():
        program.chmod(0o755)
    repository(checkout, files, subject=f"The {name} opens")
    return Application(checkout, place / "srv" / name, place / "home")


def start(argv: list[str | Path], log: Path, **variables: str) -> subprocess.Popen[bytes]:
    """Start a server, in a session of its own. The caller ends it."""
    with log.open("wb") as output:
        return subprocess.Popen(
            argv,
            cwd="/",
            env={"PATH": "/usr/bin:/bin", **variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
