"""Write proposed settings as a `venvship.toml`: short, with the reason beside each key."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import Any, Final

from venvship.model.setting import declared_sections, declared_settings
from venvship.model.settings import Settings
from venvship.model.settings_check import CHECK
from venvship.model.settings_form import toml_value
from venvship.model.settings_template import beside, first_sentence
from venvship.model.survey.proposal import Line, Proposal

_WIDTH: Final = 100


def settings_text(proposal: Proposal, checkout: str) -> str:
    """Write the settings.

    Args:
        proposal: What they are.
        checkout: The absolute path of the checkout, for the head.

    Returns:
        TOML text. The keys of the top level and the tables stand in the order of their declarations.
    """
    lines = list(_comment(f"Settings of this venvship root, for {proposal.title} in {checkout}."))
    lines += _comment("`venvship init` without --from writes a file with every key and its default.")
    lines += ["\n", *_keys(proposal.tables.get("", ()), Settings)]
    kinds: dict[str, type[Any]] = {name: kind for name, (kind, _) in declared_sections(Settings).items()}
    others = (name for name in proposal.tables if name not in {"", *kinds})
    kinds |= dict.fromkeys(others, dict)
    for section, kind in kinds.items():
        if keys := proposal.tables.get(section):
            active = any(line.active for line in keys)
            lines += ["\n", f"{'' if active else '#'}[{section}]\n", *_keys(keys, kind)]
    for check in proposal.checks:
        active = check[0].active
        lines += ["\n", *(_comment(check[0].reason) if check[0].reason else ())]
        lines += [f"{'' if active else '#'}[[{CHECK}]]\n"]
        lines += [f"{'' if active else '#'}{line.key} = {toml_value(line.value)}\n" for line in check]
    return "".join(lines)


def _keys(keys: Iterable[Line], table: type[Any]) -> Iterator[str]:
    declared = declared_settings(table) if hasattr(table, "_field_defaults") else {}
    for line in keys:
        if not line.active:
            yield from _comment(line.reason)
            yield f"#{line.key} = {toml_value(line.value)}\n"
            continue
        meaning = first_sentence(declared[line.key][1].text) if line.key in declared else ""
        reason = line.reason or meaning
        code = f"{line.key} = {toml_value(line.value)}"
        yield beside(code, reason) if reason else f"{code}\n"


def _comment(text: str) -> Iterator[str]:
    for line in textwrap.wrap(
        text[:1].upper() + text[1:], _WIDTH, break_long_words=False, break_on_hyphens=False
    ):
        yield f"# {line}\n"
