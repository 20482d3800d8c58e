"""The variables of hooks, checks and `run`: who gets them, whose file counts, where no value of theirs is."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.processes import ProcessList
from tests.support.roots import Site
from tests.support.users import NOBODY, as_root_only
from venvship.errors import RolledBackError, SettingsError, UntrustedError

SECRET = "canary-9f27c1d4-of-the-shop"
PASSWORD = "pw-5531-of-the-db"

SHOUTING = (
    """["python", "-c", "import os; s = os.environ['CANARY']; """
    """print(s, 'x' * 70000, s, os.environ['DB'], flush=True); {end}"]"""
)
"""A command that prints secrets, in more than one chunk."""


@pytest.fixture
def env_file(site: Site, tmp_path: Path) -> Path:
    path = tmp_path / "shop.env"
    path.write_text(f'# of the unit\nCANARY="{SECRET}"\nDB=postgres://u:{PASSWORD}@db/x\nMODE=file\n')
    path.chmod(0o600)
    return path


@pytest.fixture
def log(tmp_path: Path) -> Iterator[socket.socket]:
    """The system's log, as a socket that takes everything."""
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as server:
        server.bind(str(tmp_path / "syslog"))
        server.setblocking(False)
        yield server


def heard(log: socket.socket) -> str:
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            found.append(log.recv(65536).decode())
    return "\n".join(found)


def below(root: Path, *texts: str) -> list[str]:
    """The files below a root, its logs included, that hold one of the texts."""
    return [
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink() and any(t.encode() in path.read_bytes() for t in texts)
    ]


def test_hooks_checks_and_run_get_the_variables_and_the_file_wins(
    site: Site, env_file: Path, tmp_path: Path
) -> None:
    told = tmp_path / "told"

    def note(name: str) -> str:
        return f"""["sh", "-c", 'echo "{name} $MODE $ONLY $HOME ${{CANARY#canary-}}" >> {told}']"""

    hooks = "".join(f"{name} = {note(name)}\n" for name in ("prepare", "restart", "notify"))
    site.settings(
        f'env_file = "{env_file}"\n[env]\nMODE = "table"\nONLY = "here"\nHOME = "/h"\n[hooks]\n{hooks}'
        f"[[check]]\nname = 'asks'\ncommand = {note('check')}\n"
    )
    assert site.run("release").code == 0
    ran = site.run("run", "--", "sh", "-c", 'echo "$MODE $ONLY $CANARY"')
    assert ran.out == f"file here {SECRET}\n"
    tail = SECRET.removeprefix("canary-")
    order = ("prepare", "restart", "check", "notify")
    assert told.read_text().splitlines() == [f"{name} file here /h {tail}" for name in order]


def test_an_import_check_gets_them_and_a_build_does_not(site: Site, env_file: Path) -> None:
    site.settings(
        f'env_file = "{env_file}"\n[env]\nPIP_NO_INDEX = "0"\nPIP_FIND_LINKS = "/no/such/place"\n'
        "[[check]]\nname = 'imports'\nwhen = 'candidate'\nimport = ['app']\n"
    )
    env_file.write_text("PIP_REQUIRE_VIRTUALENV=nonsense\n")
    assert site.run("release").code == 0


