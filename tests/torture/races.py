"""Eight processes at once on one root: who wins is open, what must hold afterwards is not.

One releases, one updates, one rolls back, one promotes, one prunes, one holds and unholds, one asks for
status and list, and one reads the link and what it leads to as fast as it can. They go on for a round; then
the journal has to tell one story in which every answer that somebody got is true, and one `recover` has to
find the root well.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.roots import VERSIONS, Site, command
from tests.torture import children, invariants
from tests.torture.lab import Lab, lock_by_path, release, write_settings
from tests.torture.tally import Scale, Tally
from venvship.errors import VenvshipError
from venvship.model.release import is_release_id

SECONDS = 2.0
"""How long a round goes on."""

MORE = 9
"""So many more effects than it has a command is stopped at, since a mutant may have more."""

BOUND = 60.0
"""And so long after its end nobody may still be at it."""

SETTINGS = """
[[check]]
name = "candidate"
when = "candidate"
command = ["sh", "-c", 'echo "$CALL $(wc -l < "$VENVSHIP_ROOT/state/journal.jsonl")" >> "$SEEN"; sleep 0.1']
[[check]]
name = "live"
command = ["sleep", "0.05"]
"""
"""A candidate check that notes how long the journal was: between that and its switch nobody may switch."""

CODES = {
    "release": {0, 13, 22, 30, 31},
    "update": {0, 13, 20, 22, 25, 30, 31},
    "promote": {0, 13, 22, 30, 31},
    "rollback": {0, 13, 24, 30},
    "prune": {0, 30},
    "hold": {0},
    "unhold": {0},
    "status": {0},
    "list": {0},
    "read": {0},
}
"""How each command may end: nothing fails its checks here, so nothing is ever bad, nor a person needed."""

SWITCHES = {"promoted", "rolled-back", "rollback-failed", "observed"}


@dataclass(frozen=True)
class Answer:
    """What one call got.

    Attributes:
        call: Its name.
        command: The command.
        code: Its exit code.
        data: The envelope's.
        wrong: What is wrong with it, whatever the exit code.
        said: The message of its error.
    """

    call: str
    command: str
    code: int
    data: dict[str, Any]
    wrong: str = ""
    said: str = ""


Work = Callable[[Site, random.Random, str], Answer]


def _run(site: Site, call: str, *arguments: str) -> Answer:
    """One call of the command line, in this process."""
    from venvship.cli.main import run as run_command

    os.environ["CALL"] = call
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        code = run_command(["-C", str(site.path), "--json", *arguments])
    envelope = json.loads(output.getvalue())
    wrong = ""
    if envelope["error"] is not None and envelope["error"]["slug"] == "bug":
        wrong = envelope["error"]["traceback"]
    said = "" if envelope["error"] is None else envelope["error"]["message"]
    return Answer(call, arguments[0], code, envelope["data"], wrong, said)


def _any_release(site: Site, chance: random.Random) -> str:
    return chance.choice([name for name in os.listdir(site.path / "releases") if is_release_id(name)])


def _release(site: Site, chance: random.Random, call: str) -> Answer:
    lockfile = str(site.path / f"{chance.choice(VERSIONS)}.txt")
    more = ["--rebuild"] * (chance.random() < 0.2) + ["--wait", "1"] * (chance.random() < 0.5)
    return _run(site, call, "release", "--force", "--lockfile", lockfile, "-m", call, *more)


def _update(site: Site, chance: random.Random, call: str) -> Answer:
    """Have somebody bring another lockfile, and update to it."""
    shutil.copy(site.path / f"{chance.choice(VERSIONS)}.txt", site.path / ".new.txt")
    os.utime(site.path / ".new.txt", (0, 0))
    os.replace(site.path / ".new.txt", site.path / "requirements.txt")
    environment = {**site.environment, "CALL": call, "SEEN": os.environ["SEEN"]}
    try:
        result = site.open(actor=call, environ=environment, wait=1).update()
    except VenvshipError as error:
        return Answer(call, "update", error.exit_code, {}, said=error.message)
    assert result.release is not None
    return Answer(call, "update", 0, {"outcome": result.outcome, "release": {"id": result.release.id}})


def _promote(site: Site, chance: random.Random, call: str) -> Answer:
    return _run(site, call, "promote", "--force", _any_release(site, chance), "-m", call)


def _rollback(site: Site, chance: random.Random, call: str) -> Answer:
    named = [_any_release(site, chance)] * (chance.random() < 0.4)
    answer = _run(site, call, "rollback", *named, "-m", call)
    time.sleep(0.05 * chance.random())
    return answer


def _prune(site: Site, chance: random.Random, call: str) -> Answer:
    try:
        site.open(clock=site.later(hours=2)).prune(keep=chance.choice([2, 3]))
    except VenvshipError as error:
        return Answer(call, "prune", error.exit_code, {}, said=error.message)
    return Answer(call, "prune", 0, {})


def _hold(site: Site, chance: random.Random, call: str) -> Answer:
    if chance.random() < 0.5:
        return _run(site, call, "hold", "-m", call)
    return _run(site, call, "unhold")


def _look(site: Site, chance: random.Random, call: str) -> Answer:
    answer = _run(site, call, chance.choice(["status", "list"]))
    if answer.command == "status":
        wrong = "" if answer.data["current"] else "status found nothing live"
    else:
        wrong = "" if any(view["current"] for view in answer.data["releases"]) else "list showed nothing live"
    return Answer(call, answer.command, answer.code, {}, answer.wrong or wrong)


def _read(site: Site, _chance: random.Random, call: str) -> Answer:
    """Read for a tenth of a second."""
    link, wrong, reads = str(site.path / "current"), "", 0
    end = time.monotonic() + 0.1
    while time.monotonic() < end and not wrong:
        for _ in range(50):
            reads += 1
            wrong = wrong or read_once(link)
    return Answer(call, "read", 0, {"reads": reads}, wrong)


def read_once(link: str) -> str:
    """Read what is live, and return what is wrong with that; `""` if nothing is."""
    try:
        folder, _, name = os.readlink(link).rpartition("/")
        with open(f"{link}/.venvship/manifest.json", "rb") as file:
            first = file.read(1)
    except OSError as error:
        return f"I2 a reader got {error}"
    if folder != "releases" or not is_release_id(name) or first != b"{":
        return f"I2 a reader saw {folder}/{name}"
    return ""


WORKERS: dict[str, Work] = {
    "release": _release,
    "update": _update,
    "rollback": _rollback,
    "promote": _promote,
    "prune": _prune,
    "hold": _hold,
    "look": _look,
    "read": _read,
}


def prepare(lab: Lab) -> Site:
    """A root with every version released, and a lockfile of each."""
    site = lab.root("root-races")
    for version in VERSIONS:
        release(site, version)
        os.rename(lock_file(site, version), site.path / f"{version}.txt")
    lock_by_path(site, VERSIONS[0])
    write_settings(site, SETTINGS, keep=3)
    return site


def lock_file(site: Site, version: str) -> Path:
    """A lockfile of a version, under the usual name."""
    lock_by_path(site, version)
    return site.path / "requirements.txt"


def run(lab: Lab, scale: Scale, *, seconds: float = SECONDS) -> Tally:
    """So many rounds as the scale has points; twenty if it does not say.

    Args:
        lab: Where.
        scale: Its points are rounds.
        seconds: Of each round.
    """
    tally = Tally("races")
    with tally.timed():
        site = prepare(lab)
        for number in range(scale.points or 20):
            tally.point(f"round {number}", one_round(site, f"{scale.seed}-{number}", seconds, tally))
            if scale.is_done(tally):
                break
    return tally


def watched(lab: Lab, scale: Scale, mutant: Callable[[], None] | None = None) -> Tally:
    """Read before every effect of a switch, which has stopped there: no reader has to be there by chance."""
    tally = Tally("a reader at every effect of a switch")
    with tally.timed():
        for name in filter(scale.wants, ("promote", "rollback", "recover-back")):
            scenario = lab.scenario(name)
            count = len(children.effects(scenario.restore(), scenario.command, lab.path / "effects"))
            site = scenario.restore()
            before = invariants.observe(site)
            seen: list[str] = []

            def look(link: str = str(site.path / "current"), seen: list[str] = seen) -> None:
                seen.append(read_once(link))

            done = children.run_stopping(site, scenario.command, count + MORE, look, mutant=mutant)
            wrong = [] if done.code == scenario.code else [f"it ended with {done.code}: {done.err}"]
            for number, problem in enumerate(seen, start=1):
                tally.point(f"{name}, before effect {number}", [problem] if problem else [])
            tally.point(name, wrong + invariants.settled(site, before))
    return tally


def overtaken(lab: Lab, scale: Scale, mutant: Callable[[], None] | None = None) -> Tally:
    """Switch during the candidate checks of a promotion, by such a check: it has to be superseded."""
    tally = Tally("a switch during the checks of another")
    with tally.timed():
        for name in filter(scale.wants, ("promote", "import", "update")):
            scenario = lab.scenario(name)
            site = scenario.restore()
            before = invariants.observe(site)
            goal = min(before.releases - {site.current, site.previous} or before.releases - {site.current})
            argv = json.dumps([command(), "-C", str(site.path), "rollback", goal])
            write_settings(site, f'[[check]]\nname = "c"\nwhen = "candidate"\ncommand = {argv}\n', keep=9)
            done = children.run_forked(site, scenario.command, mutant=mutant)
            wrong = [] if done.code == 31 else [f"it ended with {done.code}: {done.err}"]
            if site.current != goal:
                wrong.append(f"{site.current} is live, and somebody had switched to {goal}")
            tally.point(name, wrong + invariants.settled(site, before))
    return tally


def one_round(site: Site, name: str, seconds: float, tally: Tally) -> list[str]:
    """Let all go at it for a while, then say what is wrong."""
    seen = site.path.parent / "seen"
    seen.write_text("")
    before = invariants.observe(site)
    known = len(site.journal())
    files = {worker: site.path.parent / f"answers-{worker}" for worker in WORKERS}
    deadline = time.monotonic() + seconds
    pids = {}
    for worker, work in WORKERS.items():
        with open(files[worker], "wb") as output:

            def loop(work: Work = work, worker: str = worker) -> int:
                return _loop(site, work, f"{name}-{worker}", deadline, seen)

            pids[worker] = children.start(loop, output.fileno())
    codes = {worker: children.wait(pid, seconds + BOUND) for worker, pid in pids.items()}
    wrong = [f"{worker} ended with {code}" for worker, code in codes.items() if code]
    answers: list[list[Answer]] = []
    for worker, path in files.items():
        try:
            answers.append([Answer(**json.loads(line)) for line in path.read_text().splitlines()])
        except ValueError:
            wrong.append(f"{worker} said {path.read_text()[-2000:]}")
    for of_one in answers:
        for answer in of_one:
            if answer.wrong or answer.code not in CODES[answer.command]:
                why = answer.wrong or answer.said
                wrong.append(f"{answer.call}: {answer.command} gave {answer.code} {why}")
    events = site.journal()[known:]
    wrong += tells_one_story(events, before.current)
    wrong += keeps_what_was_answered(events, answers)
    wrong += compared_before_it_swapped(events, seen.read_text())
    ended = children.command(["-C", str(site.path), "recover"])
    if ended.code:
        wrong.append(f"I5 recover ended with {ended.code}: {ended.said}")
    _count(tally, answers)
    return wrong + invariants.settled(site, before)


def _loop(site: Site, work: Work, worker: str, deadline: float, seen: Path) -> int:
    """Work until the round is over, a line for each answer."""
    os.environ.clear()
    os.environ.update(site.environment, SEEN=str(seen))
    chance, number = random.Random(worker), 0
    while time.monotonic() < deadline:
        number += 1
        answer = work(site, chance, f"{worker}-{number}")
        print(json.dumps(vars(answer)), flush=True)
    return 0


def _count(tally: Tally, answers: list[list[Answer]]) -> None:
    """Keep a note of how many calls there were, by command and exit code."""
    counts: dict[str, int] = json.loads(tally.notes[0]) if tally.notes else {}
    for answer in (answer for of_one in answers for answer in of_one):
        key = f"{answer.command} {answer.code}"
        counts[key] = counts.get(key, 0) + 1
        if answer.command == "read":
            counts["reads"] = counts.get("reads", 0) + int(answer.data["reads"])
    tally.notes[:] = [json.dumps(counts, sort_keys=True)]


def tells_one_story(events: list[dict[str, Any]], current: str | None) -> Iterator[str]:
    """Whether every switch begins where the one before it ended, and none begins inside another."""
    opened: dict[str, Any] | None = None
    for event in events:
        name, where = event["event"], f"event {event['seq']}, {event['event']}"
        if name == "promoting" or (name == "rolling-back" and event.get("manual")):
            if opened is not None:
                yield f"{where} begins before {opened['seq']} has an outcome"
            if event["from"] != current:
                yield f"{where} leaves {event['from']}, and {current} is current"
            opened = event
        elif name == "rolling-back":
            if opened is None or (opened["release"], opened["from"]) != (event["from"], event["release"]):
                yield f"{where} takes back what nobody began"
            opened = event
        elif name in {"promoted", "rolled-back", "rollback-failed", "abandoned"}:
            if opened is None or opened["release"] != event["release"]:
                yield f"{where} is the outcome of nothing"
            opened = None
            if name != "abandoned":
                current = event["release"]
        elif name == "observed":
            yield f"{where}: nobody has switched by hand"
        elif name == "pruned" and event["release"] == current:
            yield f"{where}: that one is live"
    if opened is not None:
        yield f"event {opened['seq']} has no outcome"


def keeps_what_was_answered(events: list[dict[str, Any]], answers: list[list[Answer]]) -> Iterator[str]:
    """Whether everything that was done has its event, once and in order, and nothing else has one."""
    by_call: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        # To choose what is live already begins or ends a switch hold, and is not what an answer promises.
        if event["event"] in {"promoted", "rolled-back", "held"} and event.get("kind") != "switch":
            by_call.setdefault(call_of(event), []).append(event)
    unheld = sum(event["event"] == "unheld" and event.get("kind") is None for event in events)
    for of_one in answers:
        last = 0
        for answer in of_one:
            found = by_call.get(answer.call, [])
            wanted = _wanted(answer)
            if [event["event"] in wanted for event in found] != [True] * bool(wanted):
                yield f"I3 {answer.call} ({answer.code}) wants {wanted}, and has {found}"
            for event in found:
                if event["seq"] <= last:
                    yield f"I3 {answer.call} has event {event['seq']}, after {last}"
                last = event["seq"]
            made = [event["release"] for event in found if event["event"] != "held"]
            if made and answer.code == 0 and made != [answer.data["release"]["id"]]:
                yield f"I3 {answer.call} made {answer.data['release']['id']} live, and the journal {found}"
            unheld -= answer.command == "unhold" and answer.code == 0 and answer.data["changed"]
    if unheld:
        yield f"I3 {unheld} more events of unhold than answers"


def call_of(event: dict[str, Any]) -> str:
    """Which call an event is from: it is its message, or of an update, which has none, its actor."""
    return str(event["reason"] or event["actor"].removesuffix(" (unattended)"))


def _wanted(answer: Answer) -> list[str]:
    """The names of the events of which a call must have exactly one; none for one that changed nothing."""
    if answer.code != 0:
        return []
    if answer.command == "hold":
        return ["held"]
    if answer.command == "rollback" and answer.data["previous"] is not None:
        return ["rolled-back", "held"]
    if answer.command in {"release", "update", "promote"} and answer.data["outcome"] != "unchanged":
        return ["promoted"]
    return []


def compared_before_it_swapped(events: list[dict[str, Any]], seen: str) -> Iterator[str]:
    """Whether nobody switched between a call's candidate check and its own switch."""
    length = {call: int(count) for call, count in (line.split() for line in seen.splitlines())}
    announced = 0
    switches: list[int] = []
    for event in events:
        if event["event"] == "promoting":
            announced = event["seq"]
        if event["event"] == "promoted" and call_of(event) in length:
            between = [seq for seq in switches if length[call_of(event)] < seq < announced]
            if between:
                yield f"{call_of(event)} went live at {announced}, though others switched at {between}"
        if event["event"] in SWITCHES:
            switches.append(event["seq"])
