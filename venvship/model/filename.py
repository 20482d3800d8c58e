"""File names of wheels and source distributions, chosen by packages, lockfiles and indexes, read by people.

`packaging` lets anything pass in the build number of a wheel and in the name of a source distribution.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from packaging import utils
from packaging.utils import InvalidSdistFilename, InvalidWheelFilename

from venvship.printable import is_plain, printable

if TYPE_CHECKING:
    from packaging.tags import Tag
    from packaging.utils import BuildTag, NormalizedName
    from packaging.version import Version

MOST_CHARACTERS: Final = 255
"""NAME_MAX. A wheel's name is a product of compressed tag sets: those of a long one would fill the memory."""


def parse_wheel_filename(filename: str) -> tuple[NormalizedName, Version, BuildTag, frozenset[Tag]]:
    """Read the file name of a wheel.

    Raises:
        InvalidWheelFilename: It is none.
    """
    if problem := problem_with_filename(filename):
        raise InvalidWheelFilename(problem)
    return utils.parse_wheel_filename(filename)


def parse_sdist_filename(filename: str) -> tuple[NormalizedName, Version]:
    """Read the file name of a source distribution.

    Raises:
        InvalidSdistFilename: It is none.
    """
    if problem := problem_with_filename(filename):
        raise InvalidSdistFilename(problem)
    return utils.parse_sdist_filename(filename)


def problem_with_filename(filename: str) -> str | None:
    """Find the problem with a name of any file of a distribution; `None` if there is none."""
    if len(filename) > MOST_CHARACTERS:
        return f"a file name of {len(filename)} characters"
    if not is_plain(filename):
        return f"a file name with a character that is not printable: {printable(filename)}"
    return None
