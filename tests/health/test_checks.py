"""Health checks against real programs and real servers: when they pass, when they fail, when they give up."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.health.conftest import RELEASE
from tests.support.limits import no_more_descriptors
from tests.support.processes import script_at
from venvship.errors import InterruptedByError
from venvship.health import network_worker
from venvship.health.attempt import TurnBack
from venvship.health.checks import AnswerCount, CheckResult, run_checks
from venvship.health.context import Context
from venvship.health.kinds import KINDS
from venvship.health.running import joined
from venvship.model.settings_check import CHECK_KINDS, Check


def check(kind: str, *target: str, **options: Any) -> Check:
    defaults = {"name": "it", "when": "live", "deadline": 0.0, "interval": 0.05, "timeout": 30.0}
    return Check(**{**defaults, "kind": kind, "target": target, **options})


def sh(script: str, **options: Any) -> Check:
    return check("command", "sh", "-c", script, **options)


def run_one(one: Check, context: Context, **options: Any) -> CheckResult:
    (result,) = run_checks([one], context, **options)
    return result


def ticking(step: float) -> Callable[[], float]:
    """A clock that moves on by so many seconds at each of the two looks of an attempt."""
    return itertools.count(0.0, step).__next__


def log_of(context: Context, name: str = "it") -> str:
    return Path(context.log_dir, f"{name}.txt").read_text()


# -- when to believe and when to give up ----------------------------------------------------------------


def test_a_check_that_passes_has_passed_after_one_attempt(context: Context) -> None:
    result = run_one(check("command", "true"), context)

    assert (result.name, result.when, result.required) == ("it", "live", True)
    assert (result.outcome, result.attempts, result.output) == ("passed", 1, "true")


def test_with_a_deadline_of_zero_there_is_one_attempt(context: Context) -> None:
    result = run_one(sh("echo no luck; exit 4"), context)

    assert (result.outcome, result.attempts, joined(result.output, result.said)) == (
        "failed",
        1,
        "exit 4: no luck",
    )


def test_before_the_deadline_a_failure_is_tried_again(context: Context, tmp_path: Path) -> None:
    third_time = f"echo x >> {tmp_path}/n; test $(wc -l < {tmp_path}/n) = 3"

    result = run_one(sh(third_time, deadline=10.0), context)

    assert (result.outcome, result.attempts) == ("passed", 3)


def test_at_the_deadline_it_is_asked_once_more_and_then_has_failed(context: Context) -> None:
    result = run_one(sh("exit 1", deadline=0.5, interval=60.0), context, clock=ticking(0.125))

    assert (result.outcome, result.attempts, result.seconds) == ("failed", 2, 0.5)
    assert result.output == "exit 1, 2 tries in 0.5 s"


def test_successes_must_come_in_a_row(context: Context, tmp_path: Path) -> None:
    all_but_the_third = f"echo x >> {tmp_path}/n; test $(wc -l < {tmp_path}/n) != 3"

    result = run_one(sh(all_but_the_third, deadline=10.0, successes=3), context)

    assert (result.outcome, result.attempts) == ("passed", 6)
    assert result.output.endswith(", 3 in a row")


def test_with_a_deadline_of_zero_a_row_is_asked_for_without_pauses(context: Context, tmp_path: Path) -> None:
    passes = run_one(sh("true", successes=3, interval=60.0), context)
    not_the_second = f"echo x >> {tmp_path}/n; test $(wc -l < {tmp_path}/n) != 2"
    fails = run_one(sh(not_the_second, successes=3, interval=60.0), context)

    assert (passes.outcome, passes.attempts) == ("passed", 3)
    assert (fails.outcome, fails.attempts) == ("failed", 2)


def test_a_row_that_has_begun_before_the_deadline_may_finish(context: Context) -> None:
    result = run_one(sh("true", successes=3, interval=0.2, deadline=0.1), context)

    assert (result.outcome, result.attempts) == ("passed", 3)


def test_exit_75_is_asked_again_and_does_not_break_a_row(context: Context, tmp_path: Path) -> None:
    the_second_is_not_yet = f"echo x >> {tmp_path}/n; test $(wc -l < {tmp_path}/n) != 2 || exit 75"

    result = run_one(sh(the_second_is_not_yet, successes=2, deadline=10.0), context)

    assert (result.outcome, result.attempts) == ("passed", 3)


def test_a_failed_check_tells_every_kind_of_answer_that_it_got(context: Context, tmp_path: Path) -> None:
    by_turns = f"echo x >> {tmp_path}/n; test $(wc -l < {tmp_path}/n) = 2 && exit 7; echo no; exit 3"

    result = run_one(sh(by_turns, deadline=2.0, interval=0.01), context, clock=ticking(0.25))

    assert (result.outcome, result.attempts) == ("failed", 4)
    assert result.answers == (AnswerCount("exit 3", 3), AnswerCount("exit 7", 1))
    assert result.output == "exit 3 × 3, exit 7 × 1, 4 tries in 2.0 s; the last: exit 3"  # noqa: RUF001
    assert result.said == "no"
    assert str(result.to_json()["output"]).endswith("; the last: exit 3: no")
    assert result.to_json()["answers"] == [{"answer": "exit 3", "count": 3}, {"answer": "exit 7", "count": 1}]
    once = run_one(sh("exit 1"), context)
    assert (once.output, once.answers) == ("exit 1", (AnswerCount("exit 1", 1),))


def test_exit_75_until_the_deadline_is_a_failure(context: Context) -> None:
    result = run_one(sh("exit 75", deadline=0.25), context, clock=ticking(0.0625))

    assert (result.outcome, result.attempts) == ("failed", 2)


def test_after_a_required_failure_the_rest_is_skipped(context: Context) -> None:
    checks = [
        sh("exit 1", name="a", required=False),
        sh("true", name="b"),
        sh("exit 1", name="c"),
        sh("true", name="d"),
        sh("exit 1", name="e", required=False),
    ]

    results = run_checks(checks, context)

    assert [r.outcome for r in results] == ["failed", "passed", "failed", "skipped", "skipped"]
    assert [r.counts_as_failure for r in results] == [False, False, True, False, False]
    assert [r.attempts for r in results] == [1, 1, 1, 0, 0]
    assert results[3].output == "not asked, since c failed"


def test_no_checks_are_no_results(context: Context) -> None:
    assert run_checks([], context) == ()


@pytest.mark.parametrize(
    "one", [sh("sleep 60"), sh("exit 1", deadline=60.0, interval=60.0)], ids=["attempt", "pause"]
)
def test_it_turns_back_when_told_to(one: Check, context: Context) -> None:
    began = time.monotonic()

    with pytest.raises(TurnBack):
        run_checks([one], context, stop=lambda: time.monotonic() - began > 0.3)

    assert time.monotonic() - began < 30


def test_it_turns_back_in_the_middle_of_a_request(context: Context) -> None:
    began = time.monotonic()
    with serve(silence) as port:
        one = check("http", f"http://127.0.0.1:{port}/", timeout=60.0)
        with pytest.raises(TurnBack):
            run_checks([one], context, stop=lambda: time.monotonic() - began > 0.2)

    assert time.monotonic() - began < 30


@pytest.mark.parametrize("kind", ["command", "http"])
def test_a_signal_ends_it(kind: str, context: Context) -> None:
    with serve(silence) as port, context.signals.install():
        one = sh("sleep 60") if kind == "command" else check("http", f"http://127.0.0.1:{port}/", timeout=9.0)
        timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM))
        timer.start()
        with pytest.raises(InterruptedByError):
            run_checks([one], context)
        timer.join()


# -- commands and imports -------------------------------------------------------------------------------


def test_a_command_runs_in_the_release_and_is_told_about_it(context: Context) -> None:
    program = Path(context.release_path, "bin/tell")
    script_at(program, "#!/bin/sh\npwd; echo $VENVSHIP_RELEASE $VENVSHIP_EVENT; which python\n")

    assert run_one(check("command", "tell"), context).outcome == "passed"

    said = log_of(context).splitlines()
    path = context.release_path
    assert said == [
        f"== release {RELEASE}, attempt 1, 0.0 s: tell",
        path,
        f"{RELEASE} release",
        f"{path}/bin/python",
    ]


def test_a_command_that_hangs_has_failed_when_its_time_is_over(context: Context) -> None:
    result = run_one(sh("echo waiting for the database; sleep 60", timeout=0.3), context)

    assert result.outcome == "failed"
    assert result.output.startswith("no end after 0.3 s (the check's `timeout` in venvship.toml)")


def test_a_command_that_does_not_exist_has_failed(context: Context) -> None:
    result = run_one(check("command", "no-such-check"), context)

    assert result.outcome == "failed"
    assert result.output.startswith("there is no program 'no-such-check' in the PATH ")


def test_output_for_people_is_one_short_line_without_control_characters(context: Context) -> None:
    result = run_one(sh(r"printf 'first\n\033[31mred\033[0m %0300d\n\n' 7; exit 1"), context)

    assert result.output == "exit 1"
    assert result.said.startswith(r"\x1b[31mred")
    assert result.said.isprintable()
    assert len(result.said) < 120


def test_the_log_of_many_attempts_is_private_and_bounded(context: Context) -> None:
    much = sh("head -c 400000 /dev/zero | tr '\\0' x; exit 1", deadline=1.0, interval=0.01)
    assert run_one(much, context, clock=ticking(0.125)).attempts == 4

    log = Path(context.log_dir, "it.txt")
    assert 600_000 < log.stat().st_size <= 1 << 20
    assert log.stat().st_mode & 0o777 == 0o600
    assert log.parent.stat().st_mode & 0o777 == 0o700
    assert "attempt 1," in log.read_text()[:200]


def test_modules_are_imported_by_the_release(context: Context) -> None:
    result = run_one(check("import", "json", "email.message"), context)

    assert (result.outcome, result.output) == ("passed", "json, email.message")


def test_a_module_that_cannot_be_imported_is_named(context: Context) -> None:
    result = run_one(check("import", "json", "shop.wsgi"), context)

    assert (result.outcome, result.output, result.said) == (
        "failed",
        "exit 1",
        "ModuleNotFoundError: No module named 'shop'",
    )
    assert "Traceback" in log_of(context)


def test_an_import_is_not_fooled_by_the_folders_of_the_release(context: Context) -> None:
    assert run_one(check("import", "bin"), context).outcome == "failed"


def test_a_module_that_ends_the_process_was_not_imported(context: Context, tmp_path: Path) -> None:
    (tmp_path / "quitter.py").write_text("raise SystemExit(0)\n")
    told = replace(context, environ={"PYTHONPATH": str(tmp_path)})

    result = run_one(check("import", "quitter", "missing"), told)

    assert (result.outcome, result.output, result.said) == (
        "failed",
        "exit 1",
        "importing quitter ends the process: SystemExit(0)",
    )


def test_an_import_writes_no_bytecode(context: Context, tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text("")
    told = replace(context, environ={"PYTHONPATH": str(tmp_path)})

    assert run_one(check("import", "plain"), told).outcome == "passed"
    assert not (tmp_path / "__pycache__").exists()


# -- http -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def serve(
    answer: Callable[[socket.socket], object],
    *,
    family: int = socket.AF_INET,
    address: Any = ("127.0.0.1", 0),
    tls: ssl.SSLContext | None = None,
) -> Iterator[int]:
    """A server that hands every connection, its request read, to a function. Yields its port."""
    listener = (
        socket.create_server(address, family=family) if family != socket.AF_UNIX else socket.socket(family)
    )
    if family == socket.AF_UNIX:
        listener.bind(address)
        listener.listen()
    closing = threading.Event()

    def loop() -> None:
        while not closing.is_set():
            with contextlib.suppress(OSError):
                peer, _ = listener.accept()
                with contextlib.closing(tls.wrap_socket(peer, server_side=True) if tls else peer) as channel:
                    channel.settimeout(5)
                    requests.append(channel.recv(65536).decode(errors="surrogateescape"))
                    answer(channel)

    requests: list[str] = []
    serve.requests = requests  # type: ignore[attr-defined]
    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield 0 if family == socket.AF_UNIX else listener.getsockname()[1]
    finally:
        closing.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def silence(peer: socket.socket) -> None:
    with contextlib.suppress(OSError):
        peer.recv(1)  # until the other end has had enough


def answering(status: str, body: str = "", *fields: str) -> Callable[[socket.socket], object]:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
    return lambda peer: peer.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())


def ask(context: Context, answer: Callable[[socket.socket], object], **options: Any) -> CheckResult:
    with serve(answer) as port:
        return run_one(check("http", f"http://127.0.0.1:{port}/healthz", **options), context)


def test_the_expected_status_passes(context: Context) -> None:
    result = ask(context, answering("200 OK", "fine"), successes=3)

    assert result.outcome == "passed"
    assert result.output.startswith("HTTP 200 from http://127.0.0.1:")
    assert result.output.endswith("/healthz, 3 in a row")
    assert "HTTP 200 OK\nContent-Length: 4\n\nfine\n" in log_of(context)


def test_the_request_is_a_plain_one(context: Context) -> None:
    with serve(answering("200 OK")) as port:
        url = f"http://127.0.0.1:{port}/a%20b/é?q={{release}}&x"
        result = run_one(check("http", url), context)
        (request,) = serve.requests  # type: ignore[attr-defined]

    assert request.split("\r\n") == [
        f"GET /a%20b/%C3%A9?q={RELEASE}&x HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "User-Agent: venvship",
        "Accept: */*",
        "Accept-Encoding: identity",
        "Connection: close",
        "",
        "",
    ]
    assert result.outcome == "passed"


def test_another_status_fails_a_redirect_included(context: Context) -> None:
    with serve(answering("200 OK")) as elsewhere:
        result = ask(context, answering("302 Found", "", f"Location: http://127.0.0.1:{elsewhere}/"))

    assert result.outcome == "failed"
    assert result.output.startswith("HTTP 302 from http://127.0.0.1:")


def test_a_redirect_passes_where_it_is_what_is_wanted(context: Context) -> None:
    assert ask(context, answering("302 Found", "", "Location: /login"), status=(302,)).outcome == "passed"


def test_one_of_several_statuses_passes(context: Context) -> None:
    assert ask(context, answering("204 No Content"), status=(200, 204)).outcome == "passed"
    result = ask(context, answering("201 Created"), status=(200, 204))

    assert result.outcome == "failed"
    assert result.output.startswith("HTTP 201 instead of 200 or 204 from ")


def test_headers_are_sent_and_replace_those_of_venvship(context: Context) -> None:
    fields = {"host": "shop.example.com", "Authorization": "Bearer abc", "X-Empty": "", "X-Sz": "M\xfcller"}
    with serve(answering("200 OK")) as port:
        run_one(check("http", f"http://127.0.0.1:{port}/", headers=fields), context)
        (request,) = serve.requests  # type: ignore[attr-defined]

    assert request.encode(errors="surrogateescape").decode("latin-1").split("\r\n")[1:-2] == [
        "User-Agent: venvship",
        "Accept: */*",
        "Accept-Encoding: identity",
        "Connection: close",
        "host: shop.example.com",
        "Authorization: Bearer abc",
        "X-Empty: ",
        "X-Sz: M\xfcller",
    ]
    assert "abc" not in log_of(context)


def test_proxies_are_not_asked(context: Context) -> None:
    with serve(answering("200 OK")) as proxy, socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{proxy}"
        told = replace(context, environ={"http_proxy": url, "HTTP_PROXY": url, "all_proxy": url})
        port = closed.getsockname()[1]
        closed.close()
        result = run_one(check("http", f"http://127.0.0.1:{port}/"), told)

    assert result.outcome == "failed"


def test_the_body_must_name_this_release(context: Context) -> None:
    new = ask(context, answering("200 OK", f'{{"release": "{RELEASE}"}}'), body='"{release}"')
    old = ask(context, answering("200 OK", '{"release": "20261121T020003Z-a01b22c"}'), body="{release}")

    assert (new.outcome, new.output) == ("passed", "HTTP 200 from this release")
    assert old.outcome == "failed"
    assert old.output.endswith(f"/healthz, but without '{RELEASE}' in it")


def test_chunked_bodies_are_read(context: Context) -> None:
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhea\r\n4\r\nlthy\r\n0\r\n\r\n"

    assert ask(context, lambda peer: peer.sendall(chunks), body="healthy").outcome == "passed"


def drip(peer: socket.socket) -> None:
    with contextlib.suppress(OSError):
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(600):
            peer.sendall(b"x")
            time.sleep(0.05)


def drip_head(peer: socket.socket) -> None:
    with contextlib.suppress(OSError):
        for _ in range(600):
            peer.sendall(b"H")
            time.sleep(0.05)


@pytest.mark.parametrize("answer", [drip, drip_head, silence])
def test_a_slow_server_cannot_make_an_attempt_longer(
    answer: Callable[[socket.socket], object], context: Context
) -> None:
    result = ask(context, answer, timeout=0.4)

    assert result.outcome == "failed"
    assert result.output.startswith("no answer from http://127.0.0.1:")
    assert result.output.endswith(" within 0.4 s")
    assert result.seconds >= 0.4


def test_an_endless_body_is_read_up_to_a_bound(context: Context) -> None:
    def flood(peer: socket.socket) -> None:
        with contextlib.suppress(OSError):
            peer.sendall(b"HTTP/1.1 200 OK\r\n\r\nhealthy")
            while True:
                peer.sendall(b"x" * 65536)

    result = ask(context, flood, body="healthy")

    assert result.outcome == "passed"
    assert Path(context.log_dir, "it.txt").stat().st_size < 100_000


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"", "no proper answer from"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "no proper answer from"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "the connection was closed in the middle"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "no proper answer from"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n", "no proper answer from"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000, "no proper answer from"),
    ],
)
def test_what_is_not_a_whole_answer_fails(sent: bytes, expected: str, context: Context) -> None:
    result = ask(context, lambda peer: peer.sendall(sent))

    assert result.outcome == "failed"
    assert expected in result.output


@pytest.mark.parametrize("separator", [b"\x0b", b"\x0c", b"\x85", b"\xff"])
def test_an_answer_with_an_odd_field_is_one(separator: bytes, context: Context) -> None:
    field = b"X: a" + separator + b"b: c\r\n"
    sent = b"HTTP/1.1 200 OK\r\n" + field + b"Content-Length: 2\r\n\r\nok"

    result = ask(context, lambda peer: peer.sendall(sent))

    assert result.outcome == "passed"
    assert "Content-Length: 2\n\nok" in Path(context.log_dir, "it.txt").read_text(errors="replace")


def test_nobody_listening_is_said_in_words(context: Context) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    result = run_one(check("http", f"http://127.0.0.1:{port}/"), context)

    assert result.output == f"connection refused by 127.0.0.1:{port}"


def test_a_host_that_does_not_exist_is_said_in_words(context: Context) -> None:
    result = run_one(check("http", "http://no-such-host.invalid/", timeout=2.0), context)

    assert result.outcome == "failed"
    assert result.output.startswith(
        ("the host of http://no-such-host.invalid/ was not found", "no answer from")
    )


def test_ipv6_addresses(context: Context) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    with serve(answering("200 OK"), family=socket.AF_INET6, address=("::1", 0)) as port:
        result = run_one(check("http", f"http://[::1]:{port}/"), context)
        (request,) = serve.requests  # type: ignore[attr-defined]
        assert run_one(check("tcp", f"[::1]:{port}"), context).outcome == "passed"

    assert result.output == f"HTTP 200 from http://[::1]:{port}/"
    assert f"Host: [::1]:{port}\r\n" in request


@pytest.mark.parametrize("form", ["unix:{}", "unix:{}:/healthz", "http://unix:{}:/healthz"])
def test_unix_sockets(form: str, context: Context, tmp_path: Path) -> None:
    path = f"{tmp_path}/s"
    with serve(answering("200 OK"), family=socket.AF_UNIX, address=path):
        result = run_one(check("http", form.format(path)), context)
        (request,) = serve.requests  # type: ignore[attr-defined]

    where = "/healthz" if "healthz" in form else "/"
    assert result.outcome == "passed"
    assert request.startswith(f"GET {where} HTTP/1.1\r\nHost: localhost\r\n")
    assert run_one(check("http", f"unix:{path}2"), context).output == f"there is no socket {path}2"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for localhost, with its key."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    made = subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", path, "-out", f"{path}.crt"),
        ],
        capture_output=True,
        check=False,
    )
    if made.returncode != 0:
        pytest.skip("no openssl program here")
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


def test_https_is_verified(context: Context, certificate: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    with serve(answering("200 OK", "x" * 100_000 + "end"), tls=tls) as port:
        one = check("http", f"https://localhost:{port}/", body="end")
        unknown = run_one(one, context)
        trusting = replace(context, environ={"SSL_CERT_FILE": str(certificate)})
        known = run_one(one, trusting)
        misnamed = run_one(check("http", f"https://127.0.0.1:{port}/"), trusting)

    assert [r.outcome for r in (unknown, known, misnamed)] == ["failed", "passed", "failed"]
    assert "certificate verify failed" in unknown.output


def test_an_authority_of_ones_own_is_trusted_for_one_check(context: Context, certificate: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    relative = os.path.relpath(f"{certificate}.crt", context.root)
    with serve(answering("200 OK"), tls=tls) as port:
        url = f"https://localhost:{port}/"
        results = [run_one(check("http", url, ca=ca), context) for ca in (f"{certificate}.crt", relative)]
        misnamed = run_one(check("http", f"https://127.0.0.1:{port}/", ca=relative), context)
        no_file = run_one(check("http", url, ca="/no/such/file"), context)

    assert [result.outcome for result in results] == ["passed", "passed"]
    assert misnamed.outcome == "failed", "the name is verified all the same"
    assert no_file.outcome == "failed"


# -- tcp ------------------------------------------------------------------------------------------------


def test_a_port_that_accepts_passes(context: Context) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        target = f"127.0.0.1:{server.getsockname()[1]}"
        result = run_one(check("tcp", target), context)

    assert (result.outcome, result.output) == ("passed", f"connected to {target}")
    refused = run_one(check("tcp", target), context)
    assert (refused.outcome, refused.output) == ("failed", f"connection refused by {target}")


def test_all_addresses_of_a_name_are_tried(context: Context) -> None:
    # localhost may mean ::1 first, and the service listen on 127.0.0.1 alone.
    with socket.create_server(("127.0.0.1", 0)) as server:
        result = run_one(check("tcp", f"localhost:{server.getsockname()[1]}"), context)

    assert result.outcome == "passed"


def test_a_connection_to_oneself_is_nobody_listening(monkeypatch: pytest.MonkeyPatch) -> None:
    # The kernel's choice of our own port is made certain by asking for it, as a retry loop does by chance.
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    class Bound(socket.socket):
        def connect(self, address: Any) -> None:
            self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.bind(("127.0.0.1", port))
            super().connect(address)

    monkeypatch.setattr(socket, "socket", Bound)
    with pytest.raises(ConnectionRefusedError):
        network_worker.connect({"host": "127.0.0.1", "port": port, "timeout": 2.0})


# -- who asks, and with what ----------------------------------------------------------------------------


def test_every_kind_of_the_settings_has_a_function_that_asks() -> None:
    assert set(KINDS) == set(CHECK_KINDS), "KINDS in health/kinds.py has the function of each kind"


def test_nothing_of_a_request_stands_in_a_list_of_arguments(context: Context) -> None:
    seen: list[bytes] = []

    def look(peer: socket.socket) -> None:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                seen.append(path.read_bytes())
        answering("200 OK", "a-secret-body")(peer)

    with serve(look) as port:
        url = f"http://127.0.0.1:{port}/a-secret-path"
        result = run_one(check("http", url, body="a-secret-body"), context)

    assert result.outcome == "passed"
    assert any(b"-I\0-S\0" in cmdline for cmdline in seen), "the child was not among the processes seen"
    assert not [cmdline for cmdline in seen if b"a-secret" in cmdline]


def test_the_interpreter_of_venvship_may_be_gone(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "_base_executable", "/nonexistent/bin/python3")

    assert ask(context, answering("200 OK")).outcome == "passed", "the release's interpreter asks"

    Path(context.release_path, "bin/python").unlink()
    result = ask(context, answering("200 OK"))
    assert result.outcome == "failed"
    assert " could not be asked: there is no program " in result.output
    assert result.inconclusive


def test_an_interpreter_that_breaks_down_is_not_an_answer(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = script_at(tmp_path / "python3", "#!/bin/sh\necho no encodings >&2; exit 1\n")
    monkeypatch.setattr(sys, "_base_executable", str(broken))

    assert ask(context, answering("200 OK")).outcome == "passed", "the release's interpreter asks"

    Path(context.release_path, "bin/python").unlink()
    Path(context.release_path, "bin/python").symlink_to(broken)
    result = ask(context, answering("200 OK"))
    assert result.output.endswith("could not be asked: exit 1")
    assert result.said == "no encodings"
    assert (result.inconclusive, "inconclusive" in result.to_json()) == (True, False)


@pytest.mark.parametrize("answer", ['{"other": 1}', "[]", "1"])
def test_another_program_than_the_child_is_not_an_answer(
    context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    other = script_at(tmp_path / "python3", f"#!/bin/sh\ncat >/dev/null; echo '{answer}'\n")
    monkeypatch.setattr(sys, "_base_executable", str(other))
    assert ask(context, answering("200 OK")).outcome == "passed", "the release's interpreter asks"


@pytest.mark.parametrize("kind", ["command", "tcp"])
def test_a_host_without_descriptors_says_nothing_about_the_release(context: Context, kind: str) -> None:
    target = "true" if kind == "command" else "127.0.0.1:1"
    assert not run_one(check(kind, target), context).inconclusive
    with no_more_descriptors():
        result = run_one(check(kind, target), context)
    assert (result.outcome, result.inconclusive) == ("failed", True), result.output
