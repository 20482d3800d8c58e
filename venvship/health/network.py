"""The check kinds that ask over a network: http and tcp.

A child process asks, with the text of `network_worker.py`, and this module words its answer. The child is the
interpreter below the virtualenv that venvship runs in, with its standard library alone. venvship and its
virtualenv can be upgraded or removed while a release is on trial: the text was read when this module was
imported, before the switch. If that interpreter is gone too, the release's own asks instead.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from venvship.health.attempt import Attempt
from venvship.health.context import Context
from venvship.health.endpoint import parse_address, parse_endpoint
from venvship.health.listener import Peer, foreign_listener
from venvship.health.running import LONGEST_LINE, joined, last_line, run_to_end, shorten
from venvship.model.redaction import OutputRedactor, masked
from venvship.model.settings_check import Check
from venvship.system.output import CappedLog
from venvship.system.process import Program

START: Final = 30.0
"""Seconds that a child may take to start, besides the check's own time-out: the host can be very busy."""

_RELEASE: Final = "{release}"

_KINDS: Final = {
    "timeout": "no answer in time",
    "refused": "connection refused",
    "no-socket": "no socket",
    "no-host": "host not found",
    "no-answer": "no proper answer",
    "not-asked": "not asked",
}
"""The words of `network_worker` for a failure, as `Attempt.kind` has them."""

with open(os.path.join(os.path.dirname(__file__), "network_worker.py"), encoding="utf-8") as _file:
    _PROGRAM: Final = _file.read()


class _Answer(NamedTuple):
    """The answer of the child.

    `error` is one of the words of `_describe`, `text` tells more in words of this host, and `said` in those
    of the service. The others are of http.
    """

    error: str = ""
    text: str = ""
    said: str = ""
    status: int = 0
    found: bool = True
    peer: Mapping[str, Any] = MappingProxyType({})


def ask_http(check: Check, context: Context, *, heading: str, poll: Callable[[], None]) -> Attempt:
    """Send one request; see `kinds.Ask`."""
    return _ask_http(check, context, heading=heading, poll=poll)


def ask_slot(check: Check, context: Context, *, heading: str, poll: Callable[[], None]) -> Attempt:
    """Send one request to a slot of the service; see `kinds.Ask`.

    The body need not have the text that the check looks for: then whoever holds the socket tells the release.
    """
    return _ask_http(check, context, heading=heading, poll=poll, or_held=True)


