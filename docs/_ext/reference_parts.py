"""The generated parts of the reference, as Markdown.

Each function looks at the code and returns text: no Sphinx in here, so that tests can call it.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Final, NamedTuple

import command_parts
import json_parts
import server_parts
from docstrings import is_remark, read_docstring
from markdown_tables import table
from reference_texts import (
    EVENTS,
    FACTS,
    TYPES,
    WARNINGS,
)

import venvship
from venvship import errors
from venvship.api import Root, default_runtime
from venvship.cli.prometheus import METRICS
from venvship.errors import InterruptedByError, VenvshipError
from venvship.model.event import EventName
from venvship.model.log_line import SEVERITIES
from venvship.model.setting import Setting, declared_sections, declared_settings
from venvship.model.settings import Settings
from venvship.model.settings_check import CHECK, CHECK_KINDS, Check, kinds_with
from venvship.model.settings_form import toml_value

# -- errors -------------------------------------------------------------------------------------------------


def error_classes() -> list[type[VenvshipError]]:
    """Every way to fail on purpose, in the order of the code."""
    found = [
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and issubclass(value, VenvshipError) and value is not VenvshipError
    ]
    return sorted(found, key=lambda c: inspect.getsourcelines(c)[1])


def meaning(error: type[VenvshipError]) -> str:
    """The docstring of an error, without commands that do not exist yet."""
    said = read_docstring(error)
    text = " ".join([said.summary, *(p for p in said.text if not is_remark(p, "Crash"))])
    if "doctor" not in command_parts.command_tree():
        text = text.replace("`verify`, `check` or `doctor`", "`verify` or `check`")
    return text


def exit_codes() -> str:
    """The exit codes, each with the errors behind it."""
    rows = [
        (str(errors.EXIT_OK), "", "Done, or nothing to do."),
        (str(errors.EXIT_BUG), "`bug`", "A bug in venvship. Please report it, with its output."),
    ]
    known = [error for error in error_classes() if error is not InterruptedByError]
    for code in sorted({error.exit_code for error in known}):
        classes = [error for error in known if error.exit_code == code]
        rows.append((str(code), ", ".join(map(_slug_link, classes)), meaning(classes[0])))
    base = InterruptedByError.exit_code
    signals = ", ".join(f"{base + s} {s.name}" for s in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM))
    text = f"{meaning(InterruptedByError)} {signals}."
    rows.append((f"{base} + n", _slug_link(InterruptedByError), text))
    return table(("exit code", "slugs", "means"), rows)


def _slug_link(error: type[VenvshipError]) -> str:
    return f"[`{error.slug}`](#slug-{error.slug})"


def error_slugs() -> str:
    """Every slug, with its exit code and meaning."""
    parts = []
    for error in error_classes():
        code = f"{error.exit_code} + n" if error is InterruptedByError else str(error.exit_code)
        name = f"`venvship.errors.{error.__name__}`"
        parts.append(f"(slug-{error.slug})=\n`{error.slug}`\n: Exit code {code}, {name}. {meaning(error)}")
    return "\n\n".join(parts)


# -- settings -----------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of `venvship.toml`."""

    table: str
    name: str
    kind: str
    default: str
    text: str


class Field(NamedTuple):
    """An attribute of a value: its name, and its type as it is written."""

    name: str
    type: str


def _fields(cls: type[Any]) -> list[Field]:
    if dataclasses.is_dataclass(cls):
        return [Field(item.name, str(item.type)) for item in dataclasses.fields(cls)]
    # A named tuple keeps the annotation as a reference that is still to be resolved.
    return [Field(name, kind.__forward_arg__) for name, kind in cls.__annotations__.items()]


def settings_tables() -> dict[str, list[Key]]:
    """The keys of `venvship.toml` by table; `""` is the top of the file."""
    sections = {name: _keys(name, kind) for name, (kind, _) in declared_sections(Settings).items()}
    return {"": _keys("", Settings), **sections, CHECK: _keys(CHECK, Check, _check_kinds())}


def settings_table(name: str) -> str:
    """The keys of one table of `venvship.toml`."""
    rows = [(f"`{key.name}`", key.kind, key.default, key.text) for key in settings_tables()[name]]
    return table(("key", "type", "default", "means"), rows)


