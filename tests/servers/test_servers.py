"""Each web server does what its how-to says: at HUP, at TERM with requests in flight, and with its socket."""

from __future__ import annotations

import contextlib
import http.client
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.serving import Place, Shop, close_code, members, outcome

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "docs" / "_ext"))

from server_facts import SERVERS, ServerFacts

pytestmark = pytest.mark.network

LONG = 5.0
"""Seconds of a long request."""

each = pytest.mark.parametrize("facts", SERVERS.values(), ids=SERVERS)


def hup_outcome(place: Place, process: subprocess.Popen[bytes]) -> str:
    """What HUP does to a server of the first release while the link leads to the second."""
    assert place.ask()[1] == place.shop.releases[0]
    before = members(process)
    place.lead(1)
    process.send_signal(signal.SIGHUP)
    told: list[str] = []

    def changed() -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            told[:] = place.ask()[1:]
        return process.poll() is not None or (told != [] and told[1] not in before)

    place.wait(changed, "the same processes still answer")
    if process.poll() is not None:
        return "ends"
    return "renews" if told[0] == place.shop.releases[1] else "reloads"


@each
def test_hup(place: Place, facts: ServerFacts) -> None:
    with place.running(facts.app) as process:
        place.wait_for(process)
        assert hup_outcome(place, process) == facts.hup, place.log


@each
def test_term_with_requests_in_flight(place: Place, facts: ServerFacts) -> None:
    with place.running(facts.app) as process:
        place.wait_for(process)
        with place.begun(2, LONG) as asked:
            process.send_signal(signal.SIGTERM)
            answered = [outcome(one) for one in asked]
        expected = place.shop.releases[0] if facts.finishes else ""
        assert answered == [expected, expected], place.log
        place.wait(lambda: process.poll() is not None, "it does not end")
        assert place.address.exists() == facts.leaves


@each
def test_a_socket_that_a_killed_one_has_left(place: Place, facts: ServerFacts) -> None:
    with place.running(facts.app) as process:
        place.wait_for(process)
    assert place.address.exists()
    assert not place.answers()
    with place.running(facts.app) as process:
        place.wait(lambda: place.answers() or process.poll() is not None, "neither answers nor ends")
        assert place.answers() == facts.replaces, place.log


@pytest.mark.parametrize("name", [name for name, facts in SERVERS.items() if facts.websocket is not None])
def test_a_websocket_is_cut_at_term(place: Place, name: str) -> None:
    facts = SERVERS[name]
    with place.running(facts.app) as process:
        place.wait_for(process)
        with place.websocket() as sock:
            process.send_signal(signal.SIGTERM)
            assert close_code(sock) == facts.websocket
        place.wait(lambda: process.poll() is not None, "it does not end")


# -- what the pages tell besides ----------------------------------------------------------------------------


def test_hypercorn_drops_what_takes_longer_than_its_graceful_timeout(place: Place) -> None:
    with place.running("hypercorn shop:asgi --graceful-timeout=3") as process:
        place.wait_for(process)
        with place.begun(1, LONG) as asked:
            process.send_signal(signal.SIGTERM)
            assert [outcome(one) for one in asked] == [""]


def test_uwsgi_drops_what_it_has_begun_with_die_on_term(place: Place) -> None:
    options = ["--http-socket", str(place.address), "--master", "--die-on-term", "--threads", "4"]
    with place.running([f"{place.folder}/current/bin/uwsgi", *options, "--module", "shop:wsgi"]) as process:
        place.wait_for(process)
        with place.begun(1, LONG) as asked:
            process.send_signal(signal.SIGTERM)
            assert [outcome(one) for one in asked] == [""]
        place.wait(lambda: process.poll() is not None, "it does not end")


def test_the_defaults_that_pages_name(shop: Shop) -> None:
    script = (
        "import gunicorn.config, hypercorn.config; "
        "print(gunicorn.config.GracefulTimeout.default, hypercorn.config.Config.graceful_timeout)"
    )
    python = shop.path / "current" / "bin" / "python"
    done = subprocess.run([python, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["30", "3.0"]
