"""Bytes that nobody meant, for everything that reads what others, or a broken disk, may have written.

Each parser gets seeds that pass its first checks, and what grows out of them. An input whose answer is new
becomes a seed itself, so that later ones get deeper; where atheris is installed, it guides further ones by
the code that they reach. A point is one input: the parser returns, or raises one of our errors, within
`BOUND` seconds of processor time.

Each parser is fuzzed in a process of its own, which leaves the last input behind if it dies:

    python -m tests.torture.fuzzing NAME POINTS SEED FOLDER [--guided]
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import importlib
import importlib.util
import io
import json
import mmap
import random
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.torture.tally import Scale, Tally

# atheris counts what is reached in modules that are imported while it looks: none of ours may be there yet.
if TYPE_CHECKING:
    from tests.torture.lab import Lab
    from venvship.model.interpreter import Interpreter

BOUND = 1.0
"""Seconds of processor time for one input."""

MOST = 1 << 16
"""Bytes of an input."""

WHOLE = 100_000
"""Inputs for each parser in a full run."""

SEEDS_KEPT = 400
"""The seeds of a parser that grew out of others, at most; a new one then takes the place of a random one."""

LAST = "last-input"

REPOSITORY = Path(__file__).resolve().parents[2]

Read = Callable[[bytes], object]


@dataclass(frozen=True)
class Target:
    """One parser.

    Attributes:
        seeds: Inputs that it takes.
        prepare: Makes, in an empty directory, the function that reads an input.
    """

    seeds: tuple[bytes, ...]
    prepare: Callable[[Path], Read]


# -- what is read ------------------------------------------------------------------------------------------

SHA = "sha256:" + "0a" * 32
REQUIREMENTS = (
    f"""\
# comment
--index-url https://${{USER}}:${{WORD}}@example.org/simple
flask[async]==3.0.1 ; python_version >= '3.8' \\
    --hash={SHA} \\
    --hash=sha512:{"1b" * 64}
idna==3.7 --hash={SHA}  # via flask
""",
    f"./wheels/flask-3.0.1-py3-none-any.whl --hash={SHA}\n",
    f"flask @ https://example.org/flask-3.0.1-py3-none-any.whl#{SHA.replace(':', '=')}\n",
    f"-r more.txt\nflask @ https://example.org/flask-3.0.1.tar.gz#subdirectory=a%20b --hash={SHA}\n",
)
PYLOCK = f"""\
lock-version = "1.0"
requires-python = ">=3.8"
environments = ["sys_platform == 'linux'"]
extras = ["async"]
created-by = "seed"

[[packages]]
name = "flask"
version = "3.0.1"
marker = "python_version >= '3.8'"
index = "https://example.org/simple"
dependencies = [{{name = "idna"}}]

[packages.sdist]
name = "flask-3.0.1.tar.gz"
url = "https://example.org/flask-3.0.1.tar.gz"
size = 7
hashes = {{sha256 = "{"0a" * 32}"}}

[[packages.wheels]]
name = "flask-3.0.1-py3-none-any.whl"
url = "https://example.org/flask-3.0.1-py3-none-any.whl"
upload-time = 2024-01-01T00:00:00Z
hashes = {{sha256 = "{"0a" * 32}"}}

[[packages]]
name = "idna"
version = "3.7"

[packages.archive]
url = "https://example.org/idna-3.7.tar.gz"
subdirectory = "a"
hashes = {{sha512 = "{"1b" * 64}"}}
"""
VARIABLES = """\
# of the unit
SHOP_MODE=production
DATABASE_URL="postgres://shop:s3cret\\$x@db.internal/shop"
KEY='-----BEGIN-----
abcdefgh/12345678==
-----END-----' "more"
LONG=a \\
  b
;PATH=/x
PYTHONPATH = /y
"""

SETTINGS = """\
name = "shop"
python = "3.11"
lockfile = ["requirements.txt", "more.txt"]
store = "/var/lib/venvship"
keep = 5

[build]
sdists = ["idna"]
timeout = 600

[env]
SHOP_MODE = "production"

[lock]
inputs = ["requirements.in"]

[update]
resume_on_new_lockfile = true

[hooks]
restart = ["/usr/bin/systemctl", "restart", "shop.service"]
prepare = ["{bin}/python", "-m", "shop"]

[[check]]
name = "web"
when = "live"
http = "http://127.0.0.1:8000/health"
timeout = 30

