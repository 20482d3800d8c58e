"""Each worker, daemon and job under systemd and supervisord, from what `venvship service` prints.

A switch restarts it by the hook of its page, with a task in hand. That task is ended by the release that
began it, and the command does not wait for it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.deployed import MANAGERS, REDIS, Deployed, reason_to_skip
from venvship.model.settings_form import toml_value

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "docs" / "_ext"))

from server_facts import WORKERS, WorkerFacts

pytestmark = pytest.mark.network

PAGES = Path(__file__).resolve().parent.parent.parent / "docs" / "how-to" / "servers"

SENT = {
    "celery": "import shop_celery; shop_celery.{name}.delay({words})",
    "dramatiq": "import shop_dramatiq; shop_dramatiq.{name}.send({words})",
    "rq": (
        "import os, redis, rq; broker = redis.from_url(os.environ['RQ_REDIS_URL']); "
        "rq.Queue(connection=broker).enqueue('shop.{name}', {words})"
    ),
}
"""How a task is sent."""

BEAT = "celery -A shop_celery beat"
DAEMON = "python -m shop_daemon"

each_manager = pytest.mark.parametrize("manager", MANAGERS)
each = pytest.mark.parametrize(("name", "facts"), WORKERS.items(), ids=WORKERS)


@dataclass
class Workplace:
    """Programs of the shop under a manager, with a broker.

    Attributes:
        deployed: The shop.
        manager: Who runs them.
        notes: The folder of their notes.
        variables: For them.
        names: The units or sections that are installed.
    """

    deployed: Deployed
    manager: str
    notes: Path
    variables: dict[str, str]
    names: list[str] = field(default_factory=list)

    @property
    def current(self) -> str:
        """The live release."""
        return os.path.basename(os.readlink(self.deployed.shop.path / "current"))

    @property
    def other(self) -> str:
        """The release that is not live."""
        (found,) = set(self.deployed.shop.releases) - {self.current}
        return found

    def configure(self, hook: list[str] | None = None) -> None:
        """Write the settings, with a restart hook."""
        lines = [f"{name} = {toml_value(value)}" for name, value in self.variables.items()]
        hooks = [] if hook is None else ["[hooks]", f"restart = {toml_value(hook)}", "timeout = 120"]
        self.deployed.configure("\n".join(["[env]", *lines, *hooks, ""]))

    def install(self, app: str, *options: str) -> list[str]:
        """Install what is printed for a program; returns the hook that is printed with it."""
        data = self.deployed.install(self.manager, app, *options)
        self.names.append(Path(data["files"][0]["path"]).stem)
        hooks = tomllib.loads(data["settings"]).get("hooks", {})
        restart: list[str] = hooks.get("restart", [])
        return restart

    @contextmanager
    def drop_in(self, line: str) -> Iterator[None]:
        """Have a setting in a drop-in of the unit that was installed first."""
        folder = self.deployed.there(f"/etc/systemd/system/{self.names[0]}.service.d")
        folder.mkdir()
        (folder / "own.conf").write_text(f"[Service]\n{line}\n")
        self.deployed.run("systemctl", "daemon-reload")
        yield
        shutil.rmtree(folder)

    @contextmanager
    def running(self, *, jobs: bool = False) -> Iterator[None]:
        """Start what is installed, unless it is a job, and stop it afterwards, whatever it does."""
        with self.deployed.running(self.manager):
            try:
                for name in self.names if self.manager == "systemd" and not jobs else ():
                    self.deployed.run("systemctl", "start", name)
                yield
            finally:
                for name in self.names if self.manager == "systemd" else ():
                    self.deployed.host.run("systemctl", "kill", "--signal=KILL", name)
                    self.deployed.host.run("systemctl", "stop", name)
                    self.deployed.host.run("systemctl", "reset-failed", name)

    def send(self, kind: str, name: str, *words: object) -> None:
        """Send a task."""
        variables = [f"{variable}={value}" for variable, value in self.variables.items()]
        script = SENT[kind].format(name=name, words=", ".join(map(repr, words)))
        self.deployed.run("env", *variables, f"{self.deployed.shop.path}/current/bin/python", "-c", script)

    def noted(self, kind: str) -> list[str]:
        """The releases that have noted something, in order."""
        return [path.read_text() for path in sorted(self.notes.glob(f"{kind}-*[0-9]"))]

    def wait_for(self, kind: str, *releases: str) -> None:
        """Wait until something is noted as often, and by these releases."""
        self.deployed.wait(lambda: len(self.noted(kind)) >= len(releases), f"not {kind}: {self.told()}")
        assert self.noted(kind) == list(releases), self.told()

    def let_go(self) -> None:
        """Let the tasks end that wait for it."""
        (self.notes / "go").touch()

    def main_pid(self) -> str:
        """The first process of what was installed first."""
        return self.deployed.main_pid(self.manager, self.names[0])

    def processes(self) -> set[str]:
        """All processes of what was installed first."""
        return self.deployed.processes(self.manager, self.names[0])

    def release(self) -> str | None:
        """The release that the first process runs from, as `venvship ps` tells; `None` for none."""
        processes = json.loads(self.deployed.venvship("ps", "--json"))["data"]["processes"]
        first = self.main_pid()
        return next((one["release"] for one in processes if str(one["pid"]) == first), None)

    def told(self) -> str:
        """The end of the output of what was installed first."""
        asked = {
            "systemd": ("systemctl", "status", "--full", "--lines=30", self.names[0]),
            "supervisor": ("supervisorctl", "tail", self.names[0]),
        }[self.manager]
        return self.deployed.host.run(*asked).stdout


@pytest.fixture
def workplace(
    deployed: Deployed, manager: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workplace]:
    """A place without programs yet, with a redis of its own."""
    if reason := reason_to_skip(manager):
        pytest.skip(reason)
    if shutil.which("redis-server") is None:
        pytest.skip("there is no redis-server: apt-get install redis-server")
    notes = deployed.base / f"notes-{len(list(deployed.base.iterdir()))}"
    notes.mkdir()
    with deployed.redis():
        yield Workplace(deployed, manager, notes, {"SHOP_NOTES": str(notes)})


def use(workplace: Workplace, kind: str) -> None:
    """Have the programs find their broker."""
    workplace.variables["RQ_REDIS_URL"] = f"unix://{REDIS}"
    workplace.variables["SHOP_BROKER"] = f"{'redis+socket' if kind == 'celery' else 'unix'}://{REDIS}"
    workplace.configure()


def hook_of_page(name: str) -> list[str]:
    """The restart hook that a page tells."""
    text = (PAGES / f"{name}.md").read_text()
    found = re.search(r"```toml\n(.*?)```", text, re.DOTALL)
    assert found is not None
    hook: list[str] = tomllib.loads(found[1])["hooks"]["restart"]
    return hook


# -- workers ------------------------------------------------------------------------------------------------


@each_manager
@each
def test_a_switch_restarts_a_worker_that_has_a_task_in_hand(
    workplace: Workplace, name: str, facts: WorkerFacts
) -> None:
    use(workplace, name)
    hook = workplace.install(facts.app)
    if workplace.manager == "systemd":
        hook = hook_of_page(name)
        if name == "celery":
            workplace.install(BEAT)
    elif name == "rq":
        assert hook == hook_of_page("index")
    workplace.configure(hook)
    old, new = workplace.current, workplace.other
    with workplace.running():
        workplace.send(name, "hold")
        workplace.wait_for("held", old)
        began = workplace.main_pid()
        workplace.deployed.venvship("promote", "--force", new)
        assert (workplace.current, workplace.noted("let-go")) == (new, [])
        assert workplace.main_pid() == began, "it was not let end its task"
        workplace.send(name, "work", 0)
        workplace.let_go()
        workplace.wait_for("let-go", old)
        workplace.deployed.wait(lambda: workplace.main_pid() not in {began, "0"}, "it is not started again")
        workplace.deployed.wait(lambda: workplace.noted("done"), "a task that was sent meanwhile is lost")
        workplace.send(name, "work", 0)
        workplace.deployed.wait(lambda: len(workplace.noted("done")) == 2, workplace.told())
        assert workplace.noted("done")[1] == new
        assert workplace.noted("held") == [old], "the task is begun twice"


@each_manager
@each
def test_a_reload_after_a_switch(workplace: Workplace, name: str, facts: WorkerFacts) -> None:
    use(workplace, name)
    workplace.install(facts.app)
    old, new = workplace.current, workplace.other
    with workplace.running():
        workplace.send(name, "work", 0)
        workplace.wait_for("done", old)
        began, before = workplace.main_pid(), workplace.processes()
        workplace.deployed.venvship("promote", "--force", new)
        workplace.deployed.signal(workplace.manager, workplace.names[0], "HUP")
        if facts.hup == "ends":
            workplace.deployed.wait(
                lambda: workplace.main_pid() not in {began, "0"}, "the manager does not start it again"
            )
        else:
            workplace.deployed.wait(lambda: not workplace.processes() & before - {began}, "no reload")
            assert workplace.main_pid() == began
        workplace.send(name, "work", 0)
        workplace.wait_for("done", old, {"reloads": old, "renews": new, "ends": new}[facts.hup])


ONE = f"{WORKERS['celery'].app} --concurrency 2"


@pytest.mark.parametrize("manager", ["systemd"])
def test_celery_gives_a_long_task_back_with_the_settings_of_its_page(workplace: Workplace) -> None:
    workplace.variables |= {"SHOP_SOFT": "2", "SHOP_LATE": "1"}
    use(workplace, "celery")
    workplace.configure(workplace.install(ONE))
    old, new = workplace.current, workplace.other
    with workplace.drop_in("KillSignal=SIGQUIT"), workplace.running():
        workplace.send("celery", "hold")
        workplace.wait_for("held", old)
        workplace.deployed.venvship("promote", "--force", new)
        workplace.wait_for("held", old, new)
        workplace.let_go()
        workplace.wait_for("let-go", new)


@pytest.mark.parametrize("manager", ["systemd"])
def test_a_task_is_killed_that_takes_longer_than_the_unit_allows(workplace: Workplace) -> None:
    use(workplace, "celery")
    workplace.configure(workplace.install(ONE))
    old, new = workplace.current, workplace.other
    allowed = ("systemctl", "show", "--value", "-p", "TimeoutStopUSec", workplace.names[0])
    assert workplace.deployed.run(*allowed).strip() == "10min"
    with workplace.drop_in("TimeoutStopSec=2"), workplace.running():
        workplace.send("celery", "hold")
        workplace.wait_for("held", old)
        began = workplace.main_pid()
        workplace.deployed.venvship("promote", "--force", new)
        # Not before: what the old one has just taken from the broker is lost with it.
        workplace.deployed.wait(lambda: workplace.main_pid() not in {began, "0"}, "it is not killed")
        workplace.send("celery", "work", 0)
        workplace.wait_for("done", new)
        assert workplace.noted("let-go") == []


@each_manager
def test_a_switch_restarts_the_scheduler_which_keeps_its_schedule(workplace: Workplace) -> None:
    use(workplace, "celery")
    hook = workplace.install(BEAT)
    workplace.configure(hook_of_page("celery")[:-2] + hook[-1:] if workplace.manager == "systemd" else hook)
    old, new = workplace.current, workplace.other
    if workplace.manager == "supervisor":
        workplace.deployed.run("install", "-d", "/var/lib/shop")
    with workplace.running():
        workplace.deployed.wait(lambda: workplace.release() == old, "it is not started")
        began = workplace.main_pid()
        schedule = workplace.deployed.there("/var/lib/shop")
        workplace.deployed.wait(lambda: list(schedule.glob("celerybeat-schedule*")), "it has no schedule")
        workplace.deployed.venvship("promote", "--force", new)
        workplace.deployed.wait(lambda: workplace.main_pid() not in {began, "0"}, "it is not restarted")
        workplace.deployed.wait(lambda: workplace.release() == new, "it is not of the new release")
    root = workplace.deployed.shop.path
    assert not [path for path in root.rglob("celerybeat*") if "site-packages" not in path.parts]


# -- what is no worker of a library -------------------------------------------------------------------------


@each_manager
@pytest.mark.parametrize("handles", [False, True], ids=["plain", "handler"])
def test_a_switch_ends_a_daemon_at_once_unless_it_handles_sigterm(
    workplace: Workplace, handles: bool
) -> None:
    workplace.configure()
    workplace.configure(workplace.install(f"{DAEMON} --handles" if handles else DAEMON))
    old, new = workplace.current, workplace.other
    with workplace.running():
        workplace.wait_for("begun", old)
        workplace.deployed.venvship("promote", "--force", new)
        workplace.wait_for("begun", old, new)
        assert workplace.noted("ended") == ([old] if handles else [])
        workplace.deployed.wait(lambda: workplace.main_pid() != "0", "it does not run")
        workplace.deployed.signal(workplace.manager, workplace.names[0], "HUP")
        workplace.wait_for("begun", old, new, new)
        assert workplace.noted("done") == []


@pytest.mark.parametrize("manager", ["systemd"])
def test_no_switch_restarts_a_job_and_the_next_one_is_of_the_live_release(workplace: Workplace) -> None:
    workplace.configure()
    assert workplace.install(f"{DAEMON} --once", "--job") == []
    (unit,) = workplace.names
    start = ("systemctl", "--no-block", "start", unit)
    old, new = workplace.current, workplace.other
    with workplace.running(jobs=True):
        workplace.deployed.run(*start)
        workplace.wait_for("begun", old)
        began = workplace.main_pid()
        workplace.deployed.venvship("promote", "--force", new)
        assert workplace.main_pid() == began
        workplace.let_go()
        workplace.wait_for("done", old)
        workplace.deployed.wait(lambda: workplace.main_pid() == "0", "it does not end")
        (workplace.notes / "go").unlink()
        workplace.deployed.run(*start)
        workplace.wait_for("begun", old, new)
        workplace.deployed.run("systemctl", "stop", unit)
        workplace.let_go()
        workplace.deployed.run("systemctl", "start", unit)
        workplace.wait_for("done", old, new)
        assert workplace.noted("begun") == [old, new, new]
