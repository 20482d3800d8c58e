"""Run by an interpreter that is asked about, as `python -I -S -c TEXT [DIRECTORY]`.

Prints one JSON object: the interpreter's identity, which takes a few milliseconds. With DIRECTORY, where
`packaging` can be imported from, it prints all facts: wheel tags and markers are then those of the
interpreter that runs this, in the spelling of the library that venvship itself uses. Nothing else is imported
but the standard library, and only syntax that old interpreters read: they are told apart here, and do not
fail.
"""

import sys


def identity() -> dict:  # type: ignore[type-arg]  # dict[str, str] is more than Python 3.8 can evaluate
    """Collect the facts that `venvship.model.interpreter.Identity` has; of the running interpreter."""
    import _frozen_importlib_external  # not `importlib.util`, which takes longer to import than all the rest
    import _imp
    import sysconfig

    suffixes = _imp.extension_suffixes()  # none where nothing can be loaded: a static interpreter
    return {
        "implementation": sys.implementation.name,
        "version": "{}.{}".format(*sys.version_info[:2]),
        # The `sysconfig` variable SOABI, from where the interpreter itself has it: that takes no import.
        "soabi": suffixes[0].rpartition(".so")[0].lstrip(".") if suffixes else "",
        "platform": sysconfig.get_platform(),
        "magic": _frozen_importlib_external.MAGIC_NUMBER.hex(),
    }


def facts(library: str) -> dict:  # type: ignore[type-arg]
    """Collect all that venvship records of the running interpreter.

    Args:
        library: The directory that `packaging` is imported from.
    """
    import platform

    known = {
        "executable": sys.executable,
        "base_executable": getattr(sys, "_base_executable", None) or sys.executable,
        "version": platform.python_version(),
        "version_info": list(sys.version_info[:2]),
        "implementation": sys.implementation.name,
    }
    if sys.version_info < (3, 11) or sys.implementation.name != "cpython":
        return known

    sys.path.append(library)
    from packaging.markers import default_environment
    from packaging.tags import sys_tags

    known.update(
        identity=identity(),
        tags=[str(tag) for tag in sys_tags()],
        markers=dict(default_environment()),
    )
    return known


def main() -> None:
    """Print the identity, or all facts."""
    if len(sys.argv) > 1:
        import json

        print(json.dumps(facts(sys.argv[1])))  # noqa: T201
    else:
        # Without `json`, which takes as long to import as the interpreter takes to start.
        pairs = [f'"{name}": "{value}"' for name, value in identity().items()]
        print("{" + ", ".join(pairs) + "}")  # noqa: T201


if __name__ == "__main__":
    main()
