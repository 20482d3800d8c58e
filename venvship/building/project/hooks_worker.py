"""Run the hooks of a build backend one after the other. A script for a build's interpreter, not imported.

Each hook needs a process that no other hook has changed (PEP 517). Most of its time goes to the start of
Python and the import of the backend. So the backend is imported once, and each hook gets a copy of that
process. The hooks themselves are run by the script of pyproject_hooks, as it would run them.

Arguments: that script, `get_requires_for_build_wheel`, its control directory, and a control directory for
`build_wheel`, which is run at once if the backend asks for no further requirements.
"""

from __future__ import annotations

import sys

# The modules beside this file have names that a backend imports, `copy` for one.
del sys.path[0]

import contextlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402


def run(script: dict[str, object], hook: str, control: str) -> int:
    """Run a hook in a copy of this process, and return its exit status."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        sys.argv[1:] = [hook, control]
        script["main"]()  # type: ignore[operator]
        sys.exit()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status if status >= 0 else 128 - status


def main() -> None:
    """Run the first hook, and the second one if nothing has to be installed in between."""
    path, hook, control, ahead = sys.argv[1:]
    script: dict[str, object] = {"__name__": "pyproject_hooks._in_process", "__file__": path}
    with open(path, "rb") as file:
        exec(compile(file.read(), path, "exec", dont_inherit=True), script)  # noqa: S102
    sys.argv[:] = [path]
    with contextlib.suppress(Exception):  # the hook meets it too, and reports it
        script["_build_backend"]()  # type: ignore[operator]
    status = run(script, hook, control)
    if status == 0:
        with open(os.path.join(control, "output.json"), "rb") as answer:
            answered = json.load(answer)
        if answered["return_val"] == []:
            status = run(script, "build_wheel", ahead)
    sys.exit(status)


if __name__ == "__main__":
    main()
