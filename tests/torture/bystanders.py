"""Processes that run from a release in one way or another, while prune would remove it.

A Python process of a release holds its lease; whatever else runs from one shows in /proc, or not at all.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator

from tests.support.roots import Site
from tests.torture import invariants
from tests.torture.children import run_forked
from tests.torture.lab import Lab
from tests.torture.tally import Scale, Tally

WAIT = "echo ready; read -r line"
MAPPED = """\
import mmap, sys
with open(sys.stdin.readline().strip(), "rb") as file:
    kept = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
print("ready", flush=True)
sys.stdin.readline()
"""

Process = subprocess.Popen[str]


def _start(*argv: str, cwd: str = "/") -> Process:
    return subprocess.Popen(argv, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _mapping(site: Site, release: str) -> Process:
    process = _start(sys.executable, "-I", "-c", MAPPED)
    assert process.stdin is not None
    process.stdin.write(f"{_file(site, release)}\n")  # not an argument, which would show it as well
    process.stdin.flush()
    return process


def _file(site: Site, release: str) -> str:
    return str(site.path / "releases" / release / "pyvenv.cfg")


WAYS: dict[str, Callable[[Site, str], Process]] = {
    "lease": lambda site, name: _start(
        "flock", "-s", str(site.path / "state" / "leases" / name), "sh", "-c", WAIT
    ),
    "working directory": lambda site, name: _start("sh", "-c", WAIT, cwd=str(site.path / "releases" / name)),
    "open file": lambda site, name: _start("sh", "-c", f"exec 5<{_file(site, name)}; {WAIT}"),
    "command line": lambda site, name: _start("sh", "-c", WAIT, "sh", _file(site, name)),
    "mapped file": _mapping,
}
"""How a process may run from a release, and how to start such a one."""


def prune(lab: Lab, scale: Scale, mutant: Callable[[], None] | None = None) -> Tally:
    """Prune while a process runs from a release that would go; it stays until the process has ended."""
    tally = Tally("prune with processes that run from a release")
    with tally.timed():
        scenario = lab.scenario("prune")
        result = scenario.restore().open().prune(dry_run=True)
        every = [(way, decision.id) for way in WAYS for decision in result.removed]
        for index in scale.choose(every):
            way, release = every[index]
            site = scenario.restore()
            before = invariants.observe(site)
            with _running(site, way, release):
                done = run_forked(site, scenario.command, mutant=mutant)
                wrong = [] if done.code == 0 else [f"prune ended with {done.code}: {done.err}"]
                if not (site.path / "releases" / release / ".venvship").is_dir():
                    wrong.append("I8 what a process runs from was pruned")
            run_forked(site, scenario.command, mutant=mutant)
            if (site.path / "releases" / release).exists():
                wrong.append("it was not pruned when the process had ended")
            tally.point(f"{way}, {release}", [*wrong, *invariants.settled(site, before)])
            if scale.is_done(tally):
                break
    return tally


@contextlib.contextmanager
def _running(site: Site, way: str, release: str) -> Iterator[None]:
    process = WAYS[way](site, release)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield
    finally:
        process.communicate("\n")