[[check]]
name = "imports"
import = ["flask"]
"""
RELEASE = "20240101T000000Z-0123abc"
MANIFEST = {
    "format": 1,
    "id": RELEASE,
    "created_at": "2024-01-01T00:00:00Z",
    "lockfile_sha256": "0a" * 32,
    "environment_digest": "0b" * 32,
    "inputs": "0c" * 32,
    "tree_digest": "0d" * 32,
    "files_sha256": "0e" * 32,
    "python": {
        "path": "/usr/bin/python3.11",
        "version": "3.11.7",
        "soabi": "cpython-311",
        "magic": "a70d0d0a",
    },
    "packages": [{"name": "flask", "version": "3.0.1"}],
    "wheels": {"flask": "0a" * 32},
    "bytecode": "cpython-311-a70d0d0a",
    "path": "/srv/shop",
    "warnings": [{"slug": "a", "message": "b"}],
    "message": "first",
    "venvship": "1.0",
}
LIST = f"""{{"files":[
["bin/python","link","0777",0,"/usr/bin/python3.11"],
["lib/a.py","file","0444",12,"{"0a" * 32}"],
["lib","dir","0555",0,""]
],"format":1}}
"""
STORED = {
    "format": 1,
    "sha256": "0a" * 32,
    "filename": "flask-3.0.1-py3-none-any.whl",
    "name": "flask",
    "version": "3.0.1",
    "dist_info": "flask-3.0.1.dist-info",
    "requires_python": ">=3.8",
    "root_is_purelib": True,
    "requires": ['idna[all] (>=3.7,<4) ; python_version >= "3.8"'],
    "provides_extra": ["async"],
    "scripts": [["flask", "flask.cli", "main", "console"]],
    "files": [
        ["scripts/flask-run", 12, "0b" * 32, True],
        ["site/flask/__init__.py", 6, "0c" * 32, False],
        ["site/flask/old.py", 7, "0d" * 32],
    ],
}
EVENTS: tuple[dict[str, object], ...] = (
    {"event": "sealed", "release": RELEASE, "environment_digest": "0b" * 32, "manifest_sha256": "0c" * 32},
    {"event": "promoting", "release": RELEASE, "from": None, "tries": 1},
    {"event": "promoted", "release": RELEASE, "from": None, "lockfile_environment": "0c" * 32},
    {"event": "held", "hold": "hold", "reason": "a freeze", "until": "2024-02-01T00:00:00Z"},
    {"event": "rolled-back", "release": RELEASE, "from": RELEASE, "manual": True, "verdict": "bad"},
    {"event": "pruned", "release": RELEASE},
    {"event": "observed", "release": RELEASE, "expected": None},
)
METADATA = """\
Metadata-Version: 2.1
Name: flask
Version: 3.0.1
Requires-Python: >=3.8
Requires-Dist: idna[all] (>=3.7,<4) ; python_version >= "3.8" and extra == "async"
Requires-Dist: click @ https://example.org/click.whl
Provides-Extra: async

