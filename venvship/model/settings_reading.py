"""Read `venvship.toml`: strictly, and with everything that is wrong with it reported at once."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, Final

from venvship.errors import SettingsError
from venvship.model import bounds
from venvship.model.setting import declared_sections, declared_settings
from venvship.model.settings import Settings
from venvship.model.settings_check import CHECK, CHECK_KINDS, Check, kinds_with
from venvship.model.toml_table import Table
from venvship.printable import is_plain, lines


def parse_settings(text: str, *, path: str, folder_name: str) -> Settings:
    """Read the text of a `venvship.toml`.

    Args:
        text: The whole file, decoded; see `decode_settings`.
        path: Where it came from, for messages.
        folder_name: Name of the root's directory: the default of `name`.

    Raises:
        SettingsError: It is not TOML, or has a mistake. `data["problems"]` lists everything, each
            with `key` (dotted path, array elements counted from 0) and `message`.
    """
    import tomllib  # late: for a rollback it can wait until the way back is known

    try:
        found = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # ValueError is TOMLDecodeError and the limit on digits of an integer; RecursionError comes from
        # arrays nested hundreds deep.
        message = "nested too deeply" if isinstance(error, RecursionError) else f"not TOML: {error}"
        raise _refusal(path, [{"key": "", "message": message}]) from error
    return settings_from(found, path=path, folder_name=folder_name)


def decode_settings(data: bytes, *, path: str) -> str:
    """Turn the bytes of a settings file into text; a byte order mark is dropped.

    Raises:
        SettingsError: It is longer than `bounds.SETTINGS`, or not UTF-8.
    """
    if len(data) > bounds.SETTINGS:
        raise _refusal(path, [{"key": "", "message": f"longer than {bounds.SETTINGS:,} bytes"}])
    unmarked = data.removeprefix(BOM_UTF8)
    try:
        return unmarked.decode()
    except UnicodeDecodeError as error:
        row = unmarked.count(b"\n", 0, error.start) + 1
        raise _refusal(path, [{"key": "", "message": f"not UTF-8, in line {row}"}]) from error


def settings_from(values: Mapping[str, object], *, path: str, folder_name: str) -> Settings:
    """Read the parsed file; see `parse_settings`.

    Raises:
        SettingsError: It has a mistake.
    """
    top = Table(values, elsewhere=_ELSEWHERE)
    found = _take(top, Settings, name=default_name(folder_name))
    for name, (kind, _) in declared_sections(Settings).items():
        table = top.table(name)
        found[name] = kind(**_take(table, kind))
        table.finish()
    settings = Settings(**found, checks=_checks(top.tables(CHECK)))
    top.finish()
    if top.problems:
        raise _refusal(path, top.problems)
    return settings


def _take(table: Table, kind: type[Any], **defaults: object) -> dict[str, Any]:
    """Take the declared keys of a table."""
    defaults = {**kind._field_defaults, **defaults}
    return {
        name: table.take(name, declared.read, defaults[name])
        for name, (_, declared) in declared_settings(kind).items()
    }


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
    if "name" not in table.values:
        table.report("name", "missing; a check needs a name")
    targets = {kind: table.take(kind, declared.read, ()) for kind, declared in CHECK_KINDS.items()}
    written = [kind for kind in CHECK_KINDS if kind in table.values]
    if len(written) != 1:
        found = f"found {' and '.join(written)}" if written else "found none"
        table.report("", f"must have exactly one of {', '.join(CHECK_KINDS)}; {found}")
    keys = declared_settings(Check)
    for name in keys:
        kinds = kinds_with(name)
        if kinds and name in table.values and not {*kinds} & {*written}:
            table.report(name, f"only a check of this kind has it: {', '.join(kinds)}")
    defaults: dict[str, Any] = {"name": ""}
    if table.values.get("when") == "candidate":
        defaults |= {name: own.candidate for name, (_, own) in keys.items() if own.candidate is not None}
    values = _take(table, Check, **defaults)
    if values["ca"] is not None and targets["http"] and not targets["http"][0].startswith("https:"):
        table.report("ca", "only a check of an https:// URL has it")
    table.finish()
    kind = next(iter(written or CHECK_KINDS))
    return Check(**values, kind=kind, target=targets[kind])


def _places() -> Collection[str]:
    """The dotted keys of the file whose last part is in one table alone."""
    dotted = [*declared_settings(Settings)]
    for name, (kind, _) in declared_sections(Settings).items():
        dotted += [f"{name}.{key}" for key in declared_settings(kind)]
    dotted += [f"{CHECK}.{key}" for key in (*CHECK_KINDS, *declared_settings(Check)) if key != "name"]
    count = Counter(key.rpartition(".")[2] for key in dotted)
    return tuple(key for key in dotted if count[key.rpartition(".")[2]] == 1)


_ELSEWHERE: Final = _places()
"""Where a key belongs that was found in the wrong table."""


def default_name(folder_name: str) -> str:
    """The folder's name as one printable line: folders may be called anything."""
    shown = "".join(char if is_plain(char) else "_" for char in folder_name).strip()[:100].strip()
    return shown or "root"


def _refusal(path: str, problems: list[dict[str, str]]) -> SettingsError:
    texts = [f"{p['key']}: {p['message']}" if p["key"] else p["message"] for p in problems]
    if len(texts) == 1:
        message = f"{path}: {texts[0]}"
    else:
        message = lines(f"{path} has {len(texts)} problems:", *(f"  {text}" for text in texts))
    return SettingsError(message, path=path, problems=problems)
