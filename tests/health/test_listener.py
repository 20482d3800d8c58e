"""`from_release`: a check passes only if every process with the listening socket runs from the release."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.health.conftest import RELEASE
from tests.health.test_checks import check, run_one
from tests.support.users import as_root_only, unprivileged
from venvship.health.checks import CheckResult
from venvship.health.context import Context
from venvship.health.listener import REMEDY, Peer, foreign_listener
from venvship.system.signals import Signals
from venvship.system.trees import remove_tree

OLD = "20261121T020003Z-a01b22c"

SERVER = """
import fcntl, os, signal, socket, sys
where, lease, workers, inherited = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
if lease:
    held = os.open(lease, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_SH)
if inherited:
    listener = socket.socket(fileno=inherited)
elif where.startswith("/"):
    try:
        os.unlink(where)
    except FileNotFoundError:
        pass
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(where)
    os.chmod(where, 0o666)
else:
    host, _, port = where.rpartition(":")
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((host, int(port)))
listener.listen()
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
for _ in range(workers):
    if os.fork() == 0:
        break
print("ready", flush=True)
while True:
    peer, _ = listener.accept()
    peer.recv(65536)
    peer.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\nfine")
    peer.close()
"""


class Servers:
    """Starts services of releases, and of others, and ends them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._started: list[subprocess.Popen[bytes]] = []
        (root / "state" / "leases").mkdir(parents=True)
        for release in (RELEASE, OLD):
            (root / "state" / "leases" / release).touch(mode=0o444)
            (root / "releases" / release / "bin").mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                (root / "releases" / release / "bin" / "python").symlink_to(sys.executable)

    def start(
        self,
        where: str,
        release: str = "",
        *,
        lease: bool = True,
        workers: int = 0,
        inherited: int = 0,
        before: str = "",
        **options: Any,
    ) -> int:
        """Start a service, and wait until it serves.

        Args:
            where: Its address, or the path of its socket.
            release: What it runs from; without one, it has nothing to do with the root.
            lease: Whether it takes the lease, as Python processes of a release do.
            workers: How many forks serve with it.
            inherited: The descriptor of the socket, where it gets one.
            before: A line of Python that it begins with.
            options: For `Popen`.
        """
        held = str(self.root / "state" / "leases" / release) if release and lease else ""
        python = str(self.root / "releases" / release / "bin" / "python") if release else sys.executable
        argv = [python, "-ISc", f"{before}\n{SERVER}", where, held, str(workers), str(inherited)]
        fds = (inherited,) if inherited else ()
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, pass_fds=fds, process_group=0, **options)
        self._started.append(process)
        assert process.stdout is not None
        for _ in range(workers + 1):
            assert process.stdout.readline() == b"ready\n"
        return process.pid

    def end(self) -> None:
        for process in self._started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    made = Servers(tmp_path)
    yield made
    made.end()


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def ask(context: Context, target: str, **options: Any) -> CheckResult:
    kind = "http" if target.startswith(("http", "unix")) else "tcp"
    return run_one(check(kind, target, from_release=True, **options), context)


@pytest.mark.parametrize(
    "how",
    [{"lease": True}, {"lease": False}, {"lease": True, "workers": 2}],
    ids=["lease", "program", "forks"],
)
@pytest.mark.parametrize("kind", ["http", "tcp", "unix"])
def test_a_service_of_the_release_passes(
    context: Context, servers: Servers, port: int, tmp_path: Path, kind: str, how: dict[str, Any]
) -> None:
    where = f"{tmp_path}/s.sock" if kind == "unix" else f"127.0.0.1:{port}"
    servers.start(where, RELEASE, **how)
    target = {"http": f"http://{where}/", "tcp": where, "unix": f"unix:{where}:/"}[kind]

    result = ask(context, target)

    assert result.outcome == "passed", result.output
    assert result.output.endswith(", held by this release")


