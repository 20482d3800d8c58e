"""Journals as hypothesis makes them up: any event with any facts, in any order. And other hands on them."""

from __future__ import annotations

import itertools
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import strategies as st

from venvship.model.event import Event, EventName

START = datetime(2026, 11, 22, 9, 0, 0, tzinfo=UTC)

NAMES = [event.value for event in EventName]
RELEASES = st.sampled_from([None, "A", "B", "C", "D"])
FACTS = [
    "from", "tries", "via", "unattended", "manual", "cause", "says_no", "verdict", "health_digest",
    "environment_digest", "lockfile_sha256", "after_rollback", "expected", "then", "proved", "target_failed",
    "lockfile_environment", "kind", "until", "turned_back",
]  # fmt: skip
SENSIBLE = st.sampled_from(
    [
        "A",
        "B",
        "C",
        "switch",
        "2026-11-22T10:00:00Z",
        "bad",
        "inconclusive",
        "proven",
        "",
        "release",
        True,
        False,
        None,
        1,
        2,
    ]
)
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=3,
)


@st.composite
def journals(draw: st.DrawFn) -> list[Event]:
    """Up to twenty events about four releases."""
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from([*NAMES, "from-the-future"]),
                RELEASES,
                st.dictionaries(st.sampled_from(FACTS), SENSIBLE | ODD, max_size=5),
                st.integers(-(10**6), 10**6),
            ),
            max_size=20,
        )
    )
    return [
        Event(
            seq=seq,
            at=START + timedelta(seconds=seconds),
            event=event,
            release=release,
            actor="alice",
            facts=facts,
        )
        for seq, (event, release, facts, seconds) in enumerate(rows, start=1)
    ]


_SECONDS = itertools.count(1)


def put(path: Path, raw: bytes) -> None:
    """Write a file as somebody else does, at a time of its own.

    Kernels before Linux 6.13 tell no two times apart that are less than a tick of some milliseconds apart.
    """
    path.write_bytes(raw)
    now = path.stat().st_mtime_ns
    os.utime(path, ns=(now, now + next(_SECONDS) * 1_000_000_000))
