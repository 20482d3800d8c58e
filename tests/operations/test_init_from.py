"""`init --from`: a checkout is looked at, and the settings that it shows to apply are written."""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.model.survey.checkouts import DJANGO
from tests.support.checkouts import git, repository, write
from tests.support.roots import Site
from tests.support.users import NOBODY, as_root_only
from venvship.api import Root
from venvship.errors import CheckoutError, SettingsError, UntrustedError, UsageError

PYPROJECT = (
    '[project]\nname = "shop"\nversion = "1"\nrequires-python = ">=3.11"\n[build-system]\nrequires = []\n'
)


def settings(root: Path) -> dict[str, Any]:
    """The settings that were written."""
    return tomllib.loads((root / "venvship.toml").read_text())


@pytest.mark.parametrize("kind", ["git", "plain", "bare"])
def test_the_settings_are_for_what_the_checkout_shows(site: Site, tmp_path: Path, kind: str) -> None:
    source = tmp_path / "source"
    (write if kind == "plain" else repository)(source, {"pyproject.toml": PYPROJECT, "uv.lock": ""})
    if kind == "bare":
        git(tmp_path, "clone", "--quiet", "--bare", str(source), "bare.git")
        source = tmp_path / "bare.git"
    before = sorted(source.rglob("*"))
    result = Root.init(tmp_path / "new", from_=source, runtime=site.runtime())
    written = settings(tmp_path / "new")
    assert written["name"] == "shop"
    assert written["project"] == {"path": str(source), "lockfile": "uv.lock"}
    assert os.path.isabs(written["python"])
    assert any("uv.lock" in line for line in result.found)
    assert sorted(source.rglob("*")) == before, "something was written into the checkout"


def test_uncommitted_files_do_not_count_and_a_dotenv_file_does(site: Site, tmp_path: Path) -> None:
    source = repository(tmp_path / "source", DJANGO | {"requirements.txt": "x==1 --hash=sha256:0\n"})
    (source / "uv.lock").write_text("")
    (source / ".env").write_text("SECRET_KEY=x\n")
    Root.init(tmp_path / "new", from_=source, runtime=site.runtime())
    written = settings(tmp_path / "new")
    assert written["project"]["lockfile"] == "requirements.txt"
    assert written["env_file"] == str(source / ".env")
    assert written["env"] == {"DJANGO_SETTINGS_MODULE": "shop.settings"}


def test_options_come_before_what_is_found(site: Site, tmp_path: Path) -> None:
    source = repository(tmp_path / "source", {"pyproject.toml": PYPROJECT, "uv.lock": ""})
    Root.init(tmp_path / "new", from_=source, name="other", python="3.11", runtime=site.runtime())
    assert (settings(tmp_path / "new")["name"], settings(tmp_path / "new")["python"]) == ("other", "3.11")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"member": "c"}, SettingsError, "no member c"),
        ({}, UsageError, "2 projects: a-app, b-app"),
        ({"member": "a-app", "lockfile": "x"}, UsageError, "--from finds the lockfile"),
    ],
)
def test_several_projects_are_a_choice(
    site: Site, tmp_path: Path, options: dict[str, str], error: type[Exception], message: str
) -> None:
    texts = {"pyproject.toml": '[tool.uv.workspace]\nmembers = ["a", "b"]\n', "uv.lock": ""}
    texts |= {f"{name}/pyproject.toml": PYPROJECT.replace("shop", f"{name}-app") for name in "ab"}
    source = repository(tmp_path / "source", texts)
    with pytest.raises(error, match=message):
        Root.init(tmp_path / "new", from_=source, runtime=site.runtime(), **options)
    assert not (tmp_path / "new").exists()
    Root.init(tmp_path / "new", from_=source, member="b-app", runtime=site.runtime())
    assert settings(tmp_path / "new")["project"]["member"] == "b"


def test_a_member_without_a_checkout_is_refused(site: Site, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="of a checkout"):
        Root.init(tmp_path / "new", member="b", runtime=site.runtime())


def test_a_python_that_is_not_there_is_refused_and_nothing_is_made(site: Site, tmp_path: Path) -> None:
    text = PYPROJECT.replace(">=3.11", ">=3.99")
    source = repository(tmp_path / "source", {"pyproject.toml": text, "uv.lock": ""})
    with pytest.raises(SettingsError, match=r">=3\.99"):
        Root.init(tmp_path / "new", from_=source, runtime=site.runtime())
    assert not (tmp_path / "new").exists()


def test_a_python_that_the_project_excludes_is_refused(site: Site, tmp_path: Path) -> None:
    text = PYPROJECT.replace(">=3.11", ">=3.99")
    source = repository(tmp_path / "source", {"pyproject.toml": text, "uv.lock": ""})
    with pytest.raises(SettingsError, match=r"the project asks for >=3\.99"):
        Root.init(tmp_path / "new", from_=source, python=sys.executable, runtime=site.runtime())


def test_a_checkout_that_is_not_there_is_refused(site: Site, tmp_path: Path) -> None:
    with pytest.raises(CheckoutError):
        Root.init(tmp_path / "new", from_=tmp_path / "nothing", runtime=site.runtime())
    assert not (tmp_path / "new").exists()


def test_a_repository_without_a_commit_is_told_to_commit(site: Site, tmp_path: Path) -> None:
    source = tmp_path / "source"
    write(source, {"requirements.txt": "flask\n"})
    git(source, "init", "--quiet")
    with pytest.raises(CheckoutError, match="has no commit at HEAD") as caught:
        Root.init(tmp_path / "new", from_=source, runtime=site.runtime())
    assert str(caught.value.hint).startswith("commit first: git add . && git commit")
    assert not (tmp_path / "new").exists()


@as_root_only
def test_a_checkout_that_others_can_write_is_refused(site: Site, tmp_path: Path) -> None:
    source = tmp_path / "source"
    write(source, {"app.py": "", "requirements.txt": "x==1 --hash=sha256:0\n"})
    os.chown(source, NOBODY, NOBODY)
    with pytest.raises(UntrustedError, match="nobody") as caught:
        Root.init(tmp_path / "new", from_=source, runtime=site.runtime())
    assert "git clone" in (caught.value.hint or "")
    assert not (tmp_path / "new").exists()