def _keys(table_name: str, cls: type[Any], further: Sequence[Key] = ()) -> list[Key]:
    defaults = cls._field_defaults
    found = [
        Key(
            table=table_name,
            name=name,
            kind=declared.type_text or TYPES[kind],
            default=declared.default_text or _default_of_key(declared, defaults[name]),
            text=_of_kinds(name, declared) if cls is Check else declared.text,
        )
        for name, (kind, declared) in declared_settings(cls).items()
    ]
    without_default = sum(key.name not in defaults for key in found)
    return [*found[:without_default], *further, *found[without_default:]]


def _check_kinds() -> list[Key]:
    return [
        Key(
            table=CHECK,
            name=name,
            kind="array of strings" if kind.is_array else "string",
            default="none; one kind is required",
            text=kind.text,
        )
        for name, kind in CHECK_KINDS.items()
    ]


def _of_kinds(name: str, declared: Setting) -> str:
    kinds = " and ".join(f"`{kind}`" for kind in kinds_with(name))
    return f"With {kinds} only. {declared.text}" if kinds else declared.text


def _default_of_key(declared: Setting, default: object) -> str:
    if declared.candidate is not None:
        return f"{_toml(default)} live, {_toml(declared.candidate)} candidate"
    if declared.type_text and isinstance(default, tuple) and default:
        return _toml(default[0])  # one element may be written without the array
    return _toml(default)


def _toml(value: object) -> str:
    if value is None:
        return "none"
    return f"`{toml_value(int(value) if isinstance(value, float) and value.is_integer() else value)}`"


# -- events and warnings ------------------------------------------------------------------------------------


def events() -> str:
    """The events of the journal.

    Raises:
        ValueError: An event has no text, or a text has no event.
    """
    _compare("events", {name.value for name in EventName}, EVENTS.keys())
    rows = [
        (f"`{name}`", EVENTS[name][0], EVENTS[name][1], ", ".join(f"`{key}`" for key in EVENTS[name][2]))
        for name in EventName
    ]
    return table(("event", "means", "`release` is", "further keys"), rows)


def log_events() -> str:
    """The events in the system's log, by severity."""
    rows = [
        (severity.name.lower(), ", ".join(f"`{name}`" for name, own in SEVERITIES.items() if own is severity))
        for severity in sorted(set(SEVERITIES.values()))
    ]
    return table(("severity", "events"), rows)


def event_keys() -> str:
    """The keys that only some events have."""
    _compare("facts", {key for _, _, keys in EVENTS.values() for key in keys}, FACTS.keys())
    return table(("key", "means"), [(f"`{key}`", text) for key, text in sorted(FACTS.items())])


def metrics() -> str:
    """The metrics, with their labels."""
    rows = [
        (f"`{name}`", ", ".join(f"`{label}`" for label in labels), text)
        for name, (labels, text) in METRICS.items()
    ]
    return table(("metric", "labels", "means"), rows)


def warning_slugs() -> str:
    """The slugs of warnings."""
    return table(("slug", "means"), [(f"`{slug}`", text) for slug, text in sorted(WARNINGS.items())])


def _compare(kind: str, found: Iterable[str], described: Iterable[str]) -> None:
    found, described = set(found), set(described)
    if found != described:
        missing, extra = sorted(found - described), sorted(described - found)
        raise ValueError(
            f"docs/_ext/reference_texts.py: {kind} without a text {missing}, or too many {extra}"
        )


# -- the Python API -----------------------------------------------------------------------------------------

LINE: Final = 88
"""Columns that a block of code has on a page."""


def result_classes() -> dict[str, type]:
    """The public classes with attributes: the results in the order of the methods, then their parts."""
    public = {name: getattr(venvship, name) for name in venvship.__all__}
    classes = {
        name: value
        for name, value in public.items()
        if inspect.isclass(value) and not issubclass(value, Exception | Enum) and _fields(value)
    }
    order = {
        str(inspect.signature(method).return_annotation): i
        for i, method in enumerate(root_methods().values())
    }
    return dict(sorted(classes.items(), key=lambda item: order.get(item[0], len(order))))


