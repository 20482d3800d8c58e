"""The moment before each effect on the disk, which tests use. An installed venvship does nothing there.

Every function that changes something on disk calls `reach` just before each system call that does. The tests
put a plan in its place (`failpoints`): die, fail or stop at the N-th effect. The wheel leaves that package
out, so no variable in the environment of an installed venvship can do any of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable


def nothing(_name: str, _path: str | os.PathLike[str]) -> None:
    """What happens before an effect: nothing."""


reach: Callable[[str, str | os.PathLike[str]], None] = nothing
"""Called just before an effect, with the name of the system call and the path that it is about."""


def watched() -> bool:
    """Whether a plan is followed."""
    return reach is not nothing
