"""Breaks venvship at the start of an interpreter, in the place that `VENVSHIP_MUTANT` names.

For commands that are started as programs of their own: this directory and the repository are in their
PYTHONPATH then.
"""

import contextlib
import os

with contextlib.suppress(ImportError):  # the interpreter of a release has no venvship
    from tests.torture.mutants import MUTANTS

    MUTANTS[os.environ["VENVSHIP_MUTANT"]]()
