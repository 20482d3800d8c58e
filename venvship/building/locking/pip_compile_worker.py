"""Run by the root's interpreter, as `python -I -S pip_compile_worker.py DIRECTORY ARGUMENT...`.

DIRECTORY has links to venvship's own pip-tools, pip and what these import, and nothing else. They come first,
so that no other copy of them is imported. The packages of the interpreter come last and without their `.pth`
files: pip's `keyring-provider = import` finds its keyring there, as it does under `pip --python`.

ARGUMENTs are those of `pip-compile`. Ends with UNABLE where pip-tools cannot even be loaded.
"""

import runpy
import site
import sys

UNABLE = 96


def main() -> None:
    """Be pip-compile."""
    directory, *arguments = sys.argv[1:]
    sys.path[:0] = [directory]
    sys.path += site.getsitepackages()
    sys.argv = ["pip-compile", *arguments]
    try:
        # Under another name it only defines itself: an error here is not about the inputs.
        runpy.run_module("piptools", run_name="piptools.__main__")
    except Exception as error:  # noqa: BLE001 - whatever it is, this interpreter cannot run it
        print(f"{type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(UNABLE)
    runpy.run_module("piptools", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
