"""Without a lockfile, the advice is about the one that was asked for, and the next step is one that works."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.operations.test_status import line
from tests.support.answers import refusal
from tests.support.roots import Site


def hint(site: Site, *arguments: str, cwd: Path | None = None) -> str:
    done = site.run("-C", str(site.path), "release", "--json", *arguments, cwd=cwd)
    return str(refusal(done, 11, "lockfile-missing")["hint"])


def test_a_lockfile_of_the_command_line_is_what_the_advice_is_about(site: Site, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    said = hint(site, "--lockfile", "a.txt", cwd=elsewhere)
    assert said == "name a file that exists: --lockfile is relative to the working directory"
    there = site.lock("1.0", name="a.txt")
    said = hint(site, "--lockfile", "a.txt", cwd=elsewhere)
    assert said.endswith(f"venvship -C {site.path} release --lockfile {there}")
    (elsewhere / "a.txt").mkdir()
    assert (
        hint(site, "--lockfile", "a.txt", cwd=elsewhere)
        == f"{elsewhere}/a.txt is a directory: name a file in it"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_lockfile_that_is_there_and_cannot_be_read_is_not_to_be_made(site: Site) -> None:
    (site.path / "requirements.txt").chmod(0)
    assert hint(site).startswith("look at its mode and owner: ls -l ")


@pytest.mark.parametrize(
    ("there", "settings", "step"),
    [
        (
            "",
            '[lock]\ninputs = ["requirements.in"]\n',
            "generate the lockfile from the files in `[lock] inputs`: venvship lock",
        ),
        (
            "pyproject.toml",
            "",
            'set `[lock] inputs = ["pyproject.toml"]` in venvship.toml, then generate requirements.txt: ',
        ),
        (
            "app.in",
            "",
            'set `[lock] inputs = ["app.in"]` in venvship.toml, then generate requirements.txt: venvship',
        ),
        (
            "",
            "",
            "put requirements.txt there, with hashes, or list requirement files in `[lock] inputs` of venv",
        ),
    ],
)
def test_the_first_step_follows_from_the_files_that_are_there(
    site: Site, there: str, settings: str, step: str
) -> None:
    (site.path / "requirements.txt").unlink()
    site.settings(settings)
    if there:
        (site.path / there).touch()
    assert line(site.open().status(), "Next").startswith(step)
    for arguments in (["release"], ["release", "--dry-run"], ["update"]):
        done = site.run(*arguments, "--json")
        said = str(refusal(done, 11, "lockfile-missing")["hint"])
        # What `update` prints may be mailed.
        assert said.replace(f"venvship -C {site.path} ", "venvship ").startswith(step)


def test_the_first_step_is_a_release_only_where_its_lockfile_would_do(site: Site) -> None:
    assert line(site.open().status(), "Next") == "venvship release"
    (site.path / "requirements.txt").write_text("app\n")
    said = "fix the lockfile: `venvship release --dry-run` lists its problems"
    assert line(site.open().status(), "Next") == said
    assert (
        "1 problem" in refusal(site.run("release", "--dry-run", "--json"), 11, "lockfile-refused")["message"]
    )
    site.settings("nonsense = 1\n")
    assert line(site.open().status(), "Next") == "", "the settings come first, and a warning has said so"
