"""The words of a switch: a proven release is not called bad, what cannot be read is not called damaged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support.roots import Site
from tests.support.users import unprivileged
from venvship import Root, errors
from venvship.model.release import State
from venvship.operations.switching.switched import Switched
from venvship.operations.switching.trial import Trial
from venvship.root import RootLayout
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.usable import require_usable

ID = "20261122T094143Z-3f9a1c2"


@pytest.mark.parametrize(
    ("proven", "words"), [(True, "stays proven, since it passed before,"), (False, "is marked bad")]
)
def test_a_verdict_is_told_as_it_is_recorded(proven: bool, words: str) -> None:
    switched = Switched(
        outcome="rolled-back",
        release_id=ID,
        origin_id=None,
        current=None,
        trial=Trial(problem="no"),
        verdict=State.BAD,
        proven=proven,
        source="commit",
    )
    until = "will not be released again until the commit, a check or a hook changes"
    with pytest.raises(errors.RolledBackError, match=f"{ID} {words} and {until}"):
        switched.raise_if_not_promoted()


def test_the_command_that_overrides_is_about_the_release_that_was_asked_for(site: Site) -> None:
    a = site.release("1.0")
    site.release("1.1")
    site.settings(f"[hooks]\nrestart = ['sh', '-c', '! [ $VENVSHIP_RELEASE = {a} ]']\n")
    with pytest.raises(errors.RolledBackError) as caught:
        site.open().promote(a)
    assert f"`venvship promote --force {a}`" in str(caught.value.hint)


def test_a_release_that_was_proven_stays_proven_when_it_does_not_pass_again(site: Site) -> None:
    site.settings("[[check]]\nname = 'yes'\ncommand = ['true']\n")
    a = site.release("1.0")
    site.release("1.1")
    site.settings(f"[hooks]\nrestart = ['sh', '-c', '! [ $VENVSHIP_RELEASE = {a} ]']\n")
    with pytest.raises(errors.RolledBackError, match=f"{a} stays proven"):
        site.open().promote(a)


def test_a_manifest_out_of_reach_is_not_called_damaged() -> None:
    def look(base: Path) -> None:
        (base / "venvship.toml").write_text("")
        folder = base / "releases" / ID / ".venvship"
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{}")
        folder.chmod(0)
        try:
            with pytest.raises(errors.ReleaseError) as caught:
                RootLayout.at(base).manifest(ID, None)
            assert caught.value.message == (
                f"the manifest of {ID}: cannot read {folder}/manifest.json: Permission denied"
            )
        finally:
            folder.chmod(0o755)

    unprivileged(look)


@pytest.mark.parametrize("mode", [0o000, 0o444])
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_rollback_without_a_way_into_releases_says_so(mode: int, dry_run: bool) -> None:
    def look(base: Path) -> None:
        (base / "venvship.toml").write_text("")
        (base / "releases" / ID).mkdir(parents=True)
        (base / "current").symlink_to(f"releases/{ID}")
        (base / "state").mkdir()
        root = Root.open(base)
        (base / "releases").chmod(mode)
        try:
            with pytest.raises(errors.RootError, match=r"cannot (list|look into) .*: Permission denied"):
                root.rollback(dry_run=dry_run)
        finally:
            (base / "releases").chmod(0o755)

    unprivileged(look)


def test_the_hint_for_a_lost_interpreter_does_not_name_verify_which_finds_nothing(
    site: Site, tmp_path: Path
) -> None:
    known = json.loads((site.path / "state" / "python.json").read_text())
    own = tmp_path / Path(known["path"]).name
    shutil.copy(known["path"], own)
    site.settings(f"python = '{own}'\n")
    a = site.release("1.0")
    own.unlink()
    workspace = ReadingWorkspace(RootLayout.at(site.path), site.runtime())
    with pytest.raises(errors.ReleaseError, match=f"its interpreter {own} is gone") as gone:
        require_usable(workspace, a)
    assert "verify" not in str(gone.value.hint)
    assert "install that interpreter again" in str(gone.value.hint)
    assert [one.ok for one in site.open().verify(a).releases] == [True]
