"""`state/trust.json`: the users and groups that the owner of the root trusts, set by `init --trust`."""

from __future__ import annotations

from collections.abc import Iterable

from venvship.errors import StateError
from venvship.model.trust import Trust, Trusted
from venvship.root import RootLayout
from venvship.system.json_files import Ask, read_json


def read_trusted(layout: RootLayout, ask: Ask) -> tuple[Trusted, ...]:
    """Read whom the owner of a root trusts. Commands use `TrustedFiles.accounts`.

    Args:
        layout: The root.
        ask: Refuses a file that others can write, whatever it says itself.

    Raises:
        UntrustedError: As `ask` raises it.
        StateError: It is damaged, or cannot be read.
        FormatError: A newer venvship wrote it.
    """
    path = layout.trust_file
    data = read_json(path, ask)
    if data is None:
        return ()
    try:
        return tuple(map(Trusted.from_json, data["trusted"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StateError(
            f"{path} is damaged", hint="remove it, and trust again with `venvship init --trust USER`"
        ) from error


def trust_of(trusted: Iterable[Trusted]) -> Trust:
    """The ids of users and groups."""
    known = tuple(trusted)
    return Trust(
        frozenset(one.id for one in known if one.kind == "user"),
        frozenset(one.id for one in known if one.kind == "group"),
    )