Words.
"""
WHEEL = "Wheel-Version: 1.0\nGenerator: seed\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
ENTRY_POINTS = "[console_scripts]\nflask = flask.cli:main [async]\n\n[gui_scripts]\nf = flask:App.run\n"
PAGE_JSON = {
    "meta": {"api-version": "1.1"},
    "name": "flask",
    "files": [
        {
            "filename": "flask-3.0.1-py3-none-any.whl",
            "url": "../../files/flask-3.0.1-py3-none-any.whl",
            "hashes": {"sha256": "0a" * 32},
            "requires-python": ">=3.8",
            "size": 7,
            "yanked": "a reason",
        }
    ],
}
PAGE_HTML = (
    '<!DOCTYPE html><html><head><base href="https://example.org/"><meta name="pypi:repository-version"'
    ' content="1.1"></head><body><a href="/f/flask-3.0.1-py3-none-any.whl#sha256=' + "0a" * 32 + '"'
    ' data-requires-python="&gt;=3.8" data-yanked="">flask-3.0.1-py3-none-any.whl</a></body></html>'
)


def journal_of(events: Sequence[dict[str, object]]) -> bytes:
    """A journal with right numbers and checksums."""
    from venvship.model.spelling import canonical_json
    from venvship.system.journal_lines import checksum

    lines = []
    for number, event in enumerate(events, start=1):
        line = {
            "format": 1,
            "seq": number,
            "at": "2024-01-01T00:00:00Z",
            "actor": "a",
            "via": "release",
            **event,
        }
        lines.append(canonical_json({**line, "sum": checksum(line)}) + b"\n")
    return b"".join(lines)


def wheel_of(**members: bytes) -> bytes:
    """A wheel with a right RECORD, unless `RECORD` is one of its members."""
    folder = "flask-3.0.1.dist-info"
    files = {
        "flask/__init__.py": b"x = 1\n",
        f"{folder}/WHEEL": WHEEL.encode(),
        f"{folder}/METADATA": METADATA.encode(),
    }
    files |= {f"{folder}/{name}": data for name, data in members.items()}
    rows = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip('=')},{len(data)}"
        for name, data in files.items()
    ]
    files.setdefault(f"{folder}/RECORD", "\n".join([*rows, f"{folder}/RECORD,,"]).encode())
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), data)
    return whole.getvalue()


def record_seed() -> bytes:
    """The RECORD that `wheel_of` writes."""
    with zipfile.ZipFile(io.BytesIO(wheel_of())) as archive:
        return archive.read("flask-3.0.1.dist-info/RECORD")


def _requirements(_folder: Path) -> Read:
    return _lockfile("/srv/shop/requirements.txt")


def _pylock(_folder: Path) -> Read:
    return _lockfile("/srv/shop/pylock.toml")


def _lockfile(path: str) -> Read:
    from venvship.model.lockfiles.lockfile import read_lockfile, select

    interpreter = _interpreter()

    def read(data: bytes) -> object:
        def open_(asked: str) -> bytes:
            if asked == path:
                return data
            if asked.endswith("more.txt"):
                return f"click==8.1.7 --hash={SHA}\n".encode()
            raise FileNotFoundError(2, "No such file or directory", asked)

        lockfile = read_lockfile([path], read=open_, sdists={"*"})
        extras = ("async",) if path.endswith(".toml") else ()
        return len(select(lockfile, interpreter, extras=extras, groups=()))

    return read


def _interpreter() -> Interpreter:
    from packaging.markers import default_environment
    from packaging.tags import sys_tags

    from venvship.model.interpreter import Interpreter

    markers = {name: str(value) for name, value in default_environment().items()}
    return Interpreter(
        path=sys.executable,
        version="3.11.7",
        implementation="cpython",
        soabi="cpython-311-x86_64-linux-gnu",
        platform="linux-x86_64",
        magic="a70d0d0a",
        tags=tuple(map(str, sys_tags())),
        markers=markers,
    )


def _variables(_folder: Path) -> Read:
    from venvship.model.redaction import StreamRedactor
    from venvship.model.variables import parse_variables, secrets_of

    def read(data: bytes) -> object:
        found = parse_variables(data.decode(errors="replace"))
        secrets = secrets_of({}, found.values)
        redact = StreamRedactor(secrets)
        printed = redact(data[:100]) + redact(data[100:]) + redact.rest()
        return len(secrets), len(printed)

    return read


def _settings(_folder: Path) -> Read:
    from venvship.model.settings_reading import decode_settings, parse_settings

    def read(data: bytes) -> object:
        text = decode_settings(data, path="/srv/shop/venvship.toml")
        return parse_settings(text, path="/srv/shop/venvship.toml", folder_name="shop").name

    return read


def _journal(_folder: Path) -> Read:
    from datetime import UTC, datetime

    from venvship.model.history_fold import fold
    from venvship.system.journal_lines import parse

    now = datetime(2024, 3, 1, tzinfo=UTC)

    def read(data: bytes) -> object:
        # Half of what is read has right checksums again: what a mistake of a venvship would look like.
        history = fold(parse(data if len(data) % 2 else _summed(data)).events)
        history.way_back(history.expected, lambda _: None, now)
        return len(history.records), history.expected is None, history.intent is None, len(history.holds(now))

    return read


def _summed(data: bytes) -> bytes:
    """The lines that are JSON objects, numbered anew and with their checksums."""
    events = []
    for line in data.splitlines():
        with contextlib.suppress(ValueError, RecursionError):
            event = json.loads(line)
            if isinstance(event, dict) and not {"seq", "sum"} - event.keys():
                events.append({name: event[name] for name in event.keys() - {"seq", "sum"}})
    try:
        return journal_of(events)
    except (TypeError, ValueError, RecursionError):
        return data


def _manifest(folder: Path) -> Read:
    from venvship.root import RootLayout

    layout = RootLayout(folder)
    path = layout.release_path(RELEASE) / ".venvship" / "manifest.json"
    path.parent.mkdir(parents=True)

    def read(data: bytes) -> object:
        path.write_bytes(data)
        manifest = layout.manifest(RELEASE, None)
        return len(json.dumps(manifest.to_json())), len(manifest.packages)

    return read


def _list(folder: Path) -> Read:
    from venvship.model.release import Manifest
    from venvship.root import RootLayout

    layout = RootLayout(folder)
    path = layout.release_path(RELEASE) / ".venvship" / "files.json"
    path.parent.mkdir(parents=True)
    manifest = Manifest.from_json(MANIFEST)

    def read(data: bytes) -> object:
        path.write_bytes(data)
        return len(layout.files(RELEASE, manifest._replace(files_sha256=hashlib.sha256(data).hexdigest())))

    return read


def _stored(folder: Path) -> Read:
    from venvship.building.store.store import Store

    path = Path(Store(str(folder)).wheel_path("0a" * 32), "wheel.json")
    path.parent.mkdir(parents=True)

    def read(data: bytes) -> object:
        path.write_bytes(data)
        wheel = Store(str(folder)).wheel("0a" * 32)
        return len(json.dumps(wheel.to_json())), len(wheel.files)

    return read


def _wheel(folder: Path, made: Callable[[bytes], bytes]) -> Read:
    from packaging.utils import canonicalize_name

    from venvship.building.store.archive import examine, reading
    from venvship.building.tree.dependencies import refuse_other_pythons, unmet_dependencies
    from venvship.model.lockfiles.lockfile import read_lockfile, select
    from venvship.model.wheel import StoredWheel

    filename = "flask-3.0.1-py3-none-any.whl"
    path = folder / filename
    interpreter = _interpreter()
    line = f"flask[async]==3.0.1 --hash={SHA}\n".encode()
    wanted = select(read_lockfile(["/l"], read=lambda _: line, sdists=()), interpreter, extras=(), groups=())

    def read(data: bytes) -> object:
        path.write_bytes(made(data))
        with reading(filename), zipfile.ZipFile(path) as archive:
            facts, members = examine(archive, filename, check_record=True)
            for member in members:
                with reading(filename, member.info.filename), archive.open(member.info) as file:
                    file.read(MOST)
        wheel = StoredWheel(sha256="0a" * 32, filename=filename, files=(), data="/", **facts)
        wheels = {str(canonicalize_name(wheel.name)): wheel}
        refuse_other_pythons(wanted, wheels, interpreter)
        return len(members), len(unmet_dependencies(wanted, wheels, interpreter, closed=False))

    return read


def _page(kind: str) -> Callable[[Path], Read]:
    def prepare(_folder: Path) -> Read:
        from venvship.building.fetching.index_page import links_of

        def read(data: bytes) -> object:
            # The downloader reports whatever is raised here as the page's problem, and goes on.
            with contextlib.suppress(Exception):
                return len(list(links_of(kind, data, "utf-8", "https://example.org/simple/flask/")))
            return None

        return read

    return prepare


def _encoded(values: object) -> bytes:
    return json.dumps(values).encode()


TARGETS: dict[str, Target] = {
    "requirements": Target(tuple(text.encode() for text in REQUIREMENTS), _requirements),
    "pylock": Target((PYLOCK.encode(),), _pylock),
    "settings": Target((SETTINGS.encode(),), _settings),
    "variables": Target((VARIABLES.encode(),), _variables),
    "journal": Target((journal_of(EVENTS), journal_of(EVENTS[:3])), _journal),
    "manifest": Target((_encoded(MANIFEST),), _manifest),
    "list": Target((LIST.encode(),), _list),
    "store": Target((_encoded(STORED),), _stored),
    "page-json": Target((_encoded(PAGE_JSON),), _page("application/vnd.pypi.simple.v1+json")),
    "page-html": Target((PAGE_HTML.encode(),), _page("text/html")),
    "METADATA": Target(
        (METADATA.encode(),), lambda folder: _wheel(folder, lambda data: wheel_of(METADATA=data))
    ),
    "RECORD": Target((record_seed(),), lambda folder: _wheel(folder, lambda data: wheel_of(RECORD=data))),
    "entry-points": Target(
        (ENTRY_POINTS.encode(),),
        lambda folder: _wheel(folder, lambda data: wheel_of(**{"entry_points.txt": data})),
    ),
    "archive": Target(
        (wheel_of(), wheel_of(**{"entry_points.txt": ENTRY_POINTS.encode()})),
        lambda folder: _wheel(folder, bytes),
    ),
}


# -- what is made of it ------------------------------------------------------------------------------------

WORDS = re.compile(rb"[A-Za-z_][\w.-]*|\d+|[^\w\s]+|\s+")
STRANGE = (
    *(
        b"\x00",
        b"\xff\xfe",
        b"\r",
        b"\n",
        b"\x1b[2J",
        b"\xe2\x80\xae",
        b"\xed\xa0\x80",
        b"\\ud800",
        b"\\u0000",
    ),
    *(
        b"9" * 5000,
        b"-1",
        b"1e999",
        b"NaN",
        b"Infinity",
        b"0x" + b"f" * 40,
        b"true",
        b"null",
        b"[]",
        b"{}",
        b'""',
    ),
    *(b"[" * 2000, b"{" * 50, b"(" * 500, b"'" * 3, b'"' * 3, b"a" * 10_000, b"a," * 1000, b" or " * 200),
    *(b"../" * 20, b"/", b"%00", b"%2e%2e", b"\\\n", b"#", b";", b"@"),
    *(b"==", b"===", b"=*", b"1!" * 30, b".post" * 30),
)
"""What no field expects: signs, numbers, depths and lengths."""


def grown(seeds: Sequence[bytes], words: Sequence[bytes], chance: random.Random) -> bytes:
    """One to eight changes to one of the seeds."""
    data = bytearray(chance.choice(seeds))
    for _ in range(1 << chance.randrange(4)):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + (1 << chance.randrange(8)))
        kind = chance.randrange(9)
        if kind == 0 and data:
            data[at - 1] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del data[at:end]
        elif kind == 2:
            data[at:at] = data[at:end] * (1 << chance.randrange(6))
        elif kind == 3:
            data[at:at] = chance.choice(STRANGE)
        elif kind == 4:
            data[at:end] = chance.choice(STRANGE)
        elif kind == 5:
            other = chance.choice(seeds)
            start = chance.randrange(len(other) + 1)
            data[at:end] = other[start : start + (1 << chance.randrange(10))]
        else:
            # A whole word for another one: what stays is still grammatical.
            found = list(WORDS.finditer(data, at, at + 200))
            if found:
                word = chance.choice(found)
                data[word.start() : word.end()] = chance.choice(words if kind < 8 else STRANGE)
    return bytes(data[:MOST])


@dataclass
class Fuzzer:
    """One parser and the seeds that it has by now."""

    read: Read
    seeds: list[bytes]
    chance: random.Random
    refusals: tuple[type[Exception], ...]

    def __post_init__(self) -> None:
        self.words = sorted({word for seed in self.seeds for word in WORDS.findall(seed)})
        self.given = len(self.seeds)
        self.answers: set[str] = set()

    def check(self, data: bytes) -> str | None:
        """Read one input; return what is wrong with that."""
        began = time.process_time()
        try:
            answer = repr(self.read(data))
        except self.refusals as error:
            answer = f"{type(error).__name__}: {error}"
        except Exception as error:  # noqa: BLE001 - this is what is looked for
            return f"{type(error).__name__}: {str(error)[:200]}"
        if (took := time.process_time() - began) > BOUND:
            return f"took {took:.1f} s"
        self._learn(data, re.sub(r"\d+|'[^']*'|\"[^\"]*\"", "", answer)[:200])
        return None

    def _learn(self, data: bytes, answer: str) -> None:
        """Keep an input whose answer is new."""
        if answer in self.answers or len(data) > 8000:
            return
        self.answers.add(answer)
        if len(self.seeds) < SEEDS_KEPT + self.given:
            self.seeds.append(data)
        else:
            self.seeds[self.chance.randrange(self.given, len(self.seeds))] = data

    def next(self) -> bytes:
        """Another input."""
        return grown(self.seeds, self.words, self.chance)


# -- the process of one parser -----------------------------------------------------------------------------


class Last:
    """The last input, in a file that survives whatever it does to the process.

    Attributes:
        folder: To work in; it survives, too.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        with (self.folder / LAST).open("wb+") as file:
            file.truncate(4 + MOST)
            self._bytes = mmap.mmap(file.fileno(), 4 + MOST)

    def note(self, data: bytes) -> None:
        """Keep an input."""
        self._bytes[: 4 + len(data)] = len(data).to_bytes(4, "big") + data


