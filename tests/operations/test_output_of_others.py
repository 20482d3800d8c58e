"""Words of hooks, checks and services stay in `log/` and on a terminal: nothing that others read has them."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.roots import Finished, Site

WORDS = "xyzzy-words-of-a-program"

LOUD = "command = ['sh', '-c', 'cat {tmp}/words; exit 4']\n"
"""From a file: the settings are the user's own words."""

KINDS = {
    "restart": (
        "[hooks]\nrestart = ['sh', '-c', 'case $VENVSHIP_EVENT in promote) cat {tmp}/words; exit 3; esac']\n",
        22,
        "the restart hook failed: exit 3",
    ),
    "prepare": (
        "[hooks]\nprepare = ['sh', '-c', 'cat {tmp}/words; exit 5']\n",
        21,
        "the prepare hook refused: exit 5",
    ),
    "candidate": (f"[[check]]\nname = 'self'\nwhen = 'candidate'\n{LOUD}", 21, "check 'self' failed: exit 4"),
    "http": (
        "[[check]]\nname = 'asks'\ndeadline = 0\nhttp = 'http://127.0.0.1:{port}/x?key=" + WORDS + "'\n",
        23,
        "check 'asks' failed: no proper answer from http://127.0.0.1:{port}/x?****: BadStatusLine",
    ),
}


@pytest.fixture
def log(tmp_path: Path) -> Iterator[socket.socket]:
    """The system's log, as a socket that takes everything."""
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as server:
        server.bind(str(tmp_path / "syslog"))
        server.setblocking(False)
        yield server


@pytest.fixture
def babbling() -> Iterator[int]:
    """A service that answers with its words, and no HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        child = os.fork()
        if child == 0:
            while True:
                with server.accept()[0] as peer, contextlib.suppress(OSError):
                    peer.sendall(f"{WORDS}\r\n".encode())
                    peer.recv(4096)
        yield server.getsockname()[1]
        os.kill(child, 9)
        os.waitpid(child, 0)


def heard(log: socket.socket) -> str:
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            found.append(log.recv(4096).decode())
    return "\n".join(found)


def readable_by_others(site: Site) -> dict[str, bytes]:
    """What another user can read of the root, but for the settings, which are the user's own words."""
    found = {}
    for folder, folders, names in os.walk(site.path):
        folders[:] = [f for f in folders if os.stat(f"{folder}/{f}").st_mode & stat.S_IXOTH]
        for name in names:
            path = Path(folder, name)
            if name != "venvship.toml" and path.is_file() and path.stat().st_mode & stat.S_IROTH:
                found[str(path.relative_to(site.path))] = path.read_bytes()
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_no_words_of_a_failing_program_get_to_where_others_read(
    site: Site, tmp_path: Path, log: socket.socket, babbling: int, kind: str
) -> None:
    (tmp_path / "words").write_text(f"{WORDS}\n")

    def filled(text: str) -> str:
        return text.replace("{port}", str(babbling)).replace("{tmp}", str(tmp_path))

    settings, code, problem = KINDS[kind]
    settings, problem = filled(settings), filled(problem)
    hooks = filled("notify = ['sh', '-c', 'cat >> {tmp}/told; cat {tmp}/words; exit 1']\n")
    others = filled(f"[[check]]\nname = 'nice'\nwhen = 'candidate'\nrequired = false\n{LOUD}")
    site.release("1.0")
    heads = f"[hooks]\n{hooks}" if "[hooks]" not in settings else ""
    site.settings(heads + settings.replace("[hooks]\n", f"[hooks]\n{hooks}") + others)
    site.lock("1.1")

    def said(done: Finished) -> str:
        return done.out + done.err

    env = {"VENVSHIP_SYSLOG": str(tmp_path / "syslog")}
    released = site.run("release", env=env)
    assert released.code == code, said(released)
    again = [site.run(*line, env=env) for line in (["update"], ["status"], ["history"], ["list"])]

    assert problem in said(released)
    assert WORDS not in "".join(map(said, [released, *again]))
    assert WORDS not in (tmp_path / "told").read_text()
    assert problem in (tmp_path / "told").read_text()
    lines = heard(log)
    assert WORDS not in lines
    assert problem in lines
    assert not [name for name, text in readable_by_others(site).items() if WORDS.encode() in text]
    where = next(line for line in said(released).splitlines() if line.startswith("  log: "))
    assert WORDS in Path(where.removeprefix("  log: ")).read_text()
    # The reason that `history` and others have says where to look.
    assert f"its output is in {Path(where.removeprefix('  log: ')).relative_to(site.path)}" in said(again[2])


def test_json_has_the_words_apart_from_the_message_and_so_has_a_terminal(site: Site, tmp_path: Path) -> None:
    (tmp_path / "words").write_text(f"{WORDS}\n")
    loud = LOUD.replace("{tmp}", str(tmp_path))
    site.settings(f"[[check]]\nname = 'self'\nwhen = 'candidate'\n{loud}")
    site.lock("1.0")
    done = site.run("release", "--json")
    assert WORDS not in done.json["error"]["message"]
    assert done.json["error"]["output"] == WORDS
    shown = site.type("release").text
    assert f"output: {WORDS}" in shown


def test_a_terminal_gets_the_words_redacted(site: Site) -> None:
    line = "echo token=tok-77 at https://u:pw@h/p?q=1 and $SHOP_PASSWORD; exit 1"
    site.settings(f"[[check]]\nname = 'self'\nwhen = 'candidate'\ncommand = ['sh', '-c', '{line}']\n")
    site.lock("1.0")
    done = site.run("release", "--json", env={"SHOP_PASSWORD": "correct horse"})
    assert done.json["error"]["output"] == "token=**** at https://****@h/p?**** and ****"
