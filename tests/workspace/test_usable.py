"""Could a release run here? It is refused for a changed file, and for a changed interpreter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.forging import forget_anchors, rewrite_manifest
from tests.support.processes import script_at
from tests.support.roots import Site
from venvship.errors import ReleaseError
from venvship.model.release import Manifest
from venvship.root import RootLayout
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.usable import require_usable, usable_problem


@pytest.fixture
def workspace(site: Site) -> ReadingWorkspace:
    site.release("1.0")
    return ReadingWorkspace(RootLayout.at(site.path), site.runtime())


def record(workspace: ReadingWorkspace, release_id: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the interpreter that a manifest records."""
    rewrite_manifest(workspace.layout.release_path(release_id), lambda manifest: change(manifest["python"]))
    forget_anchors(workspace.layout.journal_file)


@pytest.mark.parametrize("fact", ["implementation", "version", "soabi", "magic"])
def test_an_interpreter_of_another_identity_is_refused(workspace: ReadingWorkspace, fact: str) -> None:
    release_id = str(workspace.layout.current())
    assert require_usable(workspace, release_id).id == release_id

    record(workspace, release_id, lambda python: python.update({fact: "other"}))

    again = ReadingWorkspace(workspace.layout, workspace.runtime)
    with pytest.raises(ReleaseError, match=r"its interpreter .* now, and was .*other"):
        require_usable(again, release_id, in_doubt="warn")


@pytest.mark.parametrize(("fact", "value"), [("full_version", "3.11.99"), ("platform", "linux-armv8l")])
def test_another_patch_level_or_kernel_serves(workspace: ReadingWorkspace, fact: str, value: str) -> None:
    release_id = str(workspace.layout.current())

    record(workspace, release_id, lambda python: python.update({fact: value}))

    require_usable(workspace, release_id)


def test_one_that_cannot_be_asked_is_refused_or_taken_to_be_the_same(
    workspace: ReadingWorkspace, tmp_path: Path
) -> None:
    release_id = str(workspace.layout.current())
    python = script_at(tmp_path / "python", "#!/bin/sh\nkill -KILL $$\n")
    record(workspace, release_id, lambda found: found.update(path=str(python)))

    with pytest.raises(ReleaseError, match="was killed by signal 9"):
        require_usable(workspace, release_id)
    require_usable(workspace, release_id, in_doubt="warn")

    assert [warning.slug for warning in workspace.warnings] == ["interpreter-not-asked", "no-anchor"]


def test_after_a_switch_only_the_answers_from_before_count(
    workspace: ReadingWorkspace, tmp_path: Path
) -> None:
    release_id = str(workspace.layout.current())
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\nexit 127\n")
    python.chmod(0o755)
    record(workspace, release_id, lambda found: found.update(path=str(python)))

    assert usable_problem(workspace, release_id, ask=False) is None
    assert not (tmp_path / "asked").exists()
    problem = usable_problem(workspace, release_id, ask=True)
    assert problem is not None
    assert "not able to run now" in problem
    assert usable_problem(workspace, release_id, ask=False) == problem


class ReadOnce(RootLayout):
    """A root on a failing disk: the quick look can read a manifest, and nobody after it."""

    def manifest(self, release_id: str, anchor: str | None) -> Manifest:
        looked = self.path / "looked"
        if looked.exists():
            raise ReleaseError(f"the manifest of {release_id} is damaged")
        looked.touch()
        return super().manifest(release_id, anchor)


def test_a_manifest_that_is_lost_after_the_look_is_a_problem_and_ends_no_rollback(site: Site) -> None:
    release_id = site.release("1.0")
    workspace = ReadingWorkspace(ReadOnce(site.path), site.runtime())

    assert usable_problem(workspace, release_id, ask=False) == f"the manifest of {release_id} is damaged"
