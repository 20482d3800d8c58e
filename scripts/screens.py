"""Draw what commands show on a terminal, for the documentation: see scripts/screens.

Everything is what the commands wrote on a pseudo-terminal in one life of a root. What differs from run to run
is replaced by something as long: ids, times, durations, sizes, the user and the path.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from scripts.docs_examples import ID, TIME, Stable, remove  # noqa: E402 - found through the path above
from scripts.terminal_screen import Screen  # noqa: E402
from tests.support.terminals import Terminal  # noqa: E402
from tests.support.wheels import build_wheel, lockfile_text  # noqa: E402

IMAGES = REPOSITORY / "docs" / "images"
COLUMNS: Final = 80
ROOT_SHOWN: Final = "/srv/shop"

SERVER: Final = '''\
"""A shop on 127.0.0.1: `python -m shop PORT`."""
import os, sys
from wsgiref.simple_server import WSGIRequestHandler, make_server

class Quiet(WSGIRequestHandler):
    def log_message(self, *arguments):
        pass

def app(environ, start_response):
    start_response({status!r}, [])
    return [os.path.basename(sys.prefix).encode()]

if __name__ == "__main__":
    make_server("127.0.0.1", int(sys.argv[1]), app, handler_class=Quiet).serve_forever()
'''

RESTART: Final = """\
#!/bin/sh
# Stop the server that runs, and start the one of this release.
cd "$VENVSHIP_ROOT"
[ ! -f server.pid ] || kill "$(cat server.pid)" 2>/dev/null
"$VENVSHIP_RELEASE_PATH/bin/python" -m shop {port} >/dev/null 2>&1 &
echo $! >server.pid
sleep 0.2
"""

SETTINGS: Final = """\
name = "shop"

[hooks]
restart = ["{root}/restart"]

[[check]]
name = "imports"
when = "candidate"
import = ["shop"]

