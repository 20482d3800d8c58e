"""The options in a requirements file: which are honoured, and how pip is told; which are refused, and why."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from packaging.utils import canonicalize_name

from venvship.model.lockfiles.problems import Problems, quote
from venvship.model.lockfiles.requirement import HASH_DIGITS, URL, may_build, secret_in_url
from venvship.model.lockfiles.requirements_txt_lines import refuse

WHERE_FROM: Final = {
    "-i": "--index-url",
    "--index-url": "--index-url",
    "--pypi-url": "--index-url",
    "--extra-index-url": "--extra-index-url",
    "-f": "--find-links",
    "--find-links": "--find-links",
    "--trusted-host": "--trusted-host",
}
FLAGS: Final = {"--no-index", "--pre", "--prefer-binary", "--require-hashes"}
FORMATS: Final = {"--no-binary", "--only-binary"}
INCLUDES: Final = {"-r": "--requirement", "--requirement": "--requirement"}
REFUSED: Final = {
    **dict.fromkeys(
        ["-e", "--editable"],
        "an editable install can change after it was built; build a wheel of it and pin that"
        " (`uv export` leaves the project out with --no-emit-project)",
    ),
    **dict.fromkeys(
        ["-c", "--constraint"],
        "constraints have no effect in a lockfile, where every version is pinned; remove the line",
    ),
    **dict.fromkeys(
        [
            "-C",
            "--config-settings",
            "--config-setting",
            "--global-option",
            "--install-option",
            "--build-option",
        ],
        "options for a build are not passed on; pin a wheel that was built with them",
    ),
}
TAKING_VALUE: Final = (
    {"--hash"} | WHERE_FROM.keys() | FORMATS | INCLUDES.keys() | REFUSED.keys() | {"--use-feature"}
)


def read_options(words: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Pair options with their values: `--a b`, `--a=b`, `-a b`, `-ab`. A word without a dash has no name."""
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            yield "", word
        elif word.startswith("--"):
            name, equals, value = word.partition("=")
            yield name, value if equals else (next(rest, None) if name in TAKING_VALUE else None)
        else:
            name, value = word[:2], word[2:].removeprefix("=")
            yield name, value or (next(rest, None) if name in TAKING_VALUE else None)


def read_hash(name: str, value: str | None) -> str:
    """Check one option behind a requirement, which must be a hash.

    Returns:
        `algorithm:digits`, in any case of letters; the digits are unchecked.

    Raises:
        RefusedError: It is something else.
    """
    if not name:
        if value and value.startswith(";"):
            refuse("a marker behind --hash is lost on pip; it stands before the first --hash")
        refuse(f"{quote(value or '')} stands behind the options of a requirement")
    if name in REFUSED:
        refuse(f"{name}: {REFUSED[name]}")
    if name != "--hash":
        refuse(f"{quote(name)} has no effect after a requirement; only --hash does")
    algorithm, colon, digits = (value or "").partition(":")
    if not colon or not digits:
        refuse(f"{quote(value or '--hash')} is not a hash of the form sha256:…")
    if algorithm.lower() not in HASH_DIGITS:
        refuse(f"{quote(algorithm)} is not a hash to rely on; write the lockfile with sha256")
    return f"{algorithm}:{digits}"


def source_option(option: str, value: str, folder: str) -> str:
    """Write an option about where from, for pip: long name, absolute path, no secret.

    Args:
        option: The long name.
        value: Its value, unquoted.
        folder: Where the file is that holds it.

    Raises:
        RefusedError: The value has a secret in it, or is no URL.
    """
    if option == "--trusted-host":
        pass
    elif URL.match(value):
        try:
            secret = secret_in_url(value)
        except ValueError as error:
            refuse(f"{option}: not a URL: {error}")
        if secret:
            refuse(
                f"{option} {quote(value)} has {secret} in it; write ${{VARIABLE}} and set that in the"
                " environment, or use pip's keyring or netrc support"
            )
    elif option == "--find-links" and not value.startswith(("~", "${")):
        value = os.path.normpath(os.path.join(folder, value))
    return option_line(option, value)


def option_line(option: str, value: str) -> str:
    """Write an option as a line that pip reads back to the same."""
    # pip expands ${VAR} first and splits by the shell's rules then, so quotes only where they are needed.
    if any(c.isspace() or c in "'\"\\" for c in value):
        value = shlex.quote(value)
    return f"{option} {value}"


def check_formats(
    statements: Iterable[tuple[str, int, str, str]], sdists: Collection[str], problems: Problems
) -> None:
    """Hold `--no-binary` and `--only-binary` against `[build] sdists`, which decides alone.

    They are not passed on. So venvship must do anyway as they demand. Later ones override
    earlier ones, as in pip's `FormatControl`.

    Args:
        statements: File, line, option, and one name, `:all:` or `:none:`; in order.
        sdists: `[build] sdists`.
        problems: Where problems go.
    """
    wanted: dict[str, dict[str, tuple[str, int]]] = {"--no-binary": {}, "--only-binary": {}}
    for path, number, option, each in statements:
        target = wanted[option]
        other = wanted["--only-binary" if option == "--no-binary" else "--no-binary"]
        if each == ":none:":
            target.clear()
        elif each == ":all:":
            target.clear()
            other.clear()
            target[each] = (path, number)
        elif each:
            name: str = canonicalize_name(each)
            other.pop(name, None)
            target[name] = (path, number)
    source, binary = wanted["--no-binary"], wanted["--only-binary"]
    for name, (path, number) in source.items():
        if not ("*" in sdists if name == ":all:" else may_build(name, sdists)):
            message = f"--no-binary {name} wants it built from source, which `[build] sdists` does not allow;"
            entry = "*" if name == ":all:" else name
            message += f' remove the option, or add "{entry}" there'
            problems.add(path, number, message)
    for name, (path, number) in binary.items():
        if name == ":all:":
            against = {canonicalize_name(each) if each != "*" else each for each in sdists} - source.keys()
        else:
            against = {name} if may_build(name, sdists) else set()
        if against:
            message = f"--only-binary {name} forbids what `[build] sdists` allows:"
            message += f" {', '.join(sorted(against))}; remove one of the two"
            problems.add(path, number, message)
