"""`schedule`: what it prints is what cron, sh and systemd understand, wherever the root is."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from tests.contract.test_start import snapshot
from tests.support.patches import units_are_in
from tests.support.processes import script_at
from tests.support.roots import Site, command, make_site
from tests.support.wheels import Distribution
from venvship.api import Root
from venvship.errors import SettingsError, UsageError

ODD = 'a 100%h $HOME\'s "shop"'
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze: apt-get install systemd"
)


@pytest.fixture
def odd(tmp_path: Path, application: dict[str, Distribution], shared_store: Path, known_python: Path) -> Site:
    """A root whose path and name have all that must be escaped."""
    site = make_site(tmp_path / ODD, application, shared_store, tmp_path / "home", known_python)
    (site.path / "venvship.toml").write_text(
        f"name = 'my 5% \"shop\" \\'\nstore = '{tmp_path}/the store'\n"
        "[hooks]\nrestart = ['systemctl', 'restart', 'shop.service']\n"
    )
    return site


def install(site: Site, folder: Path, *arguments: str) -> list[Path]:
    """Write the units to a folder, as the advice on standard error says."""
    done = site.run("schedule", "systemd", *arguments)
    assert done.code == 0, done.err
    split = re.findall(r"sudo (awk '.*')$", done.err, re.MULTILINE)
    assert len(split) == 1, done.err
    folder.mkdir()
    text = done.out.replace("# /etc/systemd/system/", f"# {folder}/")
    pattern = f"{folder}/".replace("/", "\\/")
    line = split[0].replace("\\/etc\\/systemd\\/", pattern)
    subprocess.run(["sh", "-c", line], input=text, text=True, check=True, cwd=folder)
    return sorted(folder.iterdir())


@needs_systemd
@pytest.mark.parametrize("every", ["5m", "6h", "04:30"])
def test_systemd_finds_nothing_wrong_with_the_units(site: Site, tmp_path: Path, every: str) -> None:
    files = install(site, tmp_path / "units", "--every", every)
    assert [file.name for file in files] == [
        "venvship-boot-shop.service",
        "venvship-update-shop.service",
        "venvship-update-shop.timer",
    ]
    verify(files)


def verify(files: list[Path], level: str = "info") -> str:
    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, files)],
        env={"PATH": os.environ["PATH"], "SYSTEMD_LOG_LEVEL": level},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ours = [line for line in done.stderr.splitlines() if "venvship-" in line and level == "info"]
    assert ours == []
    return done.stdout


@needs_systemd
def test_systemd_reads_odd_paths_as_they_are(odd: Site, tmp_path: Path) -> None:
    boot, update, timer = install(odd, tmp_path / "units")
    assert {file.suffix for file in (boot, update)} == {".service"}
    assert timer.suffix == ".timer"
    verify([boot, update, timer])

    dump = verify([update], level="debug")

    root, store = str(odd.path), f"{tmp_path}/the store"
    assert f"\tReadWritePaths: {root} {store} -/tmp -/var/tmp\n" in dump
    assert f"\tRequiresMountsFor: {root} " in dump
    # Shown quoted, and before `$$` becomes `$` when it is run.
    shown = root.replace("$", "\\$\\$").replace('"', '\\"')
    assert f'\tCommand Line: {command()} -C "{shown}" update\n' in dump


@needs_systemd
def test_a_program_that_systemd_would_refuse_is_run_by_sh(site: Site, tmp_path: Path) -> None:
    program = tmp_path / 'it\'s "$5"' / "venvship"
    program.parent.mkdir()
    script_at(program, '#!/bin/sh\nprintf "%s\\n" "$0" "$@"\n')
    found = Root.open(site.path, runtime=site.runtime()).schedule("systemd", command=[str(program)])
    unit = tmp_path / "venvship-update-shop.service"
    unit.write_text(found.files[0].content)
    verify([unit])

    [line] = re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)

    # Undo what systemd undoes; sh reads double quotes the same way, but for `$$`.
    line = line.replace("$$", "\\$").replace("%%", "%")
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [str(program), "-C", str(site.path), "update"]


def test_the_line_for_cron_runs_this_venvship_on_this_root(odd: Site, tmp_path: Path) -> None:
    done = odd.run("schedule", "cron", "--every", "1h", "-q")
    assert (done.code, done.err) == (0, "")
    line = done.out.splitlines()[-1]
    assert line.startswith("0 * * * * PATH=")
    # What cron hands to sh; `status` stands in for `update`, and has no --jitter.
    shell = line.split(" ", 5)[5].replace("\\%", "%").replace(" update --jitter 600", " status --json")
    status = subprocess.run(
        ["/bin/sh", "-c", shell], cwd="/", env={}, capture_output=True, text=True, check=True
    )
    assert json.loads(status.stdout)["data"]["root"] == str(odd.path)


def test_the_path_of_venvship_is_absolute_however_it_was_called(site: Site) -> None:
    folder, name = os.path.split(command())
    done = site.shell(f"cd '{folder}' && './{name}' -C '{site.path}' schedule cron")
    assert f" {command()} -C {site.path} update " in done.out


def test_a_link_to_venvship_is_not_followed(site: Site, tmp_path: Path) -> None:
    link = tmp_path / "venvship"
    link.symlink_to(command())
    assert f" {link} -C {site.path} update " in site.shell(f"'{link}' -C '{site.path}' schedule cron").out


def test_only_the_owner_is_told_of_his_own_crontab(site: Site) -> None:
    assert "(crontab -l; " in site.run("schedule", "cron").err
    if os.geteuid() == 0:
        os.chown(site.path, 65534, 65534)
        assert "(crontab -u nobody -l; " in site.run("schedule", "cron").err
        assert "\nUser=nobody\n" in site.run("schedule", "systemd").out


def test_nothing_is_written_and_no_mutex_is_taken(site: Site) -> None:
    before = snapshot(site.path)
    for kind in ("cron", "systemd"):
        assert site.run("schedule", kind).code == 0
    assert snapshot(site.path) == before


def test_the_units_of_another_root_with_the_same_name_are_not_overwritten(
    site: Site, odd: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "units"
    folder.mkdir()
    units_are_in(monkeypatch, folder)
    name = (odd.path / "venvship.toml").read_text().splitlines()[0]
    (site.path / "venvship.toml").write_text(f"{name}\n")
    for mine, other in ((site, odd), (odd, site)):
        for file in Root.open(mine.path, runtime=mine.runtime()).schedule("systemd").files:
            (folder / os.path.basename(str(file.path))).write_text(file.content)
        assert Root.open(mine.path, runtime=mine.runtime()).schedule("systemd", every="1d").files
        with pytest.raises(SettingsError, match="another root"):
            Root.open(other.path, runtime=other.runtime()).schedule("systemd")
        assert Root.open(other.path, runtime=other.runtime()).schedule("cron").files
        for path in folder.iterdir():
            path.unlink()


def test_a_store_that_is_a_link_may_be_written(site: Site, tmp_path: Path) -> None:
    real = tmp_path / "big disk"
    real.mkdir()
    (site.path / "store").symlink_to(real)
    (site.path / "venvship.toml").write_text("name = 'shop'\n")
    unit = site.run("schedule", "systemd").out
    assert f'\nReadWritePaths={site.path} "{real}"\n' in unit
    assert f'\nRequiresMountsFor={site.path} "{real}"\n' in unit


def test_the_units_are_the_same_for_all_hooks_and_checks(site: Site) -> None:
    site.settings()
    plain = site.run("schedule", "systemd").out
    site.settings(
        "[hooks]\nprepare = ['/home/ops/prepare']\nrestart = ['sudo', '-n', 'systemctl', 'restart', 'shop']\n"
        "[[check]]\nname = 'socket'\nhttp = 'unix:/tmp/shop.sock:/healthz'\n"
    )
    assert site.run("schedule", "systemd").out == plain


def test_the_recovery_at_boot_is_enabled_once_it_knows_what_it_comes_before(site: Site) -> None:
    advice = site.run("schedule", "systemd").err
    assert "enable --now venvship-update-shop.timer\n" in advice
    assert "schedule systemd --every 5m --before NAME.service\n" in advice
    assert "enable venvship-boot-shop.service\n" in advice
    named = site.run("schedule", "systemd", "--before", "shop", "--before", "shop-worker@1.service")
    boot = named.out.partition("venvship-boot-shop.service\n")[2]
    assert "\nBefore=shop.service shop-worker@1.service\n" in boot
    assert "#Before=" not in boot
    assert "--before shop.service --before shop-worker@1.service -q | sudo awk" in named.err


@pytest.mark.parametrize(
    "arguments", [["systemd", "--before", "a b"], ["systemd", "--before", ""], ["cron", "--before", "shop"]]
)
def test_only_a_unit_of_systemd_can_come_after_the_recovery(site: Site, arguments: list[str]) -> None:
    root = Root.open(site.path, runtime=site.runtime())
    with pytest.raises(UsageError, match="--before"):
        root.schedule(cast(Any, arguments[0]), before=arguments[2:])


def test_a_store_that_is_not_there_is_warned_of(site: Site, tmp_path: Path) -> None:
    (site.path / "venvship.toml").write_text(f"name = 'shop'\nstore = '{tmp_path}/my store'\n")
    root = Root.open(site.path, runtime=site.runtime())
    [warning] = root.schedule("systemd").warnings
    assert warning.slug == "store-missing"
    assert f"'{tmp_path}/my store'" in warning.message.rpartition("sudo install -d -o ")[2]
    assert root.schedule("cron").warnings == ()
    (tmp_path / "my store").mkdir()
    assert root.schedule("systemd").warnings == ()


@pytest.mark.parametrize(
    ("zone", "every", "day"),
    [
        ("CET-1CEST,M3.5.0,M10.5.0/3", "02:30", date(2027, 3, 28)),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "04:30", None),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "1h", None),
        ("EET-2EEST,M3.5.0/0,M10.5.0/0", "1d", date(2027, 3, 28)),
        ("UTC0", "02:30", None),
    ],
)
def test_a_time_that_summer_time_leaves_out_is_warned_of_with_its_day(
    site: Site, monkeypatch: pytest.MonkeyPatch, zone: str, every: str, day: date | None
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        runtime = site.runtime()._replace(clock=lambda: datetime(2026, 11, 29, 12, tzinfo=UTC))
        warnings = Root.open(site.path, runtime=runtime).schedule("systemd", every=every).warnings
        assert [warning.slug for warning in warnings] == ([] if day is None else ["time-left-out"])
        for warning in warnings:
            assert f"does not exist on {day} " in warning.message
            other = warning.message.rpartition("--every ")[2]
            assert Root.open(site.path, runtime=runtime).schedule("systemd", every=other).warnings == ()
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_store_elsewhere_may_be_written(site: Site) -> None:
    unit = site.run("schedule", "systemd").out
    assert f"\nReadWritePaths={site.path} {site.store}\n" in unit
    (site.path / "venvship.toml").write_text("name = 'shop'\n")
    assert f"\nReadWritePaths={site.path}\n" in site.run("schedule", "systemd").out
