"""The texts that `init` writes into a new root."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from venvship.model.setting import CheckKind, Setting, declared_sections, declared_settings
from venvship.model.settings import Settings
from venvship.model.settings_check import CHECK, CHECK_KINDS, Check, kinds_with
from venvship.model.settings_form import toml_value

_HEAD: Final = """\
# Settings of this venvship root. Every key is optional; a line that is commented out shows the default,
# or an example where there is none. `venvship status` reads this file and reports what is wrong with it.

"""

_CHECKS: Final = f"""\
# Checks decide whether a release goes live (when = "candidate") and whether it stays (when = "live").
# Each has a name and one of {", ".join(CHECK_KINDS)}.
"""

_COLUMN: Final = 36
"""Where comments begin, if the line is not longer."""

ROOT_README: Final = """\
This directory belongs to venvship: every release of one application is a virtual environment of its own.

venvship.toml   the settings, yours to edit
current         link to the release that is live; start programs with `venvship run`, or current/bin/...
previous        link to the release that `venvship rollback` would switch to
releases/       the releases, sealed: never edit, copy into or `pip install` into one
shared/         what outlives releases, if [project] shared names something: the application's
store/          unpacked packages that releases share through hard links; a file edited here changes them all
state/          what venvship knows: the journal, leases, mutexes. Never delete a *.mutex file
log/            output of builds, checks and hooks

What is live, and why        venvship status
Back to the one before       venvship rollback
Is every file still right    venvship verify --all
What takes space             venvship list, venvship prune --dry-run
"""
"""The README of a root, for a reader who finds the directory before the documentation."""


def settings_template(name: str, python: str | None, lockfile: str) -> str:
    """Write the commented `venvship.toml` of a new root.

    Args:
        name: The application's name.
        python: The interpreter, or `None` to leave the choice to the first release.
        lockfile: The lockfile's path, relative to the root.

    Returns:
        TOML text that sets only these, with all other keys commented out.
    """
    chosen = {"name": name, "python": python, "lockfile": lockfile}
    lines = [_HEAD, *_table(Settings, chosen)]
    for section, (kind, comment) in declared_sections(Settings).items():
        lines += ["\n", beside(f"#[{section}]", comment), *_table(kind)]
    for section, declared in _tables_of_strings():
        lines += ["\n", beside(f"#[{section}]", _comment(declared))]
        lines += [f"#{key} = {toml_value(value)}\n" for key, value in declared.example.items()]
    lines += ["\n", _CHECKS]
    for kind_name, check in CHECK_KINDS.items():
        lines += ["\n", *_check(kind_name, check)]
    return "".join(lines)


def _table(table: type[Any], chosen: Mapping[str, object] = MappingProxyType({})) -> Iterator[str]:
    for name, (_, declared) in declared_settings(table).items():
        if table is Settings and isinstance(declared.example, Mapping):
            continue  # it is a section
        if declared.heading:
            yield f"\n# {declared.heading}\n"
        value = chosen.get(name)
        if value is not None:
            yield beside(f"{name} = {toml_value(value)}", first_sentence(declared.text))
        else:
            yield _commented_out(name, declared, table._field_defaults[name])


def _tables_of_strings() -> Iterator[tuple[str, Setting]]:
    """The keys at the top of the file that are written as a section, with names that the user chooses."""
    for name, (_, declared) in declared_settings(Settings).items():
        if isinstance(declared.example, Mapping):
            yield name, declared


def _check(kind_name: str, kind: CheckKind) -> Iterator[str]:
    """A check of a kind as an example; of the kind that has most keys of its own, with every key."""
    every = kind.keys == max((one.keys for one in CHECK_KINDS.values()), key=len)
    keys = {name: declared for name, (_, declared) in declared_settings(Check).items()}
    yield f"#[[{CHECK}]]\n"
    yield f"#name = {toml_value(kind.name)}\n"
    if every or kind.when != "live":
        yield beside(f"#when = {toml_value(kind.when)}", _comment(keys["when"]))
    yield beside(f"#{kind_name} = {toml_value(kind.example)}", first_sentence(kind.text))
    for name, declared in keys.items():
        if every and name not in {"name", "when"} and kind_name in (kinds_with(name) or CHECK_KINDS):
            yield _commented_out(name, declared, Check._field_defaults[name])


def _commented_out(name: str, declared: Setting, default: object) -> str:
    """A key with its default, or with its example where it has one."""
    if declared.type_text and isinstance(default, tuple) and default:
        default = default[0]  # one may be written without the array
    if declared.example is None:
        shown = int(default) if isinstance(default, float) and default.is_integer() else default
        return beside(f"#{name} = {toml_value(shown)}", _comment(declared))
    shown = "" if declared.default_text else "example: "
    return beside(f"#{name} = {toml_value(declared.example)}", shown + _comment(declared))


def beside(code: str, comment: str) -> str:
    """A line of TOML with a comment beside it."""
    return f"{code.ljust(_COLUMN)}# {comment}\n" if len(code) < _COLUMN else f"{code} # {comment}\n"


def _comment(declared: Setting) -> str:
    default = f"; default: {declared.default_text}" if declared.default_text else ""
    return first_sentence(declared.text) + default


def first_sentence(text: str) -> str:
    """The first sentence of a text as a comment: without its stop, and with a small letter."""
    sentence = text.split(". ", maxsplit=1)[0].removesuffix(".")
    return sentence[0].lower() + sentence[1:] if sentence[1:2].islower() or sentence[1:2] == " " else sentence
