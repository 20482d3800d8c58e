"""`config`: each effective setting, and the file and line that it comes from. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from venvship.errors import OperationWarning
from venvship.model.redaction import MASK, OutputRedactor, has_secret_name
from venvship.model.settings_check import CHECK
from venvship.model.settings_form import settings_json
from venvship.model.settings_layers import EXTENDS, Layer, Merged, merge
from venvship.model.settings_lines import key_lines
from venvship.model.settings_reading import settings_of
from venvship.model.variables import secrets_of
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.settings_files import read_layers

LONGEST: Final = 2000
"""Characters of a text that are shown. To look for secrets in it takes time by the square of its length."""


class EffectiveSetting(NamedTuple):
    """One effective key.

    Attributes:
        key: Its dotted path; of a check with its name, such as `check.answers.http`.
        value: Its value, as in the file; `None` for a key that has none. What may be a secret is `****`.
        file: The file that it comes from; absolute. `None` for a default.
        line: Its line there; `None` for a default, or where it is not known.
    """

    key: str
    value: object
    file: str | None = None
    line: int | None = None

    def to_json(self) -> dict[str, object]:
        """The JSON form."""
        return {"key": self.key, "value": self.value, "file": self.file, "line": self.line}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigResult:
    """The result of `Root.config`.

    Attributes:
        name: The application's name.
        root: The root; absolute.
        tier: The name of the environment that the root is; `None` without one.
        files: The files of the settings, each of which wins over those before it; absolute.
        settings: The effective keys.
        warnings: The warnings of the operation.
    """

    name: str
    root: str
    tier: str | None
    files: tuple[str, ...]
    settings: tuple[EffectiveSetting, ...]
    warnings: tuple[OperationWarning, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The `data` of `config --json`."""
        return {
            "name": self.name,
            "root": self.root,
            "tier": self.tier,
            "files": list(self.files),
            "settings": [one.to_json() for one in self.settings],
        }


def config(workspace: ReadingWorkspace, *, every: bool = False) -> ConfigResult:
    """List the effective settings.

    Arguments and errors: `Root.config`.
    """
    layers = read_layers(workspace.layout)
    settings = settings_of(layers, folder_name=workspace.layout.path.name)
    redact = _Redactor(secrets_of(settings.env, {}))
    places = _Places(layers)
    found = []
    for key, written, value in _rows(settings_json(settings), places.merged):
        file, line = places.of(written)
        if every or file is not None:
            found.append(EffectiveSetting(key, redact(key, value), file, line))
    return ConfigResult(
        name=settings.name,
        root=str(workspace.layout.path),
        tier=settings.tier,
        files=tuple(layer.path for layer in layers),
        settings=tuple(found),
    )


class _Places:
    """The file and line of each key."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.merged = merge(layers)
        self._texts = {layer.path: layer.text for layer in layers}
        self._lines: dict[str, dict[str, int]] = {}

    def of(self, key: str) -> tuple[str | None, int | None]:
        """The file and the line of a key of the merged values; twice `None` if no file has it."""
        place = self.merged.places.get(key)
        if place is None:
            return None, None
        if place.path not in self._lines:
            self._lines[place.path] = key_lines(self._texts[place.path])
        return place.path, self._lines[place.path].get(place.key)


def _rows(form: Mapping[str, Any], merged: Merged) -> Iterator[tuple[str, str, object]]:
    """Yield each key as it is shown, as it stands in the merged values, and its value."""
    names = [check["name"] for check in merged.values.get(CHECK, ())]
    for name, value in form.items():
        if name == CHECK:
            for check in value:
                at = f"{CHECK}[{names.index(check['name'])}]"
                yield from _flat(check, f"{CHECK}.{check['name']}", at)
        elif name != EXTENDS:  # `files` has the files
            yield from _flat({name: value}, "", "")


def _flat(table: Mapping[str, Any], shown: str, written: str) -> Iterator[tuple[str, str, object]]:
    for name, value in table.items():
        key, place = (f"{at}.{name}" if at else name for at in (shown, written))
        if isinstance(value, Mapping) and value:
            yield from _flat(value, key, place)
        else:
            yield key, place, value


class _Redactor:
    """Masks secrets in settings.

    The settings are no place for secrets, and hold some all the same: the password in a URL, the token of a
    header. As in the output of hooks and checks, what a name tells to be a secret is one.

    Args:
        secrets: The texts that are secrets wherever they stand.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        self._redact = OutputRedactor({}, secrets)

    def __call__(self, key: str, value: object) -> object:
        if isinstance(value, list):
            return [self._text(key, one) if isinstance(one, str) else one for one in value]
        return self._text(key, value) if isinstance(value, str) else value

    def _text(self, key: str, text: str) -> str:
        table, _, name = key.rpartition(".")
        kind, _, rest = table.partition(".")
        if kind == "env" and has_secret_name(name):
            return MASK
        if kind == CHECK:
            if rest.endswith(".headers") and name.lower() != "host":
                return MASK
            if name == "http":
                before, mark, query = text.partition("?")
                text = f"{before}?{MASK}" if mark and query else text
        short = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
        return "\n".join(map(self._redact, short.split("\n")))
