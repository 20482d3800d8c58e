"""`verify` where no more than owners and modes of a release have changed: one line takes them back."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.support.roots import Site
from tests.support.users import NOBODY
from venvship.errors import DamagedError


def damage(site: Site) -> DamagedError:
    with pytest.raises(DamagedError) as caught:
        site.open().verify()
    return caught.value


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("chmod -R g+w {releases}", "chmod -R go-w {releases}"),
        ("chmod -R a+w {releases}/{id}", "chmod -R a-w {releases}/{id}"),
        (
            "chown -hR {nobody} {releases} && chmod -R o+w {releases}",
            "chown -hR root {releases} && chmod -R go-w {releases}",
        ),
    ],
)
def test_rights_that_were_given_away_are_taken_back_without_a_new_store(
    site: Site, shell: str, line: str
) -> None:
    if "chown" in shell and os.geteuid() != 0:
        pytest.skip("only root gives files to another user")
    name = site.release("1.0")
    facts = {"releases": site.path / "releases", "id": name, "nobody": NOBODY}
    subprocess.run(["sh", "-c", shell.format_map(facts)], check=True)
    expected = line.format_map(facts)
    if "chown" not in shell and "{id}" not in shell:
        (site.path / "releases").chmod(0o755)
    error = damage(site)
    assert error.hint == f"all contents are as they were sealed, and only owners or modes are not: {expected}"
    subprocess.run(["sh", "-c", expected], check=True)
    assert site.open().verify().releases[0].ok


def test_a_change_of_contents_beside_them_still_needs_a_new_store(site: Site) -> None:
    name = site.release("1.0")
    path = next((site.path / "releases" / name).rglob("app.py"))
    subprocess.run(["chmod", "-R", "g+w", site.path / "releases" / name], check=True)
    before = path.read_text()
    path.unlink()  # in the store there is another name of it
    path.write_text(before.replace("1.0", "6.6"))
    path.chmod(0o464)
    assert "remove the store" in str(damage(site).hint)


def test_a_right_that_is_missing_is_not_taken_for_one_too_many(site: Site) -> None:
    name = site.release("1.0")
    next((site.path / "releases" / name).rglob("app.py")).chmod(0o460)
    assert "remove the store" in str(damage(site).hint)
