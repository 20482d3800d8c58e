"""venvship: immutable virtual-environment releases for one host.

    from venvship import Root

    root = Root.open("/srv/shop")
    root.release(message="security fixes")
    root.rollback()

Everything public is here: `Root`, the errors in `venvship.errors`, and the results that its methods return.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from venvship._version import __version__

if TYPE_CHECKING:
    from venvship.api import Root

__all__ = ["Root", "__version__"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    """Import `Root` when it is asked for: the command line imports this package at every start."""
    if name == "Root":
        from venvship.api import Root

        return Root
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
