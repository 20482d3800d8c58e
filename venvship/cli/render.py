"""Results and errors to the outside: text for people, or exactly one JSON object for programs."""

from __future__ import annotations

import json
import sys
import traceback
from typing import TYPE_CHECKING, Any, TextIO

from venvship.errors import EXIT_BUG, EXIT_OK, DamagedError, VenvshipError

if TYPE_CHECKING:
    from venvship.cli.options import Call

ENVELOPE = 1
"""The envelope's version: the value of its key `venvship`."""

ISSUES = "please report it, with this text, where you got venvship from"


def success(call: Call, result: object) -> int:
    """Print what a command returned."""
    if call.json:
        _print_json(envelope(call, result=result))
        return EXIT_OK
    _warnings(call)
    from venvship.cli.text import text

    _write(sys.stdout, text(result))
    return EXIT_OK


def failure(call: Call, error: VenvshipError) -> int:
    """Print why a command failed, and return its exit code."""
    if call.json:
        _print_json(envelope(call, result=error.result, error=error))
        return error.exit_code
    if error.result is not None and error.slug == DamagedError.slug:
        from venvship.cli.text import text

        _write(sys.stdout, text(error.result))
    _warnings(call)
    lines = [f"venvship: {error.message}"]
    if error.hint:
        lines.append(f"  → {error.hint}")
    _write(sys.stderr, lines)
    return error.exit_code


def bug(call: Call, error: Exception) -> int:
    """Report an error of ours: with a traceback, since nobody else can mend it."""
    if call.json:
        body = envelope(call)
        body["ok"] = False
        body["exit_code"] = EXIT_BUG
        body["error"] = {
            "slug": "bug",
            "message": f"{type(error).__name__}: {error}",
            "hint": ISSUES,
            "traceback": traceback.format_exc(),
        }
        _print_json(body)
        return EXIT_BUG
    traceback.print_exc()
    _write(
        sys.stderr, [f"venvship: this is a bug in venvship: {type(error).__name__}: {error}", f"  → {ISSUES}"]
    )
    return EXIT_BUG


def envelope(call: Call, *, result: object = None, error: VenvshipError | None = None) -> dict[str, Any]:
    """The JSON object that `--json` prints, whatever happened."""
    data: dict[str, Any] = {}
    if result is not None:
        from venvship.cli.payload import payload

        data = payload(result)
    warnings = call.root.warnings if call.root else ()
    return {
        "venvship": ENVELOPE,
        "command": call.command,
        "ok": error is None,
        "exit_code": error.exit_code if error else EXIT_OK,
        "data": data,
        "warnings": [{"slug": notice.slug, "message": notice.message} for notice in warnings],
        "error": _error_json(error) if error else None,
    }


def _error_json(error: VenvshipError) -> dict[str, Any]:
    return {**error.data, "slug": error.slug, "message": error.message, "hint": error.hint}


def _warnings(call: Call) -> None:
    if call.root is not None:
        _write(sys.stderr, [f"warning: {notice.message}" for notice in call.root.warnings])


def _print_json(body: dict[str, Any]) -> None:
    _write(sys.stdout, [json.dumps(body, ensure_ascii=False, sort_keys=False, default=str)])


def _write(stream: TextIO, lines: list[str]) -> None:
    encoding = stream.encoding or "ascii"
    # A terminal without UTF-8 gets a question mark, never a traceback.
    stream.writelines(line.encode(encoding, "replace").decode(encoding) + "\n" for line in lines)
    stream.flush()
