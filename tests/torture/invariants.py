"""The invariants of a root, written once: what every fault, whatever it was, must leave true.

`observe` looks at a root before a fault. Right after one, `at_once` says what is wrong already; after the
next plain command `settled` says what is still wrong. Both return sentences, each beginning with the
invariant that is broken; none for a root that is well.

    I1   current is absent or resolves to a sealed release whose every file matches its manifest
    I2   a reader sees the old release or the new one, never a third thing or nothing
    I3   what was acknowledged is still true
    I4   the journal parses
    I5   the next command recovers
    I6   after recovery there is no debris
    I8   what is current, previous or pinned is never pruned, and two proven or unchecked releases are left
    I9   a failed operation leaves current as it was
    I10  sealed trees never change
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.roots import Site
from venvship.building.store.cleaning import contents
from venvship.building.store.store import Store
from venvship.errors import VenvshipError
from venvship.model.history import History
from venvship.model.history_fold import fold
from venvship.model.release import State
from venvship.model.retention import GOOD
from venvship.operations.verify import VerifyResult
from venvship.root import RootLayout
from venvship.system.files import hash_file
from venvship.system.leases import is_marked
from venvship.system.trees import walk
from venvship.workspace.releases import release_ids
from venvship.workspace.usable import release_problem
from venvship.workspace.workspace import Workspace

Tree = dict[str, tuple[object, ...]]


@dataclass(frozen=True)
class Before:
    """A root before a fault.

    Attributes:
        journal: The journal's bytes: acknowledged, so they must stay what it begins with.
        current: What was live.
        releases: The releases there were.
        trees: By release, every name in it with all that a change would change.
        good: The releases that were proven or unchecked.
        proven: Those that were proven.
    """

    journal: bytes
    current: str | None
    releases: frozenset[str]
    trees: dict[str, Tree]
    good: frozenset[str]
    proven: frozenset[str]


def observe(site: Site) -> Before:
    """Look at a root that is well."""
    workspace = _workspace(site)
    history = workspace.history()
    releases = frozenset(release_ids(workspace.layout, history))
    return Before(
        journal=_journal(site),
        current=site.current,
        releases=releases,
        trees={name: tree(site.path / "releases" / name) for name in releases},
        good=frozenset(name for name in releases if history.state(name) in GOOD),
        proven=frozenset(name for name in releases if history.state(name) is State.PROVEN),
    )


def at_once(site: Site, before: Before) -> list[str]:
    """What is wrong right after a fault, before anything has recovered."""
    return [*_current_is_intact(site), *_journal_grew(site, before), *_trees_unchanged(site, before)]


def settled(site: Site, before: Before, *, current: Collection[str | None] | None = None) -> list[str]:
    """What is wrong after the next command has recovered.

    Args:
        site: The root.
        before: It before the fault.
        current: What may be live now; anything intact by default.
    """
    wrong = at_once(site, before)
    workspace = _workspace(site)
    reading = workspace.journal.read()
    if reading.damage or reading.torn:
        return [*wrong, f"I4 the journal is damaged: {reading.damage or 'torn'}"]
    history = fold(reading.events)
    if history.intent is not None:
        wrong.append(f"I5 {history.intent.kind} of {history.intent.target} has no outcome")
    if history.expected != site.current:
        wrong.append(f"I5 current is {site.current}, and the journal says {history.expected}")
    if history.lockfile_due is not None:
        wrong.append(f"I5 the lockfile of {site.current} has not taken its place")
    if current is not None and site.current not in current:
        wrong.append(f"I9 current is {site.current}, and should be one of {sorted(map(str, current))}")
    wrong += [f"I6 debris: {name}" for name in debris(site)]
    wrong += [f"I6 the store holds {name}" for name in store_debris(site)]
    wrong += [f"the store holds half of {name}" for name in store_halves(site)]
    wrong += _previous_is_right(site, workspace, history)
    wrong += _nothing_precious_is_gone(site, workspace, history, before)
    return wrong


def relocated(site: Site, before: Before) -> list[str]:
    """What is wrong after a relocation: of each release there is a usable heir, in the same state."""
    workspace = _workspace(site)
    history = workspace.history()
    wrong = []
    for name in before.releases:
        heir = history.heir(name)
        if problem := release_problem(workspace, heir):
            wrong.append(f"{heir}, which took the place of {name}, is not usable: {problem}")
        if history.state(heir) is not history.state(name):
            wrong.append(f"{heir} is {history.state(heir)}, and {name} was {history.state(name)}")
    return wrong


def nobody_else_switched(site: Site, before: Before) -> list[str]:
    """Whether a kill has been taken for somebody who switched by hand."""
    new = _journal(site)[len(before.journal) :]
    return ["I5 a kill was taken for a switch by hand"] if b'"observed"' in new else []


def tree(path: Path) -> Tree:
    """Every name below a directory, with all that writing to it, or replacing it, would change."""
    found: Tree = {}
    for name, status in walk(path):
        target = os.readlink(path / name) if stat.S_ISLNK(status.st_mode) else ""
        found[name] = (status.st_mode, status.st_ino, status.st_size, status.st_mtime_ns, target)
    return found


def debris(site: Site) -> list[str]:
    """What a command that has recovered must not leave."""
    found = site.debris()
    leases = site.path / "state" / "leases"
    if leases.is_dir():
        found += [f"lease {n}" for n in os.listdir(leases) if not (site.path / "releases" / n).is_dir()]
        found += [f"marked lease {n}" for n in os.listdir(leases) if is_marked(str(leases / n))]
    return found


def store_debris(site: Site) -> Iterator[str]:
    """Temporary names in the store."""
    store = site.path / "store"
    if store.is_dir():
        yield from (name for name, _ in walk(store) if os.path.basename(name).startswith(".new-"))


def store_halves(site: Site) -> Iterator[str]:
    """What has a wheel's or bytecode's name in the store, and is not whole.

    What a release names need not be there: it has names of its own for its files.
    """
    store = Store(str(site.path / "store"))
    for thing in contents(store):
        kind, sha256, *tag = thing.split("/")
        try:
            if kind == "wheels":
                wheel = store.wheel(sha256)
                data, stored = wheel.data, wheel.files
            elif (compiled := store.bytecode(sha256, tag[0])) is not None:
                data, stored = compiled.data, compiled.files
            else:
                continue
        except VenvshipError as error:
            yield f"{thing}: {error.message}"
            continue
        yield from (
            f"{thing}: {file.path}"
            for file in stored
            if not os.path.isfile(f"{data}/{file.path}") or hash_file(f"{data}/{file.path}") != file.sha256
        )


def swept(site: Site) -> list[str]:
    """What the next clean-up of the store leaves that it should have swept; runs one."""
    site.open().prune()
    return [
        f"I6 the store still holds {name}"
        for name, _ in walk(site.path / "store")
        if os.path.basename(name).startswith(".")
    ]


def _workspace(site: Site) -> Workspace:
    return Workspace(RootLayout.at(site.path), site.runtime())


def _journal(site: Site) -> bytes:
    try:
        return (site.path / "state" / "journal.jsonl").read_bytes()
    except FileNotFoundError:
        return b""


def _current_is_intact(site: Site) -> list[str]:
    current = site.current
    if current is None:
        return []
    if os.readlink(site.path / "current") != f"releases/{current}":
        return [f"I2 current leads to {os.readlink(site.path / 'current')}"]
    try:
        report = site.open().verify(current)
    except VenvshipError as error:
        # In a root that was moved no release is usable, however intact.
        if not isinstance(error.result, VerifyResult):
            return [f"I1 current: {error.message}"]
        report = error.result
    return [] if report.releases[0].intact else [f"I1 current is damaged: {report.releases[0].damaged[:3]}"]


def _journal_grew(site: Site, before: Before) -> list[str]:
    now = _journal(site)
    return [] if now.startswith(before.journal) else ["I3 what the journal had acknowledged is gone"]


def _trees_unchanged(site: Site, before: Before) -> list[str]:
    wrong = []
    for name, old in before.trees.items():
        path = site.path / "releases" / name
        if not path.is_dir():
            continue  # pruned; whether it may be is another question
        new = tree(path)
        changed = [entry for entry in old.keys() | new.keys() if old.get(entry) != new.get(entry)]
        # The root of a tree that is being removed is made writable first; then it is not there any more.
        if changed and (path / ".venvship" / "manifest.json").exists():
            wrong.append(f"I10 {name} changed: {sorted(changed)[:3]}")
    return wrong


def _previous_is_right(site: Site, workspace: Workspace, history: History) -> list[str]:
    now = workspace.runtime.clock()
    goal = history.way_back(site.current, lambda name: release_problem(workspace, name), now).release_id
    return [] if goal == site.previous else [f"I5 previous is {site.previous}, a rollback goes to {goal}"]


def _nothing_precious_is_gone(
    site: Site, workspace: Workspace, history: History, before: Before
) -> list[str]:
    wrong = []
    there = set(release_ids(workspace.layout, history))
    for name in before.releases - there:
        record = history.records.get(name)
        if record is None or not record.pruned:
            wrong.append(f"I3 release {name} is gone, and nobody pruned it")
        elif record.pinned or name == site.current:
            wrong.append(f"I8 {name} was pruned")
    good = {name for name in there if history.state(name) in GOOD}
    # A release that was unchecked may be bad by now.
    if len(good) < min(2, len([name for name in before.good if history.state(name) in GOOD])):
        wrong.append(f"I8 only {len(good)} good releases are left of {len(before.good)}")
    proven = {name for name in there if history.state(name) is State.PROVEN}
    if len(proven) < min(2, len(before.proven)):
        wrong.append(f"I8 only {len(proven)} proven releases are left of {len(before.proven)}")
    return wrong