[[check]]
name = "answers"
http = "http://127.0.0.1:{port}/up"
body = "{{release}}"
interval = 0.5
deadline = 2
successes = 3
"""

SLOW: Final = """
[[check]]
name = "self-test"
when = "candidate"
command = ["sh", "-c", "exec sleep 60"]
timeout = 60
"""

SECONDS: Final = {
    "fetch": "0.6",
    "compile": "0.1",
    "assemble": "0.2",
    "imports": "0.1",
    "restart": "0.3",
    "answers": "0.6",
}
"""How long steps take in the pictures; the others show no time."""

PEOPLES_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)")

REPLACED: Final = {
    r"127\.0\.0\.1:\d{4}\b": "127.0.0.1:8000",
    r"\bprocess(\s+)\d+": r"process\g<1>30520",
    r"(?<=CPython )3\.\d+\.\d+|(?<=  )3\.\d+\.\d+(?=\s)": "3.11.7",
    r"\b\d+(\s+)tries(\s+)in(\s+)\d\.\d(\s+)s\b": r"5\1tries\2in\g<3>2.0\4s",
    r"\d[\d.]* kB": "6.2 kB",
    r"\b\d+ files": "64 files",
    r"\blib/python3\.\d\d": "lib/python3.11",
    r"after \d+\.\d s": "after 2.0 s",
}
"""What differs from run to run, and is no id, time or path."""


class Film:
    """Runs commands in one root, and keeps what they leave on the screen.

    Args:
        place: An empty directory, for everything but the root.
        root: An empty directory whose path is as long as the one that is shown.
        command: The `venvship` executable.
        port: A free port of four digits.
    """

    def __init__(self, place: Path, root: Path, command: str, port: int) -> None:
        self.place, self.root, self.command = place, root, command
        self.pictures: dict[str, list[str]] = {}
        self._port = port
        (place / "home").mkdir()
        self._environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
            "HOME": str(place / "home"),
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm-256color",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "VENVSHIP_SYSLOG": "",
        }
        wheels = place / "wheels"
        self._till = {version: build_wheel(wheels, "till", version) for version in ("3.0", "3.1")}
        self._shop = {
            version: build_wheel(wheels, "shop", version, files={"shop.py": SERVER.format(status=status)})
            for version, status in {
                "1.0": "200 OK",
                "1.1": "200 OK",
                "1.2": "200 OK",
                "1.3": "200 OK",
                "2.0": "503 Service Unavailable",
            }.items()
        }
        self._tea = build_wheel(wheels, "tea", "0.9")

    def settings(self, more: str = "") -> None:
        """Write the settings, and the script that restarts the shop."""
        (self.root / "venvship.toml").write_text(SETTINGS.format(root=self.root, port=self._port) + more)
        script = self.root / "restart"
        script.write_text(RESTART.format(port=self._port))
        script.chmod(0o755)

    def lock(self, version: str) -> None:
        """Write the lockfile of a version of the shop."""
        chosen = [self._shop[version], self._till["3.0" if version == "1.0" else "3.1"]]
        if version != "1.0":
            chosen.append(self._tea)
        text = lockfile_text(*chosen, options=[f"--find-links {self.place}/wheels"])
        (self.root / "requirements.txt").write_text(text)

    def take(self, name: str, *arguments: str, exits: int = 0, stop_at: str = "") -> None:
        """Run a command on a terminal; keep the picture under a name, or not if the name is empty.

        Args:
            name: Of the picture.
            arguments: Of the command.
            exits: How it has to end.
            stop_at: Text upon which Ctrl-C is pressed.

        Raises:
            RuntimeError: It exits with something else.
        """
        terminal = Terminal([self.command, *arguments], env=self._environment, cwd=self.root, columns=COLUMNS)
        if stop_at:
            terminal.read_until(stop_at)
            time.sleep(0.3)
            terminal.type("\x03")
        shown = terminal.finish()
        if shown.code != exits:
            raise RuntimeError(f"{arguments} exited with {shown.code}:\n{shown.text}")
        if name:
            screen = Screen(COLUMNS)
            screen.write(shown.text.replace("\n", "\r\n"))
            self.pictures[name] = [prompt(arguments), *screen.lines()]

    @contextlib.contextmanager
    def meanwhile(self, *arguments: str) -> Iterator[None]:
        """Have another command run, up to its slow check."""
        other = Terminal([self.command, *arguments], env=self._environment, cwd=self.root)
        other.read_until("self-test")
        try:
            yield
        finally:
            other.type("\x03")
            other.finish()

    def stop_server(self) -> None:
        """Stop the shop."""
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((self.root / "server.pid").read_text()), 15)


def prompt(arguments: tuple[str, ...]) -> str:
    """The line that was typed."""
    words = [word if re.fullmatch(r"[\w./@{}=-]+", word) else f'"{word}"' for word in arguments]
    return f"\x1b[2m$\x1b[0m \x1b[1mvenvship {' '.join(words)}\x1b[0m"


def take_all(place: Path, root: Path, command: str) -> tuple[dict[str, list[str]], list[dict[str, Any]]]:
    """Live through the life of a root, and take all pictures.

    Returns:
        Lines with styles by the name of the picture, and the lines of the root's journal.
    """
    film = Film(place, root, command, four_digit_port())
    take = film.take
    try:
        take("", "init", "--name", "shop")
        film.settings()
        take("status-first-use", "status")
        (root / "requirements.txt").write_text("shop==1.0\ntill>=3.0\n-e ../wsgi-tools\n")
        take("release-refused", "release", exits=11)
        film.lock("1.0")
        take("", "release", "-m", "the shop opens")
        film.lock("1.1")
        take("release", "release", "-m", "security fixes")
        take("status", "status")
        next_second()
        film.lock("1.2")
        film.settings(SLOW)
        with film.meanwhile("release", "-m", "biscuits"):
            take("release-busy", "release", "-m", "gift cards", exits=30)
        take("release-interrupted", "release", "-m", "biscuits", exits=130, stop_at="self-test")
        next_second()
        tried = max((root / "releases").iterdir()).name
        take("", "pin", tried)
        film.settings()
        film.lock("2.0")
        take("release-rolled-back", "release", "-m", "a new checkout", exits=22)
        take("list", "list")
        take("diff", "diff", "previous")
        take("rollback", "rollback", "-m", "biscuits cannot be ordered")
        take("status-held", "status")
        take("history", "history", "-n", "7")
        next_second()
        film.lock("1.3")
        take("", "release", "-m", "biscuits can be ordered")
        take("", "unpin", tried)
        take("prune", "prune", "--dry-run")
    finally:
        film.stop_server()
    lines = (root / "state" / "journal.jsonl").read_text().splitlines()
    return film.pictures, [json.loads(line) for line in lines]


def next_second() -> None:
    """Wait until no further event can have the time of the last one: times are in whole seconds."""
    time.sleep(1.1)


def four_digit_port() -> int:
    """A free port that is as long as 8000: out of reach of outgoing connections, which could take it first.

    Raises:
        RuntimeError: There is none.
    """
    for number in range(2000):  # others that look at the same time begin elsewhere
        port = 8000 + (os.getpid() + number) % 2000
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise RuntimeError("no port of four digits is free")


class StableScreen(Stable):
    """Replaces in lines for people what `Stable` replaces in JSON, by something as long.

    Args:
        place: The root.
        journal: Its events, in order.
    """

    def __init__(self, place: Path, journal: list[dict[str, Any]]) -> None:
        super().__init__(place, journal)
        self._root = str(place)
        self._users = {event["actor"] for event in journal}
        self._versions: dict[str, str] = {}

    def lines(self, lines: list[str]) -> list[str]:
        """The same lines, made stable."""
        text = "\n".join(map(self._timed, lines)).replace(self._root, ROOT_SHOWN)
        text = ID.sub(lambda found: self._ids[found[0]], text)
        for user in self._users:
            column_or_phrase = re.compile(rf"(?<=by ){user}\b|(?<=  ){user}(?=  |$)", re.MULTILINE)
            text = column_or_phrase.sub("anna".ljust(len(user)), text)
        for pattern, shown in REPLACED.items():
            text = re.sub(pattern, shown, text)
        return list(map(_seconds, text.split("\n")))

    def _timed(self, line: str) -> str:
        if found := re.match(r"\s*(\d+)  \d{4}-", line):  # an event, which says which one it is
            return PEOPLES_TIME.sub(self._for_people(self._at_seq[int(found[1])]), line)
        line = PEOPLES_TIME.sub(lambda found: self._for_people(self._since(f"{found[1]}T{found[2]}Z")), line)
        return TIME.sub(lambda found: self._since(found[0]), line)

    def _since(self, at: str) -> str:
        """When something was that the journal has, or that came before something that it has."""
        return self._at_time[min(known for known in self._at_time if known >= at)]

    @staticmethod
    def _for_people(written: str) -> str:
        return written.replace("T", " ").removesuffix("Z")


def _seconds(line: str) -> str:
    """A finished step, with the duration that its name has here."""
    plain = re.sub(r"\x1b\[[\d;]*m", "", line)
    step = re.match(r"  [✓✗↩] (\S+)", plain)
    if step is None or "✗" in plain:
        return line  # what failed says itself how long that took
    line = re.sub(r"\s+(?:\x1b\[[\d;]*m)*\d+\.\d s(?:\x1b\[[\d;]*m)*$", "", line)
    plain = re.sub(r"\x1b\[[\d;]*m", "", line)
    seconds = SECONDS.get(step[1])
    if seconds is None:
        return line
    blanks = max(COLUMNS - 1 - len(f"{seconds} s") - len(plain), 1)
    return f"{line}{' ' * blanks}\x1b[2m{seconds} s\x1b[0m"


def record(command: str) -> dict[str, list[str]]:
    """Take all pictures, and return their lines, made stable."""
    place = Path(tempfile.mkdtemp(prefix="venvship-screens-")).resolve()
    root = _as_long_as_shown()
    try:
        pictures, journal = take_all(place, root, command)
        same = StableScreen(root, journal)
        return {name: same.lines(lines) for name, lines in pictures.items()}
    finally:
        remove(place)
        remove(root)


def _as_long_as_shown() -> Path:
    """A new directory whose path has as many characters as the one shown, so that lines break the same."""
    while True:
        path = Path("/tmp") / os.urandom(2).hex()[: len(ROOT_SHOWN) - len("/tmp/")]
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
            return path


FORMAT: Final = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<title>TITLE</title>
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px; white-space: pre; }}
{styles}
</style>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})">
{backgrounds}<g class="{unique_id}-matrix">
{matrix}
</g></g>
</svg>
"""

