"""The console and GUI scripts that a wheel's `entry_points.txt` names, or the reasons why it is refused.

The format is that of https://packaging.python.org/en/latest/specifications/entry-points/. A reason names the
entry, the section and the mistake: the file was written by a tool, and its reader did not see it.
"""

from __future__ import annotations

import configparser
import re
from typing import Final

from venvship.building.store import members

_KINDS: Final = {"console_scripts": "console", "gui_scripts": "gui"}
_REFERENCE = re.compile(r"(?P<module>[^:\[\]]*?)\s*(?::\s*(?P<attribute>[^:\[\]]*?)\s*)?(?:\[.*\])?")


def read_scripts(text: str) -> tuple[dict[str, tuple[str, str, str, str]], list[str]]:
    """Read the scripts.

    Args:
        text: The file.

    Returns:
        By name: name, module, attribute, and `"console"` or `"gui"`; and the problems. With problems, the
        scripts are not complete.
    """
    # As setuptools and pip read it. A `%` has no meaning.
    config = configparser.ConfigParser(delimiters=("=",), interpolation=None)
    config.optionxform = str  # type: ignore[assignment, method-assign]
    try:
        config.read_string(text)
    except configparser.Error as error:
        return {}, _mistakes(error)
    scripts: dict[str, tuple[str, str, str, str]] = {}
    problems = []
    for section, kind in _KINDS.items():
        for name, value in config.items(section) if config.has_section(section) else ():
            found = _REFERENCE.fullmatch(value.strip())
            module, attribute = (found["module"], found["attribute"] or "") if found else ("", "")
            if problem := _problem(name, value, module, attribute):
                problems.append(f"in [{section}], {problem}")
            scripts[name] = (name, module, attribute, kind)
    return scripts, problems


def _problem(name: str, value: str, module: str, attribute: str) -> str | None:
    if "/" in name:
        return f"the name {name!r} has a path in it"
    if problem := members.problem_with_name(name) or members.problem_with_script(name):
        return f"the name {name!r}: {problem}"
    if module and not attribute:
        return f"{_shown(name, value)} names no function: it must be {name} = module:function"
    if not all(part.isidentifier() for part in f"{module}.{attribute}".split(".")):
        return f"{_shown(name, value)} is no module:function of Python"
    return None


def _shown(name: str, value: str) -> str:
    return repr(f"{name} = {value}")[1:-1]


def _mistakes(error: configparser.Error) -> list[str]:
    """The mistakes in the form of a file, in words."""
    match error:
        case configparser.DuplicateOptionError():
            return [
                f"{error.option} stands twice in [{error.section}], the second time in line {error.lineno}"
            ]
        case configparser.DuplicateSectionError():
            return [f"the section [{error.section}] stands twice, the second time in line {error.lineno}"]
        case configparser.MissingSectionHeaderError():
            return [f"line {error.lineno} stands before the first section: {error.line.strip()!r}"]
        case configparser.ParsingError():
            return [f"line {number} is no 'name = value': {line}" for number, line in error.errors]
        case _:
            return [str(error)]
