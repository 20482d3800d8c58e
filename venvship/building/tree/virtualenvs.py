"""An empty virtual environment, made by virtualenv."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Mapping
from typing import Final

from venvship.building.tree.placement import site_packages_path, version_folder
from venvship.errors import BuildError
from venvship.model.interpreter import Interpreter
from venvship.system.files import make_link, remove_name
from venvship.system.host import host_error_in

_ACTIVATORS: Final = "bash,cshell,fish"

# CACHEDIR.TAG tells backups to skip the directory, and .gitignore hides it; a release is neither a cache nor
# somebody's working copy. The _virtualenv files of older virtualenvs patch distutils so that `setup.py
# install` finds the environment: nothing is ever installed into a sealed release, and as a .pth they would
# run, and cost, at every start.
_UNWANTED: Final = ("CACHEDIR.TAG", ".gitignore")
_UNWANTED_IN_SITE: Final = ("_virtualenv.pth", "_virtualenv.py")


def make_virtualenv(path: str, interpreter: Interpreter, *, scratch: str, environ: Mapping[str, str]) -> None:
    """Make a virtual environment without any package in it.

    virtualenv's own environment variables and configuration file are kept out: a release depends on the
    lockfile and the settings only.

    Crash: the directory is incomplete; it is debris until it is sealed.

    Args:
        path: An existing, empty directory.
        interpreter: The interpreter; `bin/python` becomes a link to its path.
        scratch: A directory for virtualenv's cache, thrown away by the caller; `~/.cache` is none of ours.
        environ: The process environment.

    Raises:
        BuildError: virtualenv refused, or made something else than a virtual environment of this interpreter.
        HostError: The host has nothing left to ask the interpreter with.
        OSError: Something could not be written.
    """
    # Late: virtualenv and its plug-ins take a tenth of a second to import, and only a build needs them.
    from virtualenv import cli_run

    variables = {
        key: value
        for key, value in environ.items()
        if not key.startswith(("VIRTUALENV_", "PYTHON", "__PYVENV"))
    }
    cache = os.path.join(scratch, "virtualenv")
    variables["VIRTUALENV_CONFIG_FILE"] = os.devnull
    # Both: older ones make the default cache, which this variable names, before they read the option.
    variables["VIRTUALENV_OVERRIDE_APP_DATA"] = cache
    arguments = [
        "--python", interpreter.path,
        "--app-data", cache,
        "--activators", _ACTIVATORS,
        "--no-seed",
        "--no-periodic-update",
        "--no-vcs-ignore",
        path,
    ]  # fmt: skip
    printed = io.StringIO()
    try:
        # Its argument parser prints before it exits. Its logging is left alone: it would replace the handlers
        # of the whole process.
        with contextlib.redirect_stderr(printed):
            cli_run(arguments, setup_logging=False, env=variables)
    except (RuntimeError, ValueError, SystemExit) as error:
        reason = printed.getvalue().strip() or str(error)
        if short := host_error_in(reason, f"make an environment for {interpreter.path}"):
            raise short from error
        raise BuildError(
            f"virtualenv could not make an environment for {interpreter.path}: {reason}", path=path
        ) from error
    _tidy(path, interpreter)


def _tidy(path: str, interpreter: Interpreter) -> None:
    site = os.path.join(path, site_packages_path(version_folder(interpreter)))
    python = os.path.join(path, "bin", "python")
    if not os.path.isdir(site) or not os.path.lexists(python):
        raise BuildError(
            f"virtualenv made an environment for {interpreter.path} that has no {site} or no {python}",
            path=path,
        )
    for name in _UNWANTED:
        remove_name(os.path.join(path, name))
    for name in _UNWANTED_IN_SITE:
        remove_name(os.path.join(site, name))
    if not os.path.islink(python) or os.readlink(python) != interpreter.path:
        # A link to `python3` would follow an upgrade of the operating system to another minor version, and
        # leave every old release without its packages.
        remove_name(python)
        make_link(interpreter.path, python)
