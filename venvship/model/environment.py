"""The environment of a lockfile: the selected requirements and the interpreter, under one digest."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from venvship.model.interpreter import Interpreter

if TYPE_CHECKING:
    # Parsing a lockfile imports packaging, which an idle `update` never needs.
    from venvship.model.lockfiles.lockfile import Lockfile
    from venvship.model.lockfiles.requirement import Requirement


class Environment(NamedTuple):
    """One lockfile as it applies to one interpreter: everything that a build has to install.

    Attributes:
        lockfile: The lockfile, as it was read.
        selected: The requirements that apply to the interpreter, sorted by name.
        interpreter: The interpreter of the root.
        digest: The environment digest. Environments with equal digests make equal releases.
        inputs: Digest of the lockfile's bytes, the interpreter and the build settings, from which `digest`
            follows. Equal inputs have equal digests; see `planning.environment.is_of`.
    """

    lockfile: Lockfile
    selected: tuple[Requirement, ...]
    interpreter: Interpreter
    digest: str
    inputs: str
