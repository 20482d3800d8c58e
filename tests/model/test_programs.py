"""`--app`: what is a server, a worker, a job; how each is started, and what is refused."""

from __future__ import annotations

import pytest

from venvship.errors import UsageError
from venvship.model.programs import read_program

SLOTTED = {
    "gunicorn shop.wsgi -w 2": "gunicorn --bind unix:S shop.wsgi -w 2",
    "python -m gunicorn shop.wsgi": "python -m gunicorn --bind unix:S shop.wsgi",
    "uvicorn shop:app": "uvicorn --uds S --forwarded-allow-ips=* shop:app",
    "uvicorn x:app --forwarded-allow-ips=10.0.0.1": "uvicorn --uds S x:app --forwarded-allow-ips=10.0.0.1",
    "granian --interface wsgi shop.wsgi": "granian --uds S --uds-permissions 666 --interface wsgi shop.wsgi",
    "hypercorn shop:app": "hypercorn --bind unix:S --umask 0 --graceful-timeout=30 shop:app",
    "waitress-serve shop.wsgi:application": (
        "waitress-serve --unix-socket=S --unix-socket-perms=666 shop.wsgi:application"
    ),
    "uwsgi --module shop.wsgi": (
        "uwsgi --http-socket S --chmod-socket=666 --master --hook-master-start "
        "unix_signal:15 gracefully_kill_them_all --module shop.wsgi"
    ),
    "server --listen {socket}": "server --listen S",
}


@pytest.mark.parametrize("text", SLOTTED)
def test_a_server_in_a_slot_listens_on_the_slot_s_socket(text: str) -> None:
    program = read_program(text, slots=True)
    assert program.in_slots
    assert program.role == "server"
    first, *rest = program.argv("/run/shop/a", socket="S")
    assert " ".join([first.removeprefix("/run/shop/a/bin/"), *rest]) == SLOTTED[text]


PLAIN = {
    "gunicorn shop.wsgi": ("server", "gunicorn --bind 127.0.0.1:8000 shop.wsgi"),
    "gunicorn -b0.0.0.0:80 shop.wsgi": ("server", "gunicorn -b0.0.0.0:80 shop.wsgi"),
    "uvicorn shop:app --port=1": ("server", "uvicorn shop:app --port=1"),
    "celery -A shop worker": ("worker", "celery -A shop worker"),
    "celery -A shop beat": ("scheduler", "celery -A shop beat"),
    "rq worker": ("worker", "rq worker"),
    "python -m shop.bot": ("daemon", "python -m shop.bot"),
}


@pytest.mark.parametrize("slots", [False, True])
@pytest.mark.parametrize("text", PLAIN)
def test_without_slots_a_server_listens_on_a_port_and_a_worker_on_nothing(text: str, slots: bool) -> None:
    role, line = PLAIN[text]
    if slots and role == "server":
        return
    program = read_program(text, slots=slots)
    assert (program.role, program.in_slots) == (role, False)
    assert " ".join(program.argv("")) == f"/bin/{line}"


def test_what_ends_is_a_job() -> None:
    assert read_program("python -m shop.report", job=True).role == "job"


REFUSED = {
    "": "the program is missing",
    "  ": "the program is missing",
    "-w 2": "the program is missing",
    'gunicorn "shop': "no closing quotation",
    "/usr/bin/gunicorn shop": "is a path",
    "../gunicorn shop": "is a path",
    ".. shop": "is a path",
    "gunicorn shop --daemon": "cannot be run by a service manager",
    "gunicorn shop -D": "cannot be run by a service manager",
    "gunicorn --reload shop": "cannot be run by a service manager",
    "uwsgi --daemonize=/log": "cannot be run by a service manager",
    "celery multi start": "cannot be run by a service manager",
    "celery -A shop worker --detach": "cannot be run by a service manager",
    "gunicorn 'a\nb'": "printable",
}


@pytest.mark.parametrize("text", REFUSED)
@pytest.mark.parametrize("slots", [False, True])
def test_what_no_manager_can_run_is_refused(text: str, slots: bool) -> None:
    with pytest.raises(UsageError, match=REFUSED[text]):
        read_program(text, slots=slots)


@pytest.mark.parametrize("option", ["--bind :80", "-b :80", "--bind=:80", "-b:80"])
def test_a_server_in_a_slot_cannot_listen_elsewhere(option: str) -> None:
    with pytest.raises(UsageError, match="says where gunicorn listens"):
        read_program(f"gunicorn {option} shop", slots=True)


def test_the_socket_of_a_slot_needs_slots() -> None:
    with pytest.raises(UsageError, match="no \\[service\\]"):
        read_program("server {socket}", slots=False)


def test_a_server_is_no_job() -> None:
    with pytest.raises(UsageError, match="does not end"):
        read_program("gunicorn shop", job=True)
