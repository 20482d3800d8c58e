"""All that runs after a switch is loaded before it: venvship itself can be replaced in the meantime."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.test_start import interpreter_of_the_command
from tests.support.answers import released
from tests.support.roots import Site, finish
from tests.support.terminals import Terminal

AUDIT = """
import importlib.util, os, sys
record, hooked = sys.argv[1:3]
package = os.path.dirname(importlib.util.find_spec("venvship").origin)
switched = False
def note(name):
    with open(record, "a") as file:
        print(name, switched or os.path.exists(hooked), file=file)
def audit(event, arguments):
    global switched
    if event == "os.rename" and os.fspath(arguments[1]).endswith("/current"):
        switched = True
    if event == "open" and str(arguments[0]).startswith(package):
        note(arguments[0])
sys.addaudithook(audit)
class Recorder:  # a finder, since the audit event "import" misses `from package import module`
    @staticmethod
    def find_spec(name, path=None, target=None):
        note(name)
sys.meta_path.insert(0, Recorder)
sys.argv[:3] = ["venvship"]
from venvship.cli.main import main
main()
"""

SETTINGS = """
keep = 2
[hooks]
restart = ["sh", "-c", "touch {hooked}; {restart}"]
notify = ["true"]
[[check]]
name = "tcp"
tcp = "127.0.0.1:1"
required = false
deadline = 0
"""

BACK = "test $VENVSHIP_EVENT != promote"
KILL = "kill -9 $PPID; sleep 9"

COMMANDS = {
    "release": ([], ["release"], "", 0),
    "release, back": ([], ["release"], BACK, 22),
    "update": ([], ["update"], "", 0),
    "promote": ([], ["promote", "@{1}"], "", 0),
    "promote, back": ([], ["promote", "@{1}"], BACK, 22),
    "rollback": ([], ["rollback"], "", 0),
    "rollback, fails": ([], ["rollback"], "exit 1", 23),
    "rollback, on a terminal": ([], ["rollback"], "", 0),
    "release, back, on a terminal": ([], ["release"], BACK, 22),
    "recover": (["release"], ["recover"], "", 0),
    "recover, back": (["release"], ["recover"], BACK, 22),
    "recover at boot": (["release"], ["recover", "--boot"], "", 22),
    "recover a rollback": (["rollback"], ["recover"], "", 0),
}
"""The command that is killed before, if one is; the command; its restart hook; its exit code."""


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_is_imported_or_read_from_the_package_after_the_switch(
    stocked: Site, tmp_path: Path, name: str
) -> None:
    killed, line, restart, code = COMMANDS[name]
    site, hooked, record = stocked, tmp_path / "hooked", tmp_path / "record"
    released(site, "1.0", "1.1")
    site.lock("1.2")
    if killed:
        site.settings(SETTINGS.format(hooked=hooked, restart=KILL))
        assert site.run(*killed).code == -9
        hooked.unlink()
    (site.path / "state" / "reserve").unlink()
    site.settings(SETTINGS.format(hooked=hooked, restart=restart))

    argv = [interpreter_of_the_command(), "-c", AUDIT, str(record), str(hooked), *line]
    if name.endswith("terminal"):
        shown = Terminal(argv, env={**site.environment, "TERM": "xterm"}, cwd=site.path).finish()
        ended, said = shown.code, shown.text
    else:
        done = finish(*argv, cwd=site.path, env=site.environment)
        ended, said = done.code, done.err

    assert ended == code, said
    loaded = [entry.rsplit(" ", 1) for entry in record.read_text().splitlines()]
    names = {re.split("[./]", name.removesuffix(".py"))[-1] for name, _ in loaded}
    assert "loading" in names
    assert "network_worker" in names or "--boot" in line, "it asks over the network, and is read as text"
    assert [name for name, after in loaded if after == "True"] == []


def test_nothing_is_imported_after_a_relocation_has_moved_current(site: Site, tmp_path: Path) -> None:
    site.release("1.0")
    site, record = replace(site, path=site.path.rename(tmp_path / "moved")), tmp_path / "record"

    argv = [interpreter_of_the_command(), "-c", AUDIT, str(record), str(tmp_path / "no hook"), "relocate"]
    done = finish(*argv, cwd=site.path, env=site.environment)

    assert done.code == 0, done.err
    loaded = [entry.rsplit(" ", 1) for entry in record.read_text().splitlines()]
    assert "venvship.operations.relocate" in {name for name, _ in loaded}
    assert [name for name, after in loaded if after == "True"] == []
