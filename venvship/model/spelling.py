"""One spelling for one value: times, JSON, and the digests of it."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

FORMAT = 1
"""The format number of every JSON file and journal line that this version writes."""

_ROWS: Final = 1000
"""Rows of a long list whose text is made at once."""


def format_time(moment: datetime) -> str:
    """Write an aware time as RFC 3339 in UTC, to the second, as in `2026-11-22T09:41:43Z`."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def parse_time(text: str) -> datetime:
    """Read what `format_time` wrote.

    Raises:
        ValueError: Not an RFC 3339 time with an offset.
        TypeError: Not a string.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        raise ValueError(f"a time without an offset: {text!r}")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:  # a day before the first one, or after the last one, in UTC
        raise ValueError(f"a time that UTC does not have: {text!r}") from error


def readable(text: str) -> str:
    """A time as `format_time` wrote it, for people: `2026-11-22 09:41:43 UTC`. All else stays as it is."""
    return text[:-1].replace("T", " ") + " UTC" if text.endswith("Z") else text


def not_before(moment: datetime) -> str:
    """A time that is waited for, for people, to the minute: never earlier than it is."""
    return f"{(moment + timedelta(seconds=59, microseconds=999_999)).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def ago(moment: datetime, now: datetime) -> str:
    """How long ago something was, roughly: `"3 days ago"`."""
    seconds = (now - moment).total_seconds()
    if seconds < 0:
        return "in the future"
    for size, name in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        count = int(seconds // size)
        if count:
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "just now"


_SPANS: Final = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SPAN: Final = re.compile(r"(\d{1,5})([mhdw])", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def parse_until(text: str, now: datetime) -> datetime:
    """Read a time that is still to come, as an operator types it.

    Args:
        text: A time such as `2026-12-24T08:00Z`, a date, which begins at midnight UTC, or a span from now in
            minutes, hours, days or weeks, such as `3d`.
        now: Aware.

    Raises:
        ValueError: It is none of these, or is over.
    """
    span = _SPAN.fullmatch(text)
    try:
        if span is not None:
            until = now + timedelta(seconds=int(span[1]) * _SPANS[span[2]])
        else:
            until = parse_time(text + "T00:00:00Z" if _DATE.fullmatch(text) else text)
    except (ValueError, OverflowError) as error:
        forms = "a time with its offset (2026-12-24T08:00Z), a date (2026-12-24), or a span (90m, 8h, 3d, 2w)"
        raise ValueError(f"{text!r} is not {forms}") from error
    if until <= now:
        raise ValueError(f"{text!r} is over: {until:%Y-%m-%d %H:%M} UTC")
    return until


def parse_json(raw: bytes) -> Any:  # noqa: ANN401
    """Read JSON that venvship wrote, whatever a fault or another user has made of it.

    Stricter than `json.loads`: UTF-8, no key twice in an object, no infinity and no NaN. A string may still
    have escapes of characters that UTF-8 cannot spell; `model.json_fields` reads the values.

    Raises:
        ValueError: It is not such JSON, or is nested too deeply.
    """
    try:
        return json.loads(
            raw.decode(), object_pairs_hook=_unique, parse_float=_finite, parse_constant=_finite
        )
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _finite(text: str) -> float:
    found = float(text)
    if not math.isfinite(found):
        raise ValueError(f"not a finite number: {text:.40}")
    return found


def is_shallow(value: object, levels: int) -> bool:
    """Whether parsed JSON is nested no deeper than so many levels, so that it can be written again."""
    layer = [value]
    for _ in range(levels):
        below: list[object] = []
        for each in layer:
            if isinstance(each, dict):
                below += each.values()
            elif isinstance(each, list):
                below += each
        if not below:
            return True
        layer = below
    return False


def canonical_json(data: object) -> bytes:
    """One spelling for one value: sorted keys, no spaces, UTF-8. What digests are taken of.

    Bytes of the command line that are no UTF-8 come as lone surrogates (PEP 383), which UTF-8 cannot spell;
    they become JSON escapes, so that `-m` with such a byte in it neither fails nor is lost.
    """
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode(errors="backslashreplace")


def readable_json(data: object) -> bytes:
    """As `canonical_json`, but for people: a line for each key, and a newline at the end."""
    text = json.dumps(data, sort_keys=True, indent=2, ensure_ascii=False) + "\n"
    return text.encode(errors="backslashreplace")


def ascii_json(data: object) -> str:
    """JSON on one line in printable ASCII: what is printed for programs, or passed to one.

    Half of a pair, which is how a byte that is not UTF-8 comes (PEP 383), is an escape like all others.
    """
    return json.dumps(data, default=str)


def digest(data: object) -> str:
    """The SHA-256 of `canonical_json(data)`, as hexadecimal digits."""
    return hashlib.sha256(canonical_json(data)).hexdigest()


def digest_of_list(rows: Sequence[object]) -> str:
    """The `digest` of a list that is long: its text is made in pieces, and never there whole."""
    found = hashlib.sha256(b"[")
    for start in range(0, len(rows), _ROWS):
        found.update(b"," * (start > 0))
        found.update(canonical_json(rows[start : start + _ROWS])[1:-1])
    found.update(b"]")
    return found.hexdigest()
