"""SIGKILL of a release while its children run: they die too, and the next release can begin at once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.processes import alive, eventually
from tests.support.roots import Site
from tests.support.wheels import build_wheel, lockfile_text
from tests.torture.children import MARK, descendants, kill_marked, marked


def in_the_downloader(site: Site, tmp_path: Path, silent: int) -> str:
    _from_a_silent_index(site, tmp_path, silent)
    site.environment["PIP_TIMEOUT"] = "600"
    return "downloader.py"


def in_pip(site: Site, tmp_path: Path, silent: int) -> str:
    _from_a_silent_index(site, tmp_path, silent)
    site.environment["PIP_TIMEOUT"] = "1"  # the downloader gives up after it, and leaves the rest to pip
    site.environment["PIP_RETRIES"] = "600"
    return "-m pip"


def _from_a_silent_index(site: Site, tmp_path: Path, silent: int) -> None:
    site.environment.pop("PIP_NO_INDEX")
    site.environment["PIP_INDEX_URL"] = f"http://127.0.0.1:{silent}/simple/"
    wheel = build_wheel(tmp_path / "elsewhere", "other", "1.0")
    (site.path / "requirements.txt").write_text(lockfile_text(wheel))


def in_the_compiler(site: Site, tmp_path: Path, silent: int) -> str:
    slow = "x = [" + ",".join(f"({n}, lambda: {n})" for n in range(60_000)) + "]\n"
    wheel = build_wheel(tmp_path / "slow", "slow", "1.0", files={"slow.py": slow})
    options = [f"--find-links {wheel.path.parent}"]
    (site.path / "requirements.txt").write_text(lockfile_text(wheel, options=options))
    site.settings()
    return "compile_worker.py"


def in_a_candidate_check(site: Site, tmp_path: Path, silent: int) -> str:
    return _in_a_check(site, "candidate")


def in_a_live_check(site: Site, tmp_path: Path, silent: int) -> str:
    return _in_a_check(site, "live")


def in_the_restart_hook(site: Site, tmp_path: Path, silent: int) -> str:
    # Its environment has no mark of ours, since what it leaves running may be the service.
    site.settings("[hooks]\nrestart = ['sh', '-c', 'sleep 654 & sleep 654']\n")
    site.lock("1.1")
    return "sleep 654"


def _in_a_check(site: Site, when: str) -> str:
    script = "sleep 654 & setsid sleep 654 & sh -c 'trap \"\" TERM; sleep 654' & wait"
    check = f'name = "slow"\nwhen = "{when}"\ncommand = ["sh", "-c", \'\'\'{script}\'\'\']\ntimeout = 60\n'
    site.settings(f"[[check]]\n{check}")
    site.lock("1.1")
    return "sleep 654"


@pytest.mark.parametrize(
    "where",
    [in_the_downloader, in_pip, in_the_compiler, in_a_candidate_check, in_a_live_check, in_the_restart_hook],
)
def test_nothing_survives_a_release_that_is_killed_and_the_next_one_begins_at_once(
    site: Site, tmp_path: Path, silent: int, where: Callable[[Site, Path, int], str]
) -> None:
    first = site.release("1.0")
    child = where(site, tmp_path, silent)
    mark = str(tmp_path)
    victim = site.start("release", env={MARK: mark})

    def family() -> dict[int, str]:
        return {**descendants(victim.pid), **marked(mark)}

    try:
        assert eventually(lambda: any(child in said for said in family().values()))
        running = family().keys()
        victim.kill()
        victim.wait()
        site.settings()
        site.environment["PIP_NO_INDEX"] = "1"
        site.lock("1.2")
        following = site.run("release")
        assert following.code == 0, following.err
        assert site.current != first
        assert eventually(lambda: not marked(mark) and not any(map(alive, running)))
    finally:
        kill_marked(mark)
        with contextlib.suppress(OSError):
            victim.communicate()
