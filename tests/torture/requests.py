"""A service in two slots under traffic, while releases are promoted, rolled back, restarted, and fail.

nginx stands before `live.sock`, and a second process sends requests. No request may fail, nobody may get an
answer from a release that was never proven, and, but during a command, from any other than the current one.
In the second row of a manager venvship is killed at some moment of 30 of 100 commands, the master of a server
during or after 10, and 20 come two at a time: after the next command exactly one slot is up, and both links
lead to it.
"""

from __future__ import annotations

import bisect
import collections
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.support.roots import Site
from tests.torture import traffic
from tests.torture.hosting import BROKEN, GOOD, Host, hosted
from tests.torture.lab import Lab
from tests.torture.managers import NEEDS, reason_to_skip
from tests.torture.tally import Scale, Tally
from venvship.model.event import EventName
from venvship.model.release import is_release_id

RATE = 220.0
"""Requests a second, as far as the host has time for them."""

DRAIN = 1.0
"""Seconds of the drain: longer than what a page's style sheet comes after it."""

SPARE = 0.05
"""Seconds by which the time of a file may be early (a tick of the kernel), or a request be on its way."""

FATES = {"killed": 6, "beside another": 4, "then its server killed": 1, "a server killed meanwhile": 1, "": 8}
"""What befalls twenty commands of the second row, in any order."""

CODES = {0, 13, 21, 22, 24, 25, 30, 31}
"""How one of two commands at once may end."""


class Request(NamedTuple):
    """One request: when it began and ended, its kind, and the answer's status, version and release."""

    began: float
    ended: float
    kind: str
    status: int
    version: str
    release: str

    @classmethod
    def of(cls, line: str) -> Request:
        """Read a line of `traffic`."""
        began, ended, kind, status, *said = line.split()
        version, release = said[:2] if status == "200" and kind != "asset" else ("", "")
        return cls(float(began), float(ended), kind, int(status), version, release)


@dataclass
class Step:
    """One command, or two at once, and what they changed.

    Attributes:
        label: What was done.
        began: When, in seconds since the epoch.
        ended: When it was over, drain and recovery with it.
        before: The current release before it.
        after: And after it.
        tried: What was to become current meanwhile, by the journal: where a second command or a recovery
            follows, that may be a third release.
        switched: When customers were led elsewhere, if that was once and for all; else 0.
        down: From when until when a server was dead.
    """

    label: str
    began: float
    ended: float
    before: str | None
    after: str | None
    switched: float = 0.0
    down: tuple[float, float] = (0.0, 0.0)
    tried: frozenset[str] = frozenset()

    @property
    def current(self) -> set[str | None]:
        """What was current at some moment of it."""
        return {self.before, self.after, *self.tried}


@dataclass
class Verdict:
    """What the requests came to.

    Attributes:
        failed: Requests that failed, but for those of a server that was killed.
        inside: Those.
        unproven: Answers of a release that never was proven.
        foreign: Answers of another release than the current one, where none was being switched.
    """

    requests: int = 0
    failed: list[str] = field(default_factory=list)
    inside: int = 0
    unproven: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)


def judge(requests: Sequence[Request], steps: Sequence[Step]) -> Verdict:
    """Hold requests against what was current when they were asked.

    Args:
        requests: In any order.
        steps: In the order of their time; the first one began before any request.
    """
    verdict = Verdict(len(requests))
    ends = [step.ended for step in steps]
    for request in requests:
        first = bisect.bisect_left(ends, request.began)
        during = []
        for step in steps[first:]:
            if step.began > request.ended:
                break
            during.append(step)
        label = f"{request.kind} at {request.began:.3f}, in {' and '.join(step.label for step in during)}"
        if request.status != 200:
            if any(step.down[0] <= request.ended and request.began <= step.down[1] for step in during):
                verdict.inside += 1
            else:
                verdict.failed.append(f"{request.status} for {label}")
        elif request.version in BROKEN:
            verdict.unproven.append(f"{request.version} for {label}")
        elif request.release and request.release not in _allowed(request, during, steps[first - 1]):
            verdict.foreign.append(f"{request.version} of {request.release} for {label}")
    return verdict


def _allowed(request: Request, during: Sequence[Step], last: Step) -> set[str | None]:
    if not during:
        return {last.after}
    first, *others = during
    if first.switched and request.began > first.switched + SPARE:
        return {first.after}.union(*(step.current for step in others))
    return first.current.union(*(step.current for step in others))


