"""`[project] fetch`: bring new commits, before a command looks at the checkout."""

from __future__ import annotations

from venvship.building.fetching.pip_diagnosis import last_words
from venvship.errors import CheckoutError
from venvship.model.redaction import OutputRedactor
from venvship.model.settings import Settings
from venvship.operations.planning.project import project_path
from venvship.printable import enclosed, shell_line
from venvship.system.git import without_repository
from venvship.system.process import Program, run
from venvship.workspace.reading import ReadingWorkspace


def fetch_project(workspace: ReadingWorkspace, settings: Settings) -> None:
    """Run `[project] fetch`, before anybody looks at the checkout.

    Raises:
        CheckoutError: It failed, or took too long.
        ProgramNotFoundError: There is no such program.
        InterruptedByError: A signal came.
    """
    path, command = project_path(workspace, settings), settings.project.fetch
    if path is None or command is None:
        return
    workspace.trusted.require_path(path)
    environ = workspace.runtime.environ
    timeout = settings.project.timeout
    program = Program(command, env={**without_repository(environ), "GIT_TERMINAL_PROMPT": "0"}, cwd=path)
    try:
        result = run(program, timeout=timeout, signals=workspace.runtime.signals)
    except OSError as error:
        raise CheckoutError(f"`[project] fetch` cannot run in {path}: {error.strerror}", path=path) from error
    if result.timed_out:
        raise CheckoutError(
            f"`[project] fetch` took longer than {timeout:g} s in {path} and was ended",
            hint="`[project] timeout` in venvship.toml allows more time",
            path=path,
        )
    if result.returncode != 0:
        redact = OutputRedactor(environ)
        said = "\n".join(map(redact, result.output.decode(errors="replace").splitlines()))
        raise CheckoutError(
            enclosed(f"`[project] fetch` failed in {path}: ", last_words(said)),
            hint=f"try it: cd {shell_line([path])} && {shell_line(command)}",
            path=path,
        )
