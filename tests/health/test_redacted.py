"""Secrets of the file of variables are masked in what hooks and checks print, wherever the output is cut."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
from pathlib import Path

import pytest

from tests.health.test_checks import answering, check, run_one, serve
from venvship.health.context import Context
from venvship.health.hooks import run_hook
from venvship.model.variables import Variables, secrets_of

SECRET = "canary-9f27c1d4-of-the-shop"


@pytest.fixture
def secretive(context: Context) -> Context:
    values = {"CANARY": SECRET}
    variables = Variables(values, secrets_of({}, values))
    return dataclasses.replace(context, variables=variables, environ={"PATH": os.environ["PATH"]})


@pytest.mark.parametrize("name", ["prepare", "restart", "notify"])
def test_a_hook_that_prints_a_secret_in_two_pieces(secretive: Context, name: str) -> None:
    script = (
        "import os, sys, time; s = os.environ['CANARY']; w = sys.stdout.write; f = sys.stdout.flush\n"
        "w(s[:9]); f(); time.sleep(0.5); w(s[9:] + '\\nx' * 9 + '\\n'); f()\n"
        "w('it was ' + s); f(); sys.exit(3)"
    )
    result = run_hook(name, ("python3", "-c", script), secretive, timeout=50)

    log = Path(secretive.log_dir, f"{name}.txt").read_text()
    mask = "*" * len(SECRET) if name == "restart" else "****"
    assert SECRET not in log
    assert log.endswith(f"{mask}\n" + "x\n" * 9 + f"it was {mask}")
    assert (result.output, result.said) == ("exit 3", f"it was {mask}")


def test_a_log_that_was_there_is_left_and_one_that_is_too_long_is_cut(secretive: Context) -> None:
    run_hook("restart", ("echo", "before"), secretive, timeout=50)
    script = "import os; print((os.environ['CANARY'] + ' ') * 60_000)"

    run_hook("restart", ("python3", "-c", script), secretive, timeout=50)

    log = Path(secretive.log_dir, "restart.txt").read_text()
    assert "before" in log
    assert len(log) <= 1 << 20
    assert SECRET not in log


def test_what_an_http_service_answers(secretive: Context) -> None:
    with serve(answering("500 Oops", f"debug: {SECRET}", f"X-Key: {SECRET}")) as port:
        result = run_one(check("http", f"http://127.0.0.1:{port}/"), secretive)

    log = Path(secretive.log_dir, "it.txt").read_text()
    assert result.outcome == "failed"
    assert "X-Key: ****\n\ndebug: ****\n" in log


def test_the_words_of_a_service_that_speaks_no_http(secretive: Context) -> None:
    def babble(peer: socket.socket) -> None:
        with contextlib.suppress(OSError):
            # The query is masked, so that the end of what is looked at is shown.
            peer.sendall(b"see http://h/?" + b"x" * 1976 + b" " + SECRET.encode() + b"\r\n")

    with serve(babble) as port:
        result = run_one(check("http", f"http://127.0.0.1:{port}/"), secretive)

    assert result.said.startswith("see http://h/?**** ")
    assert "canary" not in result.said
    assert "canary" not in Path(secretive.log_dir, "it.txt").read_text()