def python_choices() -> str:
    """The enumerations that attributes have as values."""
    rows = []
    for name in venvship.__all__:
        value = getattr(venvship, name)
        if inspect.isclass(value) and issubclass(value, Enum):
            rows.append((f"`{name}`", ", ".join(f"`{member.value}`" for member in value)))
    return table(("type", "values"), rows)


def root_methods() -> dict[str, Callable[..., object]]:
    """The public methods of `Root`: first those that write, then those that read."""
    return {
        name: getattr(Root, name)
        for cls in Root.__mro__[:-1]
        for name, value in vars(cls).items()
        if not name.startswith("_") and not isinstance(value, property)
    }


def python_methods() -> str:
    """The methods of `Root`."""
    return "\n\n".join(_method(name, method) for name, method in root_methods().items())


def _method(name: str, method: Callable[..., object]) -> str:
    said = read_docstring(method)
    arguments, raises = said.entries.get("Args", {}), said.entries.get("Raises", {})
    parts = [f"(python-{name})=", f"### `Root.{name}`", signature_block(f"Root.{name}", method), said.summary]
    parts += said.text
    if arguments:
        parts.append(table(("argument", "means"), [(f"`{k}`", v) for k, v in arguments.items()]))
    if raises:
        parts.append("Raises:")
        parts.append("\n".join(f"- `{error}`: {text}" for error, text in raises.items()))
    return "\n\n".join(parts)


def signature_block(name: str, function: Callable[..., object]) -> str:
    """A signature as a block of code, with the annotations as they were written."""
    signature = inspect.signature(function)
    parts: list[str] = []
    starred = False
    for parameter in signature.parameters.values():
        if parameter.name == "self":
            continue
        star = "*" if parameter.kind is parameter.VAR_POSITIONAL else ""
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            parts.append("*")
        starred = starred or bool(star) or parameter.kind is parameter.KEYWORD_ONLY
        default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
        parts.append(f"{star}{parameter.name}: {parameter.annotation}{default}")
    line = f"{name}({', '.join(parts)}) -> {signature.return_annotation}"
    if len(line) > LINE:
        body = "".join(f"    {part},\n" for part in parts)
        line = f"{name}(\n{body}) -> {signature.return_annotation}"
    return f"```python\n{line}\n```"


def python_runtime() -> str:
    """`default_runtime`, which makes the world that `Root.open` takes."""
    said = read_docstring(default_runtime)
    rows = [(f"`{key}`", text) for key, text in said.entries["Args"].items()]
    return "\n\n".join(
        [
            signature_block("default_runtime", default_runtime),
            said.summary,
            table(("argument", "means"), rows),
        ]
    )


def python_results() -> str:
    """The values that methods return."""
    parts = []
    for name, cls in result_classes().items():
        said = read_docstring(cls)
        texts = said.entries.get("Attributes", {})
        rows = [(f"`{item.name}`", f"`{item.type}`", texts.get(item.name, "")) for item in _fields(cls)]
        body = table(("attribute", "type", "means"), rows)
        parts.append("\n\n".join([f"### `{name}`", said.summary, *said.text, body]))
    return "\n\n".join(parts)


PARTS: Final[Mapping[str, Callable[[], str]]] = {
    "exit-codes": exit_codes,
    "error-slugs": error_slugs,
    "settings": lambda: settings_table(""),
    **{f"settings-{name}": functools.partial(settings_table, name) for name in settings_tables() if name},
    "events": events,
    "event-keys": event_keys,
    "log-events": log_events,
    "metrics": metrics,
    "warnings": warning_slugs,
    "python-methods": python_methods,
    "python-runtime": python_runtime,
    "python-results": python_results,
    "python-choices": python_choices,
    **command_parts.PARTS,
    **json_parts.PARTS,
    **server_parts.PARTS,
}
"""The parts by the name that pages ask for them with."""

SOURCES: Final = tuple(sorted(map(str, Path(errors.__file__).parent.rglob("*.py"))))
"""Files that the parts are made from: a page that asks for one is rendered again when they change."""
