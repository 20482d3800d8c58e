"""The parts of the pages about servers and workers, as Markdown, from `server_facts`."""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from markdown_tables import table
from server_facts import SERVERS, WORKERS, ServerFacts, WorkerFacts

from venvship.model.programs import read_program

LOCK: Final = Path(__file__).resolve().parent.parent.parent / "scripts" / "servers-requirements.txt"

_HUP: Final = {
    "reloads": "New processes, of the release that it was started from. After a switch that is the old one.",
    "ends": "It ends.",
    "renews": "New processes, of the release that `current` names.",
}
_DISTRIBUTIONS: Final = {"uvicorn-workers": "uvicorn", "uwsgi": "pyuwsgi"}


def version(name: str) -> str:
    """The version of a server that the tests start."""
    pattern = rf"^{re.escape(_DISTRIBUTIONS.get(name, name))}==(\S+)"
    found = re.search(pattern, LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise ValueError(f"{name} is not in {LOCK}")
    return found[1]


def server(name: str) -> str:
    """A web server, one fact a row."""
    facts = SERVERS[name]
    argv = read_program(facts.app, slots=True).argv("/run/shop/%i", socket="/run/shop/%i.sock")
    rows = [
        ("its start in a slot", f"`{shlex.join(argv)}`"),
        ("SIGHUP", _HUP[facts.hup]),
        ("SIGTERM", _term(facts)),
        ("its socket, once it has ended", "Stays behind." if facts.leaves else "Is removed."),
        (
            "a socket that a killed one has left",
            "It starts all the same." if facts.replaces else "It does not start.",
        ),
    ]
    if facts.websocket is not None:
        how = f"Are closed with the code {facts.websocket}." if facts.websocket else "Are cut."
        rows.append(("its websockets at SIGTERM", how))
    return table((f"{name.partition('-')[0]} {version(name)}", "does"), rows)


def worker(name: str) -> str:
    """A worker, one fact a row."""
    facts = WORKERS[name]
    rows = [("SIGHUP", _HUP[facts.hup]), ("SIGTERM", _term(facts))]
    return table((f"{name} {version(name)}", "does"), rows)


def _term(facts: ServerFacts | WorkerFacts) -> str:
    what = "requests" if isinstance(facts, ServerFacts) else "tasks"
    if facts.finishes:
        return f"It ends once the {what} that it has begun are done (tried with five seconds)."
    return f"It ends at once. The {what} that it has begun are lost."


def overview() -> str:
    """All servers and workers at HUP, by what their users see."""
    seen = {
        "reloads": "the old release still answers",
        "ends": "nothing answers, until the manager starts it again",
        "renews": "the new release answers, and nothing has proven it",
    }
    named: dict[str, list[str]] = {}
    every: dict[str, ServerFacts | WorkerFacts] = {**SERVERS, **WORKERS}
    for name, facts in every.items():
        label = name.replace("-workers", " with `--workers`")
        named.setdefault(seen[facts.hup], []).append(label)
    return table(("after a switch and a reload", "of"), [(said, ", ".join(of)) for said, of in named.items()])


PARTS: Final[Mapping[str, Callable[[], str]]] = {
    **{f"server-{name}": functools.partial(server, name) for name in SERVERS},
    **{f"worker-{name}": functools.partial(worker, name) for name in WORKERS},
    "servers-reloaded": overview,
}
"""The parts by the name that pages ask for them with."""
