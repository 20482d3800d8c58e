"""Why the kernel could not start a program that is there: the interpreter that it names is missing.

execve(2) reports "No such file or directory" for such a program, as if the file itself were missing. Only
faults that are certain are found here. Everything else is left to the kernel.
"""

from __future__ import annotations

import os
import re
import shlex
import struct
import sys
from collections.abc import Mapping
from typing import Final

from venvship.printable import shell_line

_LINE: Final = 256
"""Bytes of a first line that Linux reads (BINPRM_BUF_SIZE)."""

_NESTED: Final = 4
"""How many scripts may be each other's interpreter, execve(2)."""

_MARKED = re.compile(rb"\xef\xbb\xbf#!(?!.*sh\b)|\xff\xfe#\0!\0|\xfe\xff\0#\0!")
"""The beginnings of scripts with a byte order mark, UTF-8 or UTF-16. The kernel takes them for no scripts, so
the shell that starts our children runs them. One for a shell may work."""

_STRICT: Final = re.compile(r"(?:ba|da|a|k|z)?sh|python[\d.]*")
"""Interpreters that refuse an option with a carriage return in it. Perl takes one."""

_ELF: Final = b"\x7fELF"
_PT_INTERP: Final = 3
_MOST_HEADERS: Final = 100
_LONGEST_PATH: Final = 4096


def program_problem(path: str, *, env: Mapping[str, str] | None, cwd: str) -> str | None:
    """Find the reason why an executable file cannot be started; `None` if none is certain.

    Args:
        path: The file.
        env: The environment that it would get; `None` if its PATH is not known yet.
        cwd: The directory that it would be started in.
    """
    return _problem(os.path.join(cwd, path), env, cwd, _NESTED)


def _problem(path: str, env: Mapping[str, str] | None, cwd: str, nested: int) -> str | None:
    try:
        with open(path, "rb") as file:
            begin = file.read(_LINE)
            loader = _loader(begin, file.fileno()) if begin.startswith(_ELF) else None
    except OSError:  # executable, and perhaps not readable
        return None
    if loader is not None and not os.path.exists(loader):
        return f"its loader {loader} does not exist: it was built for another system"
    if _MARKED.match(begin):
        return "it begins with a byte order mark, so the system does not see its #! line: save it without one"
    line, newline, _ = begin.partition(b"\n")
    if not line.startswith(b"#!") or not (newline or len(begin) < _LINE):
        return None  # a longer line is cut off, or refused: that depends on the kernel
    # The kernel splits at the first blanks or tabs; a carriage return belongs to the word.
    interpreter, *rest = re.split(r"[ \t]+", os.fsdecode(line[2:]).strip(" \t"), maxsplit=1)
    found = _interpreter_problem(interpreter, "".join(rest), env, cwd)
    if found is not None:
        windows = f": it has Windows line ends, fix with sed -i 's/\\r$//' {shell_line([path])}"
        return found + (windows if line.endswith(b"\r") else "")
    deeper = _problem(os.path.join(cwd, interpreter), env, cwd, nested - 1) if nested else None
    return deeper and f"the interpreter {interpreter} of its first line cannot be started: {deeper}"


def _interpreter_problem(
    interpreter: str, argument: str, env: Mapping[str, str] | None, cwd: str
) -> str | None:
    if not interpreter:
        return None  # no script to the kernel: the shell that starts our children runs it
    path, name = os.path.join(cwd, interpreter), os.path.basename(interpreter)
    if not os.path.exists(path):
        if _below_a_link_to_be(path):
            return None
        return f"the interpreter {_shown(interpreter)} of its first line does not exist"
    if not os.path.isfile(path) or not os.access(path, os.X_OK):
        return f"the interpreter {interpreter} of its first line is not an executable file"
    if name == "env":
        return _env_problem(argument, env, cwd)
    if argument.endswith("\r") and _STRICT.fullmatch(name):
        return f"its first line gives the interpreter {interpreter} the argument {_shown(argument)}"
    return None


def _below_a_link_to_be(path: str) -> bool:
    """Whether the first name of a path that is missing is `current`: a first release makes that link."""
    folder, name = os.path.split(path)
    while not os.path.exists(folder):
        folder, name = os.path.split(folder)
    return name == "current"


def _env_problem(argument: str, env: Mapping[str, str] | None, cwd: str) -> str | None:
    """Why env(1) would not find the program that it is to start; options other than `-S` are left to it."""
    if option := re.match(r"-S|--split-string[= ]", argument):
        try:
            words = shlex.split(argument[option.end() :])
        except ValueError:
            return None
        # `NAME=value` before the program. Another PATH, or an option, is env's business.
        while words and "=" in words[0] and not words[0].startswith(("-", "PATH=")):
            words.pop(0)
    elif sys.platform == "linux":
        words = [argument]  # one argument, whatever is in it
    else:
        return None
    program = words[0] if words else ""
    if not program or program.startswith("-") or "=" in program or "$" in program:
        return None
    if env is None and program.isprintable():
        return None
    folders = [""] if "/" in program else (env or {}).get("PATH", os.defpath).split(":")
    if any(os.access(os.path.join(cwd, folder, program), os.X_OK) for folder in folders):
        return None
    several = "; for several words it needs env -S" if len(program.split()) > 1 else ""
    return f"its first line has env start {_shown(program)}, which is not in the PATH{several}"


def _shown(text: str) -> str:
    return text if text.isprintable() and " " not in text else repr(text)


def _loader(begin: bytes, descriptor: int) -> str | None:
    """The path of the loader that an ELF program names, elf(5); `None` if it names none."""
    try:
        order, wide = "<>"[begin[5] == 2], begin[4] == 2
        word = f"{order}{'Q' if wide else 'I'}"
        (headers,) = struct.unpack_from(word, begin, 32 if wide else 28)
        size, count = struct.unpack_from(f"{order}HH", begin, 54 if wide else 42)
        for index in range(min(count, _MOST_HEADERS)):
            header = os.pread(descriptor, size, headers + index * size)
            if struct.unpack_from(f"{order}I", header)[0] == _PT_INTERP:
                (start,) = struct.unpack_from(word, header, 8 if wide else 4)
                (length,) = struct.unpack_from(word, header, 32 if wide else 16)
                return os.fsdecode(os.pread(descriptor, min(length, _LONGEST_PATH), start).rstrip(b"\0"))
    except (OSError, OverflowError, IndexError, struct.error):
        pass  # not an ELF file that this code knows
    return None
