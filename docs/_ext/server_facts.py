"""How servers and workers behave at HUP and TERM, once for the pages and for the tests that start them.

`tests/servers` asserts every value. A version that behaves in another way turns a test red, and the value and
its sentence change here.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Hup = Literal["reloads", "ends", "renews"]


class ServerFacts(NamedTuple):
    """A web server.

    Attributes:
        app: Its command line, for `--app`.
        hup: `reloads`: new processes, of the release that it was started from; `ends`: it is gone;
            `renews`: new processes, of the release that `current` names.
        finishes: Whether requests of five seconds that it has begun are answered after TERM.
        leaves: Whether its socket is still there when it has ended.
        replaces: Whether it starts where a killed one has left a socket.
        websocket: The code with which it closes a websocket after TERM, 0 for a connection that is just cut;
            `None` if it has none.
    """

    app: str
    hup: Hup
    finishes: bool
    leaves: bool
    replaces: bool = True
    websocket: int | None = None


class WorkerFacts(NamedTuple):
    """A worker.

    Attributes:
        app: Its command line, for `--app`.
        hup: As for a server.
        finishes: Whether a task of five seconds that it has begun is completed after TERM.
    """

    app: str
    hup: Hup
    finishes: bool


SERVERS: Final = {
    "gunicorn": ServerFacts("gunicorn shop:wsgi --threads 4", "reloads", finishes=True, leaves=False),
    "uvicorn": ServerFacts("uvicorn shop:asgi", "ends", finishes=True, leaves=True, websocket=1012),
    "uvicorn-workers": ServerFacts(
        "uvicorn shop:asgi --workers 2",
        "reloads",
        finishes=True,
        leaves=False,
        replaces=False,
        websocket=1012,
    ),
    "granian": ServerFacts(
        "granian --interface asgi shop:asgi",
        "reloads",
        finishes=True,
        leaves=False,
        replaces=False,
        websocket=0,
    ),
    "hypercorn": ServerFacts("hypercorn shop:asgi", "reloads", finishes=True, leaves=True, websocket=1011),
    "waitress": ServerFacts("waitress-serve shop:wsgi", "ends", finishes=False, leaves=True),
    "uwsgi": ServerFacts("uwsgi --module shop:wsgi --threads 4", "ends", finishes=True, leaves=True),
}

WORKERS: Final = {
    "celery": WorkerFacts("celery -A shop_celery worker", "reloads", finishes=True),
    "rq": WorkerFacts("rq worker", "ends", finishes=True),
    "dramatiq": WorkerFacts("dramatiq shop_dramatiq", "renews", finishes=True),
}
