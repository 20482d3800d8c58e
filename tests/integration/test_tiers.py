"""Two roots with one common file: the settings of each equal a golden file, and no secret gets anywhere.

The golden files are lines of `venvship config`, with the directory above the roots as `/srv`.
"""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import ProcessList
from tests.support.roots import Finished, NewSite, Site, command, finish, plain_environment

FILES = Path(__file__).parent / "tiers"
TIERS = ("production", "staging")

OF_THE_FILE = "canary-of-the-file-0123456789"
OF_A_VARIABLE = "canary-of-a-variable-987654321"


@pytest.fixture
def common(tmp_path: Path) -> Path:
    """The folder of the common file, and of a file for each tier."""
    for name in ("common", *TIERS):
        path = tmp_path / f"{name}.toml"
        shutil.copyfile(FILES / path.name, path)
        path.chmod(0o644)
    return tmp_path


def make_tier(root: Path, files: str, tier: str, store: str) -> None:
    """Write the settings of a root that extends the files in a folder, and its secrets."""
    (root / "venvship.toml").write_text(
        f'extends = ["{files}/common.toml", "{files}/{tier}.toml"]\n'
        f'name = "shop"\nstore = "{store}"\nenv_file = "secret.env"\n'
    )
    secret = root / "secret.env"
    secret.touch(0o600)
    secret.write_text(f"SHOP_DSN=postgres://shop:{OF_THE_FILE}@db.internal/shop\n")


@pytest.fixture
def tiered(new_site: NewSite, common: Path) -> Callable[[str], Site]:
    """Makes a root that can be released, of a tier."""

    def make(tier: str) -> Site:
        site = new_site(tier)
        make_tier(site.path, str(common), tier, str(site.store))
        return site

    return make


@pytest.mark.parametrize("bare", [False, True], ids=["as it is", "env -i"])
def test_the_effective_settings_of_two_roots_equal_golden_files(common: Path, bare: bool) -> None:
    environ = {} if bare else plain_environment(common / "home")
    for tier in TIERS:
        root = common / tier
        root.mkdir()
        make_tier(root, "..", tier, "/srv/store")
    for tier in TIERS:
        golden = (FILES / f"{tier}.txt").read_text()

        def run(*more: str, tier: str = tier) -> Finished:
            done = finish(command(), "-C", common / tier, "config", *more, cwd=Path("/"), env=environ)
            assert (done.code, done.err) == (0, "")
            return done

        assert run().out.replace(str(common), "/srv") == golden
        data = run("--json").data
        assert data["files"] == [
            f"{common}/common.toml",
            f"{common}/{tier}.toml",
            f"{common}/{tier}/venvship.toml",
        ]
        keys = [line.split("  ", 1)[1].strip().split(" = ")[0] for line in golden.splitlines()[4:]]
        assert [one["key"] for one in data["settings"]] == keys
        every = {one["key"]: one for one in run("--all", "--json").data["settings"]}
        assert [one for one in every.values() if one["file"] is not None] == data["settings"]
        assert every["keep_failed"] == {"key": "keep_failed", "value": 2, "file": None, "line": None}


def test_each_root_works_by_its_own_settings_and_keeps_all_of_them(tiered: Callable[[str], Site]) -> None:
    for tier, mode, keep in (("production", "production", 9), ("staging", "testing", 7)):
        site = tiered(tier)
        assert site.run("release", env={"SHOP_API_TOKEN": OF_A_VARIABLE}).code == 0
        kept: dict[str, Any] = tomllib.loads((site.path / "state" / "settings.toml").read_text())
        assert (kept["tier"], kept["env"]["SHOP_MODE"], kept["keep"]) == (tier, mode, keep)
        assert kept.keys().isdisjoint({"extends", "disable_checks"})
        assert "queue" not in [check["name"] for check in kept["check"]]
        told = site.run("run", "sh", "-c", "echo $VENVSHIP_TIER $SHOP_MODE $SHOP_REGION").out
        assert told == f"{tier} {mode} eu\n"


def test_a_canary_is_in_no_file_of_the_root_no_output_and_no_command_line(
    tiered: Callable[[str], Site], common: Path
) -> None:
    site = tiered("production")
    environ = {"SHOP_API_TOKEN": OF_A_VARIABLE}
    done: list[Finished] = []

    def run(line: str, code: int | None = 0) -> None:
        done.append(site.run(*line.split(), env=environ))
        assert code in {None, done[-1].code}, (line, done[-1])

    watching = [ProcessList("canary-of-" + rest) for rest in ("the-file", "a-variable")]
    for one in watching:
        one.start()
    try:
        run("-v release -m first")
        site.lock("1.1")
        run("release --json")
        run("check --json")
        (site.path / "broken").touch()
        run("check", 40)
        run("check --json", 40)
        site.lock("1.2")
        run("release", 23)
        (site.path / "broken").unlink()
        run("rollback --json")
        for line in ("config --all", "status", "list", "show", "history", "diff @{1}", "ps"):
            run(line, None)
            run(f"{line} --json", None)
        run("run true")
        (common / "common.toml").unlink()
        run("rollback @{1}")
        run("check --json", 10)
    finally:
        for one in watching:
            one.stop()
    assert [one.found for one in watching] == [[], []]
    assert min(one.looks for one in watching) > 5
    for finished in done:
        for canary in (OF_THE_FILE, OF_A_VARIABLE):
            assert canary not in finished.out + finished.err
    files = [path for path in site.path.rglob("*") if path.is_file() and not path.is_symlink()]
    logs = [path for path in files if path.parent.parent == site.path / "log"]
    assert {path.name for path in logs} >= {"prepare.txt", "restart.txt", "notify.txt", "self-test.txt"}
    assert any("with **** and ****" in path.read_text() for path in logs), "they were printed"
    for canary in (OF_THE_FILE.encode(), OF_A_VARIABLE.encode()):
        found = [path.relative_to(site.path) for path in files if canary in path.read_bytes()]
        assert found == ([Path("secret.env")] if canary == OF_THE_FILE.encode() else [])
