"""The settings as JSON and as TOML, both in the shape of `venvship.toml`, and the digest of a refusal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from venvship.model.setting import declared_settings
from venvship.model.settings import Settings
from venvship.model.settings_check import CHECK, CHECK_KINDS, Check, kinds_with
from venvship.model.spelling import digest
from venvship.printable import UNPRINTABLE

_LATER_OF_CHECKS: Final = frozenset({"headers", "ca", "from_release"})
_OF_THE_BUILD: Final = frozenset({"generate", "generate_timeout"})
_LATER_HOOKS: Final = frozenset({"prepare_timeout", "restart_timeout", "notify_timeout"})
_RESOLVED: Final = ("extends", "disable_checks")
"""Keys of a file whose effect is in the others."""


def settings_json(settings: Settings) -> dict[str, Any]:
    """Return the JSON form: the shape of the TOML file, every key present, `None` where it has none."""
    form = {name: _form(value) for name, value in zip(settings._fields, settings, strict=True)}
    checks = form.pop("checks")
    return {**form, CHECK: checks}


def settings_toml(settings: Settings) -> str:
    """Write the settings as TOML that parses back to the same: what a root keeps of its last promotion.

    They are in one file then: it extends no other, so that a rollback needs none.
    """
    top = settings_json(settings)
    checks = top.pop(CHECK)
    for name in _RESOLVED:
        del top[name]
    tables = {name: table for name, table in top.items() if isinstance(table, Mapping)}
    lines = list(_toml_lines({name: value for name, value in top.items() if name not in tables}))
    for name, table in tables.items():
        if table:
            lines += ["", f"[{name}]", *_toml_lines(table)]
    for check in checks:
        lines += ["", f"[[{CHECK}]]", *_toml_lines(check)]
    return "\n".join(lines) + "\n"


def toml_value(value: object) -> str:
    """Write a JSON string, number, boolean, array or table as TOML, with escapes for the unprintable."""
    if isinstance(value, Mapping):
        written = ((key, item) for key, item in value.items() if item is not None)
        pairs = ", ".join(f"{_toml_key(key)} = {toml_value(item)}" for key, item in written)
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    # JSON is TOML here, but for DEL, which TOML wants escaped.
    return re.sub(UNPRINTABLE, _toml_escape, json.dumps(value, ensure_ascii=False))


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key, re.ASCII) else toml_value(key)


def _toml_escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def health_digest(settings: Settings) -> str:
    """Digest the settings that can refuse a release. A refusal lapses when they change.

    They are hooks, checks, the service, and the variables that they get: `[env]`, `tier`, and the path of
    `env_file`. The values in that file are left out. The digest stands in the journal, and a short secret
    could be guessed from it.
    """
    form = settings_json(settings)
    # The generate hook is none of them: it runs before there is a release, and is part of its environment.
    # Keys that an earlier venvship did not have are left out at their default: a refusal of its survives.
    hooks = {
        key: value
        for key, value in form["hooks"].items()
        if key not in _OF_THE_BUILD and (key not in _LATER_HOOKS or value is not None)
    }
    variables = {key: form[key] for key in ("env", "env_file", "tier") if form[key]}
    checks = [
        {key: value for key, value in check.items() if key not in _LATER_OF_CHECKS or value}
        for check in form[CHECK]
    ]
    service = {"service": form["service"]} if settings.service.is_on else {}
    return digest({"hooks": hooks, CHECK: checks, **service, **variables})


def settings_naming(settings: Settings, path: str, *, but: str) -> list[str]:
    """The settings that name something at a path or below it, each by its key.

    Args:
        settings: The settings.
        path: An absolute path.
        but: A path that does not count, also where it is below the other one.
    """
    at = re.compile(rf"(?<![\w.-]){re.escape(path)}(?![\w.-])")
    here = re.compile(rf"(?<![\w.-]){re.escape(but)}(?![\w.-])")
    form = settings_json(settings)
    checks = {f"check {check['name']}": check for check in form.pop(CHECK)}
    return [key for key, text in _texts({**form, **checks}) if at.search(here.sub("", text))]


def _texts(form: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """All texts of the settings, those of an array as one, by dotted key."""
    for key, value in form.items():
        if isinstance(value, Mapping):
            yield from ((f"{key}.{name}", text) for name, text in _texts(value))
        elif isinstance(value, list):
            yield key, "\n".join(map(str, value))
        elif isinstance(value, str):
            yield key, value


def _form(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, Check):
        return _check_form(value)
    if hasattr(value, "_fields"):
        return {name: _form(item) for name, item in zip(value._fields, value, strict=True)}
    if isinstance(value, Mapping):
        return {name: _form(item) for name, item in value.items()}
    return [_form(item) for item in value] if isinstance(value, tuple) else value


def _check_form(check: Check) -> dict[str, Any]:
    target = list(check.target) if CHECK_KINDS[check.kind].is_array else check.target[0]
    form: dict[str, Any] = {"name": check.name, "when": check.when, check.kind: target}
    for name in declared_settings(Check):
        if check.kind in (kinds_with(name) or CHECK_KINDS):
            form[name] = _form(getattr(check, name))
    if len(check.status) == 1 and "status" in form:
        form["status"] = check.status[0]  # as before there could be several: it is in the digest of refusals
    return form


def _toml_lines(table: Mapping[str, Any]) -> Iterator[str]:
    """A line for each key but those of `None`: TOML has no null, an absent key is its spelling."""
    for key, value in table.items():
        if value is not None:
            yield f"{_toml_key(key)} = {toml_value(value)}"
