"""A venvship in the service that its restart hook restarts, in real control groups."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import waiting
from tests.support.roots import Site
from venvship.errors import OwnServiceError

HIERARCHIES = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified"))


def own_group() -> tuple[Path, str]:
    """The hierarchy that systemd uses, or would use, and the group of this process in it."""
    rows = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    for hierarchy in HIERARCHIES:
        if (hierarchy / "cgroup.procs").exists():
            controllers = "name=systemd" if hierarchy.name == "systemd" else ""
            for _, found, path in rows:
                if found == controllers:
                    return hierarchy, path
    pytest.skip("no hierarchy of control groups")


@contextlib.contextmanager
def service(name: str) -> Iterator[Path]:
    """A control group as systemd makes it for a service; this process is back in its own at the end."""
    try:
        hierarchy, own = own_group()
        group = hierarchy / name
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        yield group
    finally:
        (hierarchy / own.lstrip("/") / "cgroup.procs").write_text(str(os.getpid()))
        group.rmdir()


def join(group: Path, pid: int) -> None:
    (group / "cgroup.procs").write_text(str(pid))


def running(site: Site) -> contextlib.AbstractContextManager[object]:
    """A process of the live release."""
    assert site.current is not None
    python = site.path / "releases" / site.current / "bin/python"
    script = "print('ready', flush=True); import sys; sys.stdin.read()"
    return waiting(str(python), "-c", script, cwd=Path("/"), told="")


@pytest.fixture
def restarted(site: Site) -> Site:
    """A root with two releases, the older one live, and a restart hook."""
    site.settings("[hooks]\nrestart = ['true']\n")
    site.release("1.0")
    site.release("1.1", no_promote=True)
    return site


def test_a_switch_out_of_the_service_of_the_live_release_is_refused(restarted: Site) -> None:
    site, before = restarted, restarted.current
    other = next(name for name in os.listdir(site.path / "releases") if name != before)
    with service(f"shop-{os.getpid()}.service") as group, running(site) as application:
        join(group, application.pid)  # type: ignore[attr-defined]
        root = site.open()
        join(group, os.getpid())
        assert root.release(no_promote=True, rebuild=True).outcome == "built"
        for switch in (lambda: root.promote(other), root.release, root.update):
            with pytest.raises(OwnServiceError) as caught:
                switch()
            assert f"inside of {group.name}" in caught.value.message
            assert caught.value.data["pid"] == application.pid  # type: ignore[attr-defined]
            assert "systemd-run" in (caught.value.hint or "")
            assert site.current == before
        assert site.events().count("promoting") == 1, "of the first release"
        # As the main process of a service that has an earlier application running: a job of a timer.
        timer = site.open(environ={**site.environment, "SYSTEMD_EXEC_PID": str(os.getpid())})
        assert timer.promote(other).outcome == "promoted"
    assert site.current == other
    with service(f"shop-{os.getpid()}.service") as group, running(site) as application:
        join(group, application.pid)  # type: ignore[attr-defined]
        join(group, os.getpid())
        with pytest.raises(OwnServiceError):
            site.open().rollback()
        assert site.current == other
        site.settings()
        assert site.open().rollback().release.id == before, "without a hook nothing is restarted"


def test_a_recovery_that_would_restart_the_own_service_waits(restarted: Site) -> None:
    site, before = restarted, restarted.current
    other = next(name for name in os.listdir(site.path / "releases") if name != before)
    once = site.path.parent / "once"
    killing = f"[ -e {once} ] || {{ touch {once}; kill -9 $PPID; sleep 9; }}"
    site.settings(f"[hooks]\nrestart = ['sh', '-c', '{killing}']\n")
    with service(f"shop-{os.getpid()}.service") as group, running(site) as application:
        join(group, application.pid)  # type: ignore[attr-defined]
        assert site.run("promote", other).code == -9
        join(group, os.getpid())
        with pytest.raises(OwnServiceError):
            site.open().recover()
        assert site.events()[-1] == "promoting"
    assert site.open().recover().outcome == "promoted"
    assert site.current == other


def test_a_service_without_the_live_release_and_one_of_cron_are_no_obstacle(restarted: Site) -> None:
    site = restarted
    with service(f"other-{os.getpid()}.service") as group, running(site):
        join(group, os.getpid())
        assert site.open().release().outcome == "reactivated"
    with service("cron.service") as group, running(site) as application:
        join(group, application.pid)  # type: ignore[attr-defined]
        join(group, os.getpid())
        assert site.open().rollback().previous is not None
