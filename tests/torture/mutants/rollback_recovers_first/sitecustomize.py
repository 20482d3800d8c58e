"""Mutant: a rollback first tries again what was interrupted."""

from __future__ import annotations

import contextlib
from typing import Any

with contextlib.suppress(ImportError):
    from venvship.operations import recover
    from venvship.operations import rollback as module

    original = module.rollback

    def rollback(workspace: Any, name: str | None = None, **options: Any) -> module.RollbackResult:
        recover.recover_switch(workspace)
        return original(workspace, name, **options)

    module.rollback = rollback
