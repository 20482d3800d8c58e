"""`[project]`: the application's own code, built from a checkout. Declared as `model/settings.py` says."""

# No `from __future__ import annotations`: the annotations are values here.

from typing import Annotated, NamedTuple

from venvship.model import setting_values as values
from venvship.model.setting import Setting
from venvship.model.toml_table import each, one_of


class ProjectSettings(NamedTuple):
    """`[project]`: the checkout that a release takes the application's own code from."""

    path: Annotated[
        str | None,
        Setting(
            values.path,
            "Directory of the project: checkout, bare repository or plain files. Relative to the root or"
            " absolute. venvship never writes there.",
            example="/srv/src/shop",
        ),
    ] = None
    ref: Annotated[
        str,
        Setting(
            values.git_ref,
            "Branch, tag or commit to release. `release --ref` takes another one once.",
        ),
    ] = "HEAD"
    member: Annotated[
        str | None,
        Setting(
            values.path,
            "Name or folder of the project where `path` has several. With `tree`, the folder that becomes"
            " `app`.",
            example="shop",
        ),
    ] = None
    lockfile: Annotated[
        tuple[str, ...],
        Setting(
            values.checkout_files,
            "Lockfile in the checkout, relative to `path`. Without it, the root's own `lockfile` is read.",
            example="uv.lock",
            type_text="string, or array of strings",
        ),
    ] = ()
    build: Annotated[
        str,
        Setting(
            one_of("wheel", "tree"),
            "How the code gets into a release: `wheel` or `tree`. `wheel` builds one with the project's build"
            " backend. `tree` takes the files as they are.",
        ),
    ] = "wheel"
    before: Annotated[
        tuple[str, ...] | None,
        Setting(
            values.command,
            "Runs in the clean copy before the build. It is a program of the host.",
            example=("/usr/bin/npm", "run", "build"),
        ),
    ] = None
    fetch: Annotated[
        tuple[str, ...] | None,
        Setting(
            values.command,
            "Runs in `path` before `release` and `update` look at it. It is a program of the host.",
            example=("/usr/bin/git", "fetch", "--quiet"),
        ),
    ] = None
    timeout: Annotated[
        float, Setting(values.seconds, "Seconds for each of `fetch`, `before` and the build.")
    ] = 600.0
    build_constraints: Annotated[
        str | None,
        Setting(
            values.checkout_file,
            "Requirements file with hashes, for the build requirements. Relative to `path`. Without it, they"
            " come from the index as the project asks for them.",
            example="build.txt",
        ),
    ] = None
    include: Annotated[
        tuple[str, ...],
        Setting(
            each(values.pattern, "an array of patterns"),
            "Patterns of files to take although git does not track them. With `tree`, also of files that are"
            " left out for their names.",
            example=("web/dist/",),
        ),
    ] = ()
    exclude: Annotated[
        tuple[str, ...],
        Setting(
            each(values.pattern, "an array of patterns"),
            "Patterns of files to leave out, whatever `include` says.",
            example=("docs/",),
        ),
    ] = ()
    shared: Annotated[
        tuple[str, ...],
        Setting(
            values.shared_names,
            "Folders and files that outlive releases. In each release a link to `shared/NAME` in the root.",
            example=("media",),
        ),
    ] = ()
