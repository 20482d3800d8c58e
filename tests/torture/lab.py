"""Roots to be tortured: prepared once for a scenario, and put back as they were for every point."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.support.roots import (
    VERSIONS,
    Site,
    build_application,
    copy_store,
    fill,
    make_site,
    plain_environment,
)
from tests.support.wheels import Distribution, build_wheel
from tests.torture.children import warm_up
from venvship.model.interpreter import Interpreter
from venvship.model.spelling import format_time
from venvship.system.trees import remove_tree


@dataclass
class Scenario:
    """A root in a certain state, and a command to run on it.

    Attributes:
        site: The root; `restore` puts it back.
        snapshot: A copy of it.
        command: What to run.
        code: What it exits with if nothing goes wrong.
        always_refused: Whether no new release may stay live, whatever is tried.
        cleans: Whether the command cleans the store, so that the next clean-up has to sweep what it left.
        moved: Whether the root was moved, so that the next command has to be one that works there.
        searches: Whether the command is an upgrade that searches for what fails.
    """

    site: Site
    snapshot: Path
    command: tuple[str, ...]
    code: int = 0
    always_refused: bool = False
    cleans: bool = False
    moved: bool = False
    searches: bool = False

    def restore(self) -> Site:
        """Put the root back as it was prepared."""
        remove_tree(self.site.path)
        subprocess.run(["cp", "-a", self.snapshot, self.site.path], check=True)
        return self.site


@dataclass
class Lab:
    """A directory to work in, with the wheels of the small application.

    Args:
        path: The directory; made. Everything is below it.
        filled: What roots begin with, from `fill`; made if there is none.
    """

    path: Path
    filled: Path | None = None
    wheels: Mapping[str, Distribution] = field(default_factory=dict)
    _prepared: dict[tuple[str, Path | None], Scenario] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Build the wheels."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.wheels = build_application(self.path / "wheels")
        if self.filled is None:
            self.filled, work = self.path / "filled", self.path / "filling"
            work.mkdir()
            fill(self.filled, self.wheels, work)
            remove_tree(work)
        python = json.loads((self.filled / "python.json").read_text())
        warm_up(self.path / "warming", Interpreter.from_json(python))

    def root(self, name: str, *, on: Path | None = None) -> Site:
        """Make a root with a store of its own, which has the first two versions.

        Args:
            name: Its name.
            on: A directory to make it in, such as a mounted file system.
        """
        assert self.filled is not None
        path = (on or self.path) / name
        python = self.filled / "python.json"
        site = make_site(path, self.wheels, path / "store", self.path / "home", python)
        copy_store(self.filled / "two", site.store)
        site.environment = plain_environment(self.path / "home")
        write_settings(site)
        return site

    def scenario(self, name: str, *, on: Path | None = None) -> Scenario:
        """Prepare one of `SCENARIOS`, once."""
        if (name, on) not in self._prepared:
            self._prepared[name, on] = self._prepare(name, on)
        return self._prepared[name, on]

    def _prepare(self, name: str, on: Path | None) -> Scenario:
        prepare, command, code = SCENARIOS[name]
        same = [key for key in self._prepared if key[1] is on is None and SCENARIOS[key[0]][0] is prepare]
        if same:  # put back before each point, so scenarios that begin with the same root share it
            site, snapshot = self._prepared[same[0]].site, self._prepared[same[0]].snapshot
        else:
            site, snapshot = self.root(f"root-{name}", on=on), self.path / f"snapshot-{name}"
            prepare(site)
            remove_tree(snapshot)
            subprocess.run(["cp", "-a", site.path, snapshot], check=True)
        return Scenario(
            site=site,
            snapshot=snapshot,
            command=command,
            code=code,
            always_refused=name == "failing",
            cleans=name == "prune-store",
            moved=name == "relocate",
            searches=name == "search",
        )


def write_settings(site: Site, text: str = "", *, keep: int = 2) -> None:
    """Settings with the store inside the root, where kills can reach it."""
    (site.path / "venvship.toml").write_text(f'name = "shop"\nkeep = {keep}\n{text}')


def lock_by_path(site: Site, version: str) -> None:
    """Write a lockfile that names the wheels by their paths, so that no pip has to be started."""
    lines = [
        f"{wheel.path} --hash=sha256:{wheel.sha256}" for wheel in (site.wheels["dep"], site.wheels[version])
    ]
    path = site.path / "requirements.txt"
    path.write_text("\n".join(lines) + "\n")
    os.utime(path, (0, 0))  # long ago: `update` leaves alone for a while what has just been written


def release(site: Site, version: str, *, ago: timedelta = timedelta()) -> str:
    """Release a version through the API, some time ago by the journal; returns the release's id."""
    lock_by_path(site, version)
    result = site.open(clock=lambda: datetime.now(UTC) - ago).release()
    assert result.release is not None
    return result.release.id


def _two(site: Site) -> None:
    release(site, "1.0")
    release(site, "1.1")


def _three(site: Site) -> None:
    write_settings(site, keep=9)
    _two(site)
    release(site, "1.2")


def _lock_new(site: Site) -> None:
    _two(site)
    lock_by_path(site, "1.2")


def _offered(site: Site) -> None:
    """Something newer on offer than what is locked and live, and known to the store."""
    write_settings(site, '[lock]\ninputs = ["requirements.in"]\n')
    for version in ("1.0", "1.1", "1.2"):
        want(site, f"app=={version}")
        assert site.run("lock").code == 0
        assert site.run("release", *["--no-promote"] * (version == "1.2")).code == 0
    want(site, "app==1.1")
    assert site.run("lock").code == 0
    want(site, "app<1.3")


