"""How to lock packages again, for hints: `venvship lock`, where that generates the lockfile."""

from __future__ import annotations

from collections.abc import Iterable


def lock_again(names: Iterable[str], *, here: bool, why: str = "") -> str:
    """The end of a hint: how to have other pins for some packages.

    Args:
        names: The packages.
        here: Whether `venvship lock` generates the lockfile. It refuses to where `[lock] inputs` is empty.
        why: What the new pins have to fit, as a part of the sentence.
    """
    told = f"lock again{f' {why}' if why else ''}"
    names = list(names)
    if here:
        return f"{told}: " + " ".join(["venvship lock", *(f"-P {name}" for name in names)])
    return f"{told} with the program that generated the lockfile, for other pins of {', '.join(names)}"
