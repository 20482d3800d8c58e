"""The names of all that a store consists of."""

from __future__ import annotations

from typing import Final

WHEELS: Final = "wheels"
"""The folder of unpacked wheels."""

ARCHIVES: Final = "archives"
"""The folder of the wheel files that were unpacked."""

BYTECODE: Final = "bytecode"
"""The folder of their bytecode."""

SELECTIONS: Final = "selections"
"""The folder of choices of wheels."""

BUILD_REQUIREMENTS: Final = "build-requirements"
"""The folder of choices of wheels that build projects."""

ROOTS: Final = "roots"
"""The folder of the list of roots."""

NOTES: Final = "unnamed.json"
"""The file that lists the entries that no release refers to any more, and since when; for all roots."""

MUTEX: Final = "store.mutex"
"""The lock file: builds share it, a clean-up has it alone."""

_NAMES: Final = frozenset({WHEELS, ARCHIVES, BYTECODE, SELECTIONS, BUILD_REQUIREMENTS, ROOTS, NOTES, MUTEX})


def is_temporary(name: str) -> bool:
    """Whether a name directly in a store is one that a killed writer left.

    Other hidden names are not ours: the store may be a folder, or a mount, in which others keep some too.
    """
    return name.startswith(f".{NOTES}.")


def is_of_store(name: str) -> bool:
    """Whether a name directly in a store is venvship's."""
    return name in _NAMES or is_temporary(name)
