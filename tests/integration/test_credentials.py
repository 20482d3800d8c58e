"""An index with a password, under cron's environment: pip's own ways work, and the password shows nowhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.index import LocalIndex
from tests.support.processes import ProcessList
from tests.support.roots import Site
from tests.support.wheels import build_wheel

USER, SECRET = "deploy", "s3cret-of-the-shop"


@pytest.fixture
def home(site: Site) -> Path:
    home = Path(site.environment["HOME"])
    (home / ".config" / "pip").mkdir(parents=True, exist_ok=True)
    return home


def by_netrc(home: Path, index: LocalIndex) -> None:
    pip_conf(home, index.url)
    netrc = home / ".netrc"
    netrc.write_text(f"machine 127.0.0.1\nlogin {USER}\npassword {SECRET}\n")
    netrc.chmod(0o600)


def by_url(home: Path, index: LocalIndex) -> None:
    (home / ".netrc").unlink(missing_ok=True)
    pip_conf(home, index.url_with(USER, SECRET))


def pip_conf(home: Path, url: str) -> None:
    text = f"[global]\nindex-url = {url}\nkeyring-provider = disabled\nretries = 0\n"
    (home / ".config" / "pip" / "pip.conf").write_text(text)


@pytest.mark.parametrize("way", [by_netrc, by_url])
def test_an_index_with_a_password_works_under_cron_and_the_password_shows_nowhere(
    site: Site, home: Path, index: LocalIndex, wheelhouse: Path, way: Callable[[Path, LocalIndex], None]
) -> None:
    index.credentials = (USER, SECRET)
    way(home, index)
    for version in ("1.0", "2.0"):
        build_wheel(wheelhouse, "secretive", version)
    (site.path / "venvship.toml").write_text('name = "shop"\n[lock]\ninputs = ["requirements.in"]\n')
    (site.path / "requirements.in").write_text("secretive<2\n")
    (site.path / "requirements.txt").unlink()
    watching = ProcessList(SECRET)
    watching.start()
    try:
        printed = [site.run_as_cron("lock")]
        os.utime(site.path / "requirements.txt", (0, 0))
        printed += [site.run_as_cron("update", "--json"), site.run_as_cron("-v", "update")]
        (site.path / "requirements.in").write_text("secretive\n")
        printed.append(site.run_as_cron("update", "--upgrade"))
        assert [done.code for done in printed] == [0, 0, 0, 0], printed
        (site.path / "requirements.in").write_text("secretive\nnot-there\n")
        failed = site.run_as_cron("update", "--upgrade", "--json")
        assert failed.code == 20
    finally:
        watching.stop()
    assert index.authorized, "the password was asked for"
    assert watching.looks > 10
    assert watching.found == []
    for done in (*printed, failed):
        assert SECRET not in done.out + done.err
    named = [path for path in site.path.rglob("*") if path.is_file() and not path.is_symlink()]
    assert [path for path in named if SECRET.encode() in path.read_bytes()] == []
