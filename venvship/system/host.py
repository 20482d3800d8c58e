"""Faults of the host: it is short of descriptors, memory or processes.

It says so at whatever is opened or started next. That is no fault of the file or the program, so it never
becomes the error that stands for one. `regular.py` opens files and `process.py` starts programs; both raise
`HostError` for such a fault, and everything that opens in another way uses `host_faults`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator, Mapping
from typing import Final

from venvship.errors import HostError

_SHORT_OF: Final[Mapping[int, tuple[str, str]]] = {
    errno.EMFILE: (
        "this process may open no more files",
        "raise its limit: `ulimit -n`, or LimitNOFILE= of its systemd unit",
    ),
    errno.ENFILE: (
        "the host has no more file descriptors",
        "see which processes have them: /proc/sys/fs/file-nr, lsof",
    ),
    errno.ENOMEM: (
        "the host has no more memory",
        "free some, or raise the limit: `ulimit -v`, or MemoryMax= of the systemd unit",
    ),
    errno.EAGAIN: (
        "no more processes may be started",
        "end some, or raise the limit: `ulimit -u`, or TasksMax= of the systemd unit",
    ),
}
"""By the kernel's number, what a host is short of, and the remedy."""

_NUMBERS: Final = "|".join(map(str, sorted(_SHORT_OF)))
_TEXTS: Final = "|".join(os.strerror(number) for number in sorted(_SHORT_OF) if number != errno.EAGAIN)

_SAID: Final = re.compile(
    rf"\[Errno (?P<number>{_NUMBERS})\]|(?P<text>{_TEXTS})"
    rf"|object file: Error (?P<loader>{_NUMBERS})\b|(?P<memory>\bMemoryError\b)"
)
"""How a program reports such a fault: Python, the C library, and the loader of shared libraries. The text for
EAGAIN alone is also that of a socket that has nothing to read."""


def host_error(error: OSError, doing: str, *, state: str = "") -> HostError | None:
    """The error for a host that is short of something; `None` for any other fault.

    Args:
        error: The kernel's.
        doing: The step, to continue "could not".
        state: The state now; a sentence without its full stop.
    """
    found = _SHORT_OF.get(error.errno or 0)
    if found is None:
        return None
    short, remedy = found
    message = f"could not {doing}: {short} ({error.strerror})"
    return HostError(f"{message}. {state}" if state else message, hint=remedy)


def host_error_in(said: str | bytes, doing: str) -> HostError | None:
    """The same for another program that failed, by the words in its output."""
    text = said if isinstance(said, str) else said.decode(errors="replace")
    found = _SAID.search(text)
    if found is None:
        return None
    number = errno.ENOMEM
    if found["number"] or found["loader"]:
        number = int(found["number"] or found["loader"])
    elif found["text"]:
        number = next(known for known in _SHORT_OF if os.strerror(known) == found["text"])
    return host_error(OSError(number, os.strerror(number)), doing)


@contextlib.contextmanager
def host_faults(doing: str) -> Iterator[None]:
    """Turn an `OSError` inside into a `HostError`, where the host is short of something.

    Stands inside of the block that turns an `OSError` into the error for a file or a program.

    Args:
        doing: The step, to continue "could not".

    Raises:
        HostError: The host is short of something.
        OSError: Any other fault.
    """
    try:
        yield
    except OSError as error:
        if found := host_error(error, doing):
            raise found from error
        raise
