"""The program of a release that a service manager starts: a web server, a worker, a daemon or a job.

Each server binds its socket by options of its own, and ends in a way of its own; `SERVERS` has both.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from venvship.errors import UsageError
from venvship.model.schedule import refuse_unwritable

SOCKET: Final = "{socket}"
"""In a command line: the path of the slot's socket."""

ADDRESS: Final = "127.0.0.1:8000"
"""Where a server without slots listens, unless its command line says so."""

Role = Literal["server", "worker", "scheduler", "daemon", "job"]


class Server(NamedTuple):
    """A web server.

    Attributes:
        program: Its name in `bin`.
        distributions: The normalised names of the distributions that have it.
        interfaces: What it serves: `wsgi`, `asgi`.
        socket: The options with which it listens on the socket of a slot, for every user to connect.
        port: The options with which it listens on `ADDRESS`.
        binding: The options that say where it listens, or that are about such a place.
        unfit: The options with which no manager can run it, or not on a socket.
        group: Whether its workers have to be told to stop as well: supervisor's `stopasgroup`.
        before: Options that go before the application where it is named for it.
        factory: The option that makes the application a factory; `()`: parentheses do.
        drains: Whether it answers what it has begun when it gets SIGTERM.
        replaces: Whether it starts where a killed one has left its socket.
    """

    program: str
    distributions: tuple[str, ...]
    interfaces: tuple[str, ...]
    socket: tuple[str, ...]
    port: tuple[str, ...]
    binding: tuple[str, ...]
    unfit: tuple[str, ...] = ()
    group: bool = False
    before: tuple[str, ...] = ()
    factory: tuple[str, ...] = ()
    drains: bool = True
    replaces: bool = True


_HOST, _, _PORT = ADDRESS.partition(":")

SERVERS: Final = (
    Server(
        "gunicorn",
        ("gunicorn",),
        ("wsgi",),
        ("--bind", f"unix:{SOCKET}"),
        ("--bind", ADDRESS),
        ("--bind", "-b"),
        ("--daemon", "-D", "--reload", "--reuse-port"),
    ),
    Server(
        "uvicorn",
        ("uvicorn",),
        ("asgi",),
        ("--uds", SOCKET, "--forwarded-allow-ips=*"),
        ("--host", _HOST, "--port", _PORT),
        ("--uds", "--fd", "--host", "--port"),
        ("--reload",),
        group=True,
        factory=("--factory",),
        replaces=False,  # with --workers
    ),
    Server(
        "granian",
        ("granian",),
        ("wsgi", "asgi"),
        ("--uds", SOCKET, "--uds-permissions", "666"),
        ("--host", _HOST, "--port", _PORT),
        ("--uds", "--host", "--port", "--uds-permissions"),
        ("--reload",),
        factory=("--factory",),
        replaces=False,
    ),
    Server(
        "hypercorn",
        ("hypercorn",),
        ("asgi",),
        ("--bind", f"unix:{SOCKET}", "--umask", "0"),
        ("--bind", ADDRESS),
        ("--bind", "-b", "--insecure-bind", "--umask", "-m"),
        ("--reload",),
    ),
    Server(
        "waitress-serve",
        ("waitress",),
        ("wsgi",),
        (f"--unix-socket={SOCKET}", "--unix-socket-perms=666"),
        (f"--listen={ADDRESS}",),
        ("--listen", "--host", "--port", "--unix-socket", "--unix-socket-perms"),
        factory=("--call",),
        drains=False,
    ),
    Server(
        "uwsgi",
        ("uwsgi", "pyuwsgi"),
        ("wsgi",),
        ("--http-socket", SOCKET, "--chmod-socket=666"),
        ("--http-socket", ADDRESS),
        ("--http-socket", "--http", "--socket", "-s", "--chmod-socket"),
        ("--daemonize", "-d"),
        before=("--module",),
    ),
)

_ALSO: Final = {
    "hypercorn": ("--graceful-timeout=30",),  # else requests of more than three seconds are lost
    "uwsgi": ("--master", "--hook-master-start", "unix_signal:15 gracefully_kill_them_all"),
}
"""Options that a server needs besides, so that SIGTERM ends it once it has answered."""

