"""The method of `Root` that makes one, or changes whom it trusts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from venvship.api.arguments import require_several
from venvship.api.runtime import default_runtime
from venvship.errors import VenvshipError
from venvship.workspace.runtime import Runtime

if TYPE_CHECKING:
    from venvship.operations.init import InitResult


class RootMaking:
    """The method of `Root` that makes one, or changes whom it trusts."""

    @staticmethod
    def init(  # noqa: PLR0913 - keyword-only, and each is an option of the command
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        python: str | None = None,
        lockfile: str | None = None,
        from_: str | os.PathLike[str] | None = None,
        member: str | None = None,
        trust: Sequence[str] = (),
        untrust: Sequence[str] = (),
        runtime: Runtime | None = None,
    ) -> InitResult:
        """Make a root: a directory with a commented `venvship.toml` and a README.

        With `from_`, the settings are for the application in a checkout, as far as its files tell of it. If
        they pin nothing by hash, a lockfile is made in the root, too, as by `lock`.

        An existing root may be given with `trust` or `untrust` alone, and only these change.

        Args:
            path: The directory; made if it is missing.
            name: The application's name. By default the directory's.
            python: The interpreter: a version such as `"3.11"`, or a path. By default the one that runs
                venvship at the first release.
            lockfile: The path of the lockfile, relative to the root. By default `requirements.txt`.
            from_: A directory, a git checkout or a bare repository, whose code the releases will have.
            member: The name or folder of the project to release, where the checkout has several.
            trust: Names or numbers of users, and of groups behind a `%`, who may decide what runs there.
            untrust: Users and groups who may not any more.
            runtime: The clock, environment, user and so on; see `default_runtime`.

        Raises:
            RootExistsError: There is a `venvship.toml`. Nothing was changed.
            UsageError: There is no such user or group, or it was not trusted; or the checkout has several
                projects and `member` is not given. Nothing was changed.
            SettingsError: The interpreter is missing or too old, or settings cannot hold a name or lockfile.
                Nothing was made.
            CheckoutError: The checkout cannot be read. Nothing was made.
            UntrustedError: Others can write the checkout. Nothing was made.
            LockError: The lockfile could not be made; the root is there. Further errors of `lock`.
            RootError: The path cannot be used or written.
            InterruptedByError: A signal came while the interpreter was asked. Nothing was made.
            TypeError: `trust` or `untrust` is a `str`.
        """
        require_several("trust", trust)
        require_several("untrust", untrust)
        from venvship.operations.init import InitOptions, init

        world = runtime or default_runtime()
        options = InitOptions(
            name=name,
            python=python,
            lockfile=lockfile,
            checkout=None if from_ is None else Path(from_).absolute(),
            member=member,
            trust=trust,
            untrust=untrust,
        )
        try:
            return init(Path(path), world, options)
        except VenvshipError as error:
            error.changed = bool(error.changed)
            raise
