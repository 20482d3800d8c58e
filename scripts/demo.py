"""Show venvship on a real web application, and check on the way that it does what is said: see scripts/demo.

Whatever stands behind a `$` is run as it is printed, in a directory that is made for it. Exit status: 0 if
everything went as announced, 1 if not, 128 and the signal's number if one came.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

PARTS = Path(__file__).resolve().parent / "demo_app"

WHERE_FROM = {
    # pip's settings that stay: where packages come from is the user's business. The others change what comes.
    "PIP_CERT",
    "PIP_CLIENT_CERT",
    "PIP_CONFIG_FILE",
    "PIP_DEFAULT_TIMEOUT",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_INDEX_URL",
    "PIP_KEYRING_PROVIDER",
    "PIP_NO_INDEX",
    "PIP_PROXY",
    "PIP_RETRIES",
    "PIP_TRUSTED_HOST",
}
DROPPED = ("FLASK_", "GIT_", "GUNICORN_", "PIP_", "PYTHON", "VENVSHIP_", "VIRTUALENV_", "VIRTUAL_ENV")

COMPILE = (
    "python -m piptools compile --quiet --generate-hashes --strip-extras --no-emit-index-url"
    " --no-emit-find-links --output-file requirements.txt"
)
BROKEN = ('return "EUR"', 'import os\n\n    return os.environ["SHOP_CURRENCY"]')
"""What is wrong with shop 2.0: it wants a setting that nobody made on this host."""

SETTINGS = """
[hooks]
restart = ["{service}", "restart"]

[[check]]
name = "answers"
http = "{url}/healthz"
body = "{{release}}"
interval = 0.25
deadline = 10
successes = 3
"""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

WIDTH = 80
"""Columns, for what can be broken."""

PAUSE = 0.02
"""Seconds between two requests of the probe."""


class DemoError(Exception):
    """Something did not go as announced."""


class Interrupted(BaseException):
    """A signal came. No `Exception`, so that only the clean-up stops it."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


def expect(condition: object, message: str) -> None:
    """Stop the demo if something is not as announced.

    Raises:
        DemoError: It is not.
    """
    if not condition:
        raise DemoError(message)


class Screen:
    """What the person in front of it reads."""

    def __init__(self) -> None:
        self._colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def _print(self, text: str, style: str = "") -> None:
        print(f"\x1b[{style}m{text}\x1b[0m" if style and self._colour else text, flush=True)

    def title(self, text: str) -> None:
        """A new chapter."""
        self._print(f"\n── {text} {'─' * max(0, WIDTH - 4 - len(text))}", "1")

    def remark(self, *lines: str) -> None:
        """What the next command is about."""
        self._print("")
        for line in lines:
            self._print(f"# {line}", "2")

    def command(self, text: str) -> None:
        """A command that is about to run. One that is long, and has no quotes, is continued."""
        if len(text) > WIDTH and "'" not in text:
            text = " \\\n      ".join(textwrap.wrap(text, WIDTH - 8, break_on_hyphens=False))
        self._print(f"$ {text}", "1;36")

    def plain(self, text: str) -> None:
        """What somebody else said."""
        self._print(text)


