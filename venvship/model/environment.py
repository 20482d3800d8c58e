"""The environment of a lockfile: the selected requirements and the interpreter, under one digest.

A build carries it whole, and the manifest records it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from venvship.model.interpreter import Interpreter

if TYPE_CHECKING:
    # Parsing a lockfile imports packaging, which an idle `update` never needs.
    from venvship.model.lockfiles.lockfile import Lockfile
    from venvship.model.lockfiles.requirement import Requirement


class RecordedEnvironment(NamedTuple):
    """An environment as the manifest of a release records it.

    Attributes:
        digest: As of `Environment`.
        lockfile_sha256: Of the lockfile's original bytes.
        python: The interpreter's `identity` plus `path` and full `version` under `"full_version"`.
        inputs: As of `Environment`; also empty in a release of an older venvship.
        fetched: As of `Environment`.
    """

    digest: str
    lockfile_sha256: str
    python: Mapping[str, str]
    inputs: str = ""
    fetched: str = ""


class Environment(NamedTuple):
    """One lockfile as it applies to one interpreter: everything that a build has to install.

    Attributes:
        lockfile: The lockfile, as it was read.
        selected: The requirements that apply to the interpreter, sorted by name.
        interpreter: The interpreter of the root.
        digest: The environment digest. Environments with equal digests make equal releases.
        inputs: Digest of the lockfile's bytes, the interpreter and the build settings, from which `digest`
            follows. Equal inputs have equal digests; see `planning.environment.is_of`. Empty if the lockfile
            is in a checkout and includes a file that is not.
        fetched: Digest of the environment without the members that are built from source; `""` without such.
            Where that and the built wheels are equal, the environment is.
    """

    lockfile: Lockfile
    selected: tuple[Requirement, ...]
    interpreter: Interpreter
    digest: str
    inputs: str
    fetched: str = ""

    @property
    def built(self) -> tuple[Requirement, ...]:
        """The members that are built from source."""
        return tuple(one for one in self.selected if one.source is not None)

    @property
    def recorded(self) -> RecordedEnvironment:
        """The environment for a manifest."""
        python = self.interpreter
        facts = {**python.identity.to_json(), "path": python.path, "full_version": python.version}
        return RecordedEnvironment(self.digest, self.lockfile.sha256, facts, self.inputs, self.fetched)