@contextmanager
def customers(host: Host, notes: Path) -> Iterator[None]:
    """Have the second process send requests for the length of a `with` block."""
    command = [sys.executable, traffic.__file__, host.front, str(notes), str(RATE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as sender:
        try:
            time.sleep(0.5)
            yield
            assert sender.poll() is None, "the customers went away"
        finally:
            assert sender.stdin is not None
            sender.stdin.close()
            sender.wait(60)


class Day:
    """What is done to one host while customers ask."""

    def __init__(self, host: Host, seed: int, tally: Tally) -> None:
        self.host = host
        self.steps: list[Step] = []
        self.took: list[float] = [3.0]
        self.broken: list[str] = []
        self.good: list[str] = []
        self._chance = random.Random(seed)
        self._tally = tally
        self._fates: list[str] = []

    def _newest(self) -> str:
        return max(name for name in os.listdir(self.site.path / "releases") if is_release_id(name))

    @property
    def site(self) -> Site:
        """The root."""
        return self.host.site

    def prepare(self) -> None:
        """Release the versions that are in order."""
        self.host.write_settings(drain=0)
        for version in (*BROKEN, *GOOD):
            self.site.lock(version)
            broken = version in BROKEN
            done = self.site.run("release", *["--no-promote"] * broken, timeout=300)
            assert done.code == 0, done.err
            (self.broken if broken else self.good).append(self._newest())
        self.host.write_settings(drain=DRAIN)

    def command(self) -> tuple[tuple[str, ...], set[int]]:
        """Choose a command, and how it may end: what is broken ends with 21."""
        match self._chance.choices(
            ("build", "broken", "promote", "rollback", "restart"), (8, 25, 27, 20, 20)
        )[0]:
            case "build":
                version = self._chance.choice((*GOOD, *BROKEN))
                self.site.lock(version)
                return ("release", "--force", "--rebuild"), {21 if version in BROKEN else 0}
            case "broken":
                there = [name for name in self.broken if (self.site.path / "releases" / name).exists()]
                if there:  # a clean-up takes those that were rejected
                    return ("promote", "--force", self._chance.choice(there)), {21}
                self.site.lock(self._chance.choice(BROKEN))
                return ("release", "--force", "--rebuild"), {21}
            case "promote":
                return ("promote", "--force", self._chance.choice(self.good)), {0}
            case "rollback":
                return ("rollback",), {0, 24}
            case _:
                return ("restart",), {0}

    def run(self, *, quiet: bool) -> None:
        """Do one thing to the host, and see how it is afterwards.

        Args:
            quiet: Whether nobody is killed, and nothing is done twice at once.
        """
        fate = "" if quiet else self._fate()
        arguments, codes = self.command()
        self.host.write_settings(timeout=3 if codes == {21} else 60, drain=DRAIN)
        label = ", ".join(filter(None, (arguments[0], fate)))
        tried = len(self._tried())
        step = Step(label, time.time(), 0, self.site.current, None)
        wrong: list[str] = []
        live = self._live_since()
        if fate == "killed":
            wrong += self._kill(arguments)
        elif fate == "beside another":
            wrong += self._pair(arguments)
        elif fate == "a server killed meanwhile":
            wrong += self._kill_server_during(step, arguments)
        else:
            done = self.site.run(*arguments, timeout=300)
            self.took.append(time.time() - step.began)
            if done.code not in codes:
                wrong.append(f"ended with {done.code}: {done.err}")
            if fate:
                began = time.time()
                pid = self._kill_server(self.host.slots.live)
                step.down = began, self._revived(self.host.slots.live, pid)
            elif self._live_since() != live:
                step.switched = self._live_since()
        step.ended, step.after = time.time(), self.site.current
        step.tried = frozenset(self._tried()[tried:])
        wrong += self.host.problems()
        self.steps.append(step)
        self._tally.point(f"{len(self.steps)}, {step.label} ({' '.join(arguments)})", wrong)

    def _tried(self) -> list[str]:
        """The releases that were to become current, in order."""
        towards = {EventName.PROMOTING, EventName.ROLLING_BACK}
        return [line["release"] for line in self.site.journal() if line["event"] in towards]

    def _live_since(self) -> float:
        return os.lstat(self.host.folder / "live.sock").st_mtime

    def _kill(self, arguments: tuple[str, ...]) -> Iterator[str]:
        began = time.monotonic()
        after = self._chance.uniform(0, 1.1 * max(self.took[-8:]))
        with self.site.start(*arguments) as doomed:
            while doomed.poll() is None and time.monotonic() - began < after:
                time.sleep(0.01)
            doomed.kill()
            doomed.communicate()
        self.host.write_settings(drain=DRAIN)
        following = self._chance.choice((("recover",), ("rollback",), ("restart",), ("handover", "ensure")))
        done = self.site.run(*following, timeout=300)
        if done.code not in {0, 22, 24}:
            yield f"after the kill at {after:.2f} s {following} ended with {done.code}: {done.err}"
        if done.code == 24 or following == ("handover", "ensure"):
            done = self.site.run(
                "recover", timeout=300
            )  # a rollback that has nothing to go to settles nothing
            if done.code not in {0, 22}:
                yield f"after the kill at {after:.2f} s recover ended with {done.code}: {done.err}"

    def _pair(self, arguments: tuple[str, ...]) -> Iterator[str]:
        other = self._chance.choice(
            (("rollback",), ("restart",), ("handover", "ensure"), ("prune",), ("recover",))
        )
        with self.site.start(*arguments) as first:
            time.sleep(self._chance.uniform(0, max(self.took[-8:])))
            second = self.site.run(*other, timeout=300)
            said = first.communicate(timeout=300)[1]
        for command, code, text in ((arguments, first.returncode, said), (other, second.code, second.err)):
            if code not in CODES:
                yield f"{command} beside another ended with {code}: {text}"
        done = self.site.run("recover", timeout=300)
        if done.code not in {0, 22}:
            yield f"recover ended with {done.code}: {done.err}"

    def _kill_server_during(self, step: Step, arguments: tuple[str, ...]) -> Iterator[str]:
        """Kill the server of the live slot while a command runs, which may fail, or go on with the other."""
        with self.site.start(*arguments) as command:
            time.sleep(self._chance.uniform(0, max(self.took[-8:])))
            slot = self.host.slots.live
            began = time.time()
            pid = self._kill_server(slot)
            said = command.communicate(timeout=300)[1]
        if command.returncode not in CODES:
            yield f"{arguments} ended with {command.returncode}: {said}"
        live = self.host.slots.live
        step.down = began, self._revived(live, pid if live == slot else None)

    def _kill_server(self, slot: str) -> int | None:
        pid = self.host.listener(slot)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        return pid

    def _revived(self, slot: str, pid: int | None) -> float:
        """Wait until another server than the killed one answers; returns when."""
        if not self.host.revives:
            done = self.site.run("handover", "ensure", timeout=300)
            assert done.code == 0, done.err
        else:
            self.host.slots.wait_for(lambda: self.host.listener(slot) not in {None, pid}, seconds=120)
        return time.time() + SPARE

    def _fate(self) -> str:
        if not self._fates:
            self._fates = [fate for fate, count in FATES.items() for _ in range(count)]
            self._chance.shuffle(self._fates)
        return self._fates.pop()


def under_traffic(lab: Lab, manager: str, scale: Scale, *, quiet: bool) -> Tally:
    """One row: random commands, as many as there are points, under traffic."""
    tally = Tally(f"requests, {manager}, {'commands' if quiet else 'kills, and two commands at once'}")
    notes = lab.path / f"traffic-{manager}-{quiet}.txt"
    with tally.timed(), hosted(lab, manager, notes.stem) as host:
        day = Day(host, scale.seed, tally)
        day.prepare()
        now = time.time()
        day.steps.append(Step("before", now - 1, now, host.site.current, host.site.current))
        with customers(host, notes):
            while tally.points < (scale.points or 100) and not scale.is_done(tally):
                day.run(quiet=quiet)
            time.sleep(traffic.SLOW + 0.5)
    requests = [Request.of(line) for line in notes.read_text().splitlines()]
    report(tally, judge(requests, day.steps), requests, day.steps)
    return tally


def report(tally: Tally, verdict: Verdict, requests: Sequence[Request], steps: Sequence[Step]) -> None:
    """Put the counts under the row, and what is wrong in it."""
    kinds = collections.Counter(request.kind for request in requests)
    done = collections.Counter(step.label for step in steps[1:])
    seconds = max(request.ended for request in requests) - min(request.began for request in requests)
    switches = sum(bool(step.switched) or step.before != step.after for step in steps)
    slowest = max(request.ended - request.began for request in requests if request.kind != "slow")
    counts = (
        f"{verdict.requests} requests in {seconds:.0f} s, {verdict.requests / seconds:.0f} a second; "
        f"{switches} switches; {len(verdict.failed)} failed; {verdict.inside} in a killed server; "
        f"{len(verdict.unproven)} unproven; {len(verdict.foreign)} not of current; slowest {slowest:.2f} s"
    )
    tally.notes += [
        counts,
        ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())),
        ", ".join(f"{count} {label}" for label, count in sorted(done.items())),
    ]
    tally.violations += [f"failed: {one}" for one in verdict.failed]
    tally.violations += [f"unproven: {one}" for one in verdict.unproven]
    tally.violations += [f"not of current: {one}" for one in verdict.foreign]


def run(lab: Lab, scale: Scale) -> Iterator[Tally]:
    """Two rows for each manager; the plain one only where there is no other."""
    reasons = {manager: reason_to_skip(manager) for manager in NEEDS}
    others = [manager for manager in NEEDS if manager != "plain"]
    if all(reasons[manager] for manager in others):
        others.append("plain")
    for manager in others:
        if reasons[manager]:
            yield Tally(f"requests, {manager}", skipped=reasons[manager])
            continue
        for quiet in (True, False):
            yield under_traffic(lab, manager, scale, quiet=quiet)