def culprit(site: Site) -> None:
    """Two packages with a newer version on offer, which the store has; new `left` fails a candidate check."""
    folder = site.path.with_name(f"{site.path.name}-offers")
    script = "import left, sys; sys.exit(left.VERSION == '2.0')"
    check = f'[[check]]\nname = "left"\nwhen = "candidate"\ncommand = ["{{bin}}/python", "-c", "{script}"]\n'
    for version in ("2.0", "1.0"):
        for name in ("left", "right"):
            build_wheel(folder, name, version, files={f"{name}.py": f"VERSION = {version!r}\n"})
        pins = f"left=={version}\nright=={version}\n"
        (site.path / "requirements.in").write_text(f"--find-links {folder}\n{pins}")
        write_settings(site, f'[lock]\ninputs = ["requirements.in"]\n{check}')
        assert site.run("lock").code == 0
        assert site.run("release", "--no-promote").code in {0, 21}
    assert site.run("release").code == 0
    (site.path / "requirements.in").write_text(f"--find-links {folder}\nleft\nright\n")


def want(site: Site, requirement: str) -> None:
    """Write the input of `lock`."""
    folder = site.wheels["dep"].path.parent
    (site.path / "requirements.in").write_text(f"--find-links {folder}\n{requirement}\ndep\n")


def _many(site: Site) -> None:
    write_settings(site, keep=9)
    for number, version in enumerate(VERSIONS):
        release(site, version, ago=timedelta(days=9 - number))
    site.open().release(rebuild=True)
    (site.path / "releases" / "20200101T000000Z-0000000").mkdir()
    write_settings(site)


def _unnamed(site: Site) -> None:
    """Two wheels that no release names any more, for longer than the grace period."""
    for number, version in enumerate(VERSIONS):
        release(site, version, ago=timedelta(days=9 - number))
    notes = site.path / "store" / "unnamed.json"
    data = json.loads(notes.read_text())
    assert len(data["unnamed"]) == 4
    now = datetime.now(UTC)
    data["seen"] = format_time(now - timedelta(days=1))
    since = {"since": format_time(now - timedelta(days=30)), "longest": 86_400}
    data["unnamed"] = dict.fromkeys(data["unnamed"], since)
    notes.write_text(json.dumps(data))


def _failing(site: Site) -> None:
    _two(site)
    lock_by_path(site, "1.2")
    check = "import app, sys; sys.exit(app.VERSION == '1.2')"
    write_settings(site, f'[[check]]\nname = "no"\ncommand = ["python", "-c", "{check}"]\ndeadline = 0\n')


def _interrupted(site: Site) -> None:
    """Killed in the restart hook, with `current` on the new release and no outcome in the journal."""
    _two(site)
    lock_by_path(site, "1.2")
    write_settings(site, "[hooks]\nrestart = ['sh', '-c', 'kill -9 $PPID; sleep 9']\n")
    assert site.run("release").code == -9
    write_settings(site)


def _interrupted_back(site: Site) -> None:
    """Killed in the restart hook on the way back."""
    _two(site)
    lock_by_path(site, "1.2")
    hook = "[ $VENVSHIP_EVENT = promote ] || { kill -9 $PPID; sleep 9; }; exit 1"
    write_settings(site, f"[hooks]\nrestart = ['sh', '-c', '{hook}']\n")
    assert site.run("release").code == -9
    write_settings(site)


def _debris(site: Site) -> None:
    _two(site)
    (site.path / "releases" / "20200101T000000Z-0000000" / "lib").mkdir(parents=True)
    (site.path / "releases" / ".trash-20200101T000000Z-0000001").mkdir()
    (site.path / "state" / "scratch-20200101T000000Z-0000000" / "virtualenv").mkdir(parents=True)
    (site.path / "state" / "scratch-20200101T000000Z-0000000" / "virtualenv" / "info.json").touch()
    (site.path / ".to.0123456789abcdef").symlink_to("releases/20200101T000000Z-0000000")
    (site.path / "store" / "wheels" / ".new-0123").mkdir()


def _moved(site: Site) -> None:
    """Two releases that were built elsewhere, before the root came here."""
    elsewhere = replace(site, path=site.path.with_name(f"{site.path.name}-before"))
    site.path.rename(elsewhere.path)
    _two(elsewhere)
    elsewhere.path.rename(site.path)


Prepare = Callable[[Site], None]

SCENARIOS: dict[str, tuple[Prepare, tuple[str, ...], int]] = {
    "release": (_two, ("release", "--rebuild"), 0),
    "import": (_lock_new, ("release",), 0),
    "update": (_lock_new, ("update",), 0),
    "upgrade": (_offered, ("update", "--upgrade"), 0),
    "search": (culprit, ("update", "--upgrade"), 0),
    "lock": (_offered, ("lock", "--upgrade"), 0),
    "failing": (_failing, ("release",), 22),
    "promote": (_three, ("promote", "@{1}"), 0),
    "rollback": (_three, ("rollback",), 0),
    "prune": (_many, ("prune",), 0),
    "prune-store": (_unnamed, ("prune",), 0),
    "recover": (_interrupted, ("recover",), 0),
    "recover-back": (_interrupted_back, ("recover",), 22),
    "boot": (_interrupted, ("recover", "--boot"), 22),
    "relocate": (_moved, ("relocate",), 0),
    "debris": (_debris, ("recover",), 0),
}
"""By name: how the root is prepared, the command, and its exit code."""
