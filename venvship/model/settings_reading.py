"""Read `venvship.toml` and the files that it extends: strictly, and with all mistakes reported at once."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from venvship.errors import SettingsError
from venvship.model import bounds
from venvship.model.setting import declared_sections, declared_settings
from venvship.model.settings import Settings
from venvship.model.settings_check import CHECK, CHECK_KINDS, Check, kinds_with
from venvship.model.settings_layers import EXTENDS, Layer, Merged, Place, merge
from venvship.model.settings_service import OUTPUTS, ServiceSettings, report_incomplete
from venvship.model.toml_table import Table
from venvship.printable import is_plain, lines

DISABLE_CHECKS: Final = "disable_checks"
"""The key that names the checks that do not count."""


def parse_settings(text: str, *, path: str, folder_name: str) -> Settings:
    """Read the text of one file: a `venvship.toml`, or the copy that a root keeps.

    What it extends is left out: `extends` has the names as they are written, and no check is disabled.

    Args:
        text: The whole file, decoded; see `decode_settings`.
        path: Where it came from, for messages.
        folder_name: Name of the root's directory: the default of `name`.

    Raises:
        SettingsError: It is not TOML, or has a mistake. `data["problems"]` lists everything, each
            with `file`, `key` (dotted path, array elements counted from 0) and `message`.
    """
    return settings_of([parse_layer(text, path=path)], folder_name=folder_name)


def parse_layer(text: str, *, path: str) -> Layer:
    """Parse the text of a file of settings.

    Raises:
        SettingsError: It is not TOML.
    """
    import tomllib  # late: for a rollback it can wait until the way back is known

    try:
        return Layer(path, tomllib.loads(text), text)
    except (ValueError, RecursionError) as error:
        # ValueError is TOMLDecodeError and the limit on digits of an integer; RecursionError comes from
        # arrays nested hundreds deep.
        message = "nested too deeply" if isinstance(error, RecursionError) else f"not TOML: {error}"
        if "Cannot declare" in message:  # as where a text to add was put at the end of the file
            message += "; add the keys below the one that is there"
        raise _refusal([_problem(path, message)]) from error


def decode_settings(data: bytes, *, path: str) -> str:
    """Turn the bytes of a settings file into text; a byte order mark is dropped.

    Raises:
        SettingsError: It is longer than `bounds.SETTINGS`, or not UTF-8.
    """
    if len(data) > bounds.SETTINGS:
        raise _refusal([_problem(path, f"longer than {bounds.SETTINGS:,} bytes")])
    unmarked = data.removeprefix(BOM_UTF8)
    try:
        return unmarked.decode()
    except UnicodeDecodeError as error:
        row = unmarked.count(b"\n", 0, error.start) + 1
        raise _refusal([_problem(path, f"not UTF-8, in line {row}")]) from error


def extended(layer: Layer) -> tuple[str, ...]:
    """The names of the files that a layer extends, as they are written.

    Raises:
        SettingsError: They are no array of paths.
    """
    top = Table(layer.values)
    found: tuple[str, ...] = top.take(EXTENDS, declared_settings(Settings)[EXTENDS][1].read, ())
    if top.problems:
        raise _refusal([_problem(layer.path, **one) for one in top.problems])
    return found


def settings_of(layers: Sequence[Layer], *, folder_name: str) -> Settings:
    """Read the settings from the files that they consist of.

    Each file is read alone first, so that a mistake in one that another file corrects is found before the day
    on which it does not.

    Args:
        layers: Each wins over those before it; `venvship.toml` is the last one.
        folder_name: Name of the root's directory: the default of `name`.

    Returns:
        The settings; `extends` has the paths of all files but the last.

    Raises:
        SettingsError: There are mistakes; see `parse_settings`.
    """
    if len(layers) == 1:
        layer = layers[0]
        settings, found = _read(layer.values, folder_name, whole=EXTENDS not in layer.values)
        if found:
            raise _refusal([_problem(layer.path, **one) for one in found])
        return settings
    problems = [
        _problem(layer.path, **one)
        for layer in layers
        for one in _read(layer.values, folder_name, whole=False)[1]
    ]
    if problems:
        raise _refusal(problems)
    merged = merge(layers)
    settings, found = _read(merged.values, folder_name, whole=True)
    if found:
        raise _refusal([_placed(merged, layers[-1].path, one) for one in found])
    return settings._replace(extends=tuple(layer.path for layer in layers[:-1]))


def _read(
    values: Mapping[str, object], folder_name: str, *, whole: bool
) -> tuple[Settings, list[dict[str, str]]]:
    """Read parsed TOML, and collect its problems.

    Args:
        values: The parsed TOML.
        folder_name: For the default of `name`.
        whole: Whether these are all settings. Of a part, keys that need each other may be in other files.
    """
    top = Table(values, elsewhere=_ELSEWHERE)
    found = _take(top, Settings, name=default_name(folder_name))
    for name, (kind, _) in declared_sections(Settings).items():
        table = top.table(name)
        found[name] = kind(**_take(table, kind))
        if whole and name == "service":
            report_incomplete(table)
        table.finish()
    checks = _checks(top.tables(CHECK), whole=whole)
    if whole:
        checks = _enabled(checks, found[DISABLE_CHECKS], top)
        _report_taken_names(checks, found["service"], top)
    settings = Settings(**found, checks=checks)
    top.finish()
    return settings, top.problems


def _take(table: Table, kind: type[Any], **defaults: object) -> dict[str, Any]:
    """Take the declared keys of a table."""
    defaults = {**kind._field_defaults, **defaults}
    return {
        name: table.take(name, declared.read, defaults[name])
        for name, (_, declared) in declared_settings(kind).items()
    }


def _report_taken_names(checks: Sequence[Check], service: ServiceSettings, top: Table) -> None:
    """Report checks with the name of another output in the folder of their logs."""
    for check in checks:
        if service.is_on and check.name.lower() in OUTPUTS:
            top.report(CHECK, f"the [service] has an output of the name {check.name!r}")


def _checks(tables: list[Table], *, whole: bool) -> tuple[Check, ...]:
    checks: list[Check] = []
    seen: dict[str, int] = {}
    for index, table in enumerate(tables):
        check = _check(table, whole=whole)
        # Two names that differ in case only are one file name on macOS.
        first = seen.setdefault(check.name.lower(), index) if check.name else index
        if first != index:
            table.report("name", f"check[{first}] has this name already")
        checks.append(check)
    return tuple(checks)


def _check(table: Table, *, whole: bool) -> Check:
    if "name" not in table.values:
        table.report("name", "missing; a check needs a name")
    targets = {kind: table.take(kind, declared.read, ()) for kind, declared in CHECK_KINDS.items()}
    written = [kind for kind in CHECK_KINDS if kind in table.values]
    if len(written) > 1 or (whole and not written):
        found = f"found {' and '.join(written)}" if written else "found none"
        table.report("", f"must have exactly one of {', '.join(CHECK_KINDS)}; {found}")
    keys = declared_settings(Check)
    for name in keys:
        kinds = kinds_with(name)
        misplaced = kinds and name in table.values and not {*kinds} & {*written}
        if misplaced and (whole or written):
            table.report(name, f"only a check of this kind has it: {', '.join(kinds)}")
    defaults: dict[str, Any] = {"name": ""}
    for kind in written:
        defaults |= CHECK_KINDS[kind].defaults
    if table.values.get("when") == "candidate":
        defaults |= {name: own.candidate for name, (_, own) in keys.items() if own.candidate is not None}
    values = _take(table, Check, **defaults)
    if values["ca"] is not None and targets["http"] and not targets["http"][0].startswith("https:"):
        table.report("ca", "only a check of an https:// URL has it")
    table.finish()
    kind = next(iter(written or CHECK_KINDS))
    return Check(**values, kind=kind, target=targets[kind])


def _enabled(checks: Sequence[Check], disabled: Sequence[str], top: Table) -> tuple[Check, ...]:
    names = [check.name for check in checks]
    for index, name in enumerate(disabled):
        if name not in names:
            known = f"the checks are {', '.join(names)}" if names else "there are no checks"
            top.report(f"{DISABLE_CHECKS}[{index}]", f"no check has this name; {known}")
    return tuple(check for check in checks if check.name not in disabled)


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


def _problem(path: str, message: str, key: str = "") -> dict[str, str]:
    return {"file": path, "key": key, "message": message}


def _placed(merged: Merged, otherwise: str, problem: Mapping[str, str]) -> dict[str, str]:
    """A problem of the whole, at the place of the key in the file that it comes from."""
    place = merged.place(problem["key"]) or Place(otherwise, problem["key"])
    return _problem(place.path, problem["message"], place.key)


def _refusal(problems: Sequence[Mapping[str, str]]) -> SettingsError:
    """The error of a file, or of several, with all that is wrong with them."""
    paths = list(dict.fromkeys(problem["file"] for problem in problems))
    texts = [f"{p['key']}: {p['message']}" if p["key"] else p["message"] for p in problems]
    if len(texts) == 1:
        message = f"{paths[0]}: {texts[0]}"
    elif len(paths) == 1:
        message = lines(f"{paths[0]} has {len(texts)} problems:", *(f"  {text}" for text in texts))
    else:
        located = [f"  {p['file']}: {text}" for p, text in zip(problems, texts, strict=True)]
        message = lines(f"the settings have {len(texts)} problems:", *located)
    return SettingsError(message, path=paths[0], problems=list(problems))