class Shell:
    """Runs commands as they are printed, and holds their exit status against what was announced.

    Args:
        screen: Where they are printed; what they print goes to the same place, unchanged.
        directory: Where they run; may be changed.
        environ: The environment they get.
    """

    def __init__(self, screen: Screen, directory: Path, environ: Mapping[str, str]) -> None:
        self.directory = directory
        self._screen = screen
        self._environ = environ
        self._programs = {
            "git": "git",
            "python": sys.executable,
            "venvship": os.environ.get("VENVSHIP_COMMAND") or str(Path(sys.executable).parent / "venvship"),
        }

    def run(self, line: str, *, exits: int = 0, quiet: bool = False) -> None:
        """Print a command and run it.

        Args:
            line: One of `git`, `python` or `venvship`, with arguments.
            exits: The exit status that it must have.
            quiet: Show its output only if it fails.

        Raises:
            DemoError: It has another one.
        """
        self._screen.command(line)
        status, output = self._finish(line, capture=quiet, stderr=subprocess.STDOUT)
        if status != exits:
            self._screen.plain(output)
            raise DemoError(f"`{line}` should have exited with {exits}, and exited with {status}")
        if exits:
            self._screen.plain(f"(exit status {status})")

    def ask(self, line: str) -> dict[str, Any]:
        """Run a `venvship --json` command without showing it, and return its data.

        Raises:
            DemoError: It failed.
        """
        status, output = self._finish(line, capture=True)
        expect(status == 0, f"`{line}` failed with {status}: {output}")
        data: dict[str, Any] = json.loads(output)["data"]
        return data

    def _finish(self, line: str, *, capture: bool, stderr: int | None = None) -> tuple[int, str]:
        program, *arguments = shlex.split(line)
        child = subprocess.Popen(
            [self._programs[program], *arguments],
            cwd=self.directory,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if capture else None,
            stderr=stderr,
            text=True,
        )
        try:
            output, _ = child.communicate()
        except Interrupted:
            ignore_signals()
            # At a terminal the signal went to it as well, from `kill` it did not. Either way it may have
            # something to put back first, and gets the time for it.
            child.terminate()
            child.communicate()
            raise
        return child.returncode, output or ""


class Listener:
    """The listening socket of the shop, which outlives every server: what `shop.socket` is under systemd.

    Args:
        directory: Where servers ask for it, at `listener.sock`.
    """

    def __init__(self, directory: Path) -> None:
        self._tcp = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._tcp.getsockname()[1]}"
        self._unix = socket.socket(socket.AF_UNIX)
        with contextlib.chdir(directory):  # the whole path may be too long for the address of a socket
            self._unix.bind("listener.sock")
        self._unix.listen()
        threading.Thread(target=self._hand_out, daemon=True).start()

    def _hand_out(self) -> None:
        with contextlib.suppress(OSError):  # closed: the demo is over
            while True:
                borrower, _ = self._unix.accept()
                with borrower, contextlib.suppress(OSError):
                    socket.send_fds(borrower, [b"*"], [self._tcp.fileno()])

    def close(self) -> None:
        """Stop listening."""
        self._unix.close()
        self._tcp.close()


class Probe:
    """Another process, which asks for the shop's page all the time.

    Args:
        url: The page.
        environ: Its environment.
    """

    def __init__(self, url: str, environ: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(PARTS / "probe.py"), url, str(PAUSE)],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the demo, which then ends it by closing its input
        )

    def result(self) -> dict[str, Any]:
        """End it, and return what it counted."""
        output, _ = self._process.communicate()
        result: dict[str, Any] = json.loads(output)
        return result

    def close(self) -> None:
        """End it, if it still runs, and forget what it counted."""
        if self._process.poll() is None:
            self._process.communicate()