@pytest.mark.parametrize("failing", ["none", "candidate", "prepare", "restart", "check"])
def test_the_values_of_the_file_are_nowhere_below_the_root_and_in_no_output(
    site: Site, env_file: Path, tmp_path: Path, log: socket.socket, failing: str
) -> None:
    def shouting(name: str) -> str:
        return SHOUTING.replace("{end}", "raise SystemExit('last words: ' + s)" if name == failing else "")

    site.settings(
        f'env_file = "{env_file}"\n[hooks]\n'
        + "".join(f"{name} = {shouting(name)}\n" for name in ("prepare", "restart"))
        + f"notify = ['sh', '-c', 'cat > {tmp_path}/told; echo $CANARY']\n"
        + "".join(
            f"[[check]]\nname = '{name}'\nwhen = '{when}'\ndeadline = 0\ncommand = {shouting(name)}\n"
            for name, when in (("candidate", "candidate"), ("check", "live"))
        )
    )
    env = {"VENVSHIP_SYSLOG": str(tmp_path / "syslog")}
    watching = ProcessList(SECRET)
    watching.start()
    try:
        done = [
            site.run("release", "--json", env=env),
            site.run("-v", "release", "--rebuild", "--force", env=env),
        ]
    finally:
        watching.stop()
    codes = {"none": 0, "candidate": 21, "prepare": 21, "restart": 22, "check": 22}
    assert [one.code for one in done] == [codes[failing]] * 2, done[0].err
    done += [site.run("check", "--json"), site.run("history", "--json"), site.run("status", "--json")]
    if failing != "none":
        output = done[0].json["error"]["output"]
        assert output == "last words: ****" or (failing == "restart" and set(output[12:]) == {"*"})
        shown = site.type("release", "--rebuild", "--force")
        assert "last words: " in shown.text
        assert SECRET not in shown.text
    for one in done:
        assert SECRET not in one.out + one.err
        assert PASSWORD not in one.out + one.err
    assert below(site.path, SECRET, PASSWORD) == []
    assert any("x" * 60000 in path.read_text() for path in (site.path / "log").rglob("*.txt"))
    assert SECRET not in (tmp_path / "told").read_text()
    assert SECRET not in heard(log)
    assert watching.looks > 3
    assert watching.found == []


