"""Import before a switch what runs after it.

After the switch it would be too late: on a failing disk, or because venvship itself was upgraded or removed
meanwhile, the modules can be gone. A test records the imports of every command that switches.
"""

from __future__ import annotations

from venvship.model.settings import Settings
from venvship.workspace.workspace import Workspace


def load_before_switch(workspace: Workspace, settings: Settings | None, *, cleans: bool) -> None:
    """Import the modules that are imported late, because not every command needs them.

    They are a step: where it is the first one, a terminal gets its display, which is imported with it.

    Args:
        workspace: The root.
        settings: Whose hooks and checks run. Without any, their modules are left out: they take time.
        cleans: Whether the command puts a lockfile in place, removes releases, cleans the store and renews
            the reserve afterwards. A rollback does none of it, and starts faster.
    """
    workspace.begin("load")
    import unicodedata  # noqa: F401 - for the columns of letters that are not ASCII

    import venvship.system.interpreter_probe
    import venvship.workspace.quick_look

    if settings is not None and settings.service.is_on:
        import venvship.operations.service.handing_over
        import venvship.operations.service.retiring
        import venvship.operations.switching.serving
    if settings is not None and (
        settings.checks or settings.hooks.restart or settings.hooks.notify or settings.service.is_on
    ):
        import venvship.health.checks
        import venvship.health.hooks
        import venvship.workspace.variables
    if cleans:
        import venvship.operations.planning.lock
        import venvship.operations.retention.store_cleaning
        import venvship.system.space  # noqa: F401
    workspace.end("load")
