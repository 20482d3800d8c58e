"""Record what every command prints with `--json`, for the reference: see scripts/docs-examples.

What differs from run to run is replaced: paths, ids, times, digests, durations, process ids and what is this
machine's own. Everything else is what the commands printed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

REPOSITORY = Path(__file__).resolve().parent.parent
EXAMPLES = REPOSITORY / "docs" / "reference" / "examples"
ROOT_SHOWN: Final = "/srv/shop"
ACTOR_SHOWN: Final = "deploy"

SETTINGS: Final = """\
name = "shop"

[lock]
inputs = ["requirements.in"]

[hooks]
restart = ["sh", "-c", "exit 0"]

[[check]]
name = "imports"
when = "candidate"
import = ["shop"]

[[check]]
name = "answers"
command = ["python", "-c", "import shop; shop.answer()"]
deadline = 0
"""

ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{7}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
MINUTE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(?= UTC)")
DIGEST = re.compile(r"\b[0-9a-f]{64}\b")
FIRST_TIME = datetime(2026, 11, 22, 9, 41, 43, tzinfo=UTC)

FIXED: Final[Mapping[str, Any]] = {
    "actor": ACTOR_SHOWN,
    "by": ACTOR_SHOWN,
    "freed_bytes": 94208,
    "files": 64,
    "full_version": "3.11.7",
    "magic": "a70d0d0a",
    "pid": 4711,
    "platform": "linux-x86_64",
    "soabi": "cpython-311-x86_64-linux-gnu",
    "user": "deploy",
}
"""Values by key that are this machine's, this run's or this user's."""

SAME_OPERATION: Final = {"sealed", "promoting", "promoted", "rolling-back", "rolled-back"}
"""Events that come within seconds of the one before."""

QUICK_FIX: Final = "# a quick fix\n"

SECONDS: Final = {"fetch": 1.214, "compile": 0.107, "assemble": 0.241, "answers": 0.061, "imports": 0.058}


class Recorder:
    """Runs commands in one root, and keeps what they print.

    Args:
        place: An empty directory.
        command: The `venvship` executable.
    """

    def __init__(self, place: Path, command: str) -> None:
        self.place = place.resolve()
        self.root = self.place / "shop"
        self.recorded: dict[str, dict[str, Any]] = {}
        self._command = command
        (self.place / "home").mkdir()
        self._environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
            "HOME": str(self.place / "home"),
            "LC_ALL": "C.UTF-8",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "VENVSHIP_SYSLOG": "",
        }

    def run(self, name: str, *arguments: str, exits: int = 0) -> dict[str, Any]:
        """Run a command with `--json`; keep its output under a name, or not if the name is empty.

        Raises:
            RuntimeError: It exits with something else.
        """
        done = subprocess.run(
            [self._command, "-C", str(self.root), "--json", *arguments],
            cwd=self.place,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != exits:
            raise RuntimeError(f"{arguments} exited with {done.returncode}:\n{done.stdout}{done.stderr}")
        printed: dict[str, Any] = json.loads(done.stdout)
        if name:
            self.recorded[name] = printed
        return printed


def _check(recorder: Recorder) -> None:
    """Record a check, and an audit by an advisory on this host; the settings are as before afterwards."""
    recorder.run("check", "check")
    affected = {
        "package": {"ecosystem": "PyPI", "name": "shop"},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}],
    }
    advisory = {
        "id": "PYSEC-2026-1",
        "aliases": ["CVE-2026-1000"],
        "summary": "A crafted order empties the shop.",
        "affected": [affected],
    }
    file = recorder.root / "advisories.json"
    file.write_text(json.dumps(advisory))
    settings = recorder.root / "venvship.toml"
    settings.write_text(f'{SETTINGS}\n[audit]\nadvisories = "{file.name}"\n')
    recorder.run("audit", "audit", exits=40)
    settings.write_text(SETTINGS)


BISECT = [
    *("bisect", "previous", "current", "--", "python", "-c"),
    "import sys; from importlib.metadata import version; sys.exit(version('till') == '3.1')",
]