def test_what_a_service_answers_is_redacted_too(site: Site, env_file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        child = os.fork()
        if child == 0:
            while True:
                with server.accept()[0] as peer, contextlib.suppress(OSError):
                    peer.recv(4096)
                    body = f"debug page: {SECRET}"
                    peer.sendall(f"HTTP/1.0 500 {SECRET}\r\nX-Key: {SECRET}\r\n\r\n{body}".encode())
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        site.settings(f'env_file = "{env_file}"\n[[check]]\nname = "asks"\ndeadline = 0\nhttp = "{url}"\n')
        try:
            done = site.run("release", "--json")
        finally:
            os.kill(child, 9)
            os.waitpid(child, 0)
    assert done.code == 22
    assert SECRET not in done.out + done.err
    assert below(site.path, SECRET) == []
    log = site.path / "log" / done.data["release"]["id"] / "asks.txt"
    assert "debug page: ****" in log.read_text()


def test_the_settings_that_are_kept_have_the_table_and_of_the_file_the_path(
    site: Site, env_file: Path
) -> None:
    site.settings(f'env_file = "{env_file}"\n[env]\nSHOP_MODE = "production"\n')
    site.release("1.0")
    kept = (site.path / "state" / "settings.toml").read_text()
    assert f'env_file = "{env_file}"' in kept
    assert 'SHOP_MODE = "production"' in kept


def test_a_file_that_is_not_there_is_refused_before_anything_is_built(site: Site) -> None:
    site.release("1.0")
    site.settings('env_file = "shop.env"\n[hooks]\nrestart = ["true"]\n')
    site.lock("1.1")
    for command in ("release", "update", "check", "run -- true"):
        done = site.run(*command.split())
        assert done.code == 10, command
        assert f"env_file: cannot read {site.path}/shop.env: No such file or directory" in done.err
    assert site.events().count("sealed") == 1


@pytest.mark.parametrize(
    ("data", "problem"),
    [(b"A=1\nB=\xff\n", "is not UTF-8, in line 2"), (b"A=1\n\nB=\0\n", "has a NUL character, in line 3")],
)
def test_a_file_that_is_no_text_is_refused_and_not_quoted(site: Site, data: bytes, problem: str) -> None:
    (site.path / "shop.env").write_bytes(data)
    site.settings('env_file = "shop.env"\n')
    with pytest.raises(SettingsError) as caught:
        site.open().release()
    assert caught.value.message == f"env_file: {site.path}/shop.env {problem}"
    assert caught.value.__cause__ is None


def test_a_rollback_goes_on_without_the_file_and_says_so(site: Site, env_file: Path, tmp_path: Path) -> None:
    told = tmp_path / "told"
    site.settings(f"env_file = \"{env_file}\"\n[hooks]\nrestart = ['sh', '-c', 'echo $MODE. >> {told}']\n")
    first, _ = site.release("1.0"), site.release("1.1")
    env_file.unlink()
    done = site.run("rollback", "--json")
    assert done.code == 0, done.err
    assert site.current == first
    assert [one["slug"] for one in done.json["warnings"]] == ["env-file-unread"]
    assert told.read_text().splitlines() == ["file.", "file.", "."]


def test_a_file_that_goes_while_a_release_is_on_trial_takes_the_release_back(
    site: Site, env_file: Path
) -> None:
    site.settings(f"env_file = \"{env_file}\"\n[hooks]\nprepare = ['rm', '{env_file}']\nrestart = ['true']\n")
    done = site.run("release", "--json")
    assert done.code == 10
    assert site.current is None
    assert site.open().status().current is None


def test_names_that_are_venvships_are_passed_over_with_one_warning(site: Site, env_file: Path) -> None:
    env_file.write_text(f"PATH=/nowhere\nPYTHONPATH=/x\nA=1\n{SECRET}==\n")
    site.settings(f"env_file = \"{env_file}\"\n[hooks]\nprepare = ['sh', '-c', 'exit $PYTHONPATH']\n")
    done = site.run("release", "--json")
    assert done.code == 0, done.err
    assert done.json["warnings"] == [
        {
            "slug": "env-file-passed-over",
            "message": f"not passed on from {env_file}: PATH, PYTHONPATH: set by venvship itself; "
            "line 4: no name of a variable before the =",
        }
    ]


def test_a_change_of_the_table_ends_a_refusal_and_a_change_in_the_file_does_not(
    site: Site, env_file: Path
) -> None:
    refusing = "[[check]]\nname = 'it'\ndeadline = 0\ncommand = ['sh', '-c', 'test \"$MODE\" = good']\n"
    site.settings(f'[env]\nMODE = "bad"\n{refusing}')
    with pytest.raises(RolledBackError):
        site.open().release()
    assert site.run("release").code == 25
    site.settings(f'env_file = "{env_file}"\n{refusing}')
    assert site.run("release").code == 22
    env_file.write_text("MODE=good\n")
    assert site.run("release").code == 25, "nothing of the file is in the journal, not even a digest"
    site.settings(f'[env]\nMODE = "good"\n{refusing}')
    assert site.run("release").code == 0


@as_root_only
@pytest.mark.parametrize("kind", ["env_file", "ca"])
def test_a_file_that_others_can_write_is_not_used(site: Site, kind: str) -> None:
    path = site.path / "named"
    path.write_text("-----BEGIN CERTIFICATE-----\n")
    check = '[[check]]\nname = "it"\nhttp = "https://127.0.0.1:1/"\nca = "named"\n'
    site.settings('env_file = "named"\n' if kind == "env_file" else check)
    os.chown(path, NOBODY, NOBODY)
    with pytest.raises(UntrustedError) as caught:
        site.open().release()
    assert caught.value.exit_code == 12
    assert caught.value.data["path"] == str(path)
    assert f"{path} belongs to " in site.run("status").err


@pytest.mark.parametrize(
    ("text", "problem"), [(None, "cannot read {}: No such file"), ("x", "{} has no certificate in PEM form")]
)
def test_an_authority_that_is_none_is_refused_before_anything_is_built(
    site: Site, text: str | None, problem: str
) -> None:
    path = site.path / "own.pem"
    if text is not None:
        path.write_text(text)
    site.settings('[[check]]\nname = "it"\nhttp = "https://127.0.0.1:1/"\nca = "own.pem"\n')
    with pytest.raises(SettingsError) as caught:
        site.open().release()
    assert problem.format(path) in caught.value.message
    assert os.listdir(site.path / "log") == []
