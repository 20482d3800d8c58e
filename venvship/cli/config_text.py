"""The lines of `config`: each effective key as TOML, behind the place that it comes from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from venvship.cli import style
from venvship.cli.fitting import Page, table
from venvship.model.settings_form import toml_value

if TYPE_CHECKING:
    from venvship.operations.reporting.configuration import ConfigResult, EffectiveSetting


def config_lines(result: ConfigResult, page: Page) -> list[str]:
    """The lines of `config`."""
    tier = f" ({result.tier})" if result.tier is not None else ""
    lines = [style.strong(result.name) + f"{tier} · {result.root}"]
    for number, file in enumerate(result.files):
        lines += page.labelled("" if number else "Files", file)
    return [*lines, *table([(_place(one, result.root), _toml(one)) for one in result.settings], page.width)]


def _place(setting: EffectiveSetting, root: str) -> str:
    if setting.file is None:
        return "default"
    name = min(os.path.relpath(setting.file, root), setting.file, key=len)
    return name if setting.line is None else f"{name}:{setting.line}"


def _toml(setting: EffectiveSetting) -> str:
    value = "(not set)" if setting.value is None else f"= {toml_value(setting.value)}"
    return f"{setting.key} {value}"