_UNFIT: Final = {"celery": ("--detach", "-D", "multi")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program of a release, with its arguments.

    Attributes:
        head: The program, or `python -m MODULE`.
        arguments: As they were given.
        role: What it is.
        server: The web server that it is, if it is a known one.
        in_slots: Whether it runs in slots.
        binds: Whether its own arguments say where it listens.
    """

    head: tuple[str, ...]
    arguments: tuple[str, ...]
    role: Role
    server: Server | None = None
    in_slots: bool = False
    binds: bool = False

    @property
    def label(self) -> str:
        """The words that tell it from other programs of the application."""
        name = self.head[-1]
        return f"celery-{_subcommand(self)}" if name == "celery" else name

    @property
    def needs_free_path(self) -> bool:
        """Whether the socket of a killed one has to be removed before it is started."""
        return self.in_slots and self.server is not None and not self.server.replaces

    @property
    def stops_group(self) -> bool:
        """Whether all of its processes have to be told to stop, rather than the first one."""
        return self.server is not None and self.server.group

    def argv(self, release: str, *, socket: str = "", extra: tuple[str, ...] = ()) -> list[str]:
        """The whole command line.

        Args:
            release: The path of the release, or of a link to it.
            socket: The socket of the slot, if it runs in one.
            extra: More options, before the arguments.
        """
        options: tuple[str, ...] = ()
        if self.server is not None:
            if self.in_slots:
                options = _without_repeated(self.server.socket, self.arguments)
            elif not self.binds:
                options = self.server.port
            options += _without_repeated(_ALSO.get(self.server.program, ()), self.arguments)
        words = [*self.head[1:], *options, *extra, *self.arguments]
        return [f"{release}/bin/{self.head[0]}", *(word.replace(SOCKET, socket) for word in words)]


def plain_name(name: str) -> str:
    """A name in characters that mean nothing anywhere, for files, sections and upstreams."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)


def read_program(text: str, *, job: bool = False, slots: bool = False) -> Program:
    """Read `--app`.

    Args:
        text: A command line, quoted as for sh.
        job: Whether it is one that ends.
        slots: Whether the application has slots.

    Raises:
        UsageError: It is none, or its options do not go with a service manager.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--app {text}: {str(error).lower()}", hint=_LIKE) from error
    if not words or not words[0] or words[0].startswith("-"):
        raise UsageError("--app: the program is missing", hint=_LIKE)
    for word in words:
        refuse_unwritable(word)
    if "/" in words[0] or words[0] in {".", ".."}:
        raise UsageError(
            f"--app: {words[0]} is a path; the program is one of the release's bin, by its name",
            hint=_LIKE,
        )
    length = 3 if words[0].startswith("python") and words[1:2] == ["-m"] and len(words) > 2 else 1
    head, arguments = tuple(words[:length]), tuple(words[length:])
    name = head[-1]
    server = next((one for one in SERVERS if name in {one.program, *one.distributions}), None)
    if server is not None and job:
        raise UsageError(f"--job: {name} is a server, which does not end", hint="leave --job out")
    program = Program(
        head=head,
        arguments=arguments,
        role=_role(name, arguments, server=server, job=job),
        server=server,
        in_slots=slots and (server is not None or any(SOCKET in word for word in words)),
        binds=server is not None and any(_is(word, server.binding) for word in arguments),
    )
    _refuse_unfit(program, slots=slots)
    return program


_LIKE: Final = 'write it as in --app "gunicorn shop.wsgi"'


def _role(name: str, arguments: tuple[str, ...], *, server: Server | None, job: bool) -> Role:
    if server is not None or any(SOCKET in word for word in arguments):
        return "server"
    if job:
        return "job"
    if name == "celery":
        return "scheduler" if "beat" in arguments else "worker"
    return "worker" if name in {"rq", "dramatiq", "huey_consumer", "huey_consumer.py"} else "daemon"


def _refuse_unfit(program: Program, *, slots: bool) -> None:
    name = program.head[-1]
    unfit = program.server.unfit if program.server is not None else _UNFIT.get(name, ())
    if found := next((word for word in program.arguments if _is(word, unfit)), None):
        raise UsageError(
            f"--app: {name} with {found} cannot be run by a service manager",
            hint=f"leave {found} out: the manager starts it in the foreground, once for each release",
        )
    if program.in_slots and program.binds:
        assert program.server is not None
        found = next(word for word in program.arguments if _is(word, program.server.binding))
        raise UsageError(
            f"--app: {found} says where {name} listens, and in a slot that is the slot's socket",
            hint=f"leave {found} out",
        )
    if not slots and any(SOCKET in word for word in program.arguments):
        raise UsageError(
            f"--app: {SOCKET} is the socket of a slot, and the settings have no [service]",
            hint="set start, stop and health of [service] in venvship.toml",
        )


def _subcommand(program: Program) -> str:
    known = ("worker", "beat", "flower", "events")
    return next((word for word in program.arguments if word in known), "worker")


def _is(word: str, options: tuple[str, ...]) -> bool:
    """Whether a word is one of some options, its value behind it or not."""
    return any(
        word == option
        or word.startswith(f"{option}=")
        or (len(option) == len("-b") and option[1] != "-" and word.startswith(option))
        for option in options
    )


def _without_repeated(options: tuple[str, ...], given: tuple[str, ...]) -> tuple[str, ...]:
    """Options, without those `--name=value` that were given otherwise."""
    names = {word.partition("=")[0] for word in given}
    return tuple(word for word in options if "=" not in word or word.partition("=")[0] not in names)
