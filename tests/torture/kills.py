"""SIGKILL before every system call that changes the disk below the root, with strace's fault injection.

A traced dry run finds the calls of the main thread that touch the root, each by its name and its number among
the calls of that name (strace counts per thread). Then the command runs once for each of them and is killed
there, before the call is made; the next plain command has to recover.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.support.roots import Site, command
from tests.torture import invariants, searching
from tests.torture.lab import Lab, Scenario
from tests.torture.tally import Scale, Tally

CALLS = (
    "?openat,?open,?creat,?mkdir,?mkdirat,?rmdir,?rename,?renameat,?renameat2,?link,?linkat,?symlink,?symlinkat,"
    "?unlink,?unlinkat,?chmod,?fchmod,?fchmodat,?fchmodat2,?chown,?fchown,?fchownat,?write,?pwrite64,?writev,"
    "?ftruncate,?truncate,?fsync,?fdatasync,?syncfs,?sync,?copy_file_range,?sendfile,?utimensat,?fallocate"
)
"""What can change a file system; `?`: wherever there is such a call."""

_LINE = re.compile(r"^(\w+)\(")

NEXT = (("release",), ("recover",), ("prune",), ("promote", "current"), ("release", "--rebuild"))
"""The commands of which one recovers after each kill, in turn."""


AFTER_A_MOVE = (("relocate",), ("recover",), ("release",), ("prune",), ("update",))
"""The same in a root that was moved, where nothing can be promoted before it is relocated."""

ATTEMPTS = 5
"""So often a kill is tried at exactly one call, if it came too late."""

FINE = {0, 22, 25}
"""How those may end: also with what was interrupted taken back, or with a refusal of what was found bad."""


def reason_to_skip() -> str:
    """Why this cannot be run here; `""` if it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    done = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False)
    return "" if done.returncode == 0 else "strace may not trace here"


def strace(site: Site, arguments: Sequence[str], *options: str) -> subprocess.CompletedProcess[str]:
    """Run the command under strace, its main thread traced."""
    return subprocess.run(
        ["strace", "-qq", "-e", f"trace={CALLS}", *options, command(), *arguments],
        cwd=site.path,
        env=site.environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
        check=False,
    )


def points(scenario: Scenario, log: Path) -> list[tuple[str, int, str]]:
    """The calls of a dry run that touch the root: name, number among its kind, and the line."""
    # Once before: a first run writes the bytecode of venvship itself, and those calls come only once.
    scenario.restore().run(*scenario.command)
    site = scenario.restore()
    done = strace(site, scenario.command, "-y", "-o", str(log))
    assert done.returncode == scenario.code, done.stdout + done.stderr
    root, counts, found = str(site.path), Counter[str](), []
    for line in log.read_text(errors="replace").splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        name = match[1]
        counts[name] += 1
        if root in line and _changes(name, line):
            found.append((name, counts[name], line))
    return found


def _changes(name: str, line: str) -> bool:
    if name in {"openat", "open"}:
        return "O_CREAT" in line or "O_TRUNC" in line
    return True


def sweep(lab: Lab, name: str, scale: Scale) -> Tally:
    """Kill the command of a scenario at every point."""
    tally = Tally(f"SIGKILL at system calls, {name}")
    with tally.timed():
        scenario = lab.scenario(name)
        every = points(scenario, lab.path / "strace.log")
        for index in scale.choose(every):
            site, label, before = scenario.site, "", invariants.observe(scenario.site)
            for attempt in range(ATTEMPTS + 1):
                call, number, line = every[min(index, len(every) - 1)]
                label = f"{name}, {call} {number} ({line[:100]})"
                before = invariants.observe(scenario.restore())
                # The last time, at whatever comes from somewhat before: near enough is better than never.
                when = str(number) if attempt < ATTEMPTS else f"{max(1, number - number // 10)}+"
                inject = f"inject={call}:signal=KILL:when={when}"
                done = strace(site, scenario.command, "-o", "/dev/null", "-e", inject)
                if done.returncode in {-9, 137}:
                    break
                # How many files of /proc were opened before depends on what else runs: number them anew. How
                # many calls touch the root may depend on it, too, where venvship waits for something.
                every = points(scenario, lab.path / "strace.log")
            else:
                tally.point(label, [f"it was not killed, and ended with {done.returncode}"])
                continue
            wrong = invariants.at_once(site, before)
            following = AFTER_A_MOVE if scenario.moved else NEXT
            wrong += recover_and_check(site, before, following[index % len(following)])
            wrong += invariants.swept(site) if scenario.cleans else []
            if scenario.searches:
                wrong += searching.wrong_with(site)
                wrong += searching.not_begun_anew(site, functools.partial(site.run, *scenario.command))
            tally.point(label, wrong)
    return tally


def recover_and_check(site: Site, before: invariants.Before, after: Sequence[str]) -> list[str]:
    """Run the next command, which has to recover, and look at what it leaves."""
    done = site.run(*after)
    wrong = []
    if done.code not in FINE:
        wrong.append(f"I5 `{' '.join(after)}` ended with {done.code}: {done.err.strip()[-300:]}")
    if done.code == 22:
        site.run(*after)
    return [*wrong, *invariants.settled(site, before), *invariants.nobody_else_switched(site, before)]
