"""Attempts of the checks that ask over a network: http and tcp."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from http.client import HTTPException
from typing import Final

from venvship.health.attempts import Attempt
from venvship.health.context import Context
from venvship.health.wording import shorten
from venvship.model.settings import Check
from venvship.system import network
from venvship.system.output import CappedLog

_RELEASE: Final = "{release}"

_LOGGED_BODY: Final = 1 << 16
"""How many bytes of a body the log gets."""


def http(check: Check, context: Context, *, heading: str, poll: Callable[[], None]) -> Attempt:
    """Send one request; see `attempts.attempt`."""
    url = check.target[0].replace(_RELEASE, context.release_id)
    try:
        endpoint = network.parse_endpoint(url)
    except ValueError as error:
        return Attempt(False, str(error))
    with contextlib.closing(_log(check, context, f"{heading}: GET {endpoint.shown}")) as log:
        try:
            answer = network.get(endpoint, _patience(check, context, poll))
            log.write(answer.head.encode(errors="replace") + answer.body[:_LOGGED_BODY] + b"\n")
            result = _judge(check, context, answer, endpoint.shown)
        except (OSError, HTTPException) as error:
            peer = endpoint.socket_path or endpoint.host_header
            result = Attempt(False, _describe(error, peer, endpoint.shown, check.timeout))
        log.write(f"{result.line}\n".encode(errors="replace"))
        return result


def tcp(check: Check, context: Context, *, heading: str, poll: Callable[[], None]) -> Attempt:
    """Connect once; see `attempts.attempt`."""
    target = check.target[0]
    try:
        host, port = network.parse_address(target)
    except ValueError as error:
        return Attempt(False, str(error))
    with contextlib.closing(_log(check, context, f"{heading}: connect to {target}")) as log:
        try:
            network.connect(host, port, _patience(check, context, poll)).close()
            result = Attempt(True, f"connected to {target}")
        except OSError as error:
            result = Attempt(False, _describe(error, target, target, check.timeout))
        log.write(f"{result.line}\n".encode(errors="replace"))
        return result


def _log(check: Check, context: Context, heading: str) -> CappedLog:
    return CappedLog(context.log_path(check.name), heading=f"{heading}\n".encode(errors="replace"))


def _judge(check: Check, context: Context, answer: network.Answer, shown: str) -> Attempt:
    if answer.status != check.status:
        wanted = "" if check.status == 200 else f" instead of {check.status}"
        return Attempt(False, f"HTTP {answer.status}{wanted} from {shown}")
    if check.body is None:
        return Attempt(True, f"HTTP {answer.status} from {shown}")
    text = check.body.replace(_RELEASE, context.release_id)
    if text.encode() not in answer.body:
        return Attempt(False, f"HTTP {answer.status} from {shown}, but without {shorten(text, 40)!r} in it")
    # Only the release itself can know its id: this is worth saying.
    source = "this release" if _RELEASE in check.body else shown
    return Attempt(True, f"HTTP {answer.status} from {source}")


def _patience(check: Check, context: Context, poll: Callable[[], None]) -> network.Patience:
    def look_up() -> None:
        context.signals.raise_if_received()
        poll()

    return network.Patience.lasting(check.timeout, look_up)


def _describe(error: Exception, peer: str, shown: str, timeout: float) -> str:
    match error:
        case TimeoutError():
            return f"no answer from {shown} within {timeout:g} s"
        case ConnectionRefusedError():
            return f"connection refused by {peer}"
        case FileNotFoundError():
            return f"there is no socket {peer}"
        case socket.gaierror():
            return f"the host of {shown} was not found: {error.strerror}"
        case HTTPException() | ConnectionError():
            return shorten(f"no proper answer from {shown}: {str(error) or type(error).__name__}", 160)
        case _:
            return shorten(f"no connection to {shown}: {error}", 160)
