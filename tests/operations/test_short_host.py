"""A host that is short of descriptors, memory or processes is the reason given, wherever it shows."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.limits import no_more_descriptors
from tests.support.processes import script_at
from tests.support.roots import Site
from tests.support.sealed import RELEASE_ID, empty_root, sealed
from venvship.api import default_runtime
from venvship.building.interpreter import resolve_interpreter
from venvship.building.store.index import read_index, understanding
from venvship.errors import HostError, InterpreterError
from venvship.operations.planning.environment import read_file
from venvship.operations.retention.verifying import verify_release
from venvship.root import RootLayout
from venvship.system import proc
from venvship.system.journal_reader import JournalReader
from venvship.system.leases import lease_shared
from venvship.system.mutex import Mutex, shared
from venvship.system.process import Program, run
from venvship.system.signals import Signals
from venvship.workspace.interpreter_identity import InterpreterIdentities, NotAskedError
from venvship.workspace.reading import ReadingWorkspace
from venvship.workspace.settings_files import read_settings
from venvship.workspace.usable import require_usable, usable_problem


@pytest.fixture
def root(tmp_path: Path) -> RootLayout:
    layout = empty_root(tmp_path / "small")
    sealed(layout)
    layout.journal_file.touch()
    (layout.path / "requirements.txt").touch()
    return layout


def reading(root: RootLayout) -> ReadingWorkspace:
    runtime = default_runtime(environ={}, actor="tester", signals=Signals(), person=True)
    return ReadingWorkspace(root, runtime)


def opened(path: str) -> None:
    with understanding(path, "rm"):
        read_index(path)


def started(program: str) -> None:
    run(Program([program], env={}, cwd="/"), timeout=5, signals=Signals())


def taken(path: Path) -> None:
    with shared(str(path)):
        pass


Opens = Callable[[RootLayout, ReadingWorkspace], object]

OPENERS: dict[str, Opens] = {
    "settings": lambda root, _: read_settings(root),
    "lockfile": lambda root, _: read_file(str(root.path / "requirements.txt")),
    "journal": lambda root, _: JournalReader(str(root.journal_file)).read(),
    "state": lambda root, _: root.interpreter(),
    "releases": lambda root, _: root.with_manifest(),
    "manifest": lambda _, work: work.manifest(RELEASE_ID),
    "mutex": lambda root, _: Mutex(str(root.mutex("build")), "build").is_held(),
    "store's mutex": lambda root, _: taken(root.mutex("store")),
    "store's index": lambda root, _: opened(str(root.journal_file)),
    "verify": lambda _, work: verify_release(work, RELEASE_ID),
    "target of a switch": lambda _, work: usable_problem(work, RELEASE_ID, ask=True),
    "target by name": lambda _, work: require_usable(work, RELEASE_ID),
    "program": lambda *_: started("/bin/true"),
    "interpreter": lambda *_: resolve_interpreter(sys.executable, environ={}, signals=Signals()),
    "search for one": lambda *_: resolve_interpreter(
        "{}.{}".format(*sys.version_info), environ=dict(os.environ), signals=Signals()
    ),
}


@pytest.mark.parametrize("name", OPENERS)
def test_without_descriptors_nothing_that_is_opened_or_started_is_blamed(root: RootLayout, name: str) -> None:
    work = reading(root)
    (root.state / "python.json").touch()
    import python_discovery  # noqa: F401 - not the import is to fail

    import venvship.system.interpreters  # noqa: F401

    with (
        pytest.raises(HostError, match="this process may open no more files") as caught,
        no_more_descriptors(),
    ):
        OPENERS[name](root, work)
    assert "ulimit -n" in str(caught.value.hint)


def test_after_a_switch_a_release_that_cannot_be_looked_at_is_passed_over(
    root: RootLayout,
) -> None:
    work = reading(root)
    with no_more_descriptors():
        assert "may open no more files" in str(usable_problem(work, RELEASE_ID, ask=False))


def test_where_processes_cannot_be_listed_any_may_use_a_release() -> None:
    with no_more_descriptors():
        assert list(proc.processes_under("/srv/shop")) == [proc.INVISIBLE]


SAYS = {
    "OSError: [Errno 24] Too many open files": "may open no more files",
    "BlockingIOError: [Errno 11] Resource temporarily unavailable": "no more processes may be started",
    "MemoryError": "no more memory",
    "python: error while loading shared libraries: libz.so.1: cannot open shared object file: Error 23": (
        "no more file descriptors"
    ),
}


@pytest.mark.parametrize("said", SAYS)
def test_an_interpreter_that_the_host_keeps_from_running_is_not_blamed(tmp_path: Path, said: str) -> None:
    script = script_at(tmp_path / "python", f"#!/bin/sh\necho '{said}' >&2; exit 1\n")
    with pytest.raises(HostError, match=SAYS[said]):
        resolve_interpreter(str(script), environ={}, signals=Signals())
    with pytest.raises(NotAskedError, match=SAYS[said]):
        InterpreterIdentities({}, Signals()).ask(str(script))


def test_an_interpreter_that_is_killed_is_not_blamed_and_one_that_fails_is(tmp_path: Path) -> None:
    killed = script_at(tmp_path / "killed", "#!/bin/sh\nkill -9 $$\n")
    with pytest.raises(HostError, match="was killed while it was asked"):
        resolve_interpreter(str(killed), environ={}, signals=Signals())
    broken = script_at(tmp_path / "broken", "#!/bin/sh\necho 'No module named encodings' >&2; exit 1\n")
    with pytest.raises(InterpreterError, match="No module named encodings"):
        resolve_interpreter(str(broken), environ={}, signals=Signals())


def test_a_lease_is_taken_below_its_usual_number_where_the_limit_is_lower(tmp_path: Path) -> None:
    import resource

    lease = tmp_path / "lease"
    lease.touch()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, hard))
    try:
        with lease_shared(str(lease)) as held:
            assert held
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("setting", ["", f'python = "{sys.version_info[0]}.{sys.version_info[1]}"\n'])
def test_whatever_the_limit_a_release_ends_well_or_by_the_hosts_fault(site: Site, setting: str) -> None:
    (site.path / "state" / "python.json").unlink()
    site.settings(setting)
    for limit in (6, 7, 9, 12):
        done = site.shell(f"ulimit -n {limit}; exec venvship release --dry-run")
        assert (done.code, "host" in done.err or "may open no more files" in done.err) == (12, True), done
        assert "Traceback" not in done.err