class Demo:
    """The story.

    Args:
        place: An empty directory, for everything.
        screen: Where it is told.
        environ: The environment of all commands.
        cleanup: What has to end with the demo goes here.
    """

    def __init__(
        self, place: Path, screen: Screen, environ: dict[str, str], cleanup: contextlib.ExitStack
    ) -> None:
        self.screen = screen
        self.place = place
        self.checkout = place / "src"
        self.root = place / "shop"
        self.service = place / "service"
        run = place / "run"
        self.environ = environ
        self.cleanup = cleanup
        self.shell = Shell(screen, place, environ)
        run.mkdir()
        shutil.copyfile(PARTS / "service.py", self.service)
        self.service.chmod(0o755)
        self.listener = Listener(run)
        cleanup.callback(self.listener.close)
        cleanup.callback(self.stop_server)

    def tell(self) -> None:
        """All of it.

        Raises:
            DemoError: Something did not go as announced.
        """
        first = self.first_release()
        probe = Probe(self.listener.url, self.environ)
        self.cleanup.callback(probe.close)
        second = self.upgrade(first)
        third = self.failing_release(second)
        self.rollback(first, second)
        self.look_around()
        self.count(probe.result(), {"1.0": first, "1.1": second, "2.0": third})

    def first_release(self) -> str:
        """Make a checkout of shop 1.0 and a root for it, and release it; returns the release."""
        self.screen.title("A checkout")
        self.screen.remark(
            "The application: shop 1.0, made with Flask, served by gunicorn. It has a pyproject.toml, a",
            "package, and a lockfile that pins everything by version and hash.",
        )
        self.screen.command(f"cd {self.place}")
        self.screen.command(f"cp -r {PARTS / 'source'} {self.checkout.name}")
        shutil.copytree(PARTS / "source", self.checkout, ignore=shutil.ignore_patterns("__pycache__"))
        self.go_to(self.checkout)
        self.shell.run("git init --quiet")
        self.commit("1.0", "The shop opens", flask="flask >= 3.0, < 3.1")

        self.screen.title("A first release")
        self.screen.remark(
            "A root is the directory of one application. What to write into its settings is read from the",
            "checkout.",
        )
        self.shell.run(f"venvship init ../{self.root.name} --from .")
        self.go_to(self.root)
        self.screen.remark(
            "What makes a switch take effect, and what tells whether it was a good one. {release} in an",
            "answer is the release's id: the old server cannot pass for the new one.",
        )
        settings = SETTINGS.format(service=self.service, url=self.listener.url)
        self.screen.command(f"cat >>venvship.toml <<'END'{settings}END")
        with (self.root / "venvship.toml").open("a", encoding="utf-8") as file:
            file.write(settings)
        self.screen.remark("And that is a release: the project and its dependencies, checked and live.")
        self.shell.run("venvship release")
        release = self.live()
        self.expect_answer("1.0", release)
        return release

    def upgrade(self, first: str) -> str:
        """Release shop 1.1; returns the release."""
        self.screen.title("An upgrade")
        self.screen.remark(
            f"From here on another process asks for this page every {PAUSE * 1000:.0f} ms, each time on a",
            "new connection. shop 1.1 wants a newer Flask.",
        )
        self.commit("1.1", "A newer Flask", flask="flask >= 3.1", options="--upgrade-package flask")
        self.go_to(self.root)
        self.shell.run("venvship release")
        release = self.live()
        expect(release != first, "the upgrade is not live")
        self.expect_answer("1.1", release)
        return release

    def failing_release(self, second: str) -> str:
        """Release shop 2.0, which does not get through its live check; returns the release."""
        self.screen.title("A release that is no good")
        self.screen.remark(
            "shop 2.0 reads the currency from $SHOP_CURRENCY, which nobody has set here. It imports, it",
            "starts, its page looks fine; but /healthz answers 500: its release has to take itself back.",
        )
        edit(self.checkout / "shop" / "checkout.py", BROKEN)
        self.commit("2.0", "Currencies", flask="flask >= 3.1")
        self.go_to(self.root)
        self.shell.run("venvship release", exits=22)
        expect(self.live() == second, "the release from before is not live again")
        self.expect_answer("1.1", second)
        self.screen.remark("Tried again by a cron job, it is refused before anything is changed.")
        self.shell.run("venvship update", exits=25)
        expect(self.live() == second, "a refused release changed what is live")
        return str(self.shell.ask("venvship --json list")["releases"][0]["id"])

    def rollback(self, first: str, second: str) -> None:
        """Go back from shop 1.1 to 1.0."""
        self.screen.title("A person goes back")
        self.screen.remark("1.1 passed its checks, but customers complain.")
        self.shell.run("venvship diff previous")
        self.shell.run('venvship rollback -m "biscuits cannot be ordered"')
        expect(self.live() == first, f"{first} is not live again, after a rollback from {second}")
        self.expect_answer("1.0", first)

    def look_around(self) -> None:
        """What venvship knows about all this."""
        self.screen.title("Looking around")
        for command in ("status", "list", "history", "verify --all"):
            self.screen.plain("")
            self.shell.run(f"venvship {command}")

    def count(self, result: dict[str, Any], releases: Mapping[str, str]) -> None:
        """Say what the probe has seen, and hold it against what it must have.

        Raises:
            DemoError: A request failed, or somebody else answered.
        """
        self.screen.title("Meanwhile, what customers saw")
        self.screen.remark(
            "2.0 was seen while it was on trial: a live check comes after the switch. No connection was",
            "refused, since the listening socket outlives the server, as with a .socket unit of systemd.",
        )
        answered = dict(result["answered"])
        for version, release in releases.items():
            count = answered.pop(first_line(version, release), 0)
            self.screen.plain(f"{count:7,} answers from shop {version}, {release}")
            expect(count > 0, f"shop {version} was never seen")
        for text, count in result["failed"].items():
            self.screen.plain(f"{count:7,} failed: {text}")
        failed = sum(result["failed"].values())
        self.screen.plain(
            f"{result['requests']:7,} requests in all, of which {failed} failed; the slowest took"
            f" {result['slowest']:.2f} s"
        )
        expect(not answered, f"there were other answers: {answered}")
        expect(failed == 0, f"{failed} requests of {result['requests']} failed")
        expect(result["requests"] > 0, "the probe asked nothing")

    def commit(self, version: str, subject: str, *, flask: str, options: str = "") -> None:
        """Give the checkout a version and dependencies, lock them if they are others, and commit it."""
        pyproject = self.checkout / "pyproject.toml"
        text = pyproject.read_text(encoding="utf-8")
        changed = re.sub(
            r'"flask[^"]*"', f'"{flask}"', re.sub(r"(?m)^version = .*", f'version = "{version}"', text)
        )
        pyproject.write_text(changed, encoding="utf-8")
        self.go_to(self.checkout)
        if dependencies(text) != dependencies(changed) or not (self.checkout / "requirements.txt").exists():
            self.shell.run(" ".join(filter(None, (COMPILE, options, "pyproject.toml"))))
        self.shell.run("git add --all")
        self.shell.run(f"git commit --quiet -m {shlex.quote(subject)}")

    def go_to(self, directory: Path) -> None:
        """Change to another directory beside the one where commands run, or in it."""
        if directory != self.shell.directory:
            self.screen.command(f"cd {os.path.relpath(directory, self.shell.directory)}")
            self.shell.directory = directory

    def live(self) -> str:
        """Which release is live: what venvship says, and the link has to agree."""
        current = self.shell.ask("venvship --json status")["current"]
        expect(current is not None, "nothing is live")
        target = os.path.basename(os.readlink(self.root / "current"))
        expect(current["id"] == target, f"status says {current['id']}, and current points to {target}")
        return target

    def expect_answer(self, version: str, release: str) -> None:
        """Ask the application for its page, show it, and see that this release of it answers."""
        from demo_app.probe import ask

        is_answer, text = ask(self.listener.url)
        self.screen.remark(f"GET {self.listener.url}/")
        self.screen.plain(text)
        expected = first_line(version, release)
        expect(is_answer and text == expected, f"the application should have answered {expected!r}")

    def stop_server(self) -> None:
        """Stop the web server, whichever release it runs from."""
        subprocess.run([sys.executable, "-I", str(self.service), "stop"], check=False)


