"""Checks and hooks that do what they should not, one of them or two in one release.

Each is ended within its timeout and five seconds, nothing of it is left running, and venvship stays small.
"""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue

from tests.support.roots import Site, command
from tests.torture import invariants
from tests.torture.children import MARK, kill_marked, marked
from tests.torture.lab import Lab, lock_by_path, release, write_settings
from tests.torture.tally import Scale, Tally

WORKERS = 3
"""Roots that are worked on at once: most of the time is waiting."""

TIMEOUT = 1.0
FLOOD_TIMEOUT = 10.0
"""Seconds for a check or a hook; a gigabyte takes longer than the rest."""

MARGIN = 5.0
"""Seconds over its timeout in which whatever was asked must be over."""

MEMORY = 150 << 20
"""Bytes that the largest process may have."""

LOG = 2 << 20
"""Bytes that a log may have."""

BEHAVIOURS = {
    "hangs": "sleep 600",
    "ignores SIGTERM": "trap '' TERM; while :; do sleep 600; done",
    "leaves daemons": "for i in 1 2 3 4 5 6 7 8; do sleep 600 & done; setsid sh -c 'sleep 600 & sleep 600' &",
    "hangs with daemons": "setsid sleep 600 & sleep 600 & wait",
    "floods": "exec head -c 268435456 /dev/zero",
    "floods the error output": "head -c 268435456 /dev/zero >&2; exit 1",
    "asks again for ever": "exit 75",
    "closes its output": "exec <&- >&- 2>&-; sleep 600",
    "dies of SIGSEGV": "kill -s SEGV $$; sleep 600",
    "dies of SIGKILL": "kill -s KILL $$; sleep 600",
}
"""By name: a script of sh."""

PLACES = {"candidate check": 1, "live check": 2, "prepare": 1, "restart": 2, "notify": 1}
"""Where a script may stand, and how often it is asked at most: once more after the way back."""

CHECKS = ("candidate check", "live check")

CODES = {0, 21, 22, 23}
"""How a release may end whose checks and hooks misbehave."""

PEAK = """\
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""
"""Runs a command, and notes the KiB of the largest process that it consisted of.

In a process of its own, and a small one: what a process had before its exec counts as its own.
"""

Case = tuple[tuple[str, str], ...]
"""One or two of: a place, and the behaviour there."""


def cases(seed: int) -> list[Case]:
    """All behaviours in all places, then random pairs in two places, a hundred in all."""
    single: list[Case] = [(pair,) for pair in itertools.product(PLACES, BEHAVIOURS)]
    double: list[Case] = [
        ((one, how), (other, so))
        for one, other in itertools.combinations(PLACES, 2)
        for how, so in itertools.product(BEHAVIOURS, BEHAVIOURS)
    ]
    random.Random(seed).shuffle(double)
    return single + double[: 100 - len(single)]


def run(lab: Lab, scale: Scale, *, margin: float = MARGIN) -> Tally:
    """Release with checks and hooks that misbehave: the cases of `cases`, or as many as the scale says.

    Args:
        lab: Where.
        scale: How many cases.
        margin: Seconds over its timeout that each may take; more where other work slows everything down.
    """
    tally = Tally("misbehaving checks and hooks")
    with tally.timed():
        every = cases(scale.seed)
        roots: SimpleQueue[Site] = SimpleQueue()
        for number in range(min(WORKERS, scale.points or WORKERS)):
            roots.put(_root(lab, f"misbehaving-{number}"))

        def one(index: int) -> tuple[str, list[str]]:
            site = roots.get()
            try:
                return ", ".join(f"{place} {how}" for place, how in every[index]), _try(
                    site, every[index], margin
                )
            finally:
                roots.put(site)

        with ThreadPoolExecutor(WORKERS) as pool:
            for label, wrong in pool.map(one, scale.choose(every)):
                tally.point(label, wrong)
    return tally


def _root(lab: Lab, name: str) -> Site:
    site = lab.root(name)
    release(site, "1.0")
    release(site, "1.1")
    lock_by_path(site, "1.2")
    return site


def _try(site: Site, case: Case, margin: float) -> list[str]:
    """Release once; returns what was wrong."""
    write_settings(site, _settings(case))
    before = invariants.observe(site)
    ended = _release(site)
    # What a restart hook puts into a session of its own may be the service, even if the hook then hangs.
    service = any(place == "restart" and "daemons" in how for place, how in case)
    left = {} if service else marked(ended.mark)
    kill_marked(ended.mark)
    wrong = [f"left running: {said}" for said in left.values()]
    if ended.code not in CODES or "Traceback" in ended.said:
        wrong.append(f"it ended with {ended.code}: {ended.said[-400:]}")
    allowed = sum(PLACES[place] * (_timeout(place, how, case) + margin) for place, how in case)
    if ended.seconds > allowed:
        wrong.append(f"it took {ended.seconds:.1f} s, and was allowed {allowed:g}")
    if ended.memory > MEMORY:
        wrong.append(f"it grew to {ended.memory >> 20} MiB")
    write_settings(site)
    wrong += invariants.at_once(site, before)
    wrong += invariants.settled(site, before)
    logs = [file for file in (site.path / "log").rglob("*") if file.is_file()]
    return wrong + [f"{file} is too large" for file in logs if file.stat().st_size > LOG]


@dataclass(frozen=True)
class _Ended:
    code: int
    said: str
    seconds: float
    memory: int
    mark: str


def _release(site: Site) -> _Ended:
    mark = f"{site.path}:{time.monotonic_ns()}"
    peak = site.path / "peak"
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PEAK, peak, command(), "release", "--rebuild", "--force"],
        cwd=site.path,
        env={**site.environment, MARK: mark},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    memory = int(peak.read_text()) << 10
    peak.unlink()
    return _Ended(done.returncode, done.stdout, time.monotonic() - began, memory, mark)


def _timeout(place: str, how: str, case: Case) -> float:
    """Of a check its own; hooks have one timeout for all of them."""
    asked = [how] if place in CHECKS else [other for hook, other in case if hook not in CHECKS]
    return max(FLOOD_TIMEOUT if name.startswith("floods") else TIMEOUT for name in asked)


def _settings(case: Case) -> str:
    hooks = ["[hooks]"]
    checks = []
    for place, how in case:
        argv = f"['sh', '-c', '''{BEHAVIOURS[how]}''']"
        timeout = _timeout(place, how, case)
        if place in CHECKS:
            when = place.split()[0]
            checks.append(
                f'[[check]]\nname = "{when}"\nwhen = "{when}"\ncommand = {argv}\n'
                f"timeout = {timeout}\ndeadline = {TIMEOUT}\ninterval = 0.1\n"
            )
        else:
            hooks[1:] = [f"timeout = {timeout}", *hooks[2:], f"{place} = {argv}"]
    return "\n".join([*hooks, *checks])
