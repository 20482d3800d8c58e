"""The facts of a release under way, gathered into its result."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace

from venvship.errors import RejectedError, VenvshipError
from venvship.model.environment import Environment
from venvship.model.history import History
from venvship.model.progress import DONE, Step
from venvship.operations.planning.project import Project
from venvship.operations.release_result import OUTCOMES, ReleaseResult
from venvship.workspace.views import ReleaseView, view_release
from venvship.workspace.workspace import Workspace


class ReleaseFacts:
    """The result of a release, filled step by step: an error carries what is known by then.

    Args:
        workspace: The root.
        message: The operator's; by default the subject of the project's commit.
        promote: Whether the release is to become current.

    Attributes:
        result: The result, as far as it is known by now.
    """

    def __init__(self, workspace: Workspace, *, message: str, promote: bool) -> None:
        self.result = ReleaseResult(no_promote=not promote)
        self._workspace = workspace
        self._asked = message
        self._message = message

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Attach the result to an error from inside, with the outcome that the error stands for."""
        try:
            yield
        except VenvshipError as error:
            self.result = replace(self.result, outcome=OUTCOMES.get(error.slug, self.result.outcome))
            if isinstance(error, RejectedError) and self.result.release is not None:
                view = self._view(self.result.release.id, self._workspace.known_history().history)
                self.result = replace(self.result, release=view)
            error.result = error.result or self.result
            raise

    def asked_for(self, lockfile: str, packages: int, python: str) -> None:
        """Note the environment in question: the lockfile's path, its packages, the interpreter's version."""
        self.result = replace(self.result, lockfile=lockfile, packages=packages, python=python)

    def asked_for_environment(self, environment: Environment, project: Project | None = None) -> None:
        """Note the environment in question. The subject of the project's commit is the default message."""
        if project is not None:
            self._message = self._asked or project.subject
        self.asked_for(environment.lockfile.path, len(environment.selected), environment.interpreter.version)

    def unchanged(self, release_id: str | None, history: History, *, live: bool = True) -> None:
        """Note that the release is there which the lockfile asks for.

        Args:
            release_id: The release.
            history: The folded journal.
            live: Whether it was current when that was decided, or else is built and was not to be promoted.
        """
        view = self._view(release_id, history)
        self.result = replace(self.result, plan="unchanged", outcome="unchanged", release=view)
        if live:
            self.result = replace(self.result, previous=view)

    def _progress(self, step: Step) -> None:
        """Pass a build's steps on, and keep how long each took."""
        if step.state == DONE:
            self._took(step.name, step.seconds)
        self._workspace.runtime.progress(step)

    @contextlib.contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self._took(step, time.perf_counter() - began)

    def _took(self, step: str, seconds: float) -> None:
        timings = {**self.result.timings, step: round(seconds, 3)}
        self.result = replace(self.result, timings=timings)

    def _view(self, release_id: str | None, history: History) -> ReleaseView | None:
        return view_release(self._workspace.layout, release_id, history) if release_id else None