def last_of(folder: Path) -> bytes:
    """The input that a process had last."""
    kept = (folder / LAST).read_bytes()
    return kept[4 : 4 + int.from_bytes(kept[:4], "big")]


def fuzz(name: str, points: int, seed: int, last: Last) -> list[str]:
    """Read so many inputs; what was wrong with any of them, each kind once."""
    fuzzer = fuzzer_of(name, seed, last.folder)
    wrong: dict[str, bytes] = {}
    for number in range(points):
        data = fuzzer.seeds[number] if number < fuzzer.given else fuzzer.next()
        last.note(data)
        if problem := fuzzer.check(data):
            wrong.setdefault(re.sub(r"\d+", "", problem), data)
    return [f"{problem} for {data[:300]!r}" for problem, data in wrong.items()]


def fuzzer_of(name: str, seed: int, folder: Path) -> Fuzzer:
    """The fuzzer of a parser; it takes all of its seeds.

    Raises:
        RuntimeError: It refuses one of them.
    """
    from venvship.errors import VenvshipError

    target = TARGETS[name]
    read = target.prepare(folder)
    for given in target.seeds:
        try:
            read(given)
        except Exception as error:
            raise RuntimeError(f"{name} does not take its own seed: {error}") from error
    return Fuzzer(read, list(target.seeds), random.Random(f"{name} {seed}"), (VenvshipError,))


