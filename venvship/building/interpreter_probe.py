"""Run by an interpreter that is to be known, as `python -I -S interpreter_probe.py DIRECTORY`.

Prints one JSON object. DIRECTORY is where `packaging` can be imported from: wheel tags and markers are then
those of the interpreter that runs this, in the spelling of the library that venvship itself uses. Nothing
else is imported but the standard library, and only syntax that old interpreters read: they are to be told
apart, not to fail.
"""

import json
import platform
import sys


def facts() -> dict:  # type: ignore[type-arg]  # dict[str, object] is more than Python 3.8 can evaluate
    """Collect what venvship wants to know of this interpreter."""
    known = {
        "executable": sys.executable,
        "base_executable": getattr(sys, "_base_executable", None) or sys.executable,
        "version": platform.python_version(),
        "version_info": list(sys.version_info[:2]),
        "implementation": sys.implementation.name,
    }
    if sys.version_info < (3, 11) or sys.implementation.name != "cpython":
        return known

    import importlib.util
    import sysconfig

    sys.path.append(sys.argv[1])
    from packaging.markers import default_environment
    from packaging.tags import sys_tags

    known.update(
        soabi=sysconfig.get_config_var("SOABI") or "",
        platform=sysconfig.get_platform(),
        magic=importlib.util.MAGIC_NUMBER.hex(),
        tags=[str(tag) for tag in sys_tags()],
        markers=dict(default_environment()),
    )
    return known


if __name__ == "__main__":
    print(json.dumps(facts()))  # noqa: T201