def record(place: Path, command: str) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
    """Live through the life of a root, and record what every command prints.

    Args:
        place: An empty directory, left as it is afterwards.
        command: The `venvship` executable.

    Returns:
        The envelopes by the name of their file, as printed, and the lines of the root's journal.
    """
    recorder = Recorder(place, command)
    lock = _application(recorder.place)
    run = recorder.run
    run("init", "init", "--name", "shop")
    (recorder.root / "venvship.toml").write_text(SETTINGS)
    lock("1.0")
    run("", "release", "-m", "the shop opens")
    (recorder.root / "requirements.in").write_text(f"--find-links {recorder.place}/wheels\nshop\n")
    run("lock", "lock", "-P", "shop<2")
    lock("1.0.1")
    tried = run("release-built", "release", "--no-promote")["data"]["release"]["id"]
    run("pin", "pin", tried)
    lock("1.1")
    run("release", "release", "-m", "security fixes")
    run("update", "update")
    _check(recorder)
    run("restart", "restart", "-m", "a new certificate")
    with _slots(recorder.root):
        run("handover", "handover", "status")
        run("service", "service", "nginx")
    for line in (["status"], ["show"], ["diff", "previous"], BISECT):
        run(line[0], *line)
    with serving(recorder.root, "previous"), serving(recorder.root, "current"):
        seen = run("ps", "ps")["data"]
    # What a user who is not root cannot see is of this host.
    seen["unseen"] = {"hidden": 0, "users": [], "unlisted": False, "elsewhere": False, "leases": []}
    run("config", "config")
    lock("2.0")
    run("release-rolled-back", "release", "-m", "a new checkout", exits=22)
    run("release-held", "release", exits=25)
    run("rollback", "rollback", "-m", "biscuits cannot be ordered")
    run("promote", "promote", "--force", "@{1}", "-m", "it was not the shop")
    run("hold", "hold", "-m", "stocktaking tonight")
    run("unhold", "unhold")
    run("unpin", "unpin", tried)
    run("list", "list")
    run("prune", "prune")
    run("verify", "verify", "--all")
    _damage(recorder.root)
    run("verify-damaged", "verify", exits=40)
    _damage(recorder.root, undo=True)
    run("recover", "recover")
    run("history", "history", "-n", "4")
    run("schedule", "schedule", "cron")
    run("no-such-release", "show", "20990101", exits=13)
    recorder.root = recorder.root.rename(recorder.place / "shop-moved")
    run("relocate", "relocate")
    lines = (recorder.root / "state" / "journal.jsonl").read_text().splitlines()
    run("destroy", "destroy", "--yes", "--force")
    return recorder.recorded, [json.loads(line) for line in lines]


@contextlib.contextmanager
def serving(root: Path, link: str) -> Iterator[None]:
    """Have a process run from a release for the length of a `with` block."""
    script = root.parent / "serve.py"
    script.write_text("import shop, sys\nprint('ready', flush=True)\nsys.stdin.read()\n")
    pipe = subprocess.PIPE
    with subprocess.Popen([root / link / "bin" / "python", script], stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


def _application(place: Path) -> Callable[[str], None]:
    """Build the shop's wheels, and return what writes the lockfile of a version."""
    sys.path.insert(0, str(REPOSITORY))
    try:
        from tests.support.wheels import build_wheel, lockfile_text
    finally:
        sys.path.remove(str(REPOSITORY))
    wheels = place / "wheels"
    till = {version: build_wheel(wheels, "till", version) for version in ("3.0", "3.1")}
    shop = {
        version: build_wheel(wheels, "shop", version, files={"shop.py": source}, requires=["till"])
        for version, source in {
            "1.0": "def answer():\n    pass\n",
            "1.0.1": "def answer():\n    pass\n",
            "1.1": "def answer():\n    pass\n",
            "2.0": "def answer():\n    raise SystemExit('no currency is set')\n",
        }.items()
    }

    def lock(version: str) -> None:
        chosen = [shop[version], till["3.1" if version in {"1.1", "2.0"} else "3.0"]]
        text = lockfile_text(*chosen, options=[f"--find-links {wheels}"])
        (place / "shop" / "requirements.txt").write_text(text)

    return lock


@contextlib.contextmanager
def _slots(root: Path) -> Iterator[None]:
    """Give a root a service for a while, whose slot `a` runs what is current: this process listens there."""
    settings, folder = root / "venvship.toml", root / "run"
    before = settings.read_text()
    settings.write_text(
        f'{before}\n[service]\nhealth = "/healthz"\n'
        'start = ["systemctl", "start", "shop@{slot}"]\nstop = ["systemctl", "stop", "shop@{slot}"]\n'
    )
    folder.mkdir()
    (folder / "a").symlink_to((root / "current").resolve())
    (folder / "live.sock").symlink_to("a.sock")
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(folder / "a.sock"))
            server.listen()
            yield
    finally:
        shutil.rmtree(folder)
        settings.write_text(before)


def _damage(root: Path, *, undo: bool = False) -> None:
    """Write to a file of the release that is current, as no one should."""
    (module,) = (root / "current" / "lib").glob("python3.*/site-packages/shop.py")
    module.chmod(0o644)
    if undo:
        module.write_text(module.read_text().removesuffix(QUICK_FIX))
    else:
        with module.open("a") as file:
            file.write(QUICK_FIX)
    module.chmod(0o444)


