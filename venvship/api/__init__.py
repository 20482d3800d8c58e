"""The public Python API: one root, and the operations on it.

The command line is one caller of this; a configuration management module would be another. Methods return
results and raise `venvship.errors.VenvshipError`; they print nothing. A method has the name of its command,
and its arguments have the names of the command's options. Each method imports its operation when it is
called: a rollback must not wait for the import of a build.
"""

from __future__ import annotations

from venvship.api.root import Root
from venvship.api.runtime import default_runtime, own_command

__all__ = ["Root", "default_runtime", "own_command"]
