"""The settings of a root: `venvship.toml` as values.

`parse_settings` reads the text strictly and reports everything that is wrong with it at once. The JSON form
of a `Settings` has the shape of the TOML file, so both are read by the same code.
"""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from venvship.errors import SettingsError
from venvship.model.spelling import digest
from venvship.model.toml_table import (
    Table,
    WrongValueError,
    boolean,
    each,
    integer,
    line,
    number,
    one_of,
    string,
)

MAX_BYTES: Final = 1 << 20
"""The largest settings file that is read at all."""

CHECK_KINDS: Final = ("command", "import", "http", "tcp")
"""The keys of a check that say what it does; each check has exactly one."""

RESERVED_CHECK_NAMES: Final = frozenset({"prepare", "restart", "notify", "fetch"})
"""Names of other outputs in a release's log folder, where a check's output is `<name>.txt`."""

_WEEK: Final = 7 * 86400.0
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_CHECK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_PYTHON_VERSION = re.compile(r"\d{1,3}\.\d{1,3}(?:\.\d{1,3})?", re.ASCII)
_TCP = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[^\s:\[\]/]+):(\d{1,5})", re.ASCII)


class LockSettings(NamedTuple):
    """`[lock]`: how `venvship lock` makes the lockfile.

    Attributes:
        inputs: Requirement files, relative to the root. Without any, `lock` refuses.
        cooldown_days: Ignore versions that were uploaded less than so many days ago; 0 is off.
    """

    inputs: tuple[str, ...] = ()
    cooldown_days: float = 0.0


class BuildSettings(NamedTuple):
    """`[build]`: how a lockfile becomes a release.

    Attributes:
        sdists: Normalised names that may be built from source; `"*"` allows all.
        timeout: Seconds for the whole fetch.
        optimize: Bytecode optimisation levels to compile, ascending.
        closed: Whether an unmet dependency is an error.
        overlap: Paths or package names whose code two wheels may both bring.
        bad_record: Normalised names of wheels whose RECORD is known to be wrong.
        extras: Extras of a pylock file to install.
        groups: Dependency groups of a pylock file to install.
    """

    sdists: tuple[str, ...] = ()
    timeout: float = 600.0
    optimize: tuple[int, ...] = (0,)
    closed: bool = False
    overlap: tuple[str, ...] = ()
    bad_record: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


class HookSettings(NamedTuple):
    """`[hooks]`: commands that act, each an argument list or `None`.

    Attributes:
        prepare: Runs before the switch, from the candidate; its refusal rejects the release.
        restart: Runs after a switch.
        notify: Gets one JSON event on its standard input.
        timeout: Seconds for each of them.
    """

    prepare: tuple[str, ...] | None = None
    restart: tuple[str, ...] | None = None
    notify: tuple[str, ...] | None = None
    timeout: float = 60.0


class Check(NamedTuple):
    """One `[[check]]`.

    Attributes:
        name: Unique, and usable as a file name.
        when: `"candidate"` (before the switch) or `"live"` (after it).
        kind: `"command"`, `"import"`, `"http"` or `"tcp"`.
        target: By kind: the argument list, the module names, one URL, or one `host:port`.
        deadline: Seconds in which to go on trying; 0 is one attempt.
        status: Of an http check: the status code that the answer must have.
        body: Of an http check: text that the answer must contain; `{release}` stands for the release's id.
        timeout: Seconds for one attempt.
        interval: Seconds between two attempts.
        successes: How many attempts in a row must succeed.
        required: Whether its failure counts; otherwise it is only reported.
    """

    name: str
    when: str
    kind: str
    target: tuple[str, ...]
    deadline: float
    status: int = 200
    body: str | None = None
    timeout: float = 5.0
    interval: float = 1.0
    successes: int = 1
    required: bool = True