class Stable:
    """Replaces what differs from run to run; what is equal stays equal.

    Args:
        place: The directory of the recording.
        journal: Its events, in order: they say which times and ids there are, and what they belong to.
    """

    def __init__(self, place: Path, journal: Sequence[Mapping[str, Any]]) -> None:
        self._place = str(place.resolve())
        self._ids: dict[str, str] = {}
        self._digests: dict[str, str] = {}
        self._at_seq: dict[int, str] = {}
        self._at_time: dict[str, str] = {}
        self._verdicts: dict[str, str] = {}
        now = FIRST_TIME
        for event in journal:
            release_id = event["release"]
            if event["event"] == "sealed":
                now = FIRST_TIME + timedelta(days=len(self._ids), minutes=7 * len(self._ids))
                token = hashlib.sha256(f"release {len(self._ids)}".encode()).hexdigest()[:7]
                self._ids[release_id] = f"{now:%Y%m%dT%H%M%SZ}-{token}"
            now += timedelta(seconds=2) if event["event"] in SAME_OPERATION else timedelta(minutes=11)
            self._at_seq[event["seq"]] = written = f"{now:%Y-%m-%dT%H:%M:%SZ}"
            # Several events may carry one second; whoever looks up a time means what decided something.
            if event["event"] not in {"promoting", "rolling-back"}:
                self._at_time[event["at"]] = written
            if event.get("verdict"):
                self._verdicts[event["at"][:16].replace("T", " ")] = f"{now:%Y-%m-%d %H:%M}"

    def value(self, value: Any, key: str = "") -> Any:  # noqa: ANN401 - whatever JSON holds
        """The same value, made stable."""
        if isinstance(value, dict):
            return {k: self._member(value, k, v) for k, v in value.items()}
        if isinstance(value, list):
            return [self.value(item, key) for item in value]
        if key in FIXED and type(value) is type(FIXED[key]) and value not in (0, "venvship"):
            return FIXED[key]
        if isinstance(value, float) and key != "value":  # that of a setting is the user's
            return SECONDS.get(key, 0.052)
        return self._text(value) if isinstance(value, str) else value

    def _member(self, within: Mapping[str, Any], key: str, value: Any) -> Any:  # noqa: ANN401
        if key == "seconds" and value:
            return SECONDS.get(within.get("name", ""), 0.052)
        if key == "unit" and "seen_by" in within:
            return "shop.service"  # that of this machine, if there is one
        if key == "since" and "seen_by" in within:  # the journal does not have it
            return f"{self._sealed(within['release']) + timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}"
        if key == "at":
            audited = f"{FIRST_TIME + timedelta(minutes=4):%Y-%m-%dT%H:%M:%SZ}"  # no event has that time
            return self._at_seq[within["seq"]] if "seq" in within else audited
        if key == "created_at":
            return f"{self._sealed(within['id']):%Y-%m-%dT%H:%M:%SZ}"
        if key == "python" and isinstance(value, str):
            return FIXED["full_version"]
        if key == "version" and "magic" in within:
            return FIXED["full_version"].rpartition(".")[0]
        return self.value(value, key)

    def _sealed(self, release_id: str) -> datetime:
        """The time in the id that a release is shown with."""
        return datetime.strptime(self._text(release_id)[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)

    def _text(self, text: str) -> str:
        text = text.replace(f"{self._place}/shop", ROOT_SHOWN).replace(self._place, "/srv")
        text = re.sub(r"/\S*/venvship(?= -C )", "/opt/venvship/bin/venvship", text)
        text = re.sub(r"^/\S*/python3\.\d+$", "/usr/bin/python3.11", text)
        text = re.sub(r"lib/python3\.\d+", "lib/python3.11", text)
        text = ID.sub(lambda found: self._ids[found[0]], text)
        text = TIME.sub(lambda found: self._at_time[found[0]], text)
        text = MINUTE.sub(lambda found: self._verdicts[found[0]], text)
        return DIGEST.sub(lambda found: self._digest(found[0]), text)

    def _digest(self, found: str) -> str:
        if found not in self._digests:
            number = len(self._digests)
            self._digests[found] = hashlib.sha256(f"digest {number}".encode()).hexdigest()
        return self._digests[found]


def stable(
    place: Path, recorded: Mapping[str, dict[str, Any]], journal: list[dict[str, Any]]
) -> dict[str, str]:
    """The texts of the example files."""
    same = Stable(place, journal)
    return {
        name: json.dumps(same.value(printed), indent=2, ensure_ascii=False) + "\n"
        for name, printed in recorded.items()
    }


def remove(place: Path) -> None:
    """Remove the directory of a recording, of which some is read-only."""
    for folder, _, _ in os.walk(place):
        os.chmod(folder, stat.S_IRWXU)
    shutil.rmtree(place)


def main() -> None:
    """Write the files anew."""
    command = os.environ.get("VENVSHIP_COMMAND") or str(Path(sys.executable).parent / "venvship")
    place = Path(tempfile.mkdtemp(prefix="venvship-examples-"))
    try:
        texts = stable(place, *record(place, command))
    finally:
        remove(place)
    EXAMPLES.mkdir(exist_ok=True)
    for old in EXAMPLES.glob("*.json"):
        old.unlink()
    for name, text in texts.items():
        (EXAMPLES / f"{name}.json").write_text(text, encoding="utf-8")
    print(f"wrote {len(texts)} files in {EXAMPLES.relative_to(REPOSITORY)}")


if __name__ == "__main__":
    main()
