"""The journal: what was acknowledged stays, what was torn is set aside, what is damaged is left alone."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.journals import put
from tests.support.limits import limited_file_size
from venvship.errors import BusyError, FormatError, StateError
from venvship.model.event import Event, EventName
from venvship.model.spelling import canonical_json
from venvship.system.journal import Journal
from venvship.system.journal_lines import CHUNK, checksum, parse
from venvship.system.mutex import Mutex

REPOSITORY = Path(__file__).parents[2]
START = datetime(2026, 11, 22, 9, 0, 0, tzinfo=UTC)


def mutex_of(path: Path) -> Mutex:
    file = path.with_name("journal.mutex")
    file.touch(0o600)
    return Mutex(str(file), "journal")


def journal_at(path: Path) -> Journal:
    seconds = count()
    return Journal(
        str(path),
        mutex_of(path),
        lambda: START + timedelta(seconds=next(seconds), microseconds=123456),
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


@pytest.fixture
def journal(path: Path) -> Journal:
    return journal_at(path)


def append(journal: Journal, event: str = "sealed", release: str | None = "A", **facts: Any) -> Event:
    return journal.append(event, release=release, actor="alice", facts=facts)


def three(journal: Journal) -> list[Event]:
    return [append(journal, "sealed", release, environment_digest="é" * 10) for release in "ABC"]


def line_of(**changes: Any) -> bytes:
    """A line as a journal has it, with a checksum that is right."""
    data = {
        "format": 1,
        "seq": 1,
        "at": "2026-11-22T09:00:00Z",
        "event": "sealed",
        "release": "A",
        "actor": "alice",
        "reason": "",
        **changes,
    }
    return canonical_json({**data, "sum": checksum(data)}) + b"\n"


def long(size: int, *, start: int = 1) -> bytes:
    """Lines that take at least so many bytes."""
    return b"".join(line_of(seq=seq) for seq in range(start, start + size // len(line_of()) + 1))


# -- round trip ---------------------------------------------------------------------------------------------


def test_what_is_appended_is_read_back(journal: Journal, path: Path) -> None:
    written = [
        append(journal, EventName.SEALED, environment_digest="e", packages=3),
        append(journal, "promoting", "A", **{"from": None, "tries": 1, "unattended": False}),
        journal.append("promoted", release="A", actor="alice", reason="sécurité\n—", facts=None),
        append(journal, "observed", None),
    ]

    reading = journal.read()

    assert list(reading.events) == written
    assert [event.seq for event in written] == [1, 2, 3, 4]
    assert (reading.torn, reading.damage, reading.size) == (False, "", path.stat().st_size)
    assert list(journal_at(path).read().events) == written


def test_a_line_is_json_with_sorted_keys_a_format_and_a_checksum(journal: Journal, path: Path) -> None:
    append(journal, "pinned", note="x")

    raw = path.read_bytes()
    data = json.loads(raw)
    assert raw == line_of(**{k: v for k, v in data.items() if k != "sum"})
    assert list(data) == sorted(data)
    assert {"format": 1, "seq": 1, "at": "2026-11-22T09:00:00Z", "note": "x"}.items() <= data.items()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_journal_that_is_not_there_yet_is_empty(journal: Journal, path: Path) -> None:
    reading = journal.read()

    assert (reading.events, reading.torn, reading.damage, reading.size) == ((), False, "", 0)
    assert os.listdir(path.parent) == ["journal.mutex"], "reading never writes"


def test_everybody_may_read_it_whatever_the_umask(journal: Journal, path: Path) -> None:
    before = os.umask(0o077)
    try:
        append(journal)
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_message_that_is_no_unicode_is_recorded(journal: Journal) -> None:
    """`-m $'\\xff'` reaches us as a lone surrogate; a rollback must not fail on it."""
    message = os.fsdecode(b"orders fail \xff")

    journal.append("rolled-back", release="A", actor="alice", reason=message)

    assert journal.read().events[0].reason == message


def test_the_clock_may_be_set_back_but_the_order_stays(path: Path) -> None:
    times = iter([START, START - timedelta(days=400), START])
    journal = Journal(str(path), mutex_of(path), lambda: next(times))

    events = three(journal)

    assert list(journal.read().events) == events
    assert [event.seq for event in events] == [1, 2, 3]


# -- torn ---------------------------------------------------------------------------------------------------


def test_a_last_line_torn_at_any_byte_costs_nothing_but_itself(tmp_path: Path) -> None:
    whole = tmp_path / "whole.jsonl"
    events = three(journal_at(whole))
    raw = whole.read_bytes()
    start = raw[:-1].rindex(b"\n") + 1

    for end in range(start, len(raw)):
        # No mutex and no fsync for each byte: those are tested elsewhere, and there are 200 bytes.
        reading = parse(raw[:end])
        assert list(reading.events) == events[:2], end
        assert reading.torn == (end > start), end
        assert reading.damage == ""
        assert reading.size == start


def test_mending_sets_torn_bytes_aside_and_leaves_whole_and_damaged_journals_alone(
    journal: Journal, path: Path
) -> None:
    three(journal)
    whole = path.read_bytes()
    assert not journal.mend()
    path.write_bytes(whole + b"\0" * 40)
    assert journal.mend()
    assert path.read_bytes() == whole
    assert Path(f"{path}.torn").read_bytes() == b"\0" * 40 + b"\n"
    damaged = b"no line\n" + whole
    put(path, damaged)
    assert not journal.mend()
    assert path.read_bytes() == damaged


def test_bytes_that_were_torn_again_are_added_to_those_set_aside(journal: Journal, path: Path) -> None:
    for fragment in (b'{"acto', b"\0\0"):
        append(journal)
        with open(path, "ab") as file:
            file.write(fragment)
    append(journal)

    assert Path(f"{path}.torn").read_bytes() == b'{"acto\n\0\0\n'
    assert len(journal.read().events) == 3


@pytest.mark.parametrize(
    "tail",
    [
        b"\0" * 100,
        b"\0" * 5000,
        b"\0" * 40 + b"\n",
        b"\n",
        b"\n\n\n",
        b'{"seq":4}\n',
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
        line_of(seq=4)[:40] + b"\0" * 60 + line_of(seq=4)[100:],
        line_of(seq=4).replace(b"alice", b"malic"),
    ],
    ids=["nuls", "a page of nuls", "nuls and newline", "newline", "newlines", "no checksum", "no text",
         "deep", "a hole", "another checksum"],
)  # fmt: skip
def test_what_a_power_cut_leaves_at_the_end_is_passed_over_and_set_aside(
    journal: Journal, path: Path, tail: bytes
) -> None:
    events = three(journal)
    good = path.read_bytes()
    path.write_bytes(good + tail)

    reading = journal.read()
    assert list(reading.events) == events
    assert (reading.torn, reading.damage, reading.size) == (True, "", len(good))
    assert path.read_bytes() == good + tail, "reading never writes"

    assert append(journal).seq == 4
    assert len(journal.read().events) == 4
    assert not journal.read().torn
    assert Path(f"{path}.torn").read_bytes() == tail + b"\n"


def test_a_journal_of_which_nothing_was_written_begins_anew(journal: Journal, path: Path) -> None:
    path.write_bytes(b"\0" * 300)

    assert append(journal).seq == 1
    assert len(journal.read().events) == 1


# -- damaged ------------------------------------------------------------------------------------------------


def flip(raw: bytes) -> bytes:
    """Another byte in the middle of the second line."""
    at = raw.index(b"\n") + 30
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


def without(raw: bytes, number: int) -> bytes:
    lines = raw.splitlines(keepends=True)
    del lines[number]
    return b"".join(lines)


DAMAGE: dict[str, tuple[Callable[[bytes], bytes], int]] = {
    "a flipped bit": (flip, 1),
    "nuls": (lambda raw: raw.replace(raw.splitlines()[1], b"\0" * 80), 1),
    "an empty line": (lambda raw: raw.replace(b"\n", b"\n\n", 1), 1),
    "a text editor": (lambda raw: raw.replace(b'"A"', b'"Z"'), 0),
    "the first line is gone": (lambda raw: without(raw, 0), 0),
    "one in the middle is gone": (lambda raw: without(raw, 1), 1),
    "one before the last is gone": (lambda raw: without(raw, 2), 2),
    "one is there twice": (lambda raw: raw + raw.splitlines(keepends=True)[-1], 4),
    "two in the wrong order": (
        lambda raw: b"".join(raw.splitlines(keepends=True)[n] for n in (0, 2, 1, 3)), 1,
    ),
    "a seq that is no number": (lambda raw: line_of(seq="first") + raw, 0),
    "a release that is no text": (lambda raw: line_of(release=7) + raw, 0),
    "an endless seq": (lambda raw: line_of(seq=float("inf")) + raw, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_in_the_middle_is_reported_and_nothing_is_appended(
    journal: Journal, path: Path, name: str
) -> None:
    damage, intact = DAMAGE[name]
    events = [*three(journal), append(journal, "promoted", "D")]
    raw = damage(path.read_bytes())
    put(path, raw)

    reading = journal.read()
    assert list(reading.events) == events[:intact], "what stands before it is still known"
    assert not reading.torn
    assert reading.damage.startswith(f"{path}, line {intact + 1}")

    with pytest.raises(StateError, match=f"line {intact + 1}") as caught:
        append(journal)
    assert caught.value.hint is not None
    assert "rollback" in caught.value.hint
    assert path.read_bytes() == raw
    assert sorted(os.listdir(path.parent)) == ["journal.jsonl", "journal.mutex"]


def test_the_same_bytes_are_read_as_the_same_object(journal: Journal, path: Path) -> None:
    other = journal_at(path)
    three(journal)
    assert journal.read() is journal.read()
    before = other.read()
    append(journal, "promoted", "D")
    assert other.read() is not before
    assert other.read() == journal.read()


def test_one_that_has_read_before_still_looks_at_every_byte(journal: Journal, path: Path) -> None:
    """Other hands write whatever they like between two readings; each is that of a journal read anew."""
    path.write_bytes(first := long(CHUNK + 500))
    journal.read()
    append(journal, "held", None)
    whole = path.read_bytes()

    for place in (30, CHUNK - 1, CHUNK, len(first) - 30, len(first) + 30, len(whole) - 1):
        for change in (
            whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :],
            whole[:place],
            whole[: place // 2] + whole[place:],
            whole + whole[place:],
            b"",
        ):
            for raw in (change, whole):
                path.write_bytes(raw)
                assert journal.read() == parse(raw, path=str(path))
                assert journal.read() is journal.read()


def test_every_byte_counts() -> None:
    whole = b"".join(
        line_of(seq=seq, reason="é", environment_digest="0" * 8, verdict="bad") for seq in range(1, 5)
    )
    expected = parse(whole).events
    for place in range(len(whole)):
        for bit in (1, 4, 32):
            reading = parse(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
            assert reading.damage or reading.torn, (place, bit)
            assert reading.events == expected[: len(reading.events)]


@pytest.mark.parametrize(
    "lines",
    [
        [b'{"a":1', b'"b":2}'],
        [b"{},{}", b'{"a":1', b'"b":2}'],
        [b"1],[2"],
        [line_of(seq=2)[:-1] + b"," + line_of(seq=3)[:-1], b'{"a":[1', b"2]}"],
    ],
)
def test_lines_that_are_json_only_together_are_damage(lines: list[bytes]) -> None:
    raw = b"\n".join([line_of()[:-1], *lines, line_of(seq=len(lines) + 2)])

    reading = parse(raw)

    assert (len(reading.events), reading.damage) == (1, "journal.jsonl, line 2")


@pytest.mark.parametrize("cut", [0, 1, 7, 163])
@pytest.mark.parametrize("tail", [b"", b"{", b"{}\n", b"\n" * 3, b"{}\n" + line_of()])
def test_lines_are_the_same_wherever_a_chunk_ends(cut: int, tail: bytes) -> None:
    """A journal of two chunks and more, of which the first line is longer or shorter."""
    rest = long(2 * CHUNK, start=2)
    whole = line_of(reason="x" * cut) + rest
    count = whole.count(b"\n")

    reading = parse(whole + tail)

    assert [event.seq for event in reading.events] == list(range(1, count + 1))
    assert reading.size == len(whole)
    if b"seq" in tail:
        assert reading.damage == f"journal.jsonl, line {count + 1}"
    else:
        assert (reading.torn, reading.damage) == (bool(tail), "")


def test_a_line_may_be_longer_than_a_chunk() -> None:
    raw = line_of() + line_of(seq=2, reason="x" * 3 * CHUNK) + line_of(seq=3)
    assert [len(event.reason) for event in parse(raw).events] == [0, 3 * CHUNK, 0]
    assert parse(raw[:-1]).torn


def test_damage_has_the_number_of_its_line_however_many_there_are() -> None:
    lines = long(2 * CHUNK).splitlines(keepends=True)
    for number in (1, 2, len(lines) // 2, len(lines) - 1):
        reading = parse(b"".join([*lines[: number - 1], b"{}\n", *lines[number:]]))
        assert reading.damage == f"journal.jsonl, line {number}"
        assert len(reading.events) == number - 1


def test_a_line_may_be_spelled_by_another_writer_and_have_a_fact_called_sum_in_a_fact() -> None:
    data = {**json.loads(line_of(tool={"sum": "0123456789abcdef"}, z={"a": 1, "sum": "x"}))}
    data["sum"] = checksum(data)
    other = json.dumps(dict(reversed(data.items())), indent=None).encode() + b"\n"
    assert other != canonical_json(data) + b"\n"

    for line in (other, canonical_json(data) + b"\n"):
        (event,) = parse(line).events
        assert event.facts["z"] == {"a": 1, "sum": "x"}


def test_a_journal_that_cannot_be_read_is_an_error(journal: Journal, path: Path) -> None:
    path.mkdir()

    with pytest.raises(StateError, match="Is a directory"):
        journal.read()
    with pytest.raises(StateError, match="Is a directory"):
        append(journal)


PIECES = [b"\n", b"\0", b"{}", b"x", line_of(), line_of(seq=2), line_of(seq=2)[:-1]]


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=200) | st.lists(st.sampled_from(PIECES), max_size=6).map(b"".join))
def test_whatever_bytes_there_are_reading_them_tells(raw: bytes) -> None:
    reading = parse(raw)

    assert [event.seq for event in reading.events] == list(range(1, len(reading.events) + 1))
    assert raw[: reading.size].count(b"\n") == len(reading.events)
    assert parse(raw[: reading.size]).events == reading.events
    assert reading.torn or reading.damage or reading.size == len(raw)
    assert not (reading.torn and reading.damage)


# -- formats ------------------------------------------------------------------------------------------------


def test_a_newer_format_is_refused_and_left_alone(journal: Journal, path: Path) -> None:
    append(journal)
    with open(path, "ab") as file:
        file.write(line_of(format=2, seq=2))
    raw = path.read_bytes()

    with pytest.raises(FormatError, match="line 2, is of format 2") as caught:
        journal.read()
    with pytest.raises(FormatError):
        append(journal)

    assert caught.value.exit_code == 12
    assert path.read_bytes() == raw


def test_events_and_keys_that_this_version_does_not_know_are_kept(journal: Journal, path: Path) -> None:
    path.write_bytes(line_of(event="quarantined", level=3, why={"a": [1, None]}))

    append(journal)

    event, _ = journal.read().events
    assert event.event == "quarantined"
    assert event.facts == {"level": 3, "why": {"a": [1, None]}}
    assert line_of(**event.to_json()) == path.read_bytes().splitlines(keepends=True)[0]


# -- when it cannot be written ------------------------------------------------------------------------------


@pytest.mark.parametrize("room", [0, 1, 60])
def test_without_room_the_journal_stays_clean(journal: Journal, path: Path, room: int) -> None:
    three(journal)
    raw = path.read_bytes()

    with limited_file_size(len(raw) + room), pytest.raises(OSError, match="too large"):
        append(journal)

    assert path.read_bytes() == raw
    assert append(journal).seq == 4


def test_a_mutex_that_stays_taken_is_busy_and_nothing_is_written(path: Path) -> None:
    class Impatient(Mutex):
        """A mutex of which nobody waits ten seconds in a test."""

        def hold(self, *, wait: float = 0.0, interrupted: Callable[[], None] = lambda: None) -> Any:
            return super().hold(wait=min(wait, 0.1), interrupted=interrupted)

    mutex_of(path)
    mutex = Impatient(str(path.with_name("journal.mutex")), "journal")
    with mutex.hold(), pytest.raises(BusyError):
        append(Journal(str(path), mutex, lambda: START))

    assert not path.exists()


# -- several processes --------------------------------------------------------------------------------------

APPEND_25 = """
import sys
from datetime import UTC, datetime
from venvship.system.journal import Journal
from venvship.system.mutex import Mutex
path, name = sys.argv[1:]
mutex = Mutex(path.replace("journal.jsonl", "journal.mutex"), "journal")
journal = Journal(path, mutex, lambda: datetime.now(UTC))
sys.stdin.read()
for number in range(25):
    journal.append("pinned", release="A", actor=name, facts={"number": number})
"""


def test_processes_that_append_at_the_same_time_lose_nothing(journal: Journal, path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", APPEND_25, path, f"process {n}"], cwd=REPOSITORY, stdin=subprocess.PIPE
        )
        for n in range(8)
    ]
    for process in processes:  # they wait for this, so that all begin at once
        assert process.stdin is not None
        process.stdin.close()
    assert [process.wait() for process in processes] == [0] * 8

    events = journal.read().events
    assert [event.seq for event in events] == list(range(1, 201))
    for n in range(8):
        assert [e.facts["number"] for e in events if e.actor == f"process {n}"] == list(range(25))


def test_a_process_killed_while_it_appends_blocks_and_breaks_nothing(journal: Journal, path: Path) -> None:
    endless = APPEND_25.replace("range(25)", "iter(int, 1)")
    for n in range(4):
        before = len(journal.read().events)
        process = subprocess.Popen(
            [sys.executable, "-c", endless, path, "victim"], cwd=REPOSITORY, stdin=subprocess.DEVNULL
        )
        while len(journal.read().events) < before + 3 + n:
            assert process.poll() is None
        process.kill()
        process.wait()
        reading = journal.read()
        assert not reading.damage
        assert append(journal).seq == len(reading.events) + 1