class Settings(NamedTuple):
    """Everything that `venvship.toml` says, defaults filled in.

    Attributes:
        name: Of the application, for people: one line.
        python: A version such as `"3.11"`, an absolute path, or `None`: the interpreter that runs venvship.
        lockfile: One pylock file, or one or several requirements files; relative to the root or absolute.
        keep: How many proven releases to keep; at least 2.
        keep_days: Keep all that were live within so many days.
        keep_failed: How many bad, inconclusive or refused releases to keep.
        link: How files get from the store into a release: `auto`, `hardlink`, `reflink` or `copy`.
        store: The store's directory, relative to the root or absolute.
        syslog: Whether the system's log gets a line for each change of state.
        lock: `[lock]`.
        build: `[build]`.
        hooks: `[hooks]`.
        checks: Every `[[check]]`, in the order of the file.
    """

    name: str
    python: str | None = None
    lockfile: tuple[str, ...] = ("requirements.txt",)
    keep: int = 5
    keep_days: float = 0.0
    keep_failed: int = 2
    link: str = "auto"
    store: str = "store"
    syslog: bool = True
    lock: LockSettings = LockSettings()
    build: BuildSettings = BuildSettings()
    hooks: HookSettings = HookSettings()
    checks: tuple[Check, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form: the shape of the TOML file, every key present, `None` where it has none."""
        return {
            "name": self.name,
            "python": self.python,
            "lockfile": list(self.lockfile),
            "keep": self.keep,
            "keep_days": self.keep_days,
            "keep_failed": self.keep_failed,
            "link": self.link,
            "store": self.store,
            "syslog": self.syslog,
            "lock": {"inputs": list(self.lock.inputs), "cooldown_days": self.lock.cooldown_days},
            "build": {
                "sdists": list(self.build.sdists),
                "timeout": self.build.timeout,
                "optimize": list(self.build.optimize),
                "closed": self.build.closed,
                "overlap": list(self.build.overlap),
                "bad_record": list(self.build.bad_record),
                "extras": list(self.build.extras),
                "groups": list(self.build.groups),
            },
            "hooks": {
                "prepare": None if self.hooks.prepare is None else list(self.hooks.prepare),
                "restart": None if self.hooks.restart is None else list(self.hooks.restart),
                "notify": None if self.hooks.notify is None else list(self.hooks.notify),
                "timeout": self.hooks.timeout,
            },
            "check": [_check_to_json(check) for check in self.checks],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Settings:
        """Read the JSON form, as strictly as the file.

        Raises:
            SettingsError: It is not what `to_json` returns.
        """
        return _settings(_without_none(data), path="the recorded settings", folder_name="")


def parse_settings(text: str, *, path: str, folder_name: str) -> Settings:
    """Read the text of a `venvship.toml`.

    Args:
        text: The whole file, decoded; see `decode_settings`.
        path: Where it came from, for messages.
        folder_name: Name of the root's directory: the default of `name`.

    Raises:
        SettingsError: It is not TOML, or says something wrong. `data["problems"]` lists everything, each
            with `key` (dotted path, array elements counted from 0) and `message`.
    """
    import tomllib  # late: for a rollback it can wait until the way back is known

    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # ValueError is TOMLDecodeError and the limit on digits of an integer; RecursionError comes from
        # arrays nested hundreds deep.
        message = "nested too deeply" if isinstance(error, RecursionError) else f"not TOML: {error}"
        raise _refusal(path, [{"key": "", "message": message}]) from error
    return _settings(values, path=path, folder_name=folder_name)


def decode_settings(data: bytes, *, path: str) -> str:
    """Turn the bytes of a settings file into text; a byte order mark is dropped.

    Raises:
        SettingsError: It is longer than `MAX_BYTES`, or not UTF-8.
    """
    if len(data) > MAX_BYTES:
        raise _refusal(path, [{"key": "", "message": f"longer than {MAX_BYTES} bytes"}])
    unmarked = data.removeprefix(BOM_UTF8)
    try:
        return unmarked.decode()
    except UnicodeDecodeError as error:
        row = unmarked.count(b"\n", 0, error.start) + 1
        raise _refusal(path, [{"key": "", "message": f"not UTF-8, in line {row}"}]) from error


def settings_toml(settings: Settings) -> str:
    """Write the settings as TOML that parses back to the same: what a root keeps of its last promotion."""
    top = _without_none(settings.to_json())
    tables = {name: top.pop(name) for name in ("lock", "build", "hooks")}
    checks = top.pop("check")
    lines = list(_toml_lines(top))
    for name, table in tables.items():
        lines += ["", f"[{name}]", *_toml_lines(table)]
    for check in checks:
        lines += ["", "[[check]]", *_toml_lines(check)]
    return "\n".join(lines) + "\n"


def health_digest(settings: Settings) -> str:
    """Digest what can refuse a release: hooks and checks. A refusal lapses when it changes."""
    form = settings.to_json()
    return digest({"hooks": form["hooks"], "check": form["check"]})


# -- reading --------------------------------------------------------------------------------------------


def _settings(values: Mapping[str, object], *, path: str, folder_name: str) -> Settings:
    top = Table(values, elsewhere=_DOTTED_KEYS)
    default = Settings(name=_default_name(folder_name))
    settings = Settings(
        name=top.take("name", line(100), default.name),
        python=top.take("python", _python, default.python),
        lockfile=top.take("lockfile", _lockfile, default.lockfile),
        keep=top.take("keep", integer(2, 10_000), default.keep),
        keep_days=top.take("keep_days", number(36_500, zero=True), default.keep_days),
        keep_failed=top.take("keep_failed", integer(0, 10_000), default.keep_failed),
        link=top.take("link", one_of("auto", "hardlink", "reflink", "copy"), default.link),
        store=top.take("store", _path, default.store),
        syslog=top.take("syslog", boolean, default.syslog),
        lock=_lock(top.table("lock")),
        build=_build(top.table("build")),
        hooks=_hooks(top.table("hooks")),
        checks=_checks(top.tables("check")),
    )
    top.finish()
    if top.problems:
        raise _refusal(path, top.problems)
    return settings


def _lock(table: Table) -> LockSettings:
    default = LockSettings()
    settings = LockSettings(
        inputs=table.take("inputs", each(_path, "an array of files"), default.inputs),
        cooldown_days=table.take("cooldown_days", number(3650, zero=True), default.cooldown_days),
    )
    table.finish()
    return settings


def _build(table: Table) -> BuildSettings:
    default = BuildSettings()
    names = each(_normalised, "an array of names")
    settings = BuildSettings(
        sdists=table.take("sdists", each(_normalised_or_all, "an array of names"), default.sdists),
        timeout=table.take("timeout", number(_WEEK, zero=False), default.timeout),
        optimize=table.take("optimize", _levels, default.optimize),
        closed=table.take("closed", boolean, default.closed),
        overlap=table.take("overlap", each(string, "an array of paths and names"), default.overlap),
        bad_record=table.take("bad_record", names, default.bad_record),
        extras=table.take("extras", each(_name, "an array of names"), default.extras),
        groups=table.take("groups", each(_name, "an array of names"), default.groups),
    )
    table.finish()
    return settings


def _hooks(table: Table) -> HookSettings:
    default = HookSettings()
    settings = HookSettings(
        prepare=table.take("prepare", _command, default.prepare),
        restart=table.take("restart", _command, default.restart),
        notify=table.take("notify", _command, default.notify),
        timeout=table.take("timeout", number(_WEEK, zero=False), default.timeout),
    )
    table.finish()
    return settings


def _checks(tables: list[Table]) -> tuple[Check, ...]:
    checks: list[Check] = []
    seen: dict[str, int] = {}
    for index, table in enumerate(tables):
        check = _check(table)
        # Two names that differ in case only are one file name on macOS.
        first = seen.setdefault(check.name.lower(), index) if check.name else index
        if first != index:
            table.report("name", f"check[{first}] has this name already")
        checks.append(check)
    return tuple(checks)


def _check(table: Table) -> Check:
    name = table.take("name", _check_name, "")
    if not table.has("name"):
        table.report("name", "missing; a check needs a name")
    when = table.take("when", one_of("candidate", "live"), "live")
    targets = {
        "command": table.take("command", _command, ()),
        "import": table.take("import", each(_module, "an array of module names", least=1), ()),
        "http": table.take("http", _http, ()),
        "tcp": table.take("tcp", _tcp, ()),
    }
    written = [kind for kind in CHECK_KINDS if table.has(kind)]
    if len(written) != 1:
        found = f"found {' and '.join(written)}" if written else "found none"
        table.report("", f"must have exactly one of {', '.join(CHECK_KINDS)}; {found}")
    kind = written[0] if written else CHECK_KINDS[0]
    if "http" not in written:
        for key in ("status", "body"):
            if table.has(key):
                table.report(key, "only an http check has this")
    check = Check(
        name=name,
        when=when,
        kind=kind,
        target=targets[kind],
        status=table.take("status", integer(100, 599), 200),
        body=table.take("body", string, None),
        timeout=table.take("timeout", number(_WEEK, zero=False), 5.0),
        interval=table.take("interval", number(_WEEK, zero=False), 1.0),
        deadline=table.take("deadline", number(_WEEK, zero=True), 30.0 if when == "live" else 0.0),
        successes=table.take("successes", integer(1, 1000), 1),
        required=table.take("required", boolean, True),
    )
    table.finish()
    return check


_PLACES: Final = {
    "": ("name", "python", "lockfile", "keep", "keep_days", "keep_failed", "link", "store", "syslog"),
    "lock.": ("inputs", "cooldown_days"),
    "build.": ("sdists", "optimize", "closed", "overlap", "bad_record", "extras", "groups"),
    "hooks.": ("prepare", "restart", "notify"),
    "check.": (*CHECK_KINDS, "when", "status", "body", "interval", "deadline", "successes", "required"),
}
_DOTTED_KEYS: Final = tuple(table + key for table, keys in _PLACES.items() for key in keys)
"""Where a key belongs that was found in the wrong table; `timeout` is in three, so it is not here."""


def _python(value: object) -> str:
    if isinstance(value, float):
        raise WrongValueError(f'must be a string: write "{value}" in quotes, or 3.10 would be read as 3.1')
    text = line(4096)(value)
    if not _PYTHON_VERSION.fullmatch(text) and not text.startswith("/"):
        raise WrongValueError(f'must be a version such as "3.11", or an absolute path, not {text!r}')
    return text


def _lockfile(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (_path(value),)
    files = each(_path, "a file name, or an array of them", least=1)(value)
    for index, file in enumerate(files):
        if len(files) > 1 and file.endswith(".toml"):
            raise WrongValueError(
                "a pylock file stands alone; only requirements files can be several", f"[{index}]"
            )
        if file in files[:index]:
            raise WrongValueError("is listed twice", f"[{index}]")
    return files


def _path(value: object) -> str:
    path = string(value)
    if "\n" in path or "\r" in path:
        raise WrongValueError("must not contain a line break")
    return path


def _command(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        raise WrongValueError(
            'must be an array of arguments, such as ["systemctl", "restart", "x"], never a string'
        )
    arguments = each(_argument, "an array of arguments", least=1)(value)
    if not arguments[0]:
        raise WrongValueError("must name a program", "[0]")
    return arguments


def _argument(value: object) -> str:
    return "" if value == "" else string(value)


def _name(value: object) -> str:
    text = string(value)
    if not _NAME.fullmatch(text):
        raise WrongValueError(f"must be a name of letters, digits, '.', '_' and '-', not {text!r}")
    return text


def _normalised(value: object) -> str:
    return re.sub(r"[-_.]+", "-", _name(value)).lower()


def _normalised_or_all(value: object) -> str:
    return "*" if value == "*" else _normalised(value)


def _levels(value: object) -> tuple[int, ...]:
    return tuple(sorted(set(each(integer(0, 2), "an array of levels", least=1)(value))))


def _check_name(value: object) -> str:
    text = string(value)
    if not _CHECK_NAME.fullmatch(text):
        raise WrongValueError(
            "must be at most 64 letters, digits, '.', '_' and '-', beginning with a letter or digit: "
            "it names a file of output"
        )
    if text.lower() in RESERVED_CHECK_NAMES:
        raise WrongValueError(f"must not be {text!r}: that output file has another owner")
    return text


def _module(value: object) -> str:
    text = string(value)
    if not all(part.isidentifier() for part in text.split(".")):
        raise WrongValueError(f"must be a module name such as 'shop.wsgi', not {text!r}")
    return text


def _http(value: object) -> tuple[str, ...]:
    url = line(4096)(value)
    if " " in url:
        raise WrongValueError("must not contain a blank")
    if url.startswith("unix:"):
        if not url.startswith("unix:/"):
            raise WrongValueError(
                "must name an absolute path after unix:, as in unix:/run/shop.sock:/healthz"
            )
        return (url,)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise WrongValueError(f"must be a URL: {error}") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise WrongValueError("must be a URL that begins with http:// or https:// and a host, or with unix:/")
    if parts.username is not None:
        raise WrongValueError("must not contain a user name or password")
    return (url,)


def _tcp(value: object) -> tuple[str, ...]:
    address = string(value)
    match = _TCP.fullmatch(address)
    if not match or not 1 <= int(match[1]) <= 65535:
        raise WrongValueError('must be "host:port", such as "127.0.0.1:8000" or "[::1]:8000"')
    return (address,)


def _default_name(folder_name: str) -> str:
    """The folder's name as one printable line: folders may be called anything."""
    shown = "".join(char if char.isprintable() else "_" for char in folder_name).strip()[:100].strip()
    return shown or "root"


def _refusal(path: str, problems: list[dict[str, str]]) -> SettingsError:
    lines = [f"{p['key']}: {p['message']}" if p["key"] else p["message"] for p in problems]
    if len(lines) == 1:
        message = f"{path}: {lines[0]}"
    else:
        message = "\n".join([f"{path} has {len(lines)} problems:", *(f"  {text}" for text in lines)])
    return SettingsError(message, path=path, problems=problems)


# -- writing --------------------------------------------------------------------------------------------


def _check_to_json(check: Check) -> dict[str, Any]:
    one = check.kind in {"http", "tcp"}
    form: dict[str, Any] = {
        "name": check.name,
        "when": check.when,
        check.kind: check.target[0] if one else list(check.target),
        "timeout": check.timeout,
        "interval": check.interval,
        "deadline": check.deadline,
        "successes": check.successes,
        "required": check.required,
    }
    if check.kind == "http":
        form |= {"status": check.status, "body": check.body}
    return form


def _without_none(data: Mapping[str, Any]) -> dict[str, Any]:
    """Drop the keys whose value is `None`: TOML has no null, an absent key is its spelling."""
    result: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, Mapping):
            result[key] = _without_none(value)
        elif isinstance(value, list):
            result[key] = [_without_none(item) if isinstance(item, Mapping) else item for item in value]
        elif value is not None:
            result[key] = value
    return result


def _toml_lines(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        # A JSON string, number, boolean or array of them is TOML, but for DEL, which TOML wants escaped.
        text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
        yield f"{key} = {text}"