def first_line(version: str, release: str) -> str:
    """What the shop's page begins with."""
    return f"shop {version}, from release {release}"


def dependencies(pyproject: str) -> object:
    """What a pyproject.toml asks for."""
    return tomllib.loads(pyproject)["project"]["dependencies"]


def edit(path: Path, *changes: tuple[str, str]) -> None:
    """Replace texts in a file."""
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, f"{path} does not hold {old!r}"
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def demo_environment(place: Path) -> dict[str, str]:
    """The environment of the demo's commands: the user's, without what would make it another one."""
    kept = {k: v for k, v in os.environ.items() if k in WHERE_FROM or not k.startswith(DROPPED)}
    return kept | {
        **{f"GIT_{who}_{what}": "demo" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        "GIT_CONFIG_GLOBAL": os.devnull,  # no signatures, no templates, no hooks
        "GIT_CONFIG_SYSTEM": os.devnull,
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH') or os.defpath}",
        "PIP_CONSTRAINT": os.devnull,  # not "": pip ignores an empty variable, and a config file may set one
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_REQUIRE_VIRTUALENV": "0",
        "PIP_TOOLS_CACHE_DIR": str(place / "pip-tools-cache"),
        "VENVSHIP_SYSLOG": "",  # a demo is no news of this host
    }


def remove(place: Path) -> None:
    """Remove the demo's directory, of which some is read-only."""
    for folder, _, _ in os.walk(place):
        os.chmod(folder, stat.S_IRWXU)
    shutil.rmtree(place)


@contextlib.contextmanager
def working_directory(screen: Screen, *, keep: bool) -> Iterator[Path]:
    """A directory that is there for the demo, and afterwards if it is to be kept."""
    place = Path(tempfile.mkdtemp(prefix="venvship-demo-")).resolve()
    fate = "kept" if keep else "removed at the end; --keep keeps it"
    screen.plain(f"Everything happens in {place} ({fate}).")
    try:
        yield place
    finally:
        if keep:
            screen.plain(f"\nKept: {place}, without the server. Look: cd {place}/shop && {venvship()} status")
            screen.plain(f"Remove it: find {place} -type d -exec chmod u+w {{}} + && rm -rf {place}")
        else:
            remove(place)
            screen.plain(f"\nRemoved: {place}, and the server is stopped.")


def venvship() -> str:
    """The executable, for a person who has no virtualenv activated."""
    return os.environ.get("VENVSHIP_COMMAND") or str(Path(sys.executable).parent / "venvship")


def interrupt(signum: int, _frame: FrameType | None) -> NoReturn:
    """End the story, whatever it is doing."""
    os.write(2, b"\nInterrupted: ending what runs, and clearing up.\n")  # print() may be what is interrupted
    raise Interrupted(signum)


def ignore_signals() -> None:
    """Let nothing interrupt what comes now."""
    for signum in SIGNALS:
        signal.signal(signum, signal.SIG_IGN)


def main() -> int:
    """Set the stage, tell the story, clear up."""
    parser = argparse.ArgumentParser(
        prog="scripts/demo", description="Show venvship on a real web application."
    )
    parser.add_argument("--keep", action="store_true", help="keep the directory; so does KEEP=1")
    arguments = parser.parse_args()
    for signum in SIGNALS:
        signal.signal(signum, interrupt)
    screen = Screen()
    keep = arguments.keep or os.environ.get("KEEP", "") not in {"", "0"}
    start = time.monotonic()
    try:
        with working_directory(screen, keep=keep) as place, contextlib.ExitStack() as cleanup:
            try:
                Demo(place, screen, demo_environment(place), cleanup).tell()
            finally:
                ignore_signals()  # clearing up takes a moment, and half of it helps nobody
            screen.plain(f"\nAll as announced, in {time.monotonic() - start:.0f} s.")
    except DemoError as error:
        hint = "" if keep else "; to look around afterwards: scripts/demo --keep"
        print(f"\nerror: {error}{hint}", file=sys.stderr)
        return 1
    except Interrupted as interrupted:
        return 128 + interrupted.signum
    except BrokenPipeError:  # nobody reads any more: `scripts/demo | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    return 0


if __name__ == "__main__":
    sys.exit(main())