def fuzz_guided(name: str, points: int, seed: int, last: Last) -> None:
    """The same, led by the code that is reached. Ends the process; with an error at the first wrong input."""
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["venvship", "packaging"]):
        fuzzer = fuzzer_of(name, seed, last.folder)

    def one(data: bytes) -> None:
        last.note(data[:MOST])
        if problem := fuzzer.check(data[:MOST]):
            raise RuntimeError(problem)

    seeds = last.folder / "seeds"
    seeds.mkdir()
    for number, given in enumerate(TARGETS[name].seeds):
        (seeds / str(number)).write_bytes(given)
    options = [f"-atheris_runs={points}", f"-seed={seed}", f"-max_len={MOST}", "-verbosity=0"]
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={last.folder}/", str(seeds)], one)
    atheris.Fuzz()


def main() -> None:
    """Fuzz one parser; see the head of this file. Prints a JSON list of what was wrong."""
    name, points, seed, folder, *guided = sys.argv[1:]
    if guided:
        fuzz_guided(name, int(points), int(seed), Last(folder))
    else:
        print(json.dumps(fuzz(name, int(points), int(seed), Last(folder))))


# -- the part of the torture -------------------------------------------------------------------------------


def run(lab: Lab, scale: Scale) -> Iterator[Tally]:
    """A row for each parser, and one more with atheris, of a tenth of the points."""
    points = scale.points or WHOLE
    reason = "" if importlib.util.find_spec("atheris") else "atheris is not installed"
    for name in TARGETS:
        yield _row(lab, name, points, scale.seed, guided=False)
    for name in TARGETS:
        title = f"guided fuzzing, {name}"
        yield (
            Tally(title, skipped=reason)
            if reason
            else _row(lab, name, points // 10 + 1, scale.seed, guided=True)
        )


def _row(lab: Lab, name: str, points: int, seed: int, *, guided: bool) -> Tally:
    tally = Tally(f"{'guided ' if guided else ''}fuzzing, {name}")
    folder = lab.path / tally.name.replace(" ", "-")
    folder.mkdir()
    words = [sys.executable, "-m", __name__, name, str(points), str(seed), str(folder)]
    with tally.timed():
        done = subprocess.run(
            [*words, "--guided"] if guided else words,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    tally.points = points
    if done.returncode:
        errors = re.findall(r"^\s*\w*Error: .*", done.stderr, re.MULTILINE) or [f"exit {done.returncode}"]
        tally.violations.append(f"{errors[-1].strip()} for {last_of(folder)[:300]!r}")
    elif not guided:
        tally.violations += json.loads(done.stdout)
    return tally


if __name__ == "__main__":
    main()