@pytest.mark.parametrize(("bound", "asked"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::", "127.0.0.1")])
def test_a_socket_of_all_addresses_is_found(
    context: Context, servers: Servers, port: int, bound: str, asked: str
) -> None:
    servers.start(f"{bound}:{port}", RELEASE)

    assert ask(context, f"{asked}:{port}").outcome == "passed"


@pytest.mark.parametrize("bound", ["127.0.0.1", "0.0.0.0"])
def test_an_old_process_with_a_second_socket_on_the_port_is_named(
    context: Context, servers: Servers, port: int, bound: str
) -> None:
    old = servers.start(f"{bound}:{port}", OLD)
    servers.start(f"127.0.0.1:{port}", RELEASE)

    results = [ask(context, f"127.0.0.1:{port}") for _ in range(4)]

    assert {result.outcome for result in results} == {"failed"}
    assert results[0].output == (
        f"connected to 127.0.0.1:{port}, but process {old} of {OLD} listens there too"
    )


def test_an_old_worker_that_shares_the_socket_is_named(context: Context, servers: Servers, port: int) -> None:
    with socket.create_server(("127.0.0.1", port)) as listener:
        old = servers.start("", OLD, inherited=listener.fileno())
        servers.start("", RELEASE, inherited=listener.fileno())
        result = ask(context, f"http://127.0.0.1:{port}/")

    assert result.outcome == "failed"
    assert result.output.endswith(f"but process {old} of {OLD} listens there too")


def test_a_supervisor_may_open_the_socket_for_the_service(
    context: Context, servers: Servers, port: int
) -> None:
    with socket.create_server(("127.0.0.1", port)) as listener:  # this process is the supervisor
        servers.start("", RELEASE, inherited=listener.fileno(), workers=1)

        assert ask(context, f"http://127.0.0.1:{port}/").outcome == "passed"


def test_a_supervisor_with_a_socket_of_its_own_on_the_port_is_no_supervisor(
    context: Context, servers: Servers, port: int
) -> None:
    servers.start(f"127.0.0.1:{port}", RELEASE)
    with socket.socket() as second:
        second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        second.bind(("127.0.0.1", port))
        second.listen()
        problem = foreign_listener(Peer(address="127.0.0.1", port=port), context)

    assert problem.startswith(f"process {os.getpid()} (")


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_program_of_somebody_else_is_named(
    context: Context, servers: Servers, port: int, tmp_path: Path, kind: str
) -> None:
    where = f"{tmp_path}/s.sock" if kind == "unix" else f"127.0.0.1:{port}"
    other = servers.start(where)

    result = ask(context, f"unix:{where}:/" if kind == "unix" else where)

    assert result.outcome == "failed"
    assert f"but process {other} (python" in result.output
    assert result.output.endswith(") listens there, which does not run from this release")


def test_a_web_server_that_delivers_files_of_the_release_does_not_run_from_it(
    context: Context, servers: Servers, port: int, tmp_path: Path
) -> None:
    page = tmp_path / "releases" / RELEASE / "index.html"
    page.write_text("hello")
    with page.open() as file:
        other = servers.start(f"127.0.0.1:{port}", stdin=file, cwd=page.parent)

        result = ask(context, f"127.0.0.1:{port}")

    assert f"but process {other} (python" in result.output


def test_a_process_with_an_inherited_lease_of_the_old_release_is_not_mistaken(
    context: Context, servers: Servers, port: int, tmp_path: Path
) -> None:
    with (tmp_path / "state" / "leases" / OLD).open() as inherited:  # as `venvship run` hands it on
        servers.start(f"127.0.0.1:{port}", RELEASE, workers=2, stdin=inherited)

        assert ask(context, f"127.0.0.1:{port}").outcome == "passed"


def test_a_process_with_locks_on_two_leases_is_of_the_other_release(
    context: Context, servers: Servers, port: int, tmp_path: Path
) -> None:
    other = str(tmp_path / "state" / "leases" / OLD)
    both = f"import fcntl; kept = open({other!r}); fcntl.flock(kept, fcntl.LOCK_SH)"
    pid = servers.start(f"127.0.0.1:{port}", RELEASE, before=both)

    assert f"process {pid} of {OLD} listens there" in ask(context, f"127.0.0.1:{port}").output


def test_the_folder_of_leases_may_be_a_link(
    context: Context, servers: Servers, port: int, tmp_path: Path
) -> None:
    os.rename(tmp_path / "state", tmp_path / "elsewhere")
    (tmp_path / "state").symlink_to("elsewhere")
    servers.start(f"127.0.0.1:{port}", OLD)

    assert f" of {OLD} listens there" in ask(context, f"127.0.0.1:{port}").output


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_an_old_service_that_answers_fails(
    context: Context, servers: Servers, port: int, tmp_path: Path, kind: str
) -> None:
    where = f"{tmp_path}/s.sock" if kind == "unix" else f"127.0.0.1:{port}"
    old = servers.start(where, OLD, workers=1)

    result = ask(context, f"unix:{where}:/" if kind == "unix" else where)

    assert result.outcome == "failed"
    assert f" of {OLD} listens there" in result.output
    assert old


def test_an_old_service_whose_socket_lost_its_name_is_not_asked_about(
    context: Context, servers: Servers, tmp_path: Path
) -> None:
    servers.start(f"{tmp_path}/s.sock", OLD)
    servers.start(f"{tmp_path}/s.sock", RELEASE, workers=1)
    (tmp_path / "live.sock").symlink_to("s.sock")

    assert ask(context, f"unix:{tmp_path}/s.sock:/").outcome == "passed"
    assert ask(context, f"unix:{tmp_path}/live.sock:/").outcome == "passed"


def test_a_socket_that_was_renamed_is_known_by_the_process_that_listens(
    context: Context, servers: Servers, tmp_path: Path
) -> None:
    servers.start(f"{tmp_path}/new.sock", RELEASE)
    os.rename(tmp_path / "new.sock", tmp_path / "s.sock")

    assert ask(context, f"unix:{tmp_path}/s.sock:/").outcome == "passed"


def test_where_nobody_listens_the_connection_fails_first(
    context: Context, servers: Servers, port: int, tmp_path: Path
) -> None:
    assert ask(context, f"127.0.0.1:{port}").output == f"connection refused by 127.0.0.1:{port}"
    assert ask(context, f"unix:{tmp_path}/s.sock:/").output == f"there is no socket {tmp_path}/s.sock"


def test_an_answer_from_another_host_is_from_no_process_of_this_one(context: Context) -> None:
    problem = foreign_listener(Peer(address="192.0.2.1", port=80), context)

    assert problem == "no process of this host listens there"


def test_a_failing_answer_is_reported_as_without_it(context: Context, servers: Servers, port: int) -> None:
    servers.start(f"127.0.0.1:{port}")

    result = ask(context, f"http://127.0.0.1:{port}/", status=(204,))

    assert result.output == f"HTTP 200 instead of 204 from http://127.0.0.1:{port}/"


@as_root_only
def test_another_users_service_is_known_by_its_lease_on_a_unix_socket_alone(port: int) -> None:
    root = Path(tempfile.mkdtemp(dir="/tmp"))
    root.chmod(0o755)
    servers = Servers(root)
    try:
        new = servers.start(f"{root}/s.sock", RELEASE)
        old = servers.start(f"{root}/old.sock", OLD)
        servers.start(f"127.0.0.1:{port}", RELEASE)

        def act(folder: Path) -> None:
            context = Context(
                root=str(root),
                release_id=RELEASE,
                release_path=str(root / "releases" / RELEASE),
                previous_id=None,
                event="check",
                environ={},
                log_dir=str(folder),
                leases=str(root / "state" / "leases"),
                signals=Signals(),
            )

            def told(**peer: Any) -> str:
                return foreign_listener(Peer(**peer), context)

            assert told(socket=f"{root}/s.sock", pid=new) == ""
            assert told(socket=f"{root}/old.sock", pid=old) == f"process {old} of {OLD} listens there"
            unknown = "the host does not tell which process listens there"
            assert told(address="127.0.0.1", port=port) == f"{unknown}; {REMEDY}"
            unknown = "the host does not tell what process 1 of user root runs from"
            assert told(socket=f"{root}/s.sock", pid=1) == f"{unknown}; {REMEDY}"

        unprivileged(act)
    finally:
        servers.end()
        remove_tree(root)
