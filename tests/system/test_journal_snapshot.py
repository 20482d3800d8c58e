"""The snapshot beside the journal: used where it is sound, and never missed."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.support.journals import START, put
from venvship.model.history import Event, fold
from venvship.model.history_snapshot import FOLD, forget, to_json
from venvship.model.release import canonical_json
from venvship.system.journal import CHUNK, Journal
from venvship.system.journal_lines import Events, Reading, checksum, parse
from venvship.system.journal_snapshot import EVERY, NAME, read_snapshot, write_snapshot
from venvship.system.mutex import Mutex

REPOSITORY = Path(__file__).parents[2]


def journal_at(path: Path) -> Journal:
    seconds = count()
    return Journal(
        str(path),
        Mutex(str(path.with_name("journal.mutex")), "journal"),
        lambda: START + timedelta(seconds=next(seconds)),
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    return tmp_path / "state" / "journal.jsonl"


@pytest.fixture
def snapshot(path: Path) -> Path:
    return path.with_name(NAME)


def lines(number: int, *, start: int = 1) -> bytes:
    """So many lines of a root in which each release is promoted, and pruned a while later."""
    written = []
    for seq in range(start, start + number):
        at, kind = divmod(seq - 1, 4)
        event = ("sealed", "promoting", "promoted", "pruned")[kind]
        facts: dict[str, Any] = {"from": f"R{at - 1}"} if kind in {1, 2} and at else {}
        data = Event(
            seq=seq,
            at=START + timedelta(minutes=seq),
            event=event,
            release=f"R{at - 3}" if kind == 3 else f"R{at}",
            actor="alice",
            facts=facts,
        ).to_json()
        written.append(canonical_json({**data, "sum": checksum(data)}) + b"\n")
    return b"".join(written)


def snap(path: Path, number: int) -> None:
    """Make a journal of so many lines, with a snapshot of all of them."""
    path.write_bytes(lines(number))
    reading = parse(path.read_bytes())
    write_snapshot(str(path.with_name(NAME)), path.read_bytes(), forget(reading.history()))


def read(path: Path) -> Reading:
    return journal_at(path).read()


def same(path: Path, *, used: bool) -> None:
    """A reading says what parsing everything says, whether or not it used the snapshot."""
    reading, plain = read(path), parse(path.read_bytes(), path=str(path))
    assert (reading.snapshot is not None) is used
    assert (reading.torn, reading.damage, reading.size) == (plain.torn, plain.damage, plain.size)
    assert len(reading.events) == len(plain.events)
    assert forget(reading.history()) == forget(fold(plain.events))
    assert list(reading.events) == list(plain.events)


def append(path: Path) -> Event:
    return journal_at(path).append("held", release=None, actor="alice")


# -- when it is written ------------------------------------------------------------------------------------


def test_an_append_makes_one_when_there_are_enough_new_lines(path: Path, snapshot: Path) -> None:
    path.write_bytes(lines(EVERY - 2))
    append(path)
    assert not snapshot.exists()

    append(path)

    found = read_snapshot(str(snapshot))
    assert found is not None
    assert (found.size, found.history.seq) == (path.stat().st_size, EVERY)
    assert stat.S_IMODE(snapshot.stat().st_mode) == 0o644
    assert sorted(os.listdir(path.parent)) == ["journal.jsonl", "journal.mutex", NAME]
    same(path, used=True)


def test_it_is_made_anew_after_as_many_lines_again(path: Path, snapshot: Path) -> None:
    snap(path, EVERY)
    first = snapshot.read_bytes()
    with open(path, "ab") as file:
        file.write(lines(EVERY - 2, start=EVERY + 1))
    append(path)
    assert snapshot.read_bytes() == first
    same(path, used=True)

    append(path)

    found = read_snapshot(str(snapshot))
    assert found is not None
    assert found.history.seq == 2 * EVERY
    same(path, used=True)


def test_a_journal_that_appends_for_long_makes_one_each_time(path: Path, snapshot: Path) -> None:
    path.write_bytes(lines(EVERY - 1))
    journal = journal_at(path)
    made = []
    for _ in range(EVERY + 5):
        journal.append("held", release=None, actor="alice")
        found = os.stat(snapshot).st_ino
        made += [found] if found not in made[-1:] else []
    assert len(made) == 2
    assert len(journal.read().events) == 2 * EVERY + 4
    same(path, used=True)


@pytest.mark.parametrize("data", [b"", b"{}\n", b"garbage"])
def test_one_that_is_of_no_use_is_replaced_by_the_next_append(
    path: Path, snapshot: Path, data: bytes
) -> None:
    path.write_bytes(lines(EVERY))
    snapshot.write_bytes(data)
    same(path, used=False)

    append(path)

    same(path, used=True)


def test_that_it_cannot_be_written_is_nobodys_problem(path: Path, snapshot: Path) -> None:
    path.write_bytes(lines(EVERY))
    (snapshot / "in the way").mkdir(parents=True)

    journal = journal_at(path)
    assert journal.append("held", release=None, actor="alice").seq == EVERY + 1
    assert journal.append("held", release=None, actor="alice").seq == EVERY + 2

    same(path, used=False)
    assert sorted(os.listdir(path.parent)) == ["journal.jsonl", "journal.mutex", NAME]


def test_readers_write_nothing(path: Path, snapshot: Path) -> None:
    for prepare in (lambda: path.write_bytes(lines(2 * EVERY)), lambda: snap(path, EVERY)):
        prepare()
        before = {name: os.stat(path.parent / name) for name in os.listdir(path.parent)}
        list(read(path).events)
        read(path).history()
        after = {name: os.stat(path.parent / name) for name in os.listdir(path.parent)}
        assert {n: (s.st_ino, s.st_mtime_ns) for n, s in after.items()} == {
            n: (s.st_ino, s.st_mtime_ns) for n, s in before.items()
        }


# -- what is not believed ----------------------------------------------------------------------------------


def test_one_that_is_cut_short_at_any_byte_is_ignored(path: Path, snapshot: Path) -> None:
    snap(path, 9)
    whole = snapshot.read_bytes()
    expected = fold(parse(path.read_bytes()).events)
    for size in range(len(whole) - 1):
        snapshot.write_bytes(whole[:size])
        reading = read(path)
        assert reading.snapshot is None, size
        assert reading.history() == expected
    snapshot.write_bytes(whole[:-1])  # only the line break is missing
    same(path, used=True)


def test_one_with_any_byte_changed_is_ignored(path: Path, snapshot: Path) -> None:
    snap(path, 9)
    whole = snapshot.read_bytes()
    for place in range(len(whole) - 1):
        snapshot.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert read(path).snapshot is None, place


def changed(snapshot: Path, **changes: Any) -> bytes:
    """A snapshot in which something else stands, with a checksum that is right."""
    data = {**json.loads(snapshot.read_bytes()), **changes}
    return canonical_json({**data, "sum": checksum(data)}) + b"\n"


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"format": None},
        {"fold": FOLD - 1},
        {"fold": FOLD + 1},
        {"size": 0},
        {"size": "9"},
        {"size": 10**9},
        {"sha256": "0" * 64},
        {"sha256": None},
        {"history": None},
        {"history": []},
        {"history": {}},
        {"history": {"seq": 9}},
    ],
    ids=str,
)
def test_a_foreign_one_is_ignored(path: Path, snapshot: Path, change: dict[str, Any]) -> None:
    snap(path, 9)
    snapshot.write_bytes(changed(snapshot, **change))
    same(path, used=False)


@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 500, b"[]", b"7", b"null", b"\xff\xfe", b"[" * 100_000, b'{"sum": 1e999}', b"9" * 9999],
)
def test_garbage_is_ignored(path: Path, snapshot: Path, data: bytes) -> None:
    snap(path, 9)
    snapshot.write_bytes(data)
    same(path, used=False)


def test_what_is_no_file_is_ignored(path: Path, snapshot: Path) -> None:
    snap(path, 9)
    snapshot.unlink()
    same(path, used=False)
    snapshot.symlink_to("no/such/place")
    same(path, used=False)
    snapshot.unlink()
    snapshot.mkdir()
    same(path, used=False)


# -- the journal is the truth ------------------------------------------------------------------------------


def flipped(raw: bytes) -> bytes:
    place = raw.index(b"\n") + 30
    return raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]


def without_line_two(raw: bytes) -> bytes:
    rows = raw.splitlines(keepends=True)
    return b"".join([rows[0], *rows[2:]])


def twice_line_two(raw: bytes) -> bytes:
    rows = raw.splitlines(keepends=True)
    return b"".join([*rows[:2], *rows[1:]])


@pytest.mark.parametrize("damage", [flipped, without_line_two, twice_line_two])
def test_damage_before_its_end_is_found_with_its_line(
    path: Path, snapshot: Path, damage: Callable[[bytes], bytes]
) -> None:
    snap(path, 40)
    with open(path, "ab") as file:
        file.write(lines(5, start=41))
    path.write_bytes(damage(path.read_bytes()))

    reading = read(path)

    assert f"line {3 if damage is twice_line_two else 2}" in reading.damage
    same(path, used=False)


def test_every_byte_that_it_covers_counts(path: Path, snapshot: Path) -> None:
    snap(path, 9)
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        reading = read(path)
        assert reading.snapshot is None, place
        assert reading.damage or reading.torn, place


def test_damage_after_its_end_is_found_with_its_line(path: Path, snapshot: Path) -> None:
    snap(path, 40)
    with open(path, "ab") as file:
        file.write(flipped(lines(5, start=41)))
    assert read(path).damage == f"{path}, line 42"
    same(path, used=True)


@pytest.mark.parametrize("number", [0, 1, 39])
def test_an_older_copy_of_the_journal_is_read_as_it_is(path: Path, snapshot: Path, number: int) -> None:
    snap(path, 40)
    path.write_bytes(lines(number))
    same(path, used=False)


def test_a_missing_journal_is_empty(path: Path, snapshot: Path) -> None:
    snap(path, 40)
    path.unlink()
    assert (read(path).events, read(path).snapshot) == ((), None)


def test_another_journal_is_read_as_it_is(path: Path, snapshot: Path) -> None:
    snap(path, 40)
    path.write_bytes(lines(60).replace(b"alice", b"malle"))
    same(path, used=False)


@pytest.mark.parametrize("end", [b"{", b"{}\n", b"\0\0\0", b'{"seq": 41}'])
def test_a_torn_end_is_passed_over_and_set_aside(path: Path, snapshot: Path, end: bytes) -> None:
    snap(path, 40)
    with open(path, "ab") as file:
        file.write(end)
    assert read(path).torn
    same(path, used=True)

    assert append(path).seq == 41

    assert not read(path).torn
    same(path, used=True)


def test_a_newer_line_after_it_is_refused_as_ever(path: Path, snapshot: Path) -> None:
    from venvship.errors import FormatError

    snap(path, 40)
    data = {**json.loads(lines(1, start=41)), "format": 2}
    with open(path, "ab") as file:
        file.write(canonical_json({**data, "sum": checksum(data)}) + b"\n")
    with pytest.raises(FormatError, match="line 41"):
        read(path)


def test_an_event_about_what_it_has_forgotten_takes_the_whole_journal(path: Path, snapshot: Path) -> None:
    snap(path, 40)
    found = read_snapshot(str(snapshot))
    assert found is not None
    assert "R0" not in found.history.records

    journal_at(path).append("observed", release="R0", actor="alice")

    assert read(path).history() == fold(parse(path.read_bytes()).events)
    same(path, used=True)


@pytest.mark.parametrize("snapped", [False, True])
def test_one_that_has_read_before_still_looks_at_every_byte(
    path: Path, snapshot: Path, snapped: bool
) -> None:
    number = 2 * CHUNK // len(lines(1))
    if snapped:
        snap(path, number)
    else:
        path.write_bytes(lines(number))
    first = path.read_bytes()
    journal = journal_at(path)
    journal.read()
    journal.append("held", release=None, actor="alice")
    whole = path.read_bytes()

    def says_what_a_new_one_says() -> None:
        ours, new = journal.read(), parse(path.read_bytes(), path=str(path))
        assert (ours.torn, ours.damage, ours.size) == (new.torn, new.damage, new.size)
        assert list(ours.events) == list(new.events)

    for place in (30, CHUNK - 1, CHUNK, len(first) - 30, len(first) + 30, len(whole) - 1):
        for change in (
            whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :],
            whole[:place],
            whole[: place // 2] + whole[place:],
            whole + whole[place:],
            b"",
        ):
            put(path, change)
            says_what_a_new_one_says()
            put(path, whole)
            says_what_a_new_one_says()
            assert journal.read().events is journal.read().events


# -- events that are parsed when somebody asks -------------------------------------------------------------


@pytest.mark.parametrize("later", [0, 1, 5])
@pytest.mark.parametrize("parsed", [False, True])
def test_events_are_those_of_a_tuple(later: int, parsed: bool) -> None:
    plain = parse(lines(7 + later)).events

    def events() -> Events:
        found = Events(lines(7 + later), len(lines(7)), 7, tuple(plain[7:]))
        if parsed:
            list(found)
        return found

    size = len(plain)
    assert len(events()) == size
    assert tuple(events()) == plain
    assert tuple(reversed(events())) == plain[::-1]
    for index in range(-size, size):
        assert events()[index] == plain[index]
        for stop in (None, *range(-size - 1, size + 2)):
            for step in (None, 1, 2, -1, -3):
                assert events()[index:stop:step] == plain[index:stop:step], (index, stop, step)
    for index in (-size - 1, size):
        with pytest.raises(IndexError):
            events()[index]
    more = parse(lines(9 + later)).events[size:]
    assert tuple(events().with_later(more)) == parse(lines(9 + later)).events


def test_what_comes_after_the_snapshot_is_had_without_what_comes_before() -> None:
    later = tuple(parse(lines(9)).events[7:])
    events = Events(b"no JSON\n" * 9, 56, 7, later)
    assert (events[-1], events[8], events[7:], events[:-3:-1]) == (later[1], later[1], later, later[::-1])
    assert next(reversed(events)) == later[1]
    assert events[9:] == ()


# -- killed ------------------------------------------------------------------------------------------------

APPEND = f"""
import sys
sys.path.insert(0, {str(REPOSITORY)!r})
from pathlib import Path
from tests.system.test_journal_snapshot import append
from venvship.system import failpoints
failpoints.arm(sys.argv[2])
append(Path(sys.argv[1]))
"""


def test_killed_at_any_effect_of_the_append_that_writes_it(
    path: Path, snapshot: Path, tmp_path: Path
) -> None:
    def run(plan: str) -> int:
        path.write_bytes(lines(2 * EVERY - 1))
        write_snapshot(str(snapshot), lines(EVERY), forget(fold(parse(lines(EVERY)).events)))
        return subprocess.run(
            [sys.executable, "-c", APPEND, path, plan], cwd=REPOSITORY, check=False, stdin=subprocess.DEVNULL
        ).returncode

    trace = tmp_path / "trace"
    assert run(f"trace:{trace}") == 0
    effects = [line.split()[1] for line in trace.read_text().splitlines()]
    assert effects[-3:] == ["create", "write", "rename"]
    seen = set()
    for number in range(1, len(effects) + 1):
        assert run(f"kill@{number}") == -signal.SIGKILL
        same(path, used=True)
        assert len(read(path).events) == 2 * EVERY - (number <= effects.index("write") + 1), number
        left = [name for name in os.listdir(path.parent) if name.startswith(f".{NAME}.")]
        assert (number > len(effects) - 2) == bool(left), "what debris sweeps"
        seen |= {*left}
        for name in left:
            os.unlink(path.parent / name)
        append(path)
        same(path, used=True)
    assert seen


def test_its_keys(path: Path, snapshot: Path) -> None:
    snap(path, 9)
    data = json.loads(snapshot.read_bytes())
    assert list(data) == ["fold", "format", "history", "sha256", "size", "sum"]
    assert data["history"] == json.loads(canonical_json(to_json(forget(fold(parse(lines(9)).events)))))