def _ask_http(
    check: Check, context: Context, *, heading: str, poll: Callable[[], None], or_held: bool = False
) -> Attempt:
    try:
        endpoint = parse_endpoint(check.target[0].replace(_RELEASE, context.release_id))
    except ValueError as error:
        return Attempt(False, str(error), "not asked")
    usual = {
        "Host": endpoint.host_header,
        "User-Agent": "venvship",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    chosen = {name.lower() for name in check.headers}
    headers = [(name, value) for name, value in usual.items() if name.lower() not in chosen]
    headers += check.headers.items()
    look_for = None if check.body is None else check.body.replace(_RELEASE, context.release_id)
    request = {
        "kind": "http",
        **dataclasses.asdict(endpoint),
        "ca": None if check.ca is None else os.path.join(context.root, check.ca),
        "headers": headers,
        "look_for": look_for,
    }
    shown = endpoint.shown
    answer = _ask(request, check, context, heading=f"{heading}: GET {shown}", poll=poll)
    problem = _describe(answer, endpoint.socket or endpoint.host_header, shown, check.timeout)
    if or_held and not answer.found:
        check, answer = check._replace(body=None, from_release=True), answer._replace(found=True)
    outcome = _failed(answer, problem, context) if problem else _judge(check, answer, shown, look_for)
    peer = Peer(socket=endpoint.socket, **answer.peer)
    return _logged(_of_this_release(outcome, check, peer, context), check, context)


def ask_tcp(check: Check, context: Context, *, heading: str, poll: Callable[[], None]) -> Attempt:
    """Connect once; see `kinds.Ask`."""
    target = check.target[0]
    try:
        host, port = parse_address(target)
    except ValueError as error:
        return Attempt(False, str(error), "not asked")
    request = {"kind": "tcp", "host": host, "port": port}
    answer = _ask(request, check, context, heading=f"{heading}: connect to {target}", poll=poll)
    problem = _describe(answer, target, target, check.timeout)
    outcome = (
        _failed(answer, problem, context) if problem else Attempt(True, f"connected to {target}", "connected")
    )
    return _logged(_of_this_release(outcome, check, Peer(**answer.peer), context), check, context)


def _of_this_release(outcome: Attempt, check: Check, peer: Peer, context: Context) -> Attempt:
    """Turn a pass into a failure if another process than the release's may have answered."""
    if not outcome.passed or not check.from_release:
        return outcome
    problem = foreign_listener(peer, context)
    if problem:
        return Attempt(False, f"{outcome.line}, but {problem}", "not from this release")
    return dataclasses.replace(outcome, line=f"{outcome.line}, held by this release")


def _failed(answer: _Answer, problem: str, context: Context) -> Attempt:
    kind = _KINDS.get(answer.error, "no connection")
    redact = OutputRedactor(context.environment(), context.variables.secrets)
    said = shorten(redact(masked(answer.said, context.variables.secrets)[:LONGEST_LINE]))
    return Attempt(False, problem, kind, said, inconclusive=answer.error == "not-asked")


def _ask(
    request: dict[str, Any], check: Check, context: Context, *, heading: str, poll: Callable[[], None]
) -> _Answer:
    """Have a child process ask.

    A child that neither answers nor runs into its own time-out says nothing about the service. All of them
    together have `START` seconds more than the check.
    """
    failure = said = ""
    until = time.monotonic() + START + check.timeout
    for interpreter in _interpreters(context):
        program = Program(
            (interpreter, "-I", "-S", "-B", "-c", _PROGRAM),
            env=context.environment(),
            cwd="/",
            stdin=json.dumps({**request, "timeout": check.timeout}).encode(),
            log=context.log_path(check.name),
            secrets=context.variables.secrets,
            heading=f"{heading}\n".encode(errors="replace"),
            separate_stderr=True,
        )
        left = max(until - time.monotonic(), 0.0)
        ended = run_to_end(program, timeout=left, signals=context.signals, poll=poll)
        failure, said, result = ended.problem, ended.said, ended.result
        if result is None or result.timed_out:
            continue
        if result.returncode == -signal.SIGALRM:
            return _Answer("timeout")
        with contextlib.suppress(ValueError, TypeError):
            return _Answer(**json.loads(result.stdout))
        failure = ended.problem or "the child gave no answer"
        said = last_line(result.output, program)
    return _Answer("not-asked", failure, said)


def _interpreters(context: Context) -> Iterator[str]:
    """The interpreters that can ask, the most independent of what is being changed first."""
    base = getattr(sys, "_base_executable", None) or sys.executable
    if base:  # a program that embeds Python has none
        yield base
    yield f"{context.release_path}/bin/python"


def _logged(outcome: Attempt, check: Check, context: Context) -> Attempt:
    """Add the line for people to the check's log, below the child's."""
    line = f"{joined(outcome.line, outcome.said)}\n".encode(errors="replace")
    CappedLog(context.log_path(check.name), heading=line).close()
    return outcome


def _judge(check: Check, answer: _Answer, shown: str, look_for: str | None) -> Attempt:
    if answer.status not in check.status:
        codes = " or ".join(map(str, check.status))
        wanted = "" if check.status == (200,) else f" instead of {codes}"
        return Attempt(False, f"HTTP {answer.status}{wanted} from {shown}", f"HTTP {answer.status}")
    if not answer.found:
        text = shorten(look_for or "", 40)
        kind = f"HTTP {answer.status} without the text"
        return Attempt(False, f"HTTP {answer.status} from {shown}, but without {text!r} in it", kind)
    # Only the release itself can know its id, so the line names it as the source.
    source = "this release" if _RELEASE in (check.body or "") else shown
    return Attempt(True, f"HTTP {answer.status} from {source}", f"HTTP {answer.status}")


def _describe(answer: _Answer, peer: str, shown: str, timeout: float) -> str:
    """Why there was no answer; `""` if there was."""
    match answer.error:
        case "":
            return ""
        case "timeout":
            return f"no answer from {shown} within {timeout:g} s"
        case "refused":
            return f"connection refused by {peer}"
        case "no-socket":
            return f"there is no socket {peer}"
        case "no-host":
            return f"the host of {shown} was not found: {answer.text}"
        case "no-answer":
            return shorten(
                f"no proper answer from {shown}" + (f": {answer.text}" if answer.text else ""), 160
            )
        case "not-asked":
            return shorten(f"{shown} could not be asked: {answer.text}", 160)
        case _:
            return shorten(f"no connection to {shown}: {answer.text}", 160)
