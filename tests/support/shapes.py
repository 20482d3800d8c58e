"""Shapes of JSON: what a value must be, said as a value."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

Shape = Any
"""A type, a dictionary of shapes (at least these keys), a list of one shape, or a function that says yes."""


def fits(value: object, shape: Shape, where: str = "data") -> None:
    """Assert that a value has a shape; other keys than those named are fine."""
    if isinstance(shape, dict):
        assert isinstance(value, dict), f"{where} is {value!r}"
        assert set(shape) <= set(value), f"{where} lacks {sorted(set(shape) - set(value))}"
        for key, inner in shape.items():
            fits(value[key], inner, f"{where}.{key}")
    elif isinstance(shape, list):
        assert isinstance(value, list), f"{where} is {value!r}"
        for number, item in enumerate(value):
            fits(item, shape[0], f"{where}[{number}]")
    elif isinstance(shape, type):
        assert type(value) is shape, f"{where} is {value!r}"
    else:
        assert shape(value), f"{where} is {value!r}"


def null_or(shape: Shape) -> Callable[[object], bool]:
    """Null, or the shape."""

    def accepts(value: object) -> bool:
        if value is not None:
            fits(value, shape)
        return True

    return accepts


def one_of(*values: object) -> Callable[[object], bool]:
    """One of these values."""
    return lambda value: value in values


def time(value: object) -> bool:
    """A time in RFC 3339, in UTC."""
    return isinstance(value, str) and bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value))


def absolute(value: object) -> bool:
    """A path of something that is there."""
    return isinstance(value, str) and os.path.isabs(value) and os.path.lexists(value)


def relative(value: object) -> bool:
    """A path that leads downwards from some directory."""
    return isinstance(value, str) and bool(value) and not os.path.isabs(value) and ".." not in value


def sha256(value: object) -> bool:
    """A digest in hexadecimal."""
    return isinstance(value, str) and bool(re.fullmatch(r"[0-9a-f]{64}", value))


def seconds(value: object) -> bool:
    """A duration."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def release_id(value: object) -> bool:
    """An id of a release."""
    return isinstance(value, str) and bool(re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{7}", value))


def python(value: object) -> bool:
    """A version of an interpreter, in full."""
    return isinstance(value, str) and bool(re.fullmatch(r"3\.\d+\.\d+\S*", value))


PACKAGES = [{"name": str, "version": str}]
PROJECT = {
    **dict.fromkeys(("name", "version", "repository", "commit", "folder", "tree", "describe", "kind"), str),
    **dict.fromkeys(("recipe", "ref", "subject", "committed_at", "wheel_sha256"), str),
    **dict.fromkeys(("dirty", "pinned"), bool),
    "build_requirements": [{"name": str, "version": str}],
}
RELEASE = {
    "id": release_id,
    "path": absolute,
    "state": one_of("sealed", "rejected", "unchecked", "proven", "bad", "inconclusive"),
    "created_at": time,
    "lockfile_sha256": sha256,
    "environment_digest": sha256,
    "tree_digest": sha256,
    "python": python,
    "packages": int,
    "current": bool,
    "previous": bool,
    "pinned": bool,
    "usable": {"ok": bool, "problem": null_or(str)},
    "message": str,
    "project": null_or(PROJECT),
    "last_live": null_or(time),
    "rollback_failed_at": null_or(time),
}
CHANGE = {"name": str, "from": null_or(str), "to": null_or(str)}
DIFF = {"added": [CHANGE], "removed": [CHANGE], "changed": [CHANGE], "python": null_or(CHANGE)}
FILE_DIFFERENCE = {
    "path": str,
    "kind": one_of("added", "removed", "type", "target", "contents", "executable"),
    "from": null_or(str),
    "to": null_or(str),
}
TREE_DIFF = {
    "same": bool,
    "differing": null_or(int),
    "first": null_or(FILE_DIFFERENCE),
    "examples": [FILE_DIFFERENCE],
    "problem": null_or(str),
}
CHECK = {
    "name": str,
    "when": one_of("candidate", "live"),
    "required": bool,
    "outcome": one_of("passed", "failed", "skipped"),
    "attempts": int,
    "seconds": seconds,
    "output": str,
    "answers": [{"answer": str, "count": int}],
}
EVENT = {
    "seq": int,
    "at": time,
    "event": str,
    "release": null_or(release_id),
    "actor": str,
    "reason": str,
}
HOLD = {
    "scope": one_of("root", "environment"),
    "kind": one_of("standing", "switch", "bad-in-a-row", "environment"),
    "until": null_or(time),
    "environment_digest": null_or(sha256),
    "by": str,
    "reason": str,
    "since": time,
    "release": null_or(release_id),
}
OUTCOMES = {
    "released",
    "unchanged",
    "reactivated",
    "built",
    "planned",
    "rejected",
    "rolled-back",
    "superseded",
    "held",
}
BUILD = {
    "outcome": null_or(one_of(*OUTCOMES)),
    "changed": bool,
    "release": null_or(RELEASE),
    "previous": null_or(RELEASE),
    "diff": DIFF,
    "timings": lambda value: all(isinstance(key, str) and seconds(one) for key, one in value.items()),
    "held": null_or(HOLD),
    "ended_hold": null_or(HOLD),
}
PROMOTE = {
    "outcome": null_or(
        one_of("promoted", "unchanged", "planned", "rejected", "rolled-back", "rollback-failed")
    ),
    "changed": bool,
    "release": RELEASE,
    "previous": null_or(RELEASE),
    "diff": DIFF,
    "held": null_or(HOLD),
}
ROLLBACK = {
    "outcome": one_of("switched", "unchanged", "planned", "rollback-failed"),
    "changed": bool,
    "release": RELEASE,
    "previous": null_or(RELEASE),
    "held": null_or(HOLD),
}
TRUSTED = {"kind": one_of("user", "group"), "name": str, "id": int, "at": time, "by": str}
STATUS = {
    "tier": null_or(str),
    "holds": [HOLD],
    "trusted": [TRUSTED],
    "current": null_or(RELEASE),
    "previous": null_or(RELEASE),
    "held": null_or(HOLD),
    "operation": null_or({"operation": str, "actor": str, "since": time, "running": bool}),
}
PS = {
    "processes": [
        {
            "pid": int,
            "release": null_or(release_id),
            "standing": one_of("current", "old", "removed", "new", "unknown"),
            "command": str,
            "user": str,
            "since": null_or(time),
            "unit": null_or(str),
            "seen_by": one_of("lease", "program", "mapped", "arguments", "directory", "open"),
        }
    ],
    "current": null_or(release_id),
    "unseen": {"hidden": int, "users": [str], "unlisted": bool, "elsewhere": bool, "leases": [release_id]},
}
CONFIG = {
    "name": str,
    "root": absolute,
    "tier": null_or(str),
    "files": [absolute],
    "settings": [{"key": str, "file": null_or(absolute), "line": null_or(int)}],
}
DECISION = {"id": release_id, "reason": str}
SCHEDULE = {
    "kind": one_of("cron", "systemd"),
    "every": str,
    "user": str,
    "before": [str],
    "files": [{"path": null_or(absolute), "content": str}],
}
SERVICE = {
    "kind": one_of("systemd", "supervisor", "nginx", "caddy"),
    "app": null_or(str),
    "role": null_or(str),
    "slots": bool,
    "user": str,
    "files": [{"path": str, "content": str}],
    "settings": str,
}
STORE = {
    "path": absolute,
    "removed": [{"path": absolute, "what": str, "reason": str}],
    "waiting": int,
    "freed_bytes": int,
}
PRUNE = {
    "changed": bool,
    "removed": [DECISION],
    "kept": [DECISION],
    "freed_bytes": int,
    "store": null_or(STORE),
}
VERIFY = {
    "releases": [
        {"id": release_id, "ok": bool, "files": int, "damaged": [{"path": relative, "problem": str}]}
    ]
}