TITLE_BAR: Final = 32
"""Height of what rich draws above the lines, which is left out."""


COLOURS: Final[tuple[Any, ...]] = (
    (22, 27, 34),
    (201, 209, 217),
    [(72, 79, 88), (255, 123, 114), (86, 211, 100), (227, 179, 65)],
)
"""Background, text, and the colours that commands use: black, red, green, yellow."""


def draw(name: str, lines: list[str]) -> str:
    """A picture of lines with styles, as SVG."""
    from rich.console import Console
    from rich.terminal_theme import TerminalTheme
    from rich.text import Text

    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True, highlight=False)
        for line in lines:
            console.print(Text.from_ansi(line), soft_wrap=True)
        drawn = console.export_svg(
            title="", theme=TerminalTheme(*COLOURS), code_format=FORMAT, unique_id=name
        )
    return _smaller(drawn).replace("TITLE", Text.from_ansi(lines[0]).plain.removeprefix("$ "))


def _smaller(drawn: str) -> str:
    """Without the title bar, and without what only other fonts would need."""
    drawn = re.sub(r"\s*<g transform=\"translate\(26,22\)\">.*?</g>\s*", "\n", drawn, flags=re.DOTALL)
    drawn = re.sub(r" clip-path=\"url\(#[\w-]+\)\"", "", drawn)
    drawn = drawn.replace("&#160;", "\N{NO-BREAK SPACE}").replace("</text><text", "</text>\n<text")
    width, height = (float(n) for n in re.findall(r"viewBox=\"0 0 ([\d.]+) ([\d.]+)\"", drawn)[0])
    drawn = re.sub(r"viewBox=\"[^\"]+\"", f'viewBox="0 {TITLE_BAR} {width:g} {height - TITLE_BAR:g}"', drawn)
    box = f'x="1" y="{TITLE_BAR + 1}" width="{width - 2:g}" height="{height - TITLE_BAR - 2:g}"'
    return re.sub(r"x=\"1\" y=\"1\" width=\"[\d.]+\" height=\"[\d.]+\"", box, drawn, count=1)


def main() -> None:
    """Draw all pictures anew."""
    command = os.environ.get("VENVSHIP_COMMAND") or str(Path(sys.executable).parent / "venvship")
    pictures = record(command)
    IMAGES.mkdir(exist_ok=True)
    for old in IMAGES.glob("*.svg"):
        old.unlink()
    for name, lines in pictures.items():
        (IMAGES / f"{name}.svg").write_text(draw(name, lines), encoding="utf-8")
    print(f"drew {len(pictures)} pictures in {IMAGES.relative_to(REPOSITORY)}")


if __name__ == "__main__":
    main()
