"""The declaration of a setting: everything but its name, its type and its default, which stand beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, get_args

from venvship.model.toml_table import Reader


class Setting(NamedTuple):
    """The declaration of one key of `venvship.toml`.

    Attributes:
        read: Reads the parsed TOML value; raises `WrongValueError`.
        text: The meaning, in Markdown. Its first sentence stands in the template.
        example: A value for the template, where the default does not show the form.
        default_text: The default in words, where it depends on the host or the root.
        type_text: The TOML type in words, where the annotation does not tell it.
        heading: A comment that stands in the template before this key and those that follow it.
        candidate: Of a check's key: the default for candidate checks, where that is another one.
    """

    read: Reader[Any]
    text: str
    example: Any = None
    default_text: str = ""
    type_text: str = ""
    heading: str = ""
    candidate: Any = None


class CheckKind(NamedTuple):
    """The declaration of a key that says what a check does.

    Attributes:
        read: Reads the target, always into an array.
        is_array: Whether the target is written as an array of strings; otherwise as one string.
        is_command: Whether the target is the argument list of a program. The program is looked up before
            anything is switched, and its exit status 75 asks to be asked again.
        keys: The names of the attributes of `Check` that only checks of this kind, and of others that name
            them too, have.
        text: The meaning, in Markdown.
        example: A target for the template, as it is written in TOML.
        name: A name for the check in the template.
        when: A time for it.
        defaults: Defaults of keys of `Check` that are other ones for this kind.
    """

    read: Reader[tuple[str, ...]]
    text: str
    example: str | list[str]
    name: str
    when: str = "live"
    is_array: bool = False
    is_command: bool = False
    keys: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = MappingProxyType({})


def declared_settings(table: type[Any]) -> dict[str, tuple[Any, Setting]]:
    """The keys of a table of the file: by name, the type and the declaration."""
    return {name: (kind, own) for name, kind, own in _declarations(table) if isinstance(own, Setting)}


def declared_sections(top: type[Any]) -> dict[str, tuple[type[Any], str]]:
    """The tables of the file: by name, the type and a comment for the template."""
    return {name: (kind, own) for name, kind, own in _declarations(top) if isinstance(own, str)}


def _declarations(table: type[Any]) -> Iterator[tuple[str, Any, object]]:
    for name, hint in table.__annotations__.items():
        match get_args(hint):
            case (kind, Setting() | str() as own):
                yield name, kind, own
